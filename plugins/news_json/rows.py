"""Read the rows of JSON files: a list of objects, one object, or one object per line."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fieldsmith import InputError, Reject, parse_json, read_text

Row = dict[str, Any]

_TRIED = 100
"""Number of lines without an object after which a file is read as one JSON text."""


def rows(path: Path) -> Iterator[tuple[str, Row | Reject]]:
    """Yield the place and the object of each row; a row that is not an object is a Reject.

    A file with one object per line is read lazily, any other as a whole.

    Raises:
        InputError: the file cannot be read, or it is one broken JSON text.
    """
    if _is_lines(path):
        yield from _lines(path)
        return
    text = read_text(path)
    try:
        value = parse_json(text)
    except json.JSONDecodeError as error:
        place = f"{path}:{error.lineno}"
        raise InputError(f"{place}: broken JSON: {error.msg}; repair the file") from error
    except ValueError as error:
        raise InputError(f"{path}: broken JSON: {error}; repair the file") from error
    for number, row in enumerate(value if isinstance(value, list) else [value], start=1):
        place = f"{path}: row {number}"
        yield place, row if isinstance(row, dict) else _no_object(place, row)


def parsed(line: bytes, place: str) -> Row | Reject:
    """Return the object of a line of JSONL, or a Reject with the reason."""
    try:
        row = parse_json(line.decode())
    except UnicodeDecodeError:
        return Reject(place, "", "not UTF-8; convert the file (iconv -f latin1 -t utf-8)")
    except ValueError as error:
        return Reject(place, "", f"broken JSON: {error}; each line must be one object")
    return row if isinstance(row, dict) else _no_object(place, row)


def _is_lines(path: Path) -> bool:
    """Return whether a file has one object per line; the first lines may be broken."""
    filled = (line for line in _bytes(path) if line.strip())
    for line in itertools.islice(filled, _TRIED):
        if line.lstrip().startswith(b"["):
            return False
        if isinstance(parsed(line, ""), dict):
            return True
    return False


def _lines(path: Path) -> Iterator[tuple[str, Row | Reject]]:
    for number, line in enumerate(_bytes(path), start=1):
        if line.strip():
            yield f"{path}:{number}", parsed(line, f"{path}:{number}")


def _bytes(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream):
                yield line if number else line.removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _no_object(place: str, row: object) -> Reject:
    return Reject(place, "", f"a JSON object is wanted, not {type(row).__name__}")
