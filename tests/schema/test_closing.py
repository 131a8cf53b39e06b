"""Objects of a schema are closed unless they say that they are not."""

from __future__ import annotations

from typing import Any

import pytest

from fieldsmith.schema.closing import closed

NAME: dict[str, Any] = {"properties": {"name": {"type": "string"}}}


@pytest.mark.parametrize(
    "place",
    [
        lambda part: part,
        lambda part: {"properties": {"a": part}},
        lambda part: {"properties": {"a": {"items": part}}},
        lambda part: {"$defs": {"a": part}},
        lambda part: {"anyOf": [{"type": "null"}, part]},
        lambda part: {"additionalProperties": part},
    ],
)
def test_an_object_that_names_its_keys_is_closed_wherever_it_is(place: Any) -> None:
    open_, shut = place(NAME), place({**NAME, "additionalProperties": False})
    assert closed(open_) == closed(shut)
    assert str(closed(open_)).count("additionalProperties': False") >= 1
    assert open_ == place(NAME), "the schema itself is not changed"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "string"},
        {**NAME, "additionalProperties": True},
        {**NAME, "additionalProperties": {"type": "integer"}},
        {**NAME, "patternProperties": {"^x": {"type": "string"}}},
        {**NAME, "unevaluatedProperties": False},
        {**NAME, "allOf": [{"properties": {"age": {"type": "integer"}}}]},
        {**NAME, "$ref": "#/$defs/more", "$defs": {}},
    ],
)
def test_what_says_otherwise_stays_as_it_is(schema: dict[str, Any]) -> None:
    assert closed(schema) == schema
