"""Whether two values of a record state the same: the one comparison of all scores and reports.

Values are compared by their type:

- a number with a number: 3 = 3.0, and fractions by as many digits as a float keeps. With a
  ``multipleOf`` under 1, such as 0.01, numbers that round to the same multiple are equal. 1.4 is
  never 1, and true is no number.
- a string with a string, by the ``x-score`` of its field. Where there is none: constants and
  members of an ``enum`` exactly; strings with a ``format`` by what they state (``date``,
  ``date-time``, ``time``, ``duration``: the same day, instant, time, length; ``uuid`` ignoring
  case; ``uri`` and ``email`` exactly but for the case of scheme and host); others ignoring case and
  white space.
- an object with an object by its keys, null being absent; a list with a list item by item.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from ..data import Schema
from ..schema.navigation import branches_of, field_schema, property_schema, resolve
from ..schema.pointers import parse_pointer, pointer_of
from ..text.normalization import fold
from ..text.typed_values import format_key, number_key
from .matching import MATCHINGS

Part = Mapping[str, Any]
"""The resolved schema of a value."""

_BY_VALUE = ("date", "date-time", "time", "duration", "uuid")
"""Formats of which equal values have several writings that ignoring case does not cover."""


def is_same(
    gold: Any, predicted: Any, schema: Part, root: Schema, score: str | None = None
) -> bool:
    """Say whether two values match by the ``x-score`` of their field.

    Args:
        gold: the one value.
        predicted: the other value.
        schema: their schema.
        root: the whole schema, to which references lead.
        score: the ``x-score`` of the list or object around them, if their schema has none.
    """
    score = schema.get("x-score", score)
    if score == "levenshtein" and isinstance(gold, str) and isinstance(predicted, str):
        return MATCHINGS["levenshtein"](gold, predicted)
    return value_key(gold, schema, root, score) == value_key(predicted, schema, root, score)


def value_key(value: Any, schema: Part, root: Schema, score: str | None = None) -> Hashable:
    """Return a key that is equal for values that state the same; see the module.

    Under "levenshtein" and "text", which are no equality, strings are folded.

    Args:
        value: a leaf, or an object or a list.
        schema: its schema.
        root: the whole schema, to which references lead.
        score: the ``x-score`` of the list or object around it, if its schema has none.
    """
    score = schema.get("x-score", score)
    if isinstance(value, dict):
        members = (
            (key, value_key(inner, resolve(property_schema(schema, key), root), root, score))
            for key, inner in value.items()
            if inner is not None
        )
        return "object", frozenset(members)
    if isinstance(value, list):
        item = resolve(schema.get("items", {}), root)
        return "list", tuple(value_key(inner, item, root, score) for inner in value)
    if isinstance(value, str):
        return "string", _string_key(value, schema, root, score)
    if isinstance(value, bool) or value is None:
        return "constant", value
    return "number", number_key(value, _step(schema, root))


def score_of(pointer: str, schema: Schema) -> str | None:
    """Return the ``x-score`` of the value at a JSON Pointer, or the nearest one around it."""
    parts = parse_pointer(pointer)
    paths = (parts[:end] for end in range(len(parts), 0, -1))
    around = (field_schema(pointer_of(path), schema) for path in paths)
    return next((part["x-score"] for part in around if "x-score" in part), None)


def key_fields(schema: Part) -> list[str]:
    """Return the properties that say which objects of a list are the same: ``x-key``, or all."""
    return list(schema.get("x-key") or schema.get("properties", {}))


def object_key(value: Mapping[str, Any], schema: Part, root: Schema) -> tuple[Hashable, ...]:
    """Return a key that is equal for objects of a list with the same ``x-key``.

    Args:
        value: the object.
        schema: its schema.
        root: the whole schema, to which references lead.
    """
    return tuple(
        value_key(value.get(name), resolve(property_schema(schema, name), root), root)
        for name in key_fields(schema)
    )


def _string_key(text: str, schema: Part, root: Schema, score: str | None) -> Hashable:
    if score == "exact":
        return text
    if score not in (None, "set", "casefold"):
        return fold(text)
    for branch in _branches(schema, root):
        name = str(branch.get("format"))
        if score != "casefold" and (text in branch.get("enum", ()) or text == branch.get("const")):
            return "exact", text
        if score != "casefold" or name in _BY_VALUE:
            key = format_key(text, name)
            if key is not None:
                return key
    return fold(text)


def _step(schema: Part, root: Schema) -> float | None:
    return next(
        (branch["multipleOf"] for branch in _branches(schema, root) if "multipleOf" in branch), None
    )


def _branches(schema: Part, root: Schema, levels: int = 3) -> Iterator[Part]:
    """Yield a schema and the branches of its unions, in unions that hold unions too."""
    yield schema
    for branch in branches_of(schema) if levels else ():
        yield from _branches(resolve(branch, root), root, levels - 1)
