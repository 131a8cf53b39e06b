"""Infer a first schema from records, for an author to correct."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, combinations
from typing import Any

from ..data import Example, Schema
from ..errors import InputError
from ..schema.formats import is_date
from ..text.grounding import align

VERBATIM_SHARE = 0.9
"""A string field is verbatim if at least this share of its values is in the texts."""

ENUM_VALUES, ENUM_REPEATS = 12, 3
"""An inferred field with 2 to this many values, each found this often on average, is an enum."""

LONG = 60
"""Inferred strings longer than this on average (in characters) are scored as text."""

_KEYS = ("id", "identifier", "name", "title")
"""Names of properties that are tried first as key of a list of objects."""

_TYPES = {
    dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"
}  # fmt: skip

_Values = Sequence[tuple[Any, str]]
"""Values of a field, each with the text of its document."""


def infer_schema(examples: Iterable[Example], title: str) -> Schema:
    """Infer the schema of some records.

    A string is verbatim if its values are in the texts, otherwise inferred: a date if all values
    are dates of ISO 8601, an enum only for few values that repeat. A field that is null or absent
    somewhere may be null, and so may every verbatim string. ``x-key`` is the first property, or
    pair of them, that identifies the objects of each list.

    Raises:
        InputError: a field has objects or lists in one record and another type in another.
    """
    values = [(each.record, each.document.text) for each in examples]
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": title, **_object(values, "")}


def _field(values: _Values, pointer: str, *, is_item: bool = False) -> Schema:
    given = [(value, text) for value, text in values if value is not None]
    types = sorted({_TYPES[type(value)] for value, _text in given} or {"string"})
    if len(types) > 1 and {"object", "array"} & set(types):
        raise InputError(
            f"the records hold {' and '.join(types)} at {pointer}; give the field one type"
        )
    nullable = len(given) < len(values)
    if types == ["object"]:
        schema = _object(given, pointer)
    elif types == ["array"]:
        schema = _array(given, pointer)
    elif types == ["string"]:
        schema = _string(given)
        nullable |= schema["x-source"] == "verbatim" and not is_item
    else:
        types = ["number"] if types == ["integer", "number"] else types
        schema = {"type": types if len(types) > 1 else types[0], "x-source": "inferred"}
    return _nullable(schema) if nullable else schema


def _nullable(schema: Schema) -> Schema:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [*types, "null"], **enum}


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
    schema = _field(items, f"{pointer}/0", is_item=True)
    if "properties" in schema and (key := _key([value for value, _text in values], schema)):
        schema["x-key"] = key
    return {"type": "array", "items": schema}


def _string(values: _Values) -> Schema:
    found = sum(bool(align(text, value)) for value, text in values)
    if found >= VERBATIM_SHARE * len(values):
        return {"type": "string", "x-source": "verbatim"}
    if all(is_date(value) for value, _text in values):
        return {"type": "string", "format": "date", "x-source": "inferred"}
    distinct = sorted({value for value, _text in values})
    if 1 < len(distinct) <= ENUM_VALUES and len(values) >= ENUM_REPEATS * len(distinct):
        return {"type": "string", "enum": distinct, "x-source": "inferred", "x-score": "exact"}
    is_long = sum(len(value) for value, _text in values) > LONG * len(values)
    return {"type": "string", "x-source": "inferred", **({"x-score": "text"} if is_long else {})}


def _key(lists: Sequence[list[Any]], schema: Schema) -> list[str]:
    """Return one property, or else two, that every object has and that differ within each list."""
    names = sorted(schema["properties"], key=lambda name: (*_KEYS, name).index(name))
    candidates = chain.from_iterable(combinations(names, size) for size in (1, 2))
    fitting = (each for each in candidates if all(_identifies(each, items) for items in lists))
    return list(next(fitting, ()))


def _identifies(names: Sequence[str], items: list[Any]) -> bool:
    values = [tuple(item.get(name) for name in names) for item in items if item is not None]
    return all(isinstance(part, str | int) for value in values for part in value) and (
        len({str(value).casefold() for value in values}) == len(values)
    )
