"""Whatever a grammar lets through is a valid record, and it lets every such record through."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from grammars import (
    PERHAPS,
    VERBATIM,
    grammar_of,
    members,
    tokens_of,
    vocabulary,
)
from hostile_texts import TEXTS, spans_of
from hypothesis import given, settings
from hypothesis import strategies as st
from invented_plugins import NAMES, shipped_prompts

from fieldsmith.data import Record, Schema
from fieldsmith.decoding.grammar import Grammar, check_schema
from fieldsmith.decoding.llguidance_adapter import Matcher
from fieldsmith.files import parse_json
from fieldsmith.schema.records import first_problem, write_record
from fieldsmith.text.grounding import occurrences

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
    return not grammar.text.strip() and not grammar.grammars.rules_without_spans


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
