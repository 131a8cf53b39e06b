"""Estimate how many tokens the values take that an answer cannot do without."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..data import Schema
from ..schema.navigation import property_schema, resolve, types_of
from ..schema.records import write_value
from .bounded_schema import FORMATS
from .llguidance_adapter import Vocabulary
from .partial_json import complete_record

_EMPTY = 2
"""Tokens of null, an empty list or an empty string."""

_SCALAR = 12
"""Tokens of a number, or of a string that may end anywhere."""

_PATTERN = 40
"""Tokens of a string that a pattern or a format describes, if each character is one."""

_DEPTH = 8


def finish_tokens(schema: Schema, vocabulary: Vocabulary, there: Collection[str] = ()) -> int:
    """Return about how many tokens the required keys of a record take with their values.

    Args:
        schema: of the record.
        vocabulary: the tokens of answers.
        there: keys that the record has already.
    """
    total = 1
    for key in schema.get("required", ()):
        if key in there:
            continue
        total += len(vocabulary.tokenize(f",{write_value(key)}:".encode()))
        if complete_record("{", {**schema, "required": [key]}) is None:
            total += _value(property_schema(schema, key), schema, vocabulary, _DEPTH)
        else:
            total += _EMPTY
    return total


def _value(given: Any, root: Schema, vocabulary: Vocabulary, depth: int) -> int:
    """Return about how many tokens the shortest value takes that a schema describes."""
    schema: Mapping[str, Any] = resolve(given, root)
    if not depth:
        return _SCALAR
    if "const" in schema or "enum" in schema:
        options = schema.get("enum", [schema.get("const")])
        return max(len(vocabulary.tokenize(write_value(option).encode())) for option in options)
    branches = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if branches:
        return min(_value(branch, root, vocabulary, depth - 1) for branch in branches)
    types = types_of(schema)
    if "array" in types:
        first = list(schema.get("prefixItems", ()))[: schema.get("minItems", 0)]
        rest = schema.get("minItems", 0) - len(first)
        parts = [_value(part, root, vocabulary, depth - 1) + 1 for part in first]
        if rest > 0:
            parts.append(rest * (_value(schema.get("items", {}), root, vocabulary, depth - 1) + 1))
        return _EMPTY + sum(parts)
    if "object" in types:
        return _EMPTY + sum(
            len(vocabulary.tokenize(f",{write_value(key)}:".encode()))
            + _value(property_schema(schema, key), root, vocabulary, depth - 1)
            for key in schema.get("required", ())
        )
    if "string" in types and ("pattern" in schema or "format" in schema):
        return min(_PATTERN, FORMATS.get(schema.get("format", ""), _PATTERN) + 2)
    return _SCALAR + int(schema.get("minLength", 0))
