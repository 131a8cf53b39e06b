"""Malformed inputs for testing loaders: files that are not data, and corrupted samples."""

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
"""Description and content of files that are not data."""

_INSERTED_LINES = {
    "with a line of brackets": b"}{][\n",
    "with a blank line": b"\n",
    "with bytes that are not UTF-8": b"\xff\xfe\n",
    "with control characters": b"\t\x0b\x1b|\n",
}
_OTHER_VALUES: tuple[Any, ...] = (None, 7, "", [], [None], [7], {}, {"a": 1})


def corrupted(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield corrupted copies of a file's content, each with a description.

    JSON and JSONL also lose each key of their first row, and get values of other types there.
    """
    lines = content.splitlines(keepends=True)[:40]
    start, middle = b"".join(lines), len(lines) // 2
    if len(lines) == 1:
        start = content[:200_000]
    before, after = b"".join(lines[:middle]), b"".join(lines[middle:])
    half = lines[middle][: len(lines[middle]) // 2] + b"\n" if lines else b""
    yield "cut off in the middle", start[: len(start) * 3 // 5]
    yield "with a line that is cut", before + half + b"".join(lines[middle + 1 :])
    for what, line in _INSERTED_LINES.items():
        yield what, before + line + after
    yield from _corrupted_rows(content, lines)


def _corrupted_rows(content: bytes, lines: list[bytes]) -> Iterator[tuple[str, bytes]]:
    try:
        whole = json.loads(content)
    except ValueError:
        whole = None
    rows = _parsed(lines) if whole is None else whole
    first = rows[0] if isinstance(rows, list) and rows else rows
    if not isinstance(first, dict):
        return
    for what, row in _corrupted_objects(first):
        if whole is None:
            text = "\n".join(json.dumps(each) for each in [row, *rows[1:3]])
        else:
            text = json.dumps([row, *rows[1:3]] if isinstance(rows, list) else row)
        yield what, text.encode()


def _parsed(lines: list[bytes]) -> list[Any]:
    try:
        return [json.loads(line) for line in lines if line.strip()]
    except ValueError:
        return []


def _corrupted_objects(row: Record) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        yield f"without {key!r}", {name: item for name, item in row.items() if name != key}
        for other in _OTHER_VALUES:
            yield f"with {key!r} as {canonical(other)}", {**row, key: other}
        inner = value[0] if isinstance(value, list) and value else value
        for what, other in _corrupted_objects(inner) if isinstance(inner, dict) else ():
            changed = [other, *value[1:]] if isinstance(value, list) else other
            yield f"{what} in {key!r}", {**row, key: changed}
    for other in (7, "row", []):
        yield f"with {canonical(other)} for a row", other
