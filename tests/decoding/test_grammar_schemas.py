"""Schemas of a public benchmark: each is enforced as its instances say, or refused by name.

Instances are read as models write them: compact, the keys in the schema's order.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from grammars import accepts, grammar_of, vocabulary
from paths import REAL_DATA

from fieldsmith.data import Schema
from fieldsmith.decoding.grammar import check_schema
from fieldsmith.decoding.llguidance_adapter import Matcher
from fieldsmith.errors import SchemaError
from fieldsmith.files import parse_json
from fieldsmith.schema.pointers import leaves
from fieldsmith.schema.records import first_problem, write_record

FILES = {path.stem: path for path in sorted((REAL_DATA / "schemas").glob("*.json"))}

# Without published data each test has one case, which is skipped.
NONE = ["no schema"]

pytestmark = pytest.mark.realdata("schemas")

NOT = "Synthesized---draft2019_09_"

# What llguidance cannot enforce.
REFUSED = {
    "Github_medium---o25763": "oneOf",
    "JsonSchemaStore---codeship-steps": "if",
    "JsonSchemaStore---jsonld": "$ref",
    f"{NOT}nonvalid_maxItems_id2_subschema1_not_2": "not",
    f"{NOT}nonvalid_maxItems_id3_subschema1_not_2": "not",
    f"{NOT}nonvalid_multipleOf_id3_subschema1_not_2": "not",
    f"{NOT}valid_allOf_id28_subschema1_not_2": "not",
    f"{NOT}valid_const_id9_subschema1_not_2": "not",
    f"{NOT}valid_type_id25_subschema1_not_2": "not",
    f"{NOT}valid_type_id6_subschema1_not_2": "not",
}
# Words that JSON Schema does not know, and what is refused once these are gone.
FOREIGN = {
    "Github_easy---o20487": ("content-type", None),
    "Github_easy---o39436": ("javaName", None),
    "Github_easy---o48873": ("username", "required"),
    "Github_easy---o60117": ("rev", None),
    "Github_easy---o90373": ("$$target", None),
    "Github_hard---o21286": ("_uniqueItems", None),
    "Github_medium---o19154": ("additionalitems", "required"),
    "Github_medium---o24987": ("_format", None),
    "Github_medium---o55244": ("comments", "dependencies"),
    "Github_medium---o78014": ("name", None),
    "Github_medium---o82372": ("pbj", None),
    "Github_medium---o9514": ("links", None),
    "Snowplow---sp_325_Normalized": ("self", None),
    "Snowplow---sp_71_Normalized": ("self", None),
}

BY_NAME = ("$defs", "definitions", "patternProperties", "properties")
BY_PLACE = ("allOf", "anyOf", "oneOf", "prefixItems")
ONE = ("additionalProperties", "items", "not")
WORDS = {
    *("$comment", "$id", "$ref", "$schema", "const", "default", "dependencies", "description"),
    *("else", "enum", "example", "examples", "exclusiveMaximum", "exclusiveMinimum", "format"),
    *("id", "if", "maximum", "maxItems", "maxLength", "maxProperties", "minimum", "minItems"),
    *("minLength", "minProperties", "multipleOf", "pattern", "required", "then", "title", "type"),
    *("uniqueItems", *BY_NAME, *BY_PLACE, *ONE),
}


def loaded(name: str) -> tuple[Schema, list[dict[str, Any]]]:
    content = json.loads(FILES[name].read_text(encoding="utf-8"))
    return content["schema"], content["tests"]


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every schema within a schema, itself first."""
    if isinstance(schema, dict):
        yield schema
        for word, value in schema.items():
            inner: Any = ()
            if word in BY_NAME:
                inner = value.values()
            elif word in BY_PLACE:
                inner = value
            elif word in ONE:
                inner = [value]
            for part in inner:
                yield from parts(part)


def without_foreign_words(schema: Schema) -> Schema:
    schema = copy.deepcopy(schema)
    for part in list(parts(schema)):
        for word in list(part.keys() - WORDS):
            if not word.startswith("x-"):
                del part[word]
    return schema


def check_refused(schema: Schema, keyword: str) -> None:
    with pytest.raises(
        SchemaError, match=f"^the schema at /\\S*: {keyword!r} ".replace("$", r"\$")
    ):
        check_schema(schema)


def check_enforced(schema: Schema, tests: list[dict[str, Any]]) -> None:
    check_schema(schema)
    for test in tests:
        assert accepts(schema, write_record(test["data"], schema)) == test["valid"], test


@pytest.mark.parametrize("name", list(FILES) or NONE)
def test_a_schema_is_enforced_or_refused_by_name(name: str) -> None:
    schema, tests = loaded(name)
    if name in REFUSED:
        check_refused(schema, REFUSED[name])
    elif name in FOREIGN:
        check_refused(schema, FOREIGN[name][0])
    else:
        check_enforced(schema, tests)


@pytest.mark.parametrize("name", FOREIGN)
def test_so_it_is_without_words_that_json_schema_does_not_know(name: str) -> None:
    schema, tests = loaded(name)
    schema = without_foreign_words(schema)
    refused = FOREIGN[name][1]
    if refused:
        check_refused(schema, refused)
    else:
        check_enforced(schema, tests)


# Where strings have to be spans, these words stand on the way to one.
ON_THE_WAY = {
    "Github_medium---o19154": "minimum",
    "Github_medium---o24987": "additionalProperties",
    "Github_medium---o25763": "oneOf",
    "Github_medium---o55244": "oneOf",
    "Github_medium---o68630": "patternProperties",
    "JsonSchemaStore---codeship-steps": "if",
    "JsonSchemaStore---jsonld": "allOf",
    f"{NOT}valid_type_id25_subschema1_not_2": "allOf",
}


def with_verbatim_strings(schema: Schema) -> Schema:
    """Return a schema whose strings without a constraint have to stand in the document."""
    schema = without_foreign_words(schema)
    for part in parts(schema):
        kinds = part.get("type", [])
        kinds = {kinds} if isinstance(kinds, str) else set(kinds)
        if "string" in kinds <= {"string", "null"} and part.keys() <= {"type", "description"}:
            part["x-source"] = "verbatim"
    return schema


def has_free_strings(name: str) -> bool:
    schema, _tests = loaded(name)
    return any("x-source" in part for part in parts(with_verbatim_strings(schema)))


FREE = [name for name in FILES if has_free_strings(name)]


@pytest.mark.parametrize("name", FREE or NONE)
def test_so_it_is_with_strings_that_have_to_be_in_the_document(name: str) -> None:
    schema, tests = loaded(name)
    schema = with_verbatim_strings(schema)
    if name in ON_THE_WAY:
        check_refused(schema, ON_THE_WAY[name])
        return
    check_schema(schema)
    for test in tests:
        strings = [value for _at, value in leaves(test["data"]) if isinstance(value, str)]
        answer = write_record(test["data"], schema)
        if "" not in strings:  # which is no span
            assert accepts(schema, answer, " . ".join(strings)) == test["valid"], test


def random_answer(matcher: Matcher, source: random.Random, limit: int = 1000) -> str | None:
    """Return what a random model would write if it is short enough."""
    known, ids = vocabulary(), list[int]()
    ends = [token for token in range(known.size) if known.bytes_of(token) in (b'"', b"}", b"]")]
    patience = source.randrange(40)
    while not matcher.ended and len(ids) < limit:
        allowed = matcher.allowed()
        allowed[list(known.stops)] = False
        choices = [end for end in ends if allowed[end] and len(ids) > patience]
        choices = choices or [int(token) for token in np.flatnonzero(allowed)]
        if not choices or (matcher.may_end and len(ids) > patience):
            break
        ids.append(source.choice(choices))
        matcher.consume(ids[-1:])
    return b"".join(map(known.bytes_of, ids)).decode() if matcher.may_end else None


ENFORCED = [name for name in FILES if name not in {**REFUSED, **FOREIGN}]


@pytest.mark.parametrize("name", ENFORCED or NONE)
def test_whatever_a_random_model_writes_is_valid(name: str) -> None:
    schema, _tests = loaded(name)
    grammar, source = grammar_of(schema), random.Random(name)
    answers = [random_answer(grammar.matcher(), source) for _ in range(6)]
    # What has to match a pattern may take a random model for ever.
    assert any(answers) or any("pattern" in part for part in parts(schema))
    for answer in filter(None, answers):
        assert first_problem(parse_json(answer), schema) is None, answer


def test_the_tables_name_no_schema_that_is_not_there() -> None:
    assert {*REFUSED, *FOREIGN, *ON_THE_WAY} <= FILES.keys()
