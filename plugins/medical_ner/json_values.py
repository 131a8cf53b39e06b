"""Read JSON and JSON Lines of any shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fieldsmith import InputError, Reject, read_text

_LONGEST_NUMBER = 300


def values_of(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield each value of a file with its place: the members of a list, or the lines of JSON Lines.

    A line that is not JSON is yielded as a reject.

    Raises:
        InputError: the file cannot be read, or no line of it is JSON.
    """
    text = read_text(path)
    try:
        whole = parsed(text)
    except ValueError as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) < 2 or not any(map(_is_object, lines[:3])):
            raise InputError(f"{path}: not JSON: {error}") from error
        yield from _lines(text, path)
        return
    if isinstance(whole, list):
        for number, value in enumerate(whole):
            yield f"{path}: /{number}", value
    else:
        yield f"{path}: ", whole


def _lines(text: str, path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        place = f"{path}:{number}"
        if line.strip():
            try:
                yield place, parsed(line)
            except ValueError as error:
                yield place, Reject(place, "", f"not JSON: {error}")


def _is_object(line: str) -> bool:
    try:
        return isinstance(parsed(line), dict)
    except ValueError:
        return False


def parsed(text: str) -> Any:
    """Parse JSON strictly, as the core parses its own.

    Raises:
        ValueError: it is not JSON, has a key twice, or is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_int=_whole_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("an object has a key twice")
    return result


def _whole_number(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else digits
