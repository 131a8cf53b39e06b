"""JSON Pointers (RFC 6901) and the leaves of a record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..data import Record

Leaf = str | int | float | bool | None
"""A value of a record that is no object and no list."""


def pointer_of(path: Any) -> str:
    """Return the JSON Pointer of a path of keys and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def parse_pointer(pointer: str) -> list[str]:
    """Return the keys and indices of a JSON Pointer, unescaped."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def value_at(pointer: str, record: Record) -> Any:
    """Return the value at a JSON Pointer of a record."""
    value: Any = record
    for part in parse_pointer(pointer):
        value = value[int(part) if isinstance(value, list) else part]
    return value


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str, Leaf]]:
    """Yield the JSON Pointer and the value of every leaf, in the order of the JSON text.

    Strings, numbers, booleans and nulls are leaves; empty objects and lists are not.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield pointer_of(path), value


def field_of(pointer: str) -> str:
    """Return the field that a pointer belongs to: its keys, without the indices of lists.

    >>> field_of("/lines/3/price")
    'lines/price'
    """
    return "/".join(part for part in parse_pointer(pointer) if not part.isdigit())
