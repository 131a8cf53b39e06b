"""Schemas that a grammar cannot enforce are refused by name."""

from __future__ import annotations

import pytest
from grammars import (
    VERBATIM,
    accepts,
    field,
    members,
)

from fieldsmith.data import Schema
from fieldsmith.decoding.grammar import check_schema
from fieldsmith.errors import SchemaError

# --- What is refused ---------------------------------------------------------------------------

LOOK_AROUND = {"type": "string", "pattern": "(?=a)b"}


@pytest.mark.parametrize(
    ("place", "keyword", "schema"),
    [
        # In a verbatim field.
        *(
            ("/properties/a", keyword, field({**VERBATIM, keyword: value}))
            for keyword, value in {
                "maxLength": 3,
                "minLength": 2,
                "pattern": "a",
                "enum": ["a"],
                "const": "a",
                "format": "date",
                "not": {},
            }.items()
        ),
        ("/properties/a", "x-source", field({"type": "integer", "x-source": "verbatim"})),
        ("/properties/a", "x-source", field({"type": ["array"], "x-source": "verbatim"})),
        ("/properties/a", "x-source", field({"type": "string", "x-source": "verbatm"})),
        ("/properties/a", "type", field({"x-source": "verbatim"})),
        (
            "/properties/a/anyOf/1",
            "x-source",
            field({"x-source": "verbatim", "anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ),
        # On the way to one.
        *(
            ("/properties/a", keyword, field({"type": "array", "items": VERBATIM, keyword: value}))
            for keyword, value in {
                "prefixItems": [VERBATIM],
                "contains": VERBATIM,
                "minContains": 1,
                "unevaluatedItems": False,
                "enum": [[]],
            }.items()
        ),
        *(
            ("/", keyword, {**field(VERBATIM), keyword: value})
            for keyword, value in {
                "additionalProperties": True,
                "patternProperties": {"a": VERBATIM},
                "minProperties": 1,
                "maxProperties": 3,
                "allOf": [{"required": ["a"]}],
                "oneOf": [{"required": ["a"]}],
                "if": {"required": ["a"]},
                "dependentRequired": {"a": ["b"]},
                "dependentSchemas": {"a": {}},
                "propertyNames": {"maxLength": 3},
                "unevaluatedProperties": False,
                "requird": ["a"],
                "nullable": True,
            }.items()
        ),
        ("/", "additionalProperties", {**field(VERBATIM), "additionalProperties": VERBATIM}),
        ("/", "required", {**field(VERBATIM), "required": ["b"]}),
        ("/", "anyOf", {**field(VERBATIM), "anyOf": [{"required": ["a"]}]}),
        (
            "/properties/a",
            "minItems",
            field({"type": "array", "items": VERBATIM, "minItems": 2, "maxItems": 1}),
        ),
        ("/properties/a", "type", field({"items": VERBATIM})),
        ("/properties/a", "type", field({"type": ["array", "integer"], "items": VERBATIM})),
        ("/properties/a", "not", field({"not": VERBATIM})),
        # Elsewhere.
        *(
            ("/properties/b", keyword, members(a=VERBATIM, b={"type": kind, keyword: value}))
            for kind, keyword, value in (
                ("array", "contains", {}),
                ("array", "minContains", 1),
                ("array", "maxContains", 1),
                ("array", "unevaluatedItems", False),
                ("array", "additionalItems", False),
                ("object", "propertyNames", {}),
                ("object", "dependentRequired", {}),
                ("object", "dependentSchemas", {}),
                ("object", "dependencies", {}),
                ("object", "unevaluatedProperties", False),
                ("object", "if", {}),
                ("object", "not", {}),
                ("object", "$dynamicRef", "#a"),
                ("object", "$dynamicAnchor", "a"),
                ("object", "$recursiveRef", "#"),
                ("string", "maxlength", 3),
                ("string", "pattern", "(?=a)b"),
                ("string", "pattern", "(?<!a)b"),
                ("string", "pattern", "\\p{L}"),
                ("number", "multipleOf", 0.01),
            )
        ),
        ("/properties/a/items", "pattern", field({"type": "array", "items": LOOK_AROUND})),
        ("/$defs/b", "pattern", {**field({"$ref": "#/$defs/b"}), "$defs": {"b": LOOK_AROUND}}),
        ("/properties/a", "patternProperties", field({"patternProperties": {"a(": {}}})),
        ("/properties/a", "oneOf", field({"oneOf": [{"type": "number"}, {"type": "integer"}]})),
        ("/properties/a", "allOf", field({"allOf": [{"type": "string"}, {"type": "integer"}]})),
        ("/properties/a", "enum", field({"enum": []})),
        ("/properties/a", "minLength", field({"type": "string", "minLength": 2, "maxLength": 1})),
        (
            "/properties/a",
            "required",
            field({"type": "object", "properties": {}, "required": ["b"]}),
        ),
        # References.
        ("/properties/a", "$ref", field({"$ref": "https://example.org/a.json"})),
        ("/properties/a", "$ref", field({"$ref": "#/$defs/a"})),
        ("/properties/a", "$ref", field({"$ref": "#a"})),
        ("/properties/a", "$ref", field({"$ref": "#/properties/a"})),
        ("/", "$ref", {"anyOf": [{"$ref": "#"}, {"type": "null"}]}),
        ("/", "required", field({"$ref": "#"})),
        ("/", "required", members("a", a={"$ref": "#"}, b=VERBATIM)),
    ],
)
def test_what_cannot_be_held_to_is_named(place: str, keyword: str, schema: Schema) -> None:
    with pytest.raises(SchemaError) as raised:
        check_schema(schema)
    assert str(raised.value).startswith(f"the schema at {place}: {keyword!r} ")
    assert "\n" not in str(raised.value)


def test_annotations_change_nothing() -> None:
    notes = {
        "$comment": "c",
        "$id": "https://example.org/s",
        "$schema": "http://json-schema.org/draft-04/schema#",
        "$anchor": "here",
        "title": "t",
        "description": "d",
        "default": {"uniqueItems": True},
        "examples": [{"$ref": "nowhere"}],
        "deprecated": True,
        "readOnly": True,
        "x-score": "exact",
        "x-guidance": {"whitespace_flexible": True, "lenient": True},
        "definitions": {"unused": {"not": {}, "pattern": "(?=a)"}},
    }
    schema = {**members(a={**VERBATIM, **notes}, b={"type": "array", **notes}), **notes}
    check_schema(schema)
    assert accepts(schema, '{"a":"x","b":[1,2]}', "x")
    assert not accepts(schema, '{"b":[1, 2]}', "x")
    check_schema(field({"type": "array", "uniqueItems": True}))
