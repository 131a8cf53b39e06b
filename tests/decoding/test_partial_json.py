from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldsmith.decoding.partial_json import asking_for, close_answer
from fieldsmith.extraction.confidence import leaf_confidence, leaf_spans
from fieldsmith.extraction.filtering import without_repeats, without_unsure
from fieldsmith.schema.pointers import leaves
from fieldsmith.schema.records import canonical, first_problem, write_record

texts = st.text(st.characters(codec="utf-8")) | st.text('"\\/\n\t\u2028😀é{}[]:,~ ')
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
)
forms = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.sampled_from([None, 0, 2, "\t"]),
        "separators": st.sampled_from([None, (",", ":"), (" ,\r\n", "\t: ")]),
    }
)


def read(text: str, span: tuple[int, int], leaf: object) -> Any:
    piece = text[slice(*span)]
    return json.loads(f'"{piece}"' if isinstance(leaf, str) else piece)


@given(values, forms)
def test_the_slice_of_each_leaf_is_the_leaf(value: Any, form: dict[str, Any]) -> None:
    text = f" {json.dumps(value, **form)}\n"
    spans = leaf_spans(text)
    wanted = dict(leaves(value))
    assert list(spans) == list(wanted)
    for pointer, leaf in wanted.items():
        assert read(text, spans[pointer], leaf) == leaf


def test_escapes_in_keys_and_values_are_passed_over() -> None:
    text = r'{"a\"b/c": ["x\\", "\u00e9\"]"], "n": -1.5e+3}'
    spans = leaf_spans(text)
    assert {pointer: text[slice(*span)] for pointer, span in spans.items()} == {
        '/a"b~1c/0': "x\\\\",
        '/a"b~1c/1': r"\u00e9\"]",
        "/n": "-1.5e+3",
    }


@pytest.mark.parametrize("text", ["", "{", '{"a": }', "[1, 2", "nul", '"open'])
def test_a_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line 1 column"):
        leaf_spans(text)


def confidence(*tokens: tuple[str, float]) -> dict[str, float]:
    text, ends = "", []
    for token, _probability in tokens:
        text += token
        ends.append(len(text))
    return leaf_confidence(text, ends, [math.log(probability) for _token, probability in tokens])


def test_a_leaf_is_as_sure_as_its_tokens_and_its_end_together() -> None:
    sure = confidence(
        ('{"', 0.1), ("a", 0.1), ('":["', 0.1), ("as", 0.5), ("pirin", 0.8), ('"]}', 0.9)
    )
    assert sure == {"/a/0": pytest.approx(0.5 * 0.8 * 0.9)}


def test_a_token_that_begins_a_leaf_before_its_quote_counts() -> None:
    assert confidence(('{"a":"as', 0.5), ('pirin"}', 0.5)) == {"/a": 0.25}


def test_a_token_between_two_leaves_ends_the_first() -> None:
    sure = confidence(('["', 1.0), ("a", 0.5), ('","', 0.5), ("b", 0.25), ('"]', 1.0))
    assert sure == {"/0": 0.25, "/1": 0.25}


def test_where_a_number_ends_is_part_of_it() -> None:
    sure = confidence(
        ('{"a":', 0.1), ("1", 0.5), ("2", 0.5), (',"b":', 0.8), ("null", 0.5), ("}", 1)
    )
    assert sure == {"/a": pytest.approx(0.2), "/b": pytest.approx(0.5)}


def test_an_empty_text_is_as_sure_as_its_quotes() -> None:
    assert confidence(('{"a":', 0.1), ('"', 0.5), ('"', 0.5), ("}", 0.1)) == {"/a": 0.5}


def test_an_empty_list_has_no_leaf() -> None:
    assert confidence(('{"a":[]}', 0.5)) == {}


def test_the_most_unlikely_leaf_is_above_zero_and_the_surest_is_one() -> None:
    text = '{"a":"b"}'
    assert leaf_confidence(text, [len(text)], [-2000.0]) == {"/a": 1e-6}
    assert leaf_confidence(text, [len(text)], [1e-9]) == {"/a": 1.0}  # rounding above certainty


def test_each_token_counts_for_each_leaf_that_it_overlaps() -> None:
    text = '{"a":["b","c"],"d":null}'
    for size in range(1, len(text) + 1):
        ends = [min(at, len(text)) for at in range(size, len(text) + size, size)]
        ends = sorted([*ends, *ends[::3]])  # some tokens write nothing
        logprobs = [-0.01 * (number + 1) for number in range(len(ends))]
        wanted = {
            pointer: sum(
                logprob
                for token_start, token_end, logprob in zip(
                    [0, *ends[:-1]], ends, logprobs, strict=True
                )
                if token_end > start and token_start <= end
            )
            for pointer, (start, end) in leaf_spans(text).items()
        }
        found = leaf_confidence(text, ends, logprobs)
        assert {p: math.log(value) for p, value in found.items()} == pytest.approx(wanted, abs=1e-4)


Domain = tuple[dict[str, Any], dict[str, Any]]
"""A schema and a record of it."""

KEYS = ["a", "b", 'q"\\', "é/~", ""]


@st.composite
def fields(draw: st.DrawFn, depth: int, *, closable: bool) -> tuple[dict[str, Any], Any]:
    """Draw a schema and a value of it; closable: whatever is in it can be left out or be null."""
    kinds = ["string", "integer", "number", "boolean", "enum"]
    kind = draw(st.sampled_from([*kinds, "array", "array", "object", "object"] if depth else kinds))
    schema: dict[str, Any]
    value: Any
    if kind == "array":
        items, _value = draw(fields(depth - 1, closable=closable))
        least = 0 if closable else draw(st.integers(0, 2))
        schema = {"type": "array", "items": items, "minItems": least}
        value = [draw(values_of(items)) for _ in range(draw(st.integers(least, 3)))]
        return schema, value
    if kind == "object":
        schema = draw(objects(depth, closable=closable))
        return schema, draw(values_of(schema))
    if kind == "enum":
        schema = {"enum": ["x", "xy", None] if closable or draw(st.booleans()) else ["x", 1]}
    else:
        schema = {"type": [kind, "null"] if closable or draw(st.booleans()) else kind}
        if kind == "string":
            schema |= draw(st.sampled_from([{}, {"x-source": "verbatim"}, {"minLength": 1}]))
    return schema, draw(values_of(schema))


@st.composite
def objects(draw: st.DrawFn, depth: int = 3, *, closable: bool) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=4))
    inner = {name: draw(fields(depth - 1, closable=closable))[0] for name in names}
    required = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    schema = {"type": "object", "properties": inner, "required": required}
    return schema | {"additionalProperties": False}


def values_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    strings = st.text('ab"\\\n\u2028😀é,:{}[]1', min_size=1, max_size=4)
    strategies: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
        "null": st.none,
        "boolean": st.booleans,
        "integer": lambda: st.integers(-200, 200),
        "number": lambda: st.integers(-20, 20) | st.floats(-100, 100, width=16),
        "string": lambda: strings,
        "array": lambda: st.lists(
            values_of(schema["items"]), min_size=schema["minItems"], max_size=3
        ),
        "object": lambda: st.fixed_dictionaries(
            {k: values_of(p) for k, p in schema["properties"].items() if k in schema["required"]},
            optional={
                k: values_of(p)
                for k, p in schema["properties"].items()
                if k not in schema["required"]
            },
        ),
    }
    return st.one_of([strategies[kind]() for kind in kinds])


@st.composite
def domains(draw: st.DrawFn, *, closable: bool) -> Domain:
    schema = draw(objects(closable=closable))
    record = draw(values_of(schema))
    return schema, json.loads(write_record(record, schema))


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
        closed = close_answer(text[:cut], schema)
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
        closed = close_answer(text[:cut], schema)
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
    assert canonical(close_answer(text, schema)) == canonical(record)
    assert close_answer(text + more, schema) is None
    assert close_answer(text + " \n", schema) == record


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
    assert close_answer(text, RELATIONS) == nothing | wanted


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
    assert close_answer(text, RELATIONS) is None


def schema_of(part: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": ["a"], "properties": {"a": part}}


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
    assert close_answer("{", schema_of(part)) == wanted


def test_keys_that_are_asked_for_are_required_where_they_may_be_empty() -> None:
    parts = {
        "title": {"type": ["string", "null"], "x-source": "verbatim"},
        "names": {"type": "array", "items": {"type": "string"}},
        "note": {"type": "string"},
        "year": {"type": "integer"},
        "other": {"type": ["string", "null"]},
    }
    schema = {"type": "object", "required": ["year"], "properties": parts}
    assert asking_for([], schema) == schema
    assert asking_for(["year"], {"type": "object", "properties": parts}).get("required") is None
    loose = {"type": "object", "properties": parts}
    asked = asking_for(["title", "names", "note", "year", "elsewhere"], loose)
    assert asked == {**loose, "required": ["title", "names"]}
    assert close_answer("{", asked) == {"title": None, "names": []}


def test_an_object_of_several_kinds_is_closed_as_the_kind_that_fits() -> None:
    kinds = [
        {"required": ["n", "x"], "properties": {"n": {"const": 1}, "x": {"type": "integer"}}},
        {"required": ["n", "y"], "properties": {"n": {"const": 2}, "y": {"type": "string"}}},
    ]
    schema = schema_of({"type": "array", "items": {"anyOf": kinds}})
    assert close_answer('{"a":[{"n":2,', schema) == {"a": [{"n": 2, "y": ""}]}
    assert close_answer('{"a":[{"n":1,', schema) == {"a": []}


def check_pointers(before: Any, after: Any, pointers: dict[str, str]) -> None:
    """Each pointer leads from a leaf to the same one, in the same order; none is left out."""
    was, now = dict(leaves(before)), dict(leaves(after))
    assert all(canonical(was[old]) == canonical(now[new]) for old, new in pointers.items())
    places = {pointer: number for number, pointer in enumerate(was)}
    assert [places[old] for old in pointers] == sorted(places[old] for old in pointers)
    kept = set(pointers.values())
    assert len(kept) == len(pointers)
    assert {now[pointer] for pointer in set(now) - kept} <= {None}


def test_an_item_that_repeats_one_before_it_is_left_out() -> None:
    record = {
        "names": ["a", "b", "a", "A", "a "],
        "pairs": [{"x": 1, "y": ["p", "p"]}, {"y": ["p"], "x": 1}, {"x": 1.0, "y": ["p"]}],
        "mixed": [1, True, 1, None, None, "1"],
    }
    before = json.dumps(record)
    reduced = without_repeats(record)
    assert reduced.record == {
        "names": ["a", "b", "A", "a "],
        "pairs": [{"x": 1, "y": ["p"]}, {"x": 1.0, "y": ["p"]}],
        "mixed": [1, True, None, "1"],
    }
    assert reduced.left_out == 1 + 2 + 2
    assert reduced.pointers["/names/3"] == "/names/2"
    assert reduced.pointers["/pairs/2/y/0"] == "/pairs/1/y/0"
    assert "/names/2" not in reduced.pointers
    assert json.dumps(record) == before


@given(st.dictionaries(texts, values, max_size=4))
def test_without_repeats_all_items_differ_and_the_rest_stays(record: dict[str, Any]) -> None:
    reduced = without_repeats(record)
    check_pointers(record, reduced.record, reduced.pointers)
    assert len(reduced.pointers) == len(list(leaves(reduced.record)))
    again = without_repeats(reduced.record)
    assert (again.record, again.left_out) == (reduced.record, 0)
    assert (reduced.left_out == 0) == (canonical(reduced.record) == canonical(record))


UNSURE: dict[str, Any] = {
    "type": "object",
    "required": ["title", "year"],
    "properties": {
        "title": {"type": "string"},
        "year": {"type": ["integer", "null"]},
        "place": {"type": "string"},
        "names": {"type": "array", "items": {"type": "string"}},
        "some": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "pairs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["a"],
                "properties": {"a": {"type": "string"}, "b": {"type": ["string", "null"]}},
            },
        },
        "inner": {"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}}},
    },
}


@pytest.mark.parametrize(
    ("unsure", "change", "left_out"),
    [
        ([], {}, 0),
        (["/title"], {}, 0),  # it has to be there
        (["/year"], {"year": None}, 1),
        (["/place"], {"place": ...}, 1),
        (["/names/0"], {"names": ["q"]}, 1),
        (["/names/0", "/names/1"], {"names": []}, 2),
        (["/some/0"], {}, 0),  # two have to be there
        (["/pairs/0/a"], {"pairs": [{"a": "r", "b": "s"}]}, 1),  # the object goes
        (["/pairs/0/b"], {"pairs": [{"a": "p", "b": None}, {"a": "r", "b": "s"}]}, 1),
        (["/inner/x"], {"inner": ...}, 1),
    ],
)
def test_what_is_unsure_is_left_out_where_the_schema_allows(
    unsure: list[str], change: dict[str, Any], left_out: int
) -> None:
    record = {
        "title": "t",
        "year": 1,
        "place": "p",
        "names": ["n", "q"],
        "some": ["u", "v"],
        "pairs": [{"a": "p", "b": "q"}, {"a": "r", "b": "s"}],
        "inner": {"x": "i"},
    }
    confidence = {pointer: 0.4 if pointer in unsure else 0.5 for pointer, _ in leaves(record)}
    reduced = without_unsure(record, confidence, 0.5, UNSURE)
    wanted = {key: item for key, item in (record | change).items() if item is not ...}
    assert (reduced.record, reduced.left_out) == (wanted, left_out)
    check_pointers(record, reduced.record, reduced.pointers)


def test_an_object_of_which_nothing_is_sure_leaves_its_list() -> None:
    part = {"type": ["string", "null"]}
    item = {"type": "object", "required": ["a", "b"], "properties": {"a": part, "b": part}}
    schema = schema_of({"type": "array", "items": item})
    record = {"a": [{"a": "x", "b": None}, {"a": None, "b": None}, {"a": "y", "b": "z"}]}
    reduced = without_unsure(record, {"/a/0/a": 0.1, "/a/2/b": 0.1}, 0.5, schema)
    assert reduced.record == {"a": [{"a": None, "b": None}, {"a": "y", "b": None}]}
    assert reduced.pointers["/a/2/a"] == "/a/1/a"
    assert reduced.left_out == 2


@given(domains(closable=False), st.data())
def test_a_record_without_what_is_unsure_is_valid(domain: Domain, data: st.DataObject) -> None:
    schema, record = domain
    pointers = [pointer for pointer, _value in leaves(record)]
    confidence = {pointer: data.draw(st.sampled_from([0.2, 0.5, 0.8])) for pointer in pointers}
    assert without_unsure(record, confidence, 0.2, schema).record == record
    reduced = without_unsure(record, confidence, 0.5, schema)
    assert first_problem(reduced.record, schema) is None
    check_pointers(record, reduced.record, reduced.pointers)
    assert (reduced.left_out == 0) == (canonical(reduced.record) == canonical(record))


@given(domains(closable=True), st.data())
def test_where_all_may_be_left_out_what_is_unsure_is(domain: Domain, data: st.DataObject) -> None:
    schema, record = domain
    said = {pointer: value for pointer, value in leaves(record) if value is not None}
    confidence = {pointer: data.draw(st.sampled_from([0.2, 0.8])) for pointer in said}
    reduced = without_unsure(record, confidence, 0.5, schema)
    sure = {pointer for pointer in said if confidence[pointer] == 0.8}
    assert {pointer for pointer in reduced.pointers if pointer in said} == sure
    assert reduced.left_out == len(said) - len(sure)
