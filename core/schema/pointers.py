"""JSON Pointers (RFC 6901) and the leaves of a record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..data import Record


def value_at(pointer: str, record: Record) -> Any:
    """Return the value at a JSON Pointer of a record."""
    value: Any = record
    for part in parse_pointer(pointer):
        value = value[int(part) if isinstance(value, list) else part]
    return value


Leaf = str | int | float | bool | None


def pointer_of(path: Any) -> str:
    """Return the JSON Pointer (RFC 6901) of a path of keys and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def parse_pointer(pointer: str) -> list[str]:
    """Return the parts of a JSON Pointer (RFC 6901), unescaped."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str, Leaf]]:
    """Yield (JSON Pointer, value) of every leaf, in document order; empty containers have none."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield pointer_of(path), value


def field_of(pointer: str) -> str:
    """Return the field a pointer belongs to, without list indices.

    >>> field_of("/lines/3/price")
    'lines/price'
    """
    return "/".join(part for part in parse_pointer(pointer) if not part.isdigit())
