"""Sources that a loader has to refuse or survive: files that are none, and damaged ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..data import Record
from ..schema.records import canonical

BAD_SOURCES = (
    ("an empty file", b""),
    ("binary data", bytes(range(256)) * 8),
    ("half an object", b'{"id": "1", "text": "one", "record": {"a": ['),
    ("a list of numbers", b"[1, 2, 3]"),
    ("half a page", b"<html><body><p>one &bogus; <b>two"),
    ("a line of brackets", b"}{][)(<>,;|\t|\n" * 3),
)
"""What stands in a file that is no data, and what to call it."""


def damaged(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield damaged forms of a file's content, each with what was done to it.

    JSON, alone or in lines, also loses each key of its first row, and gets values of other types
    there.
    """
    lines = content.splitlines(keepends=True)[:40]
    start, middle = b"".join(lines), len(lines) // 2
    if len(lines) == 1:
        start = content[:200_000]
    half = lines[middle][: len(lines[middle]) // 2] + b"\n" if lines else b""
    yield "cut off in the middle", start[: len(start) * 3 // 5]
    yield "with a line that is cut", b"".join([*lines[:middle], half, *lines[middle + 1 :]])
    yield "with a line of brackets", b"".join([*lines[:middle], b"}{][\n", *lines[middle:]])
    yield "with a blank line", b"".join([*lines[:middle], b"\n", *lines[middle:]])
    yield (
        "with bytes that are no UTF-8",
        b"".join([*lines[:middle], b"\xff\xfe\n", *lines[middle:]]),
    )
    yield "with control characters", b"".join([*lines[:middle], b"\t\x0b\x1b|\n", *lines[middle:]])
    yield from _damaged_rows(content, lines)


_TYPES: tuple[Any, ...] = (None, 7, "", [], [None], [7], {}, {"a": 1})


def _damaged_rows(content: bytes, lines: list[bytes]) -> Iterator[tuple[str, bytes]]:
    try:
        whole = json.loads(content)
    except ValueError:
        whole = None
    rows = _rows_of_lines(lines) if whole is None else whole
    first = rows[0] if isinstance(rows, list) and rows else rows
    if not isinstance(first, dict):
        return
    for what, row in _damaged_objects(first):
        if whole is None:
            text = "\n".join(json.dumps(each) for each in [row, *rows[1:3]])
        else:
            text = json.dumps([row, *rows[1:3]] if isinstance(rows, list) else row)
        yield what, text.encode()


def _rows_of_lines(lines: list[bytes]) -> list[Any]:
    try:
        return [json.loads(line) for line in lines if line.strip()]
    except ValueError:
        return []


def _damaged_objects(row: Record) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        yield f"without {key!r}", {name: item for name, item in row.items() if name != key}
        for other in _TYPES:
            yield f"with {key!r} as {canonical(other)}", {**row, key: other}
        if isinstance(value, dict):
            for what, inner in _damaged_objects(value):
                yield f"{what} in {key!r}", {**row, key: inner}
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for what, inner in _damaged_objects(value[0]):
                yield f"{what} in {key!r}", {**row, key: [inner, *value[1:]]}
    for other in (7, "row", []):
        yield f"with {canonical(other)} for a row", other
