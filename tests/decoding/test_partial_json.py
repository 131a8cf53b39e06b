"""Repair of a truncated answer: its complete part becomes a valid record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema_strategies import Domain, domains, schema_of

from fieldsmith.decoding.partial_json import beginning_of_rest, complete_record, schema_requiring
from fieldsmith.extraction.confidence import leaf_spans
from fieldsmith.schema.pointers import leaves
from fieldsmith.schema.records import canonical, first_problem, write_record


def written_leaves(text: str, cut: int) -> dict[str, str]:
    """Return the leaves of a JSON text that are whole before a cut, in canonical form."""
    whole = {}
    values = dict(leaves(json.loads(text)))
    for pointer, (_start, end) in leaf_spans(text).items():
        value = values[pointer]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if end + (isinstance(value, str) or is_number) <= cut:
            whole[pointer] = canonical(value)
    return whole


@given(domains(closable=False))
def test_a_cut_answer_is_a_record_of_what_was_whole_or_none(domain: Domain) -> None:
    schema, record = domain
    text = write_record(record, schema)
    for cut in range(len(text) + 1):
        closed = complete_record(text[:cut], schema)
        if closed is None:
            continue
        assert first_problem(closed, schema) is None
        now = {pointer: canonical(value) for pointer, value in leaves(closed)}
        whole = written_leaves(text, cut)
        kept = [pointer for pointer in now if now[pointer] == whole.get(pointer)]
        assert kept == list(whole)[: len(kept)]  # the first ones, in order
        assert {now[pointer] for pointer in set(now) - set(kept)} <= {"null", '""'}


@given(domains(closable=True))
def test_where_all_may_be_empty_every_whole_leaf_stays(domain: Domain) -> None:
    schema, record = domain
    text = write_record(record, schema)
    for cut in range(len(text) + 1):
        closed = complete_record(text[:cut], schema)
        assert closed is not None
        assert first_problem(closed, schema) is None
        now = {pointer: canonical(value) for pointer, value in leaves(closed)}
        whole = written_leaves(text, cut)
        assert [pointer for pointer in now if pointer in whole] == list(whole)
        assert {pointer: now[pointer] for pointer in whole} == whole
        assert {now[pointer] for pointer in set(now) - set(whole)} <= {"null"}
        in_order = json.loads(write_record(closed, schema))
        assert list(leaves(in_order)) == list(leaves(closed))


@given(domains(closable=False), st.sampled_from('x}],:"1'))
def test_a_whole_answer_is_its_record_and_nothing_may_follow(domain: Domain, more: str) -> None:
    schema, record = domain
    text = write_record(record, schema)
    assert canonical(complete_record(text, schema)) == canonical(record)
    assert complete_record(text + more, schema) is None
    assert complete_record(text + " \n", schema) == record


RELATIONS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["names", "year", "pairs", "note"],
    "properties": {
        "names": {"type": "array", "items": {"$ref": "#/$defs/name"}},
        "year": {"type": ["integer", "null"]},
        "pairs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["a", "b"],
                "properties": {"a": {"$ref": "#/$defs/name"}, "b": {"$ref": "#/$defs/name"}},
            },
        },
        "inner": {"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}}},
        "note": {"type": "string"},
    },
    "$defs": {"name": {"type": "string", "minLength": 1, "x-source": "verbatim"}},
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", {}),
        ("{", {}),
        (' {"nam', {}),
        ('{"names"', {}),
        ('{"names":["as', {}),
        ('{"names":["as","b\\', {"names": ["as"]}),
        ('{"names":["as"', {"names": ["as"]}),
        ('{"names":["as","b\\u00e', {"names": ["as"]}),
        ('{"names":[],"year":12', {}),
        ('{"names":[],"year":-', {}),
        ('{"names":[],"year":12,', {"year": 12}),
        ('{"names":[],"year":nul', {}),
        ('{"names":[],"pairs":[{"a":"x","b":"y"},{"a":"z"', {"pairs": [{"a": "x", "b": "y"}]}),
        ('{"names":[],"pairs":[{"a":"x","b":"y"}', {"pairs": [{"a": "x", "b": "y"}]}),
        ('{"names":[],"inner":{', {"inner": {"x": ""}}),
        ('{"names":[],"inner":{"x":"y"', {"inner": {"x": "y"}}),
    ],
)
def test_what_was_not_reached_is_empty(text: str, wanted: dict[str, Any]) -> None:
    nothing: dict[str, Any] = {"names": [], "year": None, "pairs": [], "note": ""}
    assert complete_record(text, RELATIONS) == nothing | wanted


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "[",
        '"a',
        "12",
        "Here: {",
        "{names",
        "{'names'",
        '{"names":x',
        '{"names":[,',
        '{"names":["a" "',
        '{"names":["a",]',
        '{"names":["a"}',
        '{"names":["a\n',
        '{"names":["\\x',
        '{"names":["\\ud800"],',
        '{"names":[],"names":[',
        '{"names":[],"year":01',
        '{"names":[],"year":1.e',
        '{"names":[],"year":NaN,',
        '{"names":[],"year":1e999,',
        '{"names":[],"year":"12",',
        '{"names":[],"other":1,',
        '{"names":[""],',
        '{"names":[]}}',
        '{"names":' + "[" * 100_000,
    ],
)
def test_what_is_not_the_beginning_of_a_record_gives_none(text: str) -> None:
    assert complete_record(text, RELATIONS) is None


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        ({"type": "string"}, {"a": ""}),
        ({"type": "string", "minLength": 1}, None),
        ({"type": "string", "x-source": "verbatim"}, None),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}], "x-source": "verbatim"}, None),
        ({"type": ["string", "null"]}, {"a": None}),
        ({"enum": ["x", None]}, {"a": None}),
        ({"const": "x"}, None),
        ({"type": "integer"}, None),
        ({"type": "array", "minItems": 1}, None),
        ({"type": ["array", "null"], "minItems": 1}, {"a": None}),
        ({"type": ["array", "null"]}, {"a": []}),
        ({"type": "object"}, {"a": {}}),
        (schema_of({"type": "string"}), {"a": {"a": ""}}),
        ({"anyOf": [{"type": "integer"}, {"type": "array"}]}, {"a": []}),
        ({"$ref": "#"}, None),  # no end of it
    ],
)
def test_a_required_field_is_as_empty_as_its_schema_allows(
    part: dict[str, Any], wanted: dict[str, Any] | None
) -> None:
    assert complete_record("{", schema_of(part)) == wanted


FIXED = schema_of({"type": "array", "items": {"type": "string"}})
FIXED["required"] = ["a", "n", "o", "t", "p"]
FIXED["properties"] |= {
    "n": {"type": "integer"},
    "o": {
        "type": "object",
        "properties": {"l": {"type": "array"}, "d": {"type": "string", "format": "date"}},
        "required": ["l", "d"],
    },
    "t": {"type": ["string", "null"]},
    "p": {"type": "array", "prefixItems": [{"type": "integer"}], "minItems": 1},
}
WHOLE = '{"a":["x"],"n":12,"o":{"l":[],"d":"2020-01-01"},"t":"z","p":[3]}'


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", '{"a":[],"n":'),
        ('{"a', '{"a":[],"n":'),
        ('{"a":["x","y', '{"a":["x"],"n":'),
        ('{"a":["x"],"n":1', '{"a":["x"],"n":'),
        ('{"a":["x"],"n":12,', '{"a":["x"],"n":12,"o":'),
        ('{"a":[],"n":12,"o":{"l":["x","y', '{"a":[],"n":12,"o":{"l":["x"],"d":'),
        (WHOLE[:-12], WHOLE[:-12] + 'null,"p":'),
        (WHOLE[:-8], WHOLE[:-4]),
        (WHOLE[:-2], WHOLE[:-3]),
        (WHOLE, None),
        ('{"a":["x"],"n":x', None),
        ("[", None),
    ],
)
def test_an_answer_goes_on_with_the_first_value_that_it_needs(
    text: str, wanted: str | None
) -> None:
    assert beginning_of_rest(text, FIXED) == wanted


def test_an_open_object_that_may_be_left_out_is() -> None:
    item = schema_of({"type": "integer"})
    schema = schema_of({"type": "array", "items": item})
    assert beginning_of_rest('{"a":[{"a":1},{"a":', schema) is None  # nothing is missing
    schema["properties"]["b"] = {"type": "integer"}
    schema["required"] = ["a", "b"]
    assert beginning_of_rest('{"a":[{"a":1},{"a":', schema) == '{"a":[{"a":1}],"b":'
    schema["properties"]["a"]["minItems"] = 2
    assert beginning_of_rest('{"a":[{"a":1},{"a":', schema) == '{"a":[{"a":1},{"a":'


def test_keys_that_are_asked_for_are_required_where_they_may_be_empty() -> None:
    parts = {
        "title": {"type": ["string", "null"], "x-source": "verbatim"},
        "names": {"type": "array", "items": {"type": "string"}},
        "note": {"type": "string"},
        "year": {"type": "integer"},
        "other": {"type": ["string", "null"]},
    }
    schema = {"type": "object", "required": ["year"], "properties": parts}
    assert schema_requiring([], schema) == schema
    assert (
        schema_requiring(["year"], {"type": "object", "properties": parts}).get("required") is None
    )
    loose = {"type": "object", "properties": parts}
    asked = schema_requiring(["title", "names", "note", "year", "elsewhere"], loose)
    assert asked == {**loose, "required": ["title", "names"]}
    assert complete_record("{", asked) == {"title": None, "names": []}


def test_an_object_of_several_kinds_is_closed_as_the_kind_that_fits() -> None:
    kinds = [
        {"required": ["n", "x"], "properties": {"n": {"const": 1}, "x": {"type": "integer"}}},
        {"required": ["n", "y"], "properties": {"n": {"const": 2}, "y": {"type": "string"}}},
    ]
    schema = schema_of({"type": "array", "items": {"anyOf": kinds}})
    assert complete_record('{"a":[{"n":2,', schema) == {"a": [{"n": 2, "y": ""}]}
    assert complete_record('{"a":[{"n":1,', schema) == {"a": []}


def test_what_follows_a_key_that_comes_twice_is_dropped() -> None:
    counts = {"type": "object", "additionalProperties": {"type": "integer"}}
    schema = {"type": "object", "properties": {"counts": counts}, "required": ["counts"]}
    assert complete_record('{"counts":{"a":1,"b":2,"a":3,"c":4', schema) == {
        "counts": {"a": 1, "b": 2}
    }


def test_a_number_or_a_text_is_not_closed_as_an_empty_text() -> None:
    either = {"anyOf": [{"type": "number"}, {"type": "string"}]}
    schema = {"type": "object", "properties": {"a": either}, "required": ["a"]}
    assert complete_record("{", schema) is None
    assert beginning_of_rest("{", schema) == '{"a":'
