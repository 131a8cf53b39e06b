"""Grammars of small schemas, and whether they accept an answer."""

from __future__ import annotations

import functools
import json
from typing import Any

from invented_plugins import shipped_prompts

from fieldsmith.data import Schema
from fieldsmith.decoding.grammar import Grammar, Grammars
from fieldsmith.decoding.llguidance_adapter import Vocabulary

VERBATIM: Schema = {"type": "string", "x-source": "verbatim"}
PERHAPS: Schema = {"type": ["string", "null"], "x-source": "verbatim"}


@functools.cache
def vocabulary() -> Vocabulary:
    prompts = shipped_prompts()
    return Vocabulary(prompts.plain, prompts.stops)


def grammar_of(schema: Schema, text: str = "") -> Grammar:
    return Grammars(schema, vocabulary()).for_text(text)


def tokens_of(answer: str) -> list[int]:
    return vocabulary().tokenize(answer.encode())


def accepts(schema: Schema, answer: str, text: str = "") -> bool:
    return grammar_of(schema, text).refusal(tokens_of(answer)) is None


def members(*required: str, **properties: Any) -> Schema:
    """Return the schema of a closed object."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
    }


def field(schema: Any) -> Schema:
    """Return the schema of an object whose only member is required."""
    return members("a", a=schema)


def value_of(found: str) -> str:
    """Return the answer that holds a text in the member ``a``."""
    return json.dumps({"a": found}, ensure_ascii=False, separators=(",", ":"))
