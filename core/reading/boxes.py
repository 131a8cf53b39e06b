"""Where a span of a text stands on its pages."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from ..data import PageWord, Span

PageBox = tuple[int, float, float, float, float]
"""Page, from 1, and the left, upper, right and lower side of a box on it, as in ``PageWord``."""


def boxes_of(span: Span, text: str, words: Sequence[PageWord]) -> list[PageBox]:
    """Return the boxes of the words that a span touches, one for each line that they are in.

    Args:
        span: start and end in the text.
        text: the document's text.
        words: where its words stand, in the order of the text.

    >>> words = [PageWord(0, 3, 1, 10, 10, 30, 20), PageWord(4, 9, 1, 35, 10, 60, 20)]
    >>> boxes_of((0, 9), "Ada wrote", words), boxes_of((3, 4), "Ada wrote", words)
    ([(1, 10, 10, 60, 20)], [])
    """
    start, end = span
    first = bisect_right(words, start, key=lambda word: word.end)
    last = bisect_left(words, end, key=lambda word: word.start)
    return [_union(line) for line in _lines(words[first:last], text)]


def _lines(words: Sequence[PageWord], text: str) -> Iterator[list[PageWord]]:
    """Yield words by the lines of the text that they are in."""
    line: list[PageWord] = []
    for word in words:
        if line and text[line[-1].end : word.start].strip(" \t"):
            yield line
            line = []
        line.append(word)
    if line:
        yield line


def _union(words: Sequence[PageWord]) -> PageBox:
    return (
        words[0].page,
        min(word.x0 for word in words),
        min(word.y0 for word in words),
        max(word.x1 for word in words),
        max(word.y1 for word in words),
    )
