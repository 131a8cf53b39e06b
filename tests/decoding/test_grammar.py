"""Grammars: what may be answered for a text is what the schema and the text say, and no more."""

from __future__ import annotations

import functools
import itertools
import json
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from grammars import (
    PERHAPS,
    VERBATIM,
    accepts,
    field,
    grammar_of,
    members,
    tokens_of,
    value_of,
    vocabulary,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from invented_plugins import NAMES, shipped_prompts

from fieldsmith.data import Record, Schema
from fieldsmith.decoding.grammar import (
    Grammar,
    Grammars,
    Matcher,
    Vocabulary,
    check_schema,
    closing_problem,
)
from fieldsmith.decoding.schema_to_lark import MAX_ITEMS, MAX_LENGTH, MAX_NUMBER, whole_grammar
from fieldsmith.errors import GrammarError, SchemaError, SettingsError
from fieldsmith.files import parse_json
from fieldsmith.schema.records import first_problem, write_record
from fieldsmith.text.grounding import occurrences, segments

# What a document may hold: ends of JSON strings, escapes, control characters, white space of every
# kind, marks that join with what is before them, scripts without spaces, names of control tokens.
PIECES = (
    *("aspirin", "Zürich", "x", "_9", "5", " ", "  ", ",", ".", "(", "-", '"', '""', "\\", "\\n"),
    *("/", "{", "}", "[", "]", ":", "null", "\\u0041", "'", "`"),
    *map(chr, range(0x21)),
    *("\r\n", "\x7f", "\x85", "\xa0", "\xad", "\u2028", "\u2029", "\u200b", "\u3000", "\ufeff"),
    *("e\u0301", "\u0301", " \u0301", "👩\u200d🔬", "👍🏽", "🇩🇪", "\u200d", "\ufe0f", "😀"),
    *("阿司匹林", "引", "ยา", "دواء", "أسبرين ", "한국어", "が", "𝒳"),
    *("<|eot_id|>", "<|begin_of_text|>", "<|pad|>", "</s>", "<think>"),
)
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=14).map("".join)


def spans_of(text: str) -> list[str]:
    """Return every run of at most six chunks that has no white space at its ends."""
    cut = segments(text)
    runs = (
        "".join(cut[start:end])
        for start in range(len(cut))
        for end in range(start + 1, min(start + 6, len(cut)) + 1)
    )
    return [run for run in runs if run == run.strip()]


# --- Spans -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "spans", "others"),
    [
        (
            "Aspirin caused rash.",
            ["Aspirin", "caused rash", "rash.", "Aspirin caused rash.", "."],
            ["", "Aspiri", "spirin", "Aspirin ", " caused", "rash. ", "aspirin", "Aspirin rash"],
        ),
        (
            'an "acute" pain',
            ['"acute"', '"', "acute", 'an "', '" pain'],
            ['"acut', '""', 'acute" '],
        ),
        (
            "C:\\new \\\\x",
            ["C:\\new", "\\", "\\new", "\\\\x", "new"],
            ["\\n", "C:\\n", "\n", "\new"],
        ),
        ("a\nb", ["a\nb", "a", "b"], ["a\n", "\nb", "\n", "a b", "a\\nb", "nb"]),
        (
            "a \t\x0b\x0c\x1c\x1f\x85\u2028 b",
            ["a \t\x0b\x0c\x1c\x1f\x85\u2028 b"],
            ["\x0b", "a \x1f"],
        ),
        (
            "x\x00\x01\x7fy\x08",
            ["\x00", "x\x00\x01\x7fy", "\x7f", "\x08", "y\x08"],
            ["x\x01", "\x00y"],
        ),
        ("l'été, e\u0301t", ["été", "e\u0301t", "l'été"], ["e", "\u0301t", "t\u00e9"]),
        ("阿司匹林", ["阿", "司匹", "阿司匹林"], ["匹司", "林阿"]),
        ("دواء أسبرين", ["دواء", "دواء أسبرين"], ["دوا", "بري"]),
        (
            "ok 👩\u200d🔬 👍🏽!",
            ["👩\u200d🔬", "👍🏽!", "ok 👩\u200d🔬"],
            ["👩", "🔬", "👍", "\u200d"],
        ),
        ("a <|eot_id|> b", ["<|eot_id|>", "eot_id", "a <|", "|> b"], ["eot", "id|>"]),
    ],
)
def test_a_verbatim_field_holds_whole_spans_alone(
    text: str, spans: Sequence[str], others: Sequence[str]
) -> None:
    schema = field(VERBATIM)
    assert [span for span in spans if not accepts(schema, value_of(span), text)] == []
    assert [other for other in others if accepts(schema, value_of(other), text)] == []
    assert not accepts(schema, '{"a":null}', text)


@pytest.mark.parametrize("code", range(0x20))
def test_every_control_character_is_written_as_json_writes_it(code: int) -> None:
    text = f"a{chr(code)}b"
    assert accepts(field(VERBATIM), write_record({"a": text}, {}), text)
    assert not accepts(field(VERBATIM), f'{{"a":"{text}"}}', text)
    alone = write_record({"a": chr(code)}, {})
    assert accepts(field(VERBATIM), alone, text) == (not chr(code).isspace())


def test_escapes_are_those_of_json_dumps_and_no_others() -> None:
    text = "é / \x1f\x7f x"
    for other in ('"\\u00e9"', '"\\/"', '"\\u007f"', '"\\u001F\x7f"'):
        assert not accepts(field(VERBATIM), f'{{"a":{other}}}', text)
    assert accepts(field(VERBATIM), '{"a":"é / \\u001f\x7f"}', text)


@given(TEXTS, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_whatever_is_cut_from_a_text_is_accepted_if_it_is_whole_chunks(
    text: str, source: random.Random
) -> None:
    whole = spans_of(text)
    grammar = grammar_of(field(PERHAPS), text)
    for span in source.sample(whole, min(8, len(whole))):
        assert grammar.refusal(tokens_of(value_of(span))) is None, span
    for _ in range(8):
        start, end = sorted(source.choices(range(len(text) + 1), k=2))
        part = text[start:end]
        if len(segments(text)) <= 6:  # then every span is among them
            accepted = grammar.refusal(tokens_of(value_of(part))) is None
            assert accepted == (part in whole), part


@given(TEXTS, st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_a_span_is_accepted_in_whatever_tokens_write_it(text: str, source: random.Random) -> None:
    whole = spans_of(text)
    if whole:
        answer = value_of(source.choice(whole)).encode()
        ids = []
        while answer:
            choices = [answer[:n] for n in range(1, 17) if answer[:n] in token_of_bytes()]
            piece = source.choice(choices)
            ids.append(token_of_bytes()[piece])
            answer = answer[len(piece) :]
        assert grammar_of(field(VERBATIM), text).refusal(ids) is None


@functools.cache
def token_of_bytes() -> dict[bytes, int]:
    known = vocabulary()
    written = {known.bytes_of(token): token for token in range(known.size)}
    return {data: token for data, token in written.items() if data}


@pytest.mark.parametrize("text", ["", " ", "\n\t \x1f\u2028"])
def test_a_text_without_a_span_leaves_what_needs_none(text: str) -> None:
    assert accepts(field(PERHAPS), '{"a":null}', text)
    assert accepts(NAMES, '{"names":[]}', text)
    assert accepts(NAMES, "{}", text)
    both = {"anyOf": [VERBATIM, {"type": "integer"}]}
    assert accepts(field(both), '{"a":7}', text)
    tree = members("v", v={"anyOf": [VERBATIM, members(w=VERBATIM)]})
    assert accepts(tree, '{"v":{}}', text)
    for answer in ('{"a":" "}', '{"a":""}', '{"a":"'):
        assert not accepts(field(PERHAPS), answer, text)
    with pytest.raises(GrammarError, match="nothing in the text can"):
        grammar_of(field(VERBATIM), text).matcher()
    refusal = grammar_of(field(VERBATIM), text).refusal(tokens_of('{"a":"x"}'))
    assert refusal is not None
    assert "nothing in the text can" in refusal


def test_half_a_surrogate_pair_is_refused_by_name() -> None:
    grammar = grammar_of(field(VERBATIM), "a \ud83d b")
    with pytest.raises(GrammarError, match="half a surrogate pair"):
        grammar.matcher()
    with pytest.raises(GrammarError, match="half a surrogate pair"):
        grammar.refusal(tokens_of('{"a":"b"}'))


# --- Records -----------------------------------------------------------------------------------


def test_records_are_compact_and_their_keys_in_order() -> None:
    schema = members("b", a=VERBATIM, b=PERHAPS, c={"type": "array", "items": VERBATIM})
    right = [
        '{"a":"x","b":"y","c":["x","y"]}',
        '{"b":null}',
        '{"a":"x y","b":null}',
        '{"b":"x","c":[]}',
    ]
    wrong = [
        "{}",
        '{"b":"x","a":"y"}',
        '{"b": "x"}',
        '{"b":"x" }',
        ' {"b":"x"}',
        '{"b":"x"} ',
        '{"b":"x","b":"y"}',
        '{"b":"x",}',
        '{,"b":"x"}',
        '{"a":"x""b":"y"}',
        '{"b":"x","d":1}',
        '{"b":"x","c":["x",]}',
        '{"b":"x"',
    ]
    assert [answer for answer in right if not accepts(schema, answer, "x y")] == []
    assert [answer for answer in wrong if accepts(schema, answer, "x y")] == []


@pytest.mark.parametrize(
    "required", [set(c) for n in range(4) for c in itertools.combinations("abc", n)]
)
@pytest.mark.parametrize("leaf", [VERBATIM, {"type": "integer"}])
def test_any_subset_of_the_optional_keys_may_be_there(required: set[str], leaf: Schema) -> None:
    schema = members(*required, a=leaf, b=leaf, c=leaf, z=PERHAPS)
    for size in range(5):
        for keys in itertools.combinations("abcz", size):
            value: Any = "x" if leaf is VERBATIM else 5
            record = {key: "x" if key == "z" else value for key in keys}
            assert accepts(schema, write_record(record, schema), "x") == (required <= set(keys))


def test_keys_of_any_characters_stay_what_they_are() -> None:
    keys = [
        '"',
        "\\",
        "\n\x00\x7f",
        "é\u2028",
        "😀",
        "",
        "SPAN",
        "<|eot_id|>",
        "a b",
        "start",
        "\\u0041",
    ]
    schema = members(*keys, **dict.fromkeys(keys, VERBATIM))
    check_schema(schema)
    assert accepts(schema, write_record(dict.fromkeys(keys, "x"), schema), "x")


@pytest.mark.parametrize(
    ("low", "high"), [(0, 0), (0, 1), (0, 3), (1, 1), (2, 3), (3, None), (0, None)]
)
def test_lists_keep_to_their_bounds(low: int, high: int | None) -> None:
    array = {"type": "array", "items": VERBATIM, "minItems": low}
    schema = field(array if high is None else {**array, "maxItems": high})
    for count in range(6):
        answer = write_record({"a": ["x"] * count}, schema)
        assert accepts(schema, answer, "x") == (
            low <= count <= (high or 9) if high != 0 else count == 0
        )


def test_what_has_no_bound_gets_one() -> None:
    lists = members(own={"type": "array", "items": VERBATIM}, other={"type": "array"})
    for key, item in (("own", '"x"'), ("other", "1")):
        most = ",".join([item] * MAX_ITEMS)
        assert accepts(lists, f'{{"{key}":[{most}]}}', "x")
        assert not accepts(lists, f'{{"{key}":[{most},{item}]}}', "x")
    texts = field({"type": "string"})
    assert accepts(texts, f'{{"a":"{"x" * MAX_LENGTH}"}}')
    assert not accepts(texts, f'{{"a":"{"x" * MAX_LENGTH}x"}}')
    for kind in ("number", "integer"):
        for number in (MAX_NUMBER, -MAX_NUMBER, 0, 12):
            assert accepts(field({"type": kind}), f'{{"a":{number}}}')
        for beyond in (MAX_NUMBER + 1, -MAX_NUMBER - 1, "1E400", "1e3"):
            assert not accepts(field({"type": kind}), f'{{"a":{beyond}}}')
    assert not accepts(field(True), '{"a":1E400}')
    assert accepts(field(True), '{"a":{"b":[null,1.5,"x",{"c":[]}]}}')


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"type": "string", "minLength": MAX_LENGTH + 1}, f'"{"x" * (MAX_LENGTH + 1)}"'),
        ({"type": "integer", "minimum": MAX_NUMBER * 10}, str(MAX_NUMBER * 11)),
        ({"type": "integer", "exclusiveMaximum": -MAX_NUMBER * 10}, str(-MAX_NUMBER * 11)),
        ({"type": "array", "minItems": MAX_ITEMS + 1}, f"[{'1,' * MAX_ITEMS}1]"),
        (
            {"type": "array", "items": VERBATIM, "minItems": 1001},
            json.dumps(["x"] * 1001, separators=(",", ":")),
        ),
    ],
)
def test_a_bound_of_the_schema_counts_more(schema: Schema, answer: str) -> None:
    check_schema(schema)
    assert accepts(schema, answer, "x")


def test_bounds_are_not_set_where_values_are_listed() -> None:
    long = "x" * 50
    listed = {"enum": [long, MAX_NUMBER * 100, {"maximum": [1]}], "default": {"type": "array"}}
    schema = field(listed)
    for value in (long, MAX_NUMBER * 100, {"maximum": [1]}):
        assert accepts(schema, write_record({"a": value}, schema))
    assert not accepts(schema, write_record({"a": {"maximum": [2]}}, schema))


def test_objects_that_name_their_keys_are_closed() -> None:
    silent: Schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    assert accepts(silent, '{"n":1}')
    assert not accepts(silent, '{"n":1,"m":2}')
    assert accepts({"type": "object"}, '{"n":1,"m":[2]}')
    assert accepts({**silent, "additionalProperties": True}, '{"n":1,"m":2}')
    assert not accepts({"anyOf": [silent, {"type": "null"}]}, '{"m":2}')
    # What both say of one object is closed by neither.
    both = {"allOf": [silent, {"type": "object", "properties": {"m": {"type": "integer"}}}]}
    assert accepts(both, '{"n":1,"m":2}')
    # Closed, the two would exclude each other; open, as jsonschema reads them, they do not.
    one_of = {"oneOf": [silent, {**silent, "properties": {"m": {}}, "required": ["m"]}]}
    with pytest.raises(SchemaError, match="'oneOf'"):
        check_schema(one_of)


def test_references_are_followed_on_the_way_and_below() -> None:
    schema: Schema = {
        "$defs": {
            "node": members(
                "name",
                name={"$ref": "#/$defs/na~1me"},
                size={"$ref": "#/definitions/size%21"},
                inner={"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2},
            ),
            "na/me": PERHAPS,
        },
        "definitions": {
            "size!": {"anyOf": [{"$ref": "#/definitions/list"}, {"type": "integer"}]},
            "list": {"type": "array", "items": {"$ref": "#/definitions/size!"}},
        },
        "type": "object",
        "properties": {"top": {"$ref": "#/$defs/node"}, "again": {"$ref": "#"}},
    }
    check_schema(schema)
    assert accepts(
        schema,
        '{"top":{"name":"a","size":[[1],2],"inner":[{"name":null},{"name":"b","inner":[]}]},'
        '"again":{"again":{}}}',
        "a b",
    )
    for wrong in (
        '{"top":{"name":"c"}}',
        '{"top":{"name":"a","size":["a"]}}',
        '{"top":{"name":"a","inner":[{}]}}',
        '{"top":{"name":"a","inner":[{"name":"a"},{"name":"a"},{"name":"a"}]}}',
        '{"again":{"again":1}}',
    ):
        assert not accepts(schema, wrong, "a b"), wrong


def test_a_field_is_verbatim_where_an_outer_schema_says_so() -> None:
    schema: Schema = {
        **members(
            a={"$ref": "#/$defs/text", "x-source": "verbatim"},
            b={"anyOf": [{"$ref": "#/$defs/text"}, {"type": "null"}], "x-source": "verbatim"},
            c={"$ref": "#/$defs/text"},
        ),
        "$defs": {"text": {"type": "string", "description": "a text"}},
    }
    check_schema(schema)
    assert accepts(schema, '{"a":"x","b":"y","c":"z"}', "x y")
    assert accepts(schema, '{"b":null}', "x y")
    assert not accepts(schema, '{"a":"z"}', "x y")
    assert not accepts(schema, '{"b":"z"}', "x y")


def test_objects_of_ours_and_of_llguidance_are_told_apart() -> None:
    plain = members("ab", ab={"type": "integer"})
    schema = field(
        {"anyOf": [members("a", a=VERBATIM), plain, members("ac", ac=PERHAPS), VERBATIM]}
    )
    check_schema(schema)
    for answer in ('{"a":"x"}', '{"ab":1}', '{"ac":null}', '"x"'):
        assert accepts(schema, f'{{"a":{answer}}}', "x")
    for answer in ('{"a":1}', '{"ab":"x"}', '{"ac":1}', '"ab"', "{}"):
        assert not accepts(schema, f'{{"a":{answer}}}', "x")


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        (PERHAPS, ["null", '"x"'], ["1", '"y"']),
        ({"type": "array", "items": VERBATIM}, ["[]", '["x","x"]'], ["{}", '["y"]']),
        ({"type": "integer"}, ["0", "-12"], ["1.5", "01", '"1"']),
        ({"type": ["integer", "null"]}, ["7", "null"], ["true"]),
        ({"type": "string", "maxLength": 2}, ['"ab"', '""', '"\\n"'], ['"abc"', "1"]),
        ({"enum": ["a", 1, None]}, ['"a"', "1", "null"], ["2", '"b"']),
        ({"type": "string", "pattern": "^[a-c]+$"}, ['"abc"'], ['"d"', '""']),
        ({"type": "string", "format": "date"}, ['"2024-02-29"'], ['"2024-2-9"']),
        (True, ["1", "[]"], ["01"]),
    ],
)
def test_the_root_may_be_of_any_type(schema: Any, right: list[str], wrong: list[str]) -> None:
    assert [answer for answer in right if not accepts(schema, answer, "x")] == []
    assert [answer for answer in wrong if accepts(schema, answer, "x")] == []


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
                "uniqueItems": True,
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
                ("array", "uniqueItems", True),
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
                ("string", "format", "iri"),
                ("string", "format", "unknown"),
                ("integer", "format", "int32"),
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
    check_schema(field({"type": "array", "uniqueItems": False}))


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        (NAMES, None),
        (field(PERHAPS), None),
        (field({"type": "array", "items": field(VERBATIM)}), None),
        (field({"type": "string"}), None),
        (field(field({"anyOf": [{"type": "number"}, {"type": "null"}]})), None),
        (members(a={"type": "number"}), None),
        (members("a", "b", a=PERHAPS, b=VERBATIM), "b"),
        (members("a", "b", a={"type": "number"}, b=PERHAPS), "a"),
        (field({"type": "string", "minLength": 1}), "a"),
        (field({"type": "array", "items": VERBATIM, "minItems": 1}), "a"),
        (field(field(VERBATIM)), "a"),
    ],
)
def test_a_schema_that_cannot_be_closed_is_named(schema: Schema, named: str | None) -> None:
    problem = closing_problem(schema)
    if named is None:
        assert problem is None
    else:
        assert problem is not None
        assert f"could not be closed: {named} can be" in problem


# --- Tokens ------------------------------------------------------------------------------------


def test_a_vocabulary_reads_and_writes_as_the_tokenizer_does() -> None:
    prompts, known = shipped_prompts(), vocabulary()
    assert known.size == len(prompts.tokenizer)
    control = set(prompts.tokenizer.get_added_vocab().values())
    assert all(known.bytes_of(token) == b"" for token in [*control, known.size, 10**9])
    for text in ("Aspirin", '{"a":"\\n阿 😀"}', "<|eot_id|> a</s>", " x  y\t"):
        ids = known.tokenize(text.encode())
        assert b"".join(map(known.bytes_of, ids)).decode() == text
        assert not control & set(ids)
        assert [*ids, prompts.end] == prompts.answer(text)


def test_no_added_token_can_be_written_be_it_special_or_not() -> None:
    from transformers import AddedToken, AutoTokenizer

    prompts = shipped_prompts()
    tokenizer: Any = AutoTokenizer.from_pretrained(prompts.tokenizer.name_or_path)
    tokenizer.add_tokens(["<think>", "rash now", AddedToken(" x", single_word=True)])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|tool|>"]})
    known = Vocabulary(tokenizer, prompts.stops)
    added = set(tokenizer.get_added_vocab().values())
    assert known.size == len(tokenizer)
    assert all(known.bytes_of(token) == b"" for token in added)
    text = "<think> rash now <|tool|> x"
    for schema in (field(VERBATIM), field({"type": "string"})):
        grammar = Grammars(schema, known).of(text)
        ids = known.tokenize(value_of(text).encode())
        assert not added & set(ids)
        assert grammar.refusal(ids) is None
        matcher = grammar.matcher()
        for token in ids:
            assert not matcher.allowed()[sorted(added)].any()
            assert not any(matcher.allows(other) for other in added)
            matcher.consume([token])
        assert set(np.flatnonzero(matcher.allowed())) == set(prompts.stops)
        for token in added:
            assert grammar.refusal([*ids[:3], token, *ids[3:]]) is not None
    # What the grammar forces is text too, where the document is nothing but a control token's name.
    only = Grammars(field(VERBATIM), known).of("<|eot_id|>").matcher()
    ids = []
    while not only.ended:
        ids += only.forced() or [int(np.flatnonzero(only.allowed())[0])]
        only.consume(ids[-1:] if not only.forced() else only.forced())
    assert not added & set(ids)


def test_tokenizers_that_grammars_cannot_use_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    words = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    )
    with pytest.raises(SettingsError, match="no grammar can be held"):
        Vocabulary(words, [0])
    tokenizer = shipped_prompts().tokenizer
    monkeypatch.setattr(type(tokenizer), "is_fast", False)
    with pytest.raises(SettingsError, match="fast tokenizer"):
        Vocabulary(tokenizer, [0])


# --- Matchers ----------------------------------------------------------------------------------


def test_a_matcher_follows_an_answer_to_its_end() -> None:
    stop = shipped_prompts().end
    matcher = grammar_of(NAMES, "a b").matcher()
    ids = tokens_of('{"names":["a"]}')
    assert matcher.accepted([*ids, ids[0]]) == len(ids)
    assert matcher.accepted([*ids[:2], stop]) == 2
    assert not matcher.allows(stop)
    ended = [matcher.ended]
    for token in ids:
        mask = matcher.allowed()
        assert mask.shape == (vocabulary().size,)
        assert mask.dtype == np.bool_
        assert mask[token]
        assert matcher.allows(token)
        assert not matcher.allows(vocabulary().size + 7)
        assert not mask[stop]
        matcher.consume([token])
        ended.append(matcher.ended)
    assert ended == [*[False] * len(ids), True]
    assert matcher.forced() == []
    assert matcher.allows(stop)
    assert matcher.accepted(ids) == 0
    assert list(np.flatnonzero(matcher.allowed())) == sorted(shipped_prompts().stops)


def test_a_mask_is_not_written_over_by_the_next() -> None:
    matcher = grammar_of(NAMES, "a b").matcher()
    first = matcher.allowed()
    before = first.copy()
    matcher.consume(tokens_of('{"names":'))
    matcher.allowed()
    assert (first == before).all()


def test_a_matcher_that_failed_says_so_from_then_on() -> None:
    matcher = grammar_of(NAMES, "a b").matcher()
    with pytest.raises(GrammarError, match="the grammar failed"):
        matcher.consume(tokens_of('{"x'))
    uses: list[Callable[[], object]] = [
        matcher.allowed,
        matcher.forced,
        lambda: matcher.ended,
        lambda: matcher.allows(9),
        lambda: matcher.accepted([9]),
        lambda: matcher.consume([9]),
    ]
    for use in uses:
        with pytest.raises(GrammarError, match="the grammar failed"):
            use()


def test_a_grammar_that_does_not_compile_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    grammars = Grammars(NAMES, vocabulary())
    monkeypatch.setattr(grammars, "rules", "start: nowhere")
    with pytest.raises(GrammarError, match="nowhere"):
        grammars.of("a").matcher()


def test_a_refusal_says_where_the_answer_leaves_the_grammar() -> None:
    grammar = grammar_of(NAMES, "acute pain")
    assert grammar.refusal(tokens_of('{"names":["acute"]}')) is None
    assert grammar.refusal(tokens_of("{}")) is None
    refusals = {
        '{"names":["acut"]}': "acut",
        '{"names":["acute"]': "not complete",
        "": "not complete",
        '{"names":["acute"]}}': "cannot go on with '}'",
    }
    for answer, wanted in refusals.items():
        refusal = grammar.refusal(tokens_of(answer))
        assert refusal is not None
        assert wanted in refusal
        assert len(refusal) < 150


def test_matchers_are_compiled_beside_other_threads() -> None:
    # Compiling drops the GIL: a thread that needs it goes on meanwhile.
    grammar = grammar_of(NAMES, "".join(f"word{number} " for number in range(20_000)))
    ticks = 0

    def count() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1

    done = threading.Event()
    thread = threading.Thread(target=count)
    thread.start()
    grammar.matcher()
    done.set()
    thread.join()
    assert ticks > 1000


# --- Fuzz --------------------------------------------------------------------------------------

LEAVES: Sequence[Schema] = (
    VERBATIM,
    VERBATIM,
    PERHAPS,
    {"anyOf": [VERBATIM, {"type": "null"}]},
    {"anyOf": [{"type": "string"}, {"type": "null"}], "x-source": "verbatim"},
    {"type": "string", "maxLength": 6},
    {"type": "string", "minLength": 1, "maxLength": 3},
    {"type": ["string", "null"], "maxLength": 4},
    {"type": "string", "pattern": "^[a-c]{1,4}$"},
    {"type": "string", "format": "date"},
    {"type": "integer", "minimum": -20, "maximum": 1200},
    {"type": "number", "minimum": 0},
    {"type": ["boolean", "null"]},
    {"enum": ["one", 'a "b"\n', 3, None]},
    {"const": "é"},
    {"type": "array", "items": {"type": "boolean"}, "maxItems": 2},
)
KEYS = st.sampled_from(["a", "b", "name", "né", 'q"', "x\ny", "", "日", "<|eot_id|>"])


def _object(inner: Mapping[str, Schema], required: Sequence[bool]) -> Schema:
    needed = [key for key, is_needed in zip(inner, required, strict=False) if is_needed]
    return members(*needed, **inner)


def _nested(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.one_of(
        st.builds(
            _object,
            st.dictionaries(KEYS, inner, min_size=1, max_size=4),
            st.lists(st.booleans(), min_size=4, max_size=4),
        ),
        st.builds(
            lambda items, low, more: {
                "type": "array",
                "items": items,
                "minItems": low,
                "maxItems": low + more,
            },
            inner,
            st.integers(0, 2),
            st.integers(0, 3),
        ),
        inner.map(lambda schema: {"anyOf": [schema, {"type": "null"}]}),
        st.lists(inner, min_size=2, max_size=3).map(lambda options: {"anyOf": options}),
        inner.map(lambda schema: {"$ref": "#/$defs/node", "title": "again"}),
    )


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """Draw the schema of an object; ``$defs/node`` may hold itself."""
    part = st.recursive(st.sampled_from(LEAVES), _nested, max_leaves=6)
    node = members("leaf", leaf=draw(st.sampled_from(LEAVES)), again={"$ref": "#/$defs/node"})
    inner = draw(st.dictionaries(KEYS, part, min_size=1, max_size=4))
    root = _object(inner, draw(st.lists(st.booleans(), min_size=4, max_size=4)))
    return {**root, "$defs": {"node": node}}


def is_grounded(value: Any, schema: Any, root: Schema, text: str, *, told: bool = False) -> bool:
    """Say whether a value is what a schema of this file's kind allows and stands in the text."""
    told = told or schema.get("x-source") == "verbatim"
    if "$ref" in schema:
        return is_grounded(value, root["$defs"]["node"], root, text, told=told)
    if "anyOf" in schema:
        return any(is_grounded(value, each, root, text, told=told) for each in schema["anyOf"])
    if isinstance(value, dict) and "properties" in schema:
        inner = schema["properties"]
        return (
            set(schema["required"]) <= value.keys() <= inner.keys()
            and list(value) == [key for key in inner if key in value]
            and all(is_grounded(value[key], inner[key], root, text) for key in value)
        )
    if isinstance(value, list) and "items" in schema:
        return len(value) <= schema["maxItems"] and all(
            is_grounded(item, schema["items"], root, text) for item in value
        )
    if told and isinstance(value, str):
        return next(occurrences(text, value), None) is not None
    return first_problem(value, schema) is None


def has_no_answer(grammar: Grammar) -> bool:
    """Say whether a field would have to stand in a text that has no span."""
    return not grammar.text.strip() and not grammar.grammars.rules_of_nothing


def written(matcher: Matcher, source: random.Random) -> list[int]:
    """Return an answer of random tokens that the grammar allows, soon such as come to an end."""
    known, ids = vocabulary(), list[int]()
    patience = source.randrange(60)
    while not matcher.ended:
        if source.random() < 0.3 and (forced := matcher.forced()):
            assert matcher.accepted(forced) == len(forced)
            matcher.consume(forced)
            ids += forced
            continue
        allowed = [int(token) for token in np.flatnonzero(matcher.allowed())]
        if len(ids) > patience:
            rank = {token: _rank(known.bytes_of(token)) for token in allowed}
            allowed = [token for token in allowed if rank[token] == min(rank.values())]
        ids.append(source.choice(allowed))
        matcher.consume(ids[-1:])
        assert len(ids) < 1500, b"".join(map(known.bytes_of, ids))
    return ids


def _rank(data: bytes) -> tuple[int, int]:
    order = b'}]"n,'
    return order.find(data[:1]) % len(order + b"?"), len(data) if data[:1] in (b'"', b",") else 0


@given(schemas(), TEXTS, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_whatever_a_random_model_writes_is_a_grounded_record(
    schema: Schema, text: str, source: random.Random
) -> None:
    check_schema(schema)
    grammar = grammar_of(schema, text)
    if has_no_answer(grammar):
        return
    ids = written(grammar.matcher(), source)
    control = set(shipped_prompts().tokenizer.get_added_vocab().values())
    assert not control & set(ids)
    answer = b"".join(map(vocabulary().bytes_of, ids)).decode()
    record = parse_json(answer)
    assert first_problem(record, schema) is None
    assert is_grounded(record, schema, schema, text), answer
    assert grammar.refusal(ids) is None


class Impossible(Exception):
    """A schema has no value for a text, or none that is near enough."""


def invented(
    schema: Any, root: Schema, spans: Sequence[str], source: random.Random, depth: int = 0
) -> Any:
    """Return a random value of a schema of this file's kind."""
    if depth > 8:
        raise Impossible
    if "$ref" in schema:
        return invented(root["$defs"]["node"], root, spans, source, depth + 1)
    if "anyOf" in schema:
        options = [
            {**option, "x-source": "verbatim"} if "x-source" in schema else option
            for option in schema["anyOf"]
        ]
        for option in source.sample(options, len(options)):
            try:
                return invented(option, root, spans, source, depth)
            except Impossible:
                continue
        raise Impossible
    if "enum" in schema or "const" in schema:
        return source.choice(schema.get("enum", [schema.get("const")]))
    kinds = schema["type"]
    kind = kinds if isinstance(kinds, str) else source.choice(kinds)
    if kind == "object":
        record: Record = {}
        for key, inner in schema["properties"].items():
            try:
                if key in schema["required"] or source.random() < 0.5:
                    record[key] = invented(inner, root, spans, source, depth + 1)
            except Impossible:
                if key in schema["required"]:
                    raise
        return record
    if kind == "array":
        count = source.randint(schema.get("minItems", 0), schema["maxItems"])
        return [invented(schema["items"], root, spans, source, depth + 1) for _ in range(count)]
    if kind == "string" and schema.get("x-source") == "verbatim":
        if not spans:
            raise Impossible
        return source.choice(spans)
    if kind == "string":
        if "pattern" in schema or "format" in schema:
            return "abc" if "pattern" in schema else "2024-02-29"
        return "".join(source.choices('é"\\\n x😀', k=schema["maxLength"]))
    if kind == "number":
        return source.choice([0, 2.5, 0.0001, 123456.75, 7])
    return {"integer": source.randint(-20, 1200), "boolean": True, "null": None}[kind]


@given(schemas(), TEXTS, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_every_record_of_spans_is_accepted_as_it_is_written(
    schema: Schema, text: str, source: random.Random
) -> None:
    grammar, spans = grammar_of(schema, text), spans_of(text)
    for _ in range(2):
        try:
            record = invented(schema, schema, spans, source)
        except Impossible:
            continue
        answer = write_record(record, schema)
        assert grammar.refusal(tokens_of(answer)) is None, answer


@given(schemas(), TEXTS, st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_forced_tokens_are_those_that_single_steps_are_left_with(
    schema: Schema, text: str, source: random.Random
) -> None:
    """So taking them without asking the model changes no answer."""
    grammar = grammar_of(schema, text)
    if has_no_answer(grammar):
        return
    jumping, stepping = grammar.matcher(), grammar.matcher()
    for _ in range(40):
        forced = jumping.forced()
        for token in forced:
            assert list(np.flatnonzero(stepping.allowed())) == [token]
            stepping.consume([token])
        jumping.consume(forced)
        assert jumping.ended == stepping.ended
        mask = jumping.allowed()
        assert (mask == stepping.allowed()).all()
        if jumping.ended:
            return
        token = int(source.choice(np.flatnonzero(mask)))
        jumping.consume([token])
        stepping.consume([token])


@given(TEXTS, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_what_is_forced_is_what_the_tokenizer_writes(text: str, source: random.Random) -> None:
    """A model is trained on the tokenizer's tokens: none of them may be masked."""
    spans = spans_of(text)
    record = {"names": source.choices(spans, k=3)} if spans else {}
    matcher = grammar_of(NAMES, text).matcher()
    for token in shipped_prompts().answer(write_record(record, NAMES))[:-1]:
        assert matcher.allowed()[token]
        matcher.consume([token])
    assert matcher.ended


# --- Size --------------------------------------------------------------------------------------


def test_a_grammar_is_as_long_as_its_text() -> None:
    rules, text = Grammars(NAMES, vocabulary()).rules, "naproxen and its salts, "
    short, long = (len(whole_grammar(rules, text * times)) - len(rules) for times in (10, 1000))
    assert long < 100 * short
