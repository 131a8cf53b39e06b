"""A first schema, drafted from records: what they have in common, for an author to correct."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, combinations
from typing import Any

from ..data import Example, Schema
from ..errors import InputError
from ..text.grounding import align

VERBATIM_SHARE = 0.9
"""A string field is verbatim if at least this share of its values stands in the texts."""

ENUM_VALUES, ENUM_REPEATS = 12, 3
"""An inferred field with 2 to this many values, each found this often on average, is an enum."""

LONG = 60
"""Characters from which on, on average, inferred strings are compared by their words."""

_KEYS = ("id", "identifier", "name", "title")
"""Names of properties that are tried first as what tells objects apart."""

_Values = Sequence[tuple[Any, str]]
"""Values of a field, each with the text of its document."""


def draft_schema(examples: Iterable[Example], title: str) -> Schema:
    """Draft the schema of some records.

    A string is verbatim where its values stand in the texts, inferred elsewhere; an enum only for
    few values that repeat. What is null or absent somewhere may be null, and so may every
    verbatim string. ``x-key`` is the first property, or pair of them, that tells the objects of
    each list apart.

    Raises:
        InputError: a field holds objects here and something else there.
    """
    values = [(each.record, each.document.text) for each in examples]
    drafted = _object(values, "")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **drafted,
    }


def _field(values: _Values, pointer: str, *, is_item: bool = False) -> Schema:
    given = [(value, text) for value, text in values if value is not None]
    kinds = {_kind(value) for value, _text in given} or {"string"}
    if len(kinds) > 1 and kinds & {"object", "array"}:
        raise InputError(
            f"the records hold {' and '.join(sorted(kinds))} at {pointer}; give the field one form"
        )
    nullable = len(given) < len(values)
    (kind, *others) = sorted(kinds)
    if kind == "object":
        drafted = _object(given, pointer)
    elif kind == "array":
        drafted = _array(given, pointer)
    elif kinds == {"string"}:
        drafted = _string(given)
        nullable |= drafted["x-source"] == "verbatim" and not is_item
    else:
        types = ["number"] if kinds == {"integer", "number"} else [kind, *others]
        drafted = {"type": types if len(types) > 1 else types[0], "x-source": "inferred"}
    return _nullable(drafted) if nullable else drafted


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {dict: "object", list: "array", str: "string", int: "integer", float: "number"}
    return names[type(value)]


def _nullable(drafted: Schema) -> Schema:
    kind = drafted["type"]
    kinds = kind if isinstance(kind, list) else [kind]
    enum = {"enum": [*drafted["enum"], None]} if "enum" in drafted else {}
    return {**drafted, "type": [*kinds, "null"], **enum}


def _object(values: _Values, pointer: str) -> Schema:
    keys = dict.fromkeys(key for value, _text in values for key in value)
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            key: _field([(value.get(key), text) for value, text in values], f"{pointer}/{key}")
            for key in keys
        },
    }


def _array(values: _Values, pointer: str) -> Schema:
    items = [(item, text) for value, text in values for item in value]
    drafted = _field(items, f"{pointer}/0", is_item=True)
    if "properties" in drafted:
        key = _identifying([value for value, _text in values], drafted)
        drafted = {**drafted, **({"x-key": key} if key else {})}
    return {"type": "array", "items": drafted}


def _string(values: _Values) -> Schema:
    standing = sum(bool(align(text, value)) for value, text in values)
    if standing >= VERBATIM_SHARE * len(values):
        return {"type": "string", "x-source": "verbatim"}
    different = sorted({value for value, _text in values})
    repeated = len(values) >= ENUM_REPEATS * len(different)
    if 1 < len(different) <= ENUM_VALUES and repeated:
        return {"type": "string", "enum": different, "x-source": "inferred", "x-score": "exact"}
    is_long = sum(len(value) for value, _text in values) > LONG * len(values)
    return {"type": "string", "x-source": "inferred", **({"x-score": "text"} if is_long else {})}


def _identifying(lists: Sequence[list[Any]], drafted: Schema) -> list[str]:
    """Return a property, or else two, that every object has and no two of a list have alike."""
    first = [key for key in _KEYS if key in drafted["properties"]]
    names = [*first, *(key for key in drafted["properties"] if key not in first)]
    guesses = chain.from_iterable(combinations(names, size) for size in (1, 2))
    fitting = (guess for guess in guesses if all(_tells_apart(guess, items) for items in lists))
    return list(next(fitting, ()))


def _tells_apart(names: Sequence[str], items: list[Any]) -> bool:
    values = [tuple(item.get(name) for name in names) for item in items if item is not None]
    return all(isinstance(part, str | int) for value in values for part in value) and (
        len({str(value).casefold() for value in values}) == len(values)
    )
