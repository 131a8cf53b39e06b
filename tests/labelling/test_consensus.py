"""One record of several samples."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldsmith import Record, Schema
from fieldsmith.labelling.consensus import agreed
from fieldsmith.schema.records import first_problem

SCHEMA: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["title"],
    "properties": {
        "title": {"type": ["string", "null"]},
        "year": {"type": "integer"},
        "names": {"type": "array", "items": {"type": "string"}},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "x-key": ["name"],
                "properties": {"name": {"type": "string"}, "price": {"type": ["number", "null"]}},
            },
        },
    },
}


def test_the_most_frequent_value_is_kept_with_its_share() -> None:
    records: list[Record] = [{"title": "B"}, {"title": "A"}, {"title": "A"}, {"title": None}]
    found = agreed(records, 4, SCHEMA)
    assert found == ({"title": "A"}, {"/title": 0.5})


def test_equal_votes_go_to_the_first_sample() -> None:
    assert agreed([{"title": "B"}, {"title": "A"}], 2, SCHEMA).record == {"title": "B"}


def test_what_most_samples_lack_is_left_out() -> None:
    records: list[Record] = [
        {"title": None, "names": ["x", "y"], "year": 1},
        {"title": None, "names": ["X", "z"]},
        {"title": None, "names": ["X"]},
    ]
    found = agreed(records, 3, SCHEMA)
    assert found.record == {"title": None, "names": ["X"]}
    assert found.confidence == {"/names/0": 1.0}


def test_two_samples_that_differ_agree_on_nothing() -> None:
    found = agreed([{"title": None, "names": ["x"]}, {"title": None, "names": ["y"]}], 2, SCHEMA)
    assert found == ({"title": None, "names": []}, {})


def test_objects_are_the_same_by_their_key() -> None:
    records: list[Record] = [
        {"title": "A", "items": [{"name": "pen", "price": 1}, {"name": "ink", "price": 3}]},
        {"title": "A", "items": [{"name": "Pen", "price": 2}]},
        {"title": "A", "items": [{"name": "pen", "price": 1.0}]},
    ]
    found = agreed(records, 3, SCHEMA)
    assert found.record == {"title": "A", "items": [{"name": "pen", "price": 1}]}
    assert found.confidence["/items/0/price"] == pytest.approx(2 / 3)


def test_a_sample_without_a_record_agrees_on_nothing() -> None:
    found = agreed([{"title": "A"}, {"title": "A"}], 4, SCHEMA)
    assert found == ({"title": "A"}, {"/title": 0.5})


def test_one_sample_is_kept_whole() -> None:
    record: Record = {"title": "A", "names": ["x"]}
    assert agreed([record], 2, SCHEMA) == (record, {"/title": 0.5, "/names/0": 0.5})


def test_where_the_schema_refuses_the_votes_the_closest_sample_is_kept() -> None:
    names = SCHEMA["properties"]["names"]
    schema = {**SCHEMA, "properties": {**SCHEMA["properties"], "names": {**names, "minItems": 2}}}
    records: list[Record] = [
        {"title": "B", "names": ["p", "q"]},
        {"title": "A", "names": ["r", "s"]},
        {"title": "A", "names": ["t", "u"]},
    ]
    found = agreed(records, 3, schema)
    assert found.record == records[1]
    assert found.confidence["/title"] == pytest.approx(2 / 3)


TEXTS = st.sampled_from(["a", "A", "b", "c"])
RECORDS = st.fixed_dictionaries(
    {"title": st.none() | TEXTS},
    optional={
        "year": st.integers(0, 2),
        "names": st.lists(TEXTS, max_size=3),
        "items": st.lists(
            st.fixed_dictionaries(
                {"name": TEXTS}, optional={"price": st.sampled_from([None, 1, 2.5])}
            ),
            max_size=3,
        ),
    },
)


@given(records=st.lists(RECORDS, min_size=1, max_size=5), unread=st.integers(0, 2))
def test_a_consensus_is_valid_and_holds_what_samples_have(
    records: list[dict[str, Any]], unread: int
) -> None:
    found = agreed(records, len(records) + unread, SCHEMA)
    assert first_problem(found.record, SCHEMA) is None
    assert all(0 < share <= 1 for share in found.confidence.values())
    for name in ("title", "year"):
        if found.record.get(name) is not None:
            assert any(found.record[name] == each.get(name) for each in records)
    given_names = [name for each in records for name in each.get("names", ())]
    assert set(found.record.get("names", ())) <= set(given_names)
    same = agreed([records[0]] * 3, 3, SCHEMA)
    assert same.record.get("title") == records[0]["title"]
    assert set(same.confidence.values()) <= {1.0}
