"""Where a text can be cut: between sections, paragraphs, sentences and words, in any language."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import regex
import sentencex

from ..data import Span
from .grounding import chunks

_LONGEST_WORD = 64
"""Characters that a border is moved to spare a word; what is longer is cut anywhere."""

_LANGUAGES = {
    "Cyrillic": "ru", "Greek": "el", "Armenian": "hy", "Georgian": "ka", "Hebrew": "he",
    "Arabic": "ar", "Devanagari": "hi", "Bengali": "bn", "Tamil": "ta", "Ethiopic": "am",
    "Myanmar": "my", "Hangul": "ko", "Hiragana": "ja", "Han": "zh",
}  # fmt: skip
"""A language of each script, whose abbreviations end no sentence; scripts that are not here, and
Latin, count as English."""

_SAMPLE = 2048
"""Characters that tell the script of a text."""

_PARAGRAPH = regex.compile(r"(?:\n[^\S\n]*\n|[\f\u2029])\s*")
_LINE = regex.compile(r"^[^\S\n]*(\S.*)$", regex.MULTILINE)
_MARKED = regex.compile(r"\#{1,6}\s+\S.*")
_NUMBERED = regex.compile(
    r"(?:\d{1,2}(?:\.\d{1,2}){0,3}\.?|[IVX]{1,5}\.|[A-Z]\.)[^\S\n]+(?!\p{Ll})\p{L}.*"
)
_LONGEST_HEADING = 80
_SENTENCE_END = regex.compile(r"[\p{STerm}.:;,]\W*$")

# What ends a sentence in a script of its own; the points of Latin also end abbreviations.
_FULL_STOP = regex.compile(r"[[\p{STerm}།༎]--[.!?]]+[\p{Pe}\p{Pf}\p{Pi}\"']*\s*", regex.V1)


@dataclass(frozen=True)
class Borders:
    """Where the parts of a text begin and end, each list in rising order.

    ends: of sections, paragraphs and sentences, in this order, white space left out.
    starts: of sentences, and so of whatever is larger.
    """

    ends: Sequence[Sequence[int]]
    starts: Sequence[int]

    @staticmethod
    def of(text: str, span: Span) -> Borders:
        """Find the borders in a part of a text, in offsets of the whole; linear in its length."""
        start, end = span
        part = text[start:end]
        sections, paragraphs, behind_headings = _sections_and_paragraphs(part)
        stops = {match.end() for match in _FULL_STOP.finditer(part)}
        begins = {first for first, _last in sentences(part)} | stops | {*sections, *paragraphs}
        levels = (sections, paragraphs, sorted(begins - behind_headings))
        return Borders(
            [[start + at for at in _ends_before(part, level)] for level in levels],
            sorted(start + at for at in begins if at < len(part)),
        )

    def end(self, lowest: int, highest: int) -> int | None:
        """Return where to end between two offsets: the last end of a section in the second half.

        Without one, it is that of a paragraph, or else of a sentence, in the last quarter.
        """
        length = highest - lowest
        above = (lowest + length // 2, *(lowest + length * 3 // 4,) * 2)
        for ends, floor in zip(self.ends, above, strict=True):
            number = bisect_right(ends, highest)
            if number and ends[number - 1] > floor:
                return ends[number - 1]
        return None

    def start(self, lowest: int, below: int) -> int | None:
        """Return the first start of a sentence in [lowest, below)."""
        number = bisect_left(self.starts, lowest)
        is_there = number < len(self.starts) and self.starts[number] < below
        return self.starts[number] if is_there else None


def sentences(text: str) -> list[Span]:
    """Return the spans of the sentences, white space around them left out.

    The script of the text tells the language whose abbreviations count.
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
    """Move an offset over white space, or back to where its word begins, at ``lowest`` at least."""
    while at < len(text) and text[at].isspace():
        at += 1
    here = at
    while here > max(lowest, at - _LONGEST_WORD) and not text[here - 1].isspace():
        here -= 1
    return here if here == lowest or text[here - 1].isspace() else _between(text, at, lowest)


def word_end(text: str, at: int, lowest: int, end: int) -> int:
    """Move an offset back to where a word ends; above ``lowest``, whatever stands there."""
    here = at
    while here > max(lowest + 1, at - _LONGEST_WORD) and here < end and not text[here].isspace():
        here -= 1
    is_found = here == end or text[here].isspace()
    here = here if is_found else _between(text, at, lowest + 1)
    while here > lowest + 1 and text[here - 1].isspace():
        here -= 1
    return here


def _between(text: str, at: int, lowest: int) -> int:
    """Move an offset back between two pieces, of which words of some scripts are made."""
    low = max(lowest, at - _LONGEST_WORD)
    borders = accumulate(map(len, chunks(text[low : at + _LONGEST_WORD])), initial=low)
    return max((border for border in borders if low < border <= at), default=at)


def _language(text: str) -> str:
    """Return the code of a language that is written as most of a text is."""
    if text.isascii():
        return "en"
    sample = text[:_SAMPLE]
    counts = {"en": len(regex.findall(r"\p{Script=Latin}", sample))}
    for script, language in _LANGUAGES.items():
        counts[language] = len(regex.findall(rf"\p{{Script={script}}}", sample))
    return max(counts, key=lambda language: counts[language])


def _sections_and_paragraphs(text: str) -> tuple[list[int], list[int], set[int]]:
    """Return where sections begin, where paragraphs do, and where what follows a heading does.

    The last are no beginnings of paragraphs: a heading stays with what it is above.
    """
    begins = [0, *(match.end() for match in _PARAGRAPH.finditer(text))]
    sections, paragraphs = [], []
    behind = set()
    behind_heading = False
    for begin, following in zip(begins, [*begins[1:], len(text)], strict=True):
        block = text[begin:following].strip()
        alone = "\n" not in block and _is_title(block)
        if alone and not behind_heading:  # several in a row open one section
            sections.append(begin)
        if behind_heading:
            behind.add(begin)
        else:
            paragraphs.append(begin)
        behind_heading = alone
        if not alone:
            lines = _LINE.finditer(text, begin, following)
            sections += [line.start(1) for line in lines if _is_heading(line[1].rstrip())]
    return sections, paragraphs, behind


def _is_title(block: str) -> bool:
    """Say whether a line that stands alone is a heading."""
    is_short = 0 < len(block) <= _LONGEST_HEADING
    return is_short and (_is_heading(block) or not _SENTENCE_END.search(block))


def _is_heading(line: str) -> bool:
    """Say whether a line among others is a heading: marked as in Markdown, or numbered."""
    if len(line) > _LONGEST_HEADING:
        return False
    is_numbered = _NUMBERED.fullmatch(line) and not _SENTENCE_END.search(line)
    return bool(_MARKED.fullmatch(line) or is_numbered)


def _ends_before(text: str, starts: Sequence[int]) -> list[int]:
    """Return where what stands before each start ends, white space left out."""
    ends = []
    for start in starts:
        while start and text[start - 1].isspace():
            start -= 1
        ends.append(start)
    return ends
