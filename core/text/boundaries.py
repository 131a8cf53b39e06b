"""Boundaries of sections, paragraphs, sentences and words in a text of any language.

Documents are cut into windows at these boundaries.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import regex
import sentencex

from ..data import Span
from .grounding import segments

_LONGEST_WORD = 64
"""Characters that a cut is moved to keep a word whole; a longer word is cut anywhere."""

_LANGUAGES = {
    "Latin": "en", "Cyrillic": "ru", "Greek": "el", "Armenian": "hy", "Georgian": "ka",
    "Hebrew": "he", "Arabic": "ar", "Devanagari": "hi", "Bengali": "bn", "Tamil": "ta",
    "Ethiopic": "am", "Myanmar": "my", "Hangul": "ko", "Hiragana": "ja", "Han": "zh",
}  # fmt: skip
"""A language of each script, whose abbreviations do not end a sentence; English for the others."""

_SAMPLE = 2048
"""Characters at the start of a text by which its script is found."""

_PARAGRAPH = regex.compile(r"(?:\n[^\S\n]*\n|[\f\u2029])\s*")
_LINE = regex.compile(r"^[^\S\n]*(\S.*)$", regex.MULTILINE)
_MARKED = regex.compile(r"\#{1,6}\s+\S.*")
_NUMBERED = regex.compile(
    r"(?:\d{1,2}(?:\.\d{1,2}){0,3}\.?|[IVX]{1,5}\.|[A-Z]\.)[^\S\n]+(?!\p{Ll})\p{L}.*"
)
_LONGEST_HEADING = 80
_SENTENCE_END = regex.compile(r"[\p{STerm}.:;,]\W*$")

# Marks that can only end a sentence; the points of Latin also end abbreviations.
_FULL_STOP = regex.compile(r"[[\p{STerm}།༎]--[.!?]]+[\p{Pe}\p{Pf}\p{Pi}\"']*\s*", regex.V1)


@dataclass(frozen=True)
class Boundaries:
    """Offsets at which the parts of a text begin and end, in ascending order.

    Attributes:
        ends: three lists: of sections, of paragraphs, of sentences; without trailing white space.
        starts: of sentences, and so of paragraphs and sections too.
    """

    ends: Sequence[Sequence[int]]
    starts: Sequence[int]

    @staticmethod
    def find(text: str, span: Span) -> Boundaries:
        """Find the boundaries in a span of a text in linear time, as offsets of the whole text."""
        start, end = span
        part = text[start:end]
        sections, paragraphs, below_headings = _sections_and_paragraphs(part)
        stops = {match.end() for match in _FULL_STOP.finditer(part)}
        begins = {first for first, _last in sentences(part)} | stops | {*sections, *paragraphs}
        levels = (sections, paragraphs, sorted(begins - below_headings))
        return Boundaries(
            [[start + at for at in _ends_before(part, level)] for level in levels],
            sorted(start + at for at in begins if at < len(part)),
        )

    def best_end(self, lowest: int, highest: int) -> int | None:
        """Return the best offset to end a window between two offsets; None if there is none.

        It is the last end of a section in the second half, or else of a paragraph in the last
        quarter, or else of a sentence in the last quarter.
        """
        length = highest - lowest
        above = (lowest + length // 2, *(lowest + length * 3 // 4,) * 2)
        for ends, floor in zip(self.ends, above, strict=True):
            number = bisect_right(ends, highest)
            if number and ends[number - 1] > floor:
                return ends[number - 1]
        return None

    def first_start(self, lowest: int, below: int) -> int | None:
        """Return the first start of a sentence in [lowest, below), or None."""
        number = bisect_left(self.starts, lowest)
        return next((at for at in self.starts[number : number + 1] if at < below), None)


def sentences(text: str) -> list[Span]:
    """Return the spans of the sentences, without the white space around them.

    The language, whose abbreviations do not end a sentence, is chosen by the script of the text.
    """
    spans, at = [], 0
    for sentence in sentencex.segment(_language(text), text):
        inside = sentence.strip()
        if inside:
            start = text.index(inside, at)
            at = start + len(inside)
            spans.append((start, at))
    return spans


def word_start(text: str, at: int, lowest: int) -> int:
    """Move an offset over white space, or else back to the start of its word or ``lowest``."""
    while at < len(text) and text[at].isspace():
        at += 1
    here = at
    while here > max(lowest, at - _LONGEST_WORD) and not text[here - 1].isspace():
        here -= 1
    return here if here == lowest or text[here - 1].isspace() else _between(text, at, lowest)


def word_end(text: str, at: int, lowest: int, end: int) -> int:
    """Move an offset back to the end of a word, but always over ``lowest``."""
    here = at
    while here > max(lowest + 1, at - _LONGEST_WORD) and here < end and not text[here].isspace():
        here -= 1
    is_found = here == end or text[here].isspace()
    here = here if is_found else _between(text, at, lowest + 1)
    while here > lowest + 1 and text[here - 1].isspace():
        here -= 1
    return here


def _between(text: str, at: int, lowest: int) -> int:
    """Move an offset back to a boundary of segments, for scripts without spaces."""
    low = max(lowest, at - _LONGEST_WORD)
    ends = accumulate(map(len, segments(text[low : at + _LONGEST_WORD])), initial=low)
    return max((end for end in ends if low < end <= at), default=at)


def _language(text: str) -> str:
    """Return the code of a language that is written in the script of most of a text."""
    if text.isascii():
        return "en"
    sample = text[:_SAMPLE]
    counts = {name: len(regex.findall(rf"\p{{Script={name}}}", sample)) for name in _LANGUAGES}
    return _LANGUAGES[max(counts, key=lambda name: counts[name])]


def _sections_and_paragraphs(text: str) -> tuple[list[int], list[int], set[int]]:
    """Return the starts of sections, of paragraphs, and of blocks that follow a heading.

    A heading stays with the block below it, so this one does not count as a paragraph.
    """
    sections, paragraphs = [], []
    below_headings = set()
    after_heading = False
    begins = [0, *(match.end() for match in _PARAGRAPH.finditer(text))]
    for begin, end in pairwise([*begins, len(text)]):
        if after_heading:
            below_headings.add(begin)
        else:
            paragraphs.append(begin)
        block = text[begin:end].strip()
        is_title = "\n" not in block and _is_title(block)
        if is_title and not after_heading:  # several in a row open one section
            sections.append(begin)
        elif not is_title:
            lines = _LINE.finditer(text, begin, end)
            sections += [line.start(1) for line in lines if _is_heading(line[1].rstrip())]
        after_heading = is_title
    return sections, paragraphs, below_headings


def _is_title(block: str) -> bool:
    """Return whether a line between blank lines is a heading."""
    is_short = 0 < len(block) <= _LONGEST_HEADING
    return is_short and (_is_heading(block) or not _SENTENCE_END.search(block))


def _is_heading(line: str) -> bool:
    """Return whether a line among others is a heading: marked as in Markdown, or numbered."""
    if len(line) > _LONGEST_HEADING:
        return False
    is_numbered = _NUMBERED.fullmatch(line) and not _SENTENCE_END.search(line)
    return bool(_MARKED.fullmatch(line) or is_numbered)


def _ends_before(text: str, starts: Sequence[int]) -> list[int]:
    """Return the end of the text before each start, without trailing white space."""
    ends = []
    for start in starts:
        while start and text[start - 1].isspace():
            start -= 1
        ends.append(start)
    return ends
