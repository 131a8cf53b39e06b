"""One value of a record is changed as the schema has it; what is wrong with the result is said."""

from __future__ import annotations

from typing import Any

import pytest

from fieldsmith.review.editing import checked, with_item, with_value, without_value

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["pages", "names"],
    "properties": {
        "title": {"type": ["string", "null"], "x-source": "verbatim"},
        "pages": {"type": ["integer", "null"]},
        "names": {"type": "array", "items": {"type": "string", "x-source": "verbatim"}},
        "sets": {"type": "array", "items": {"$ref": "#/$defs/set"}},
        "size": {"type": "string"},
    },
    "$defs": {
        "set": {
            "type": "object",
            "required": ["n"],
            "properties": {
                "n": {"type": ["integer", "null"]},
                "name": {"type": ["string", "null"], "x-source": "verbatim"},
                "kinds": {"type": "array", "items": {"type": "string"}},
            },
        }
    },
}
EMPTY: dict[str, Any] = {"title": None, "pages": None, "names": [], "sets": []}


@pytest.mark.parametrize(
    ("pointer", "value", "changed"),
    [
        ("/title", "Old maps", {"title": "Old maps"}),
        ("/title", "7", {"title": "7"}),
        ("/pages", "7", {"pages": 7}),
        ("/pages", "null", {"pages": None}),
        ("/size", "large", {"size": "large"}),
        ("/names", "Ann", {"names": ["Ann"]}),
    ],
)
def test_a_value_is_set_as_its_type(pointer: str, value: str, changed: dict[str, Any]) -> None:
    assert with_value(EMPTY, pointer, value, SCHEMA) == EMPTY | changed
    assert EMPTY["title"] is None, "the record itself has not changed"


def test_an_item_is_added_also_to_a_list_that_is_absent() -> None:
    once = with_item({"pages": None}, "/names", "Ann", SCHEMA)
    assert with_item(once, "/names", "Bo", SCHEMA) == {"pages": None, "names": ["Ann", "Bo"]}
    with_set = with_item(EMPTY, "/sets", "Maps", SCHEMA)
    assert with_set["sets"] == [{"n": None, "name": "Maps", "kinds": []}]
    within = with_item(with_set, "/sets/0/kinds", "old", SCHEMA)
    assert within["sets"][0]["kinds"] == ["old"]
    assert with_item(EMPTY, "/sets", "", SCHEMA)["sets"][0]["name"] is None


def test_a_value_is_removed_as_the_schema_has_it() -> None:
    record = {"title": "Maps", "pages": 3, "names": ["Ann", "Bo"], "size": "large"}
    assert without_value(record, "/title", SCHEMA)["title"] is None
    assert without_value(record, "/names/0", SCHEMA)["names"] == ["Bo"]
    assert "size" not in without_value(record, "/size", SCHEMA)
    twice = without_value(without_value(record, "/title", SCHEMA), "/title", SCHEMA)
    assert "title" not in twice, "what is null already becomes absent"


@pytest.mark.parametrize("pointer", ["", "/", "/names/0", "/names/x", "/title/deep", "/sets/0/n"])
def test_what_is_not_there_is_said(pointer: str) -> None:
    with pytest.raises(ValueError, match="is not in the record"):
        without_value(EMPTY, pointer, SCHEMA)


def test_what_cannot_be_read_is_said() -> None:
    with pytest.raises(ValueError, match="'many': a value of type integer or null is wanted"):
        with_value(EMPTY, "/pages", "many", SCHEMA)
    with pytest.raises(ValueError, match="/title: is no list"):
        with_item(EMPTY, "/title", "Ann", SCHEMA)


def test_a_record_is_checked_by_schema_and_document() -> None:
    text = "Old maps, by Ann. Ann again."
    good = checked(
        EMPTY | {"title": "Old maps", "names": ["Ann"], "sets": [{"n": 1}]}, text, SCHEMA
    )
    assert good.problem == ""
    assert good.spans["/names/0"] == ((13, 16), (18, 21))
    assert good.absent == ("/sets/0/name", "/sets/0/kinds", "/size")
    other = checked(EMPTY | {"title": "old maps"}, text, SCHEMA)
    assert other.problem == "/title: does not stand in the document as it is; mark it in the text"
    assert checked({"names": []}, text, SCHEMA).problem.endswith("'pages' is a required property")
