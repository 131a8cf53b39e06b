"""Schemas and records: what is read, checked and written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fieldsmith import Record, Schema
from fieldsmith.schema.navigation import (
    empty_record,
    field_list,
    field_schema,
    is_verbatim,
    iter_fields,
    iter_subschemas,
    types_of,
)
from fieldsmith.schema.pointers import field_of, leaves, parse_pointer, pointer_of
from fieldsmith.schema.records import InvalidRecordError, first_problem, read_record, write_record

ANY: Schema = {"type": "object"}

STRING = {"type": "string"}
NAME = {"type": "string", "x-source": "verbatim"}

# A paper described in every way that a schema has: by reference, beside null, nested.
PAPER: Schema = {
    "type": "object",
    "required": ["title", "authors", "venue"],
    "properties": {
        "title": {"type": ["string", "null"], "x-source": "verbatim"},
        "authors": {"type": "array", "items": {"$ref": "#/$defs/author"}},
        "venue": {
            "type": "object",
            "required": ["city"],
            "properties": {"name": NAME, "city": {"anyOf": [NAME, {"type": "null"}]}},
        },
        "topics": {"anyOf": [{"type": "array", "items": NAME}, {"type": "null"}]},
        "licence": {"oneOf": [{"type": "null"}, {"$ref": "#/$defs/licence"}]},
        "kind": {"enum": ["article", "letter", None]},
        "pages": {"type": "integer"},
    },
    "$defs": {
        "author": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"$ref": "#/$defs/name", "x-source": "verbatim"}, "age": {}},
        },
        "licence": {"type": "object", "properties": {"short": STRING, "long": NAME}},
        "name": STRING,
    },
}

texts = st.text(st.characters(codec="utf-8"))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
finite = scalars.filter(lambda value: value not in (float("inf"), float("-inf")))
values = st.recursive(
    finite, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
)
records = st.dictionaries(texts, values, max_size=5)


# Written


def test_keys_are_written_in_the_order_of_the_schema_however_deep() -> None:
    record = {
        "more": {"b": 1, "a": 2},
        "licence": {"long": "MIT License", "short": "MIT"},
        "authors": [{"age": 3, "name": "Ada"}],
        "venue": {"city": None, "name": "ACL"},
        "title": "T",
    }
    assert write_record(record, PAPER) == (
        '{"title":"T","authors":[{"name":"Ada","age":3}],"venue":{"name":"ACL","city":null},'
        '"licence":{"short":"MIT","long":"MIT License"},"more":{"b":1,"a":2}}'
    )


def test_a_map_orders_the_objects_in_it() -> None:
    inner = {"type": "object", "properties": {"b": {}, "a": {}}}
    schema: Schema = {"type": "object", "additionalProperties": inner}
    assert write_record({"x": {"a": 1, "b": 2}}, schema) == '{"x":{"b":2,"a":1}}'


def test_text_is_written_as_it_is_and_not_as_escapes() -> None:
    assert write_record({"a": 'β-blocker "x"\n'}, ANY) == '{"a":"β-blocker \\"x\\"\\n"}'


@given(records)
def test_what_was_written_reads_the_same(record: Record) -> None:
    text = write_record(record, ANY)
    assert "\n" not in text.replace("\\n", "")
    assert read_record(text, ANY) == record


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_lacks_is_not_written(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_record({"a": number}, ANY)


# Read


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("{'a': 1}", "not JSON"),
        ('{"a": 1} {"b": 2}', "Extra data"),
        ('{"a": 1} and so on', "Extra data"),
        ('{"a": 1,}', "not JSON"),
        ('{"a": "line\nbreak"}', "control character"),
        ('{"a": 1, "a": 1}', "is given twice"),
        ('{"b": [{"a": 1, "a": 2}]}', "is given twice"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ('{"a": 1E+400}', "too large a number"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON"),
        ('{"a": "\\ud800"}', "half a surrogate pair"),
        ('{"\\udfff": 1}', "half a surrogate pair"),
        ('{"a": ' + "[" * 100_000, "nested deeper"),
        ('{"a": ' + "[" * 500 + "]" * 500 + "}", "nested deeper"),
        ('{"a": ' + '{"a": ' * 70 + "1" + "}" * 71, "nested deeper"),
        ("[]", "is not of type 'object'"),
        ("null", "the record: None is not of type 'object'"),
        ('"text"', "is not of type 'object'"),
        ("\ufeff{}", "not JSON"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_record_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidRecordError) as refusal:
        read_record(text, ANY)
    assert reason in str(refusal.value)


def test_nesting_that_a_record_may_need_is_read() -> None:
    text = '{"a":' + "[" * 60 + "1" + "]" * 60 + "}"
    assert write_record(read_record(text, ANY), ANY) == text


def test_a_schema_of_itself_is_followed_as_deep_as_records_go() -> None:
    tree: Schema = {"type": "object", "properties": {"inner": {"$ref": "#"}, "a": {}}}
    text = '{"inner":' * 62 + '{"a":1}' + "}" * 62
    assert read_record(text, tree)
    with pytest.raises(InvalidRecordError, match="nested deeper"):
        read_record('{"inner":' * 64 + '{"a":1}' + "}" * 64, tree)


def test_the_place_of_a_fault_is_a_json_pointer() -> None:
    schema: Schema = {"type": "object", "properties": {"a/b~c": {"type": "array", "items": STRING}}}
    with pytest.raises(InvalidRecordError, match=r"^/a~1b~0c/1: 2 is not of type 'string'$"):
        read_record('{"a/b~c": ["x", 2]}', schema)


def test_a_long_value_does_not_push_the_reason_out_of_the_message() -> None:
    schema: Schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    problem = first_problem({"a": "long\n" * 1000}, schema)
    assert problem is not None
    pointer, message = problem
    assert pointer == "/a"
    assert message.endswith("is not of type 'integer'")
    assert len(message) == 200
    assert "\n" not in message


def test_a_part_of_a_schema_may_refer_to_the_whole() -> None:
    part = {"type": "array", "items": {"$ref": "#/$defs/author"}}
    assert first_problem([{"name": "Ada"}], PAPER, part) is None
    assert first_problem([{"name": 1}], PAPER, part) == ("/0/name", "1 is not of type 'string'")


PERHAPS = {
    "anyOf": [{"type": "object", "properties": {"n": {"type": "integer"}}}, {"type": "null"}]
}
KINDS = [
    {"properties": {"kind": {"const": "cat"}, "lives": {"type": "integer"}}},
    {"properties": {"kind": {"const": "dog"}, "good": {"type": "boolean"}}},
]


@pytest.mark.parametrize(
    ("part", "value", "wanted"),
    [
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 5, ("/a", "5 is not of type 'string'")),
        ({"type": ["string", "null"]}, 5, ("/a", "5 is not of type 'string', 'null'")),
        (PERHAPS, {"n": "x"}, ("/a/n", "'x' is not of type 'integer'")),
        ({"items": PERHAPS}, [None, {"n": 1.5}], ("/a/1/n", "1.5 is not of type 'integer'")),
        (
            {"anyOf": [{"type": "null"}, PERHAPS]},
            {"n": []},
            ("/a/n", "[] is not of type 'integer'"),
        ),
        ({"oneOf": [{"enum": ["x"]}, {"type": "null"}]}, "y", ("/a", "'y' is not one of ['x']")),
        ({"anyOf": [{"type": "null"}]}, 1, ("/a", "1 is not of type 'null'")),
        ({"anyOf": KINDS}, {"kind": "dog", "good": 3}, ("/a/good", "3 is not of type 'boolean'")),
    ],
)
def test_of_a_value_that_may_be_several_things_it_is_said_what_was_wanted(
    part: dict[str, Any], value: object, wanted: tuple[str, str]
) -> None:
    assert first_problem({"a": value}, {"type": "object", "properties": {"a": part}}) == wanted


# Pointers and leaves


@pytest.mark.parametrize("path", [(), ("a",), ("a", 0, "b"), ("~1", "/", "~", "", "m~n/o")])
def test_a_pointer_keeps_its_path(path: tuple[str | int, ...]) -> None:
    assert parse_pointer(pointer_of(path)) == [str(part) for part in path]


@given(st.lists(st.text("/~01a")))
def test_any_keys_survive_a_pointer(path: list[str]) -> None:
    assert parse_pointer(pointer_of(path)) == path


def test_leaves_come_in_order_and_containers_are_none() -> None:
    value = {"b": [1, {"c/d": None}], "a": {}, "e": [], "f": "x"}
    assert list(leaves(value)) == [("/b/0", 1), ("/b/1/c~1d", None), ("/f", "x")]
    assert list(leaves("alone")) == [("", "alone")]


def test_a_field_is_named_without_its_places_in_lists() -> None:
    assert field_of("/relations/3/chemical") == "relations/chemical"


# The schema of a field


@pytest.mark.parametrize(
    ("pointer", "verbatim"),
    [
        ("/title", True),
        ("/authors/7/name", True),  # beside a reference
        ("/venue/name", True),
        ("/venue/city", True),  # in the one branch beside null
        ("/topics/0", True),
        ("/licence/short", False),
        ("/licence/long", True),
        ("/pages", False),
        ("/unknown/0/deep", False),
        ("/title/0", False),
    ],
)
def test_verbatim_is_found_through_references_and_branches(pointer: str, verbatim: bool) -> None:
    assert is_verbatim(pointer, PAPER) is verbatim


def test_a_map_says_what_its_values_are() -> None:
    assert is_verbatim("/x/any", {"properties": {"x": {"additionalProperties": NAME}}})


@pytest.mark.parametrize(
    "reference",
    ["#/$defs/gone", "#/$defs/list/9", "#/$defs/list/x", "#anchor", "https://example.org/s"],
)
def test_a_reference_that_leads_nowhere_says_nothing(reference: str) -> None:
    schema: Schema = {"properties": {"a": {"$ref": reference}}, "$defs": {"list": [NAME]}}
    assert field_schema("/a", schema) == {}


def test_references_lead_into_lists_and_through_escapes() -> None:
    schema: Schema = {
        "properties": {"a": {"$ref": "#/$defs/x~1y%20z/anyOf/1"}},
        "$defs": {"x/y z": {"anyOf": [{}, NAME]}},
    }
    assert is_verbatim("/a", schema)


def test_references_in_a_circle_end() -> None:
    schema: Schema = {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {}}
    schema["$defs"] = {"a": {"anyOf": [{"$ref": "#/$defs/b"}, {"type": "null"}]}}
    schema["$defs"]["b"] = {"$ref": "#/$defs/a"}
    assert "null" in types_of(field_schema("/a", schema))


def test_true_is_a_schema() -> None:
    schema: Schema = {"type": "object", "properties": {"a": True, "b": {"items": True}}}
    assert field_schema("/a/x", schema) == {}
    assert write_record({"b": [{"x": 1}], "a": 1}, schema) == '{"a":1,"b":[{"x":1}]}'
    assert field_list(schema) == "a, b"


# All subschemas and fields


def test_each_subschema_is_yielded_with_its_pointer() -> None:
    schema: Schema = {
        "properties": {"a/b": {"items": {"not": {}}}, "c": True},
        "$defs": {"d": {"anyOf": [{}, {"$ref": "#"}]}},
        "additionalProperties": False,
        "enum": [{"properties": {"x": {}}}],
    }
    assert [pointer for pointer, _part in iter_subschemas(schema)] == [
        "",
        "/properties/a~1b",
        "/properties/a~1b/items",
        "/properties/a~1b/items/not",
        "/properties/c",
        "/$defs/d",
        "/$defs/d/anyOf/0",
        "/$defs/d/anyOf/1",
    ]


def test_each_field_is_yielded_with_its_resolved_schema() -> None:
    fields = list(iter_fields(PAPER))
    names = ["", "title", "authors", "authors", "authors/name", "authors/age"]
    assert [name for name, _part in fields][:6] == names
    assert dict(fields)["authors/name"] == NAME


def test_a_schema_inside_itself_is_followed_once_or_to_a_depth() -> None:
    tree: Schema = {
        "properties": {"name": STRING, "children": {"type": "array", "items": {"$ref": "#"}}}
    }
    once = [name for name, _part in iter_fields(tree)]
    assert once == ["", "name", "children", "children"]
    deep = [name for name, _part in iter_fields(tree, 3, recursive=True)]
    assert deep == [*once, "children/name", "children/children"]


# The record without values


def test_the_empty_record_is_valid_and_without_values() -> None:
    empty = empty_record(PAPER)
    assert empty == {
        "title": None,
        "authors": [],
        "venue": {"city": None},
        "topics": [],
        "licence": None,
        "kind": None,
    }
    assert first_problem(empty, PAPER) is None


shapes: dict[str, dict[str, Any]] = {
    "list": {"type": "array", "items": STRING},
    "list beside null": {"type": ["null", "array"]},
    "list that is never empty, or null": {"type": ["array", "null"], "minItems": 1},
    "text or null": {"type": ["string", "null"]},
    "number beside null": {"anyOf": [{"type": "number"}, {"type": "null"}]},
    "word of a list, or null": {"enum": ["a", None]},
    "object or null": {"type": ["object", "null"], "required": ["a"], "properties": {"a": STRING}},
    "object": {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": ["string", "null"]}, "b": STRING},
    },
    "referred": {"$ref": "#/$defs/thing"},
}


@given(st.lists(st.sampled_from(sorted(shapes)), unique=True), st.data())
def test_the_empty_record_is_valid_where_nothing_has_to_be_invented(
    names: list[str], data: st.DataObject
) -> None:
    schema: Schema = {
        "type": "object",
        "properties": {name: shapes[name] for name in names},
        "required": data.draw(st.lists(st.sampled_from(names), unique=True)) if names else [],
        "$defs": {"thing": {"anyOf": [shapes["object"], {"type": "null"}]}},
    }
    Draft202012Validator.check_schema(schema)
    assert first_problem(empty_record(schema), schema) is None
    assert all(leaf is None for _pointer, leaf in leaves(empty_record(schema)))


def test_an_object_that_cannot_be_empty_is_left_out_if_it_may_be() -> None:
    inner = {"type": "object", "required": ["a"], "properties": {"a": STRING}}
    schema: Schema = {"type": "object", "properties": {"x": inner}}
    assert empty_record(schema) == {}
    assert first_problem({}, schema) is None


# The fields in a line


def test_fields_are_listed_with_their_shapes() -> None:
    assert field_list(PAPER) == (
        "title, authors[]{name, age}, venue{name, city}, topics[], licence{short, long}, "
        "kind, pages"
    )


def test_an_object_that_holds_itself_is_listed_once() -> None:
    schema: Schema = {
        "properties": {"name": STRING, "children": {"type": "array", "items": {"$ref": "#"}}}
    }
    assert field_list(schema) == "name, children[]{…}"


def test_lists_of_lists_are_listed() -> None:
    rows = {"type": "array", "items": {"type": "array", "items": STRING}}
    assert field_list({"properties": {"rows": rows}}) == "rows[][]"


@given(records)
def test_every_leaf_of_a_record_is_reached_by_its_pointer(record: Record) -> None:
    for pointer, leaf in leaves(json.loads(json.dumps(record))):
        value: Any = record
        for part in parse_pointer(pointer):
            value = value[int(part)] if isinstance(value, list) else value[part]
        assert value == leaf
