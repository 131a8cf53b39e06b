"""Grammars: what may be answered for a text is what the schema and the text say, and no more."""

from __future__ import annotations

import functools
import itertools
import json
import random
from collections.abc import Sequence
from typing import Any

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
from hostile_texts import TEXTS, spans_of
from hypothesis import given, settings
from hypothesis import strategies as st
from invented_plugins import NAMES

from fieldsmith.data import Schema
from fieldsmith.decoding.bounded_schema import MAX_ITEMS, MAX_LENGTH, MAX_NUMBER
from fieldsmith.decoding.grammar import Grammars, check_schema
from fieldsmith.decoding.schema_to_lark import whole_grammar
from fieldsmith.errors import GrammarError, SchemaError
from fieldsmith.schema.records import write_record
from fieldsmith.text.grounding import segments

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
    with pytest.raises(GrammarError, match="the text has none"):
        grammar_of(field(VERBATIM), text).matcher()
    refusal = grammar_of(field(VERBATIM), text).refusal(tokens_of('{"a":"x"}'))
    assert refusal is not None
    assert "the text has none" in refusal


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


def test_objects_of_ours_and_of_llguidance_are_distinguished() -> None:
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


# --- Size --------------------------------------------------------------------------------------


def test_a_grammar_is_as_long_as_its_text() -> None:
    rules, text = Grammars(NAMES, vocabulary()).rules, "naproxen and its salts, "
    short, long = (len(whole_grammar(rules, text * times)) - len(rules) for times in (10, 1000))
    assert long < 100 * short
