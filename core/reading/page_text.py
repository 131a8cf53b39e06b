"""Pages as one text, and where each of its words stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..data import PageWord
from .page_lines import Character, lines_by_angle
from .reading_order import in_reading_order

PAGE_END = "\f"
"""What is between two pages in the text."""

_STAMP = "\n\n"
"""What is before text that is written in another direction."""


class PagedText(NamedTuple):
    """The text of pages, and where its words stand."""

    text: str
    words: Sequence[PageWord] = ()


def text_of_pages(pages: Iterable[Iterable[Character]]) -> PagedText:
    """Return the text of pages in reading order, a form feed between two of them.

    Lines stay lines, and words that a hyphen breaks at the end of a line stay broken, so that the
    text is what the pages show.
    """
    parts: list[str] = []
    words: list[PageWord] = []
    length = 0

    def write(text: str) -> None:
        nonlocal length
        parts.append(text)
        length += len(text)

    for number, characters in enumerate(pages, start=1):
        write(PAGE_END if number > 1 else "")
        for direction, lines in enumerate(lines_by_angle(characters)):
            write(_STAMP if direction else "")
            for before, line in in_reading_order(lines):
                write(before)
                for place, word in enumerate(line.words):
                    write("" if word.is_joined or not place else " ")
                    start = length
                    write(word.text)
                    corners = (round(corner, 2) for corner in word.box)
                    words.append(PageWord(start, length, number, *corners))
    return PagedText("".join(parts), words)
