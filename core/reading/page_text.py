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

    def words_in(self, text: str) -> list[PageWord]:
        """Return the words of a text that has other white space than this one, or less at its end.

        >>> PagedText("A\\n\\nfox", [PageWord(0, 1, 1, 0, 0, 9, 9),
        ...     PageWord(3, 6, 1, 0, 9, 9, 18)]).words_in("A fox")[1][:2]
        (2, 5)
        """
        found: list[PageWord] = []
        end = 0
        for word in self.words:
            written = self.text[word.start : word.end]
            start = text.find(written, end)
            if start < 0 or text[end:start].strip():
                break
            end = start + len(written)
            found.append(word._replace(start=start, end=end))
        return found


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
