"""Characters of a page that no font draws: of a text that something stands for, or of a field."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .bidi import in_logical_order

_FROM_RIGHT = {"R", "AL"}
"""Directions of letters (UAX #9)."""


@dataclass(frozen=True)
class Glyph:
    """A character, with what the layout says of one: sides, y growing upwards, and its matrix."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    matrix: Sequence[float]

    def get_text(self) -> str:
        """Return the character."""
        return self.text


def characters_in(items: Iterable[Any]) -> Iterator[Any]:
    """Yield the characters of what is drawn, and of the forms in it, without recursion."""
    stack = [iter(items)]
    while stack:
        item = next(stack[-1], None)
        if item is None:
            stack.pop()
        elif hasattr(item, "get_text"):
            yield item
        elif hasattr(item, "__iter__"):
            stack.append(iter(item))


def is_same(text: str, drawn: Iterable[Any]) -> bool:
    """Say whether characters are those of a text, but for white space."""
    return "".join("".join(each.get_text() for each in drawn).split()) == "".join(text.split())


def box_around(items: Iterable[Any]) -> tuple[float, float, float, float]:
    """Return the sides of a box around what has sides."""
    sides = [(each.x0, each.y0, each.x1, each.y1) for each in items]
    left, lower, right, upper = zip(*sides, strict=True)
    return min(left), min(lower), max(right), max(upper)


def spread(
    text: str, box: tuple[float, float, float, float], matrix: Sequence[float]
) -> Iterator[Glyph]:
    """Yield the characters of a text, each with its share of a box.

    Args:
        text: one line.
        box: left, lower, right and upper side.
        matrix: the direction of the line is that of its first two numbers.
    """
    x0, y0, x1, y1 = box
    a, b = matrix[:2]
    shown = _as_shown(text)
    for number, letter in enumerate(shown):
        start, end = number / len(shown), (number + 1) / len(shown)
        if (a if abs(a) >= abs(b) else b) < 0:
            start, end = 1 - end, 1 - start
        if abs(a) >= abs(b):
            sides = x0 + start * (x1 - x0), y0, x0 + end * (x1 - x0), y1
        else:
            sides = x0, y0 + start * (y1 - y0), x1, y0 + end * (y1 - y0)
        yield Glyph(letter, *sides, matrix)


def _as_shown(text: str) -> str:
    """Return a line from left to right: of Hebrew or Arabic, with its numbers and Latin words.

    >>> _as_shown("\u05d0\u05d1 12")
    '12 \u05d1\u05d0'
    """
    directions = [unicodedata.bidirectional(letter) for letter in text]
    strong = [direction for direction in directions if direction in {"L", *_FROM_RIGHT}]
    if not _FROM_RIGHT & {*strong}:
        return text
    # What turns a line into the order of reading turns it back.
    turned = in_logical_order(text, is_right_to_left=strong[0] in _FROM_RIGHT)
    return "".join(part for _place, part in turned)
