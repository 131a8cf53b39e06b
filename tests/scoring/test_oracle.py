"""One field is made right, and the others stay."""

from __future__ import annotations

from typing import Any

from fieldsmith.schema.records import first_problem
from fieldsmith.scoring.oracle import corrected, record_parts

ITEM: dict[str, Any] = {
    "type": "object",
    "required": ["name", "kind"],
    "x-key": ["name"],
    "properties": {
        "name": {"type": "string"},
        "kind": {"enum": ["toy", "tool"]},
        "year": {"type": ["string", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "note": {"type": ["string", "null"], "x-score": "none"},
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "$defs": {"thing": ITEM},
    "properties": {
        "title": {"type": ["string", "null"]},
        "names": {"type": "array", "items": {"type": "string"}},
        "maker": {
            "type": ["object", "null"],
            "required": ["city", "state"],
            "properties": {"city": {"type": "string"}, "state": {"type": "string"}},
        },
        "things": {"type": "array", "items": {"$ref": "#/$defs/thing"}},
        "remark": {"type": ["string", "null"], "x-score": "none"},
    },
}
GOLD: dict[str, Any] = {
    "title": "On foxes",
    "maker": {"city": "Ulm", "state": "BW"},
    "things": [
        {"name": "kite", "kind": "toy", "year": "1990", "tags": ["air"]},
        {"name": "saw", "kind": "tool", "year": None, "tags": []},
        {"name": "drill", "kind": "tool", "year": "2001", "tags": []},
    ],
}
FOUND: dict[str, Any] = {
    "title": None,
    "names": ["Ada"],
    "maker": {"city": "Bonn", "state": "BW"},
    "things": [
        {"name": "a saw", "kind": "toy", "year": "1800", "tags": []},
        {"name": "kite", "kind": "tool", "year": "1990", "tags": []},
        {"name": "entirely different", "kind": "toy", "year": None, "tags": []},
    ],
}


def parts() -> dict[str, Any]:
    return {part.name: part for part in record_parts(SCHEMA)}


def made_right(name: str, record: dict[str, Any] | None = FOUND) -> dict[str, Any]:
    made = corrected(record, GOLD, parts()[name], SCHEMA)
    assert first_problem(made, SCHEMA) is None
    return made


def test_parts_are_named_as_fields_are() -> None:
    assert list(parts()) == [
        "title", "names", "maker/city", "maker/state", "things", "things/kind", "things/year",
        "things/tags",
    ]  # fmt: skip


def test_a_value_is_that_of_the_gold_and_the_others_stay() -> None:
    assert made_right("title") == {**FOUND, "title": "On foxes"}
    assert made_right("maker/city") == {**FOUND, "maker": GOLD["maker"]}
    assert FOUND["title"] is None, "the prediction itself is not changed"


def test_what_the_gold_does_not_annotate_stays() -> None:
    assert made_right("names") == FOUND


def test_an_object_that_is_missing_comes_whole() -> None:
    assert made_right("maker/city", {**FOUND, "maker": None})["maker"] == GOLD["maker"]


def test_the_right_objects_keep_what_was_predicted_of_them() -> None:
    assert made_right("things")["things"] == [
        {"name": "kite", "kind": "tool", "year": "1990", "tags": []},
        {"name": "saw", "kind": "toy", "year": "1800", "tags": []},  # of the name most like it
        {"name": "drill", "kind": "tool", "year": None, "tags": []},  # a kind is required
    ]


def test_a_property_is_right_in_the_objects_that_both_have() -> None:
    things = made_right("things/kind")["things"]
    assert [thing["kind"] for thing in things] == ["tool", "toy", "toy"]
    assert [thing["name"] for thing in things] == [thing["name"] for thing in FOUND["things"]]


def test_without_a_record_one_field_alone_is_there() -> None:
    assert made_right("title", None) == {
        "title": "On foxes", "names": [], "maker": None, "things": [], "remark": None,
    }  # fmt: skip


def test_a_schema_that_contains_itself_ends() -> None:
    node: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}}}
    node["properties"]["inner"] = {"$ref": "#"}
    assert 1 < len(record_parts(node)) < 20
