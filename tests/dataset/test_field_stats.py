"""Statistics of the fields of gold records."""

from __future__ import annotations

import pytest
from invented_plugins import NAMES

from fieldsmith.data import Record, Schema
from fieldsmith.dataset.field_stats import FieldStatistics


def test_fields_are_counted() -> None:
    schema: Schema = {
        "type": "object",
        "properties": {
            "names": {"type": "array", "items": {"type": "string"}},
            "place": {
                "type": ["object", "null"],
                "properties": {"city": {"type": "string"}, "here": {"type": "boolean"}},
            },
            "never": {"type": ["string", "null"]},
        },
    }
    statistics = FieldStatistics(schema)
    records: list[Record] = [
        {"names": ["Ada", "Bob"], "place": {"city": "Rome", "here": True}},
        {"names": [], "place": None, "never": None},
        {"place": {"city": "Rome"}},
        {"names": ["Eve", "x" * 100]},
    ]
    for record in records:
        statistics.add(record)
    found = statistics.as_json()
    assert list(found) == ["names", "place/city", "place/here", "never"]
    assert found["names"] == {
        "annotated": 3, "documents": 2, "empty": 1, "absent": 1, "filled": 0.5,
        "leaves": 4, "distinct": 4,
        "characters": {"median": 3, "longest": 100}, "dominant": [],
    }  # fmt: skip
    assert found["place/city"]["dominant"] == [{"value": "Rome", "share": 1.0}]
    assert found["place/here"]["leaves"] == 1
    assert found["never"]["annotated"] == 1
    assert found["never"]["documents"] == found["never"]["leaves"] == 0


def test_long_values_are_distinguished_by_more_than_is_shown() -> None:
    statistics = FieldStatistics(NAMES)
    statistics.add({"names": ["y" * 100, "y" * 101, "y" * 100]})
    (found,) = statistics.as_json()["names"]["dominant"]
    assert statistics.as_json()["names"]["distinct"] == 2
    assert found == {"value": "y" * 60 + "…", "share": pytest.approx(2 / 3, abs=1e-4)}
