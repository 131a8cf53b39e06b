"""Grounding: where the values of a record occur in the document.

A text is cut into segments at its word boundaries: words in scripts that put spaces between them,
characters in those that do not. A value occurs in the text as a run of whole segments. The grammar
of a window is built from the same segments, so that each string it allows can be found again.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import regex

from ..data import Grounding, Record, Span
from ..schema.pointers import Leaf, leaves
from .equivalents import equivalents

# Chinese and Japanese, and scripts whose words only a dictionary can tell (UAX #14, classes SA, AK
# and AS): Thai, Lao, Khmer, Burmese, Javanese and others.
_UNSPACED = (
    r"\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Bopomofo}\p{LB=SA}\p{LB=AK}\p{LB=AS}"
)
_LETTER = rf"[[\p{{L}}\p{{N}}_]--[{_UNSPACED}]]"
# What belongs to the grapheme cluster (UAX #29) of the character before it, or after it.
_MARKS = r"[\p{M}\p{GCB=Extend}\p{GCB=SpacingMark}\p{GCB=ZWJ}]*+"
_BEFORE = r"\p{GCB=Prepend}"
# Format characters, such as a soft hyphen, are inside a word if they are between two letters.
SEGMENT = regex.compile(
    rf"{_BEFORE}*{_LETTER}{_MARKS}(?:[{_BEFORE}\p{{WB=Format}}]*{_LETTER}{_MARKS})*+"
    # \X alone would take quadratic time for a run of flags.
    rf"|\p{{Regional_Indicator}}{{1,2}}+{_MARKS}"
    rf"|\X{_MARKS}",
    regex.V1,
)
"""Matches one segment of a text after the other."""

_ASCII_SEGMENT = re.compile(r"\w+|\r\n|\W", re.ASCII)  # the same for ASCII texts, six times as fast


def segments(text: str) -> list[str]:
    """Cut a text at its word boundaries; joined, the segments are the text.

    A segment is a word (letters, digits and underscores with their marks), or one character of
    another kind or of a script without spaces. A character is an extended grapheme cluster (UAX
    #29): no segment begins with a combining mark, a joiner, a variation selector or the skin tone
    of an emoji, or is half a flag.
    """
    found: list[str] = (_ASCII_SEGMENT if text.isascii() else SEGMENT).findall(text)
    return found


def is_word_boundary(text: str, at: int) -> bool:
    """Return whether an offset is between two segments, or at an end of the text."""
    starts = _exact_index(text).starts
    number = bisect_left(starts, at)
    return at == len(text) or (number < len(starts) and starts[number] == at)


def is_word_span(text: str, span: Span) -> bool:
    """Return whether a span is a run of whole segments without white space at its ends."""
    value = text[slice(*span)]
    is_trimmed = bool(value) and value == value.strip()
    return is_trimmed and all(is_word_boundary(text, at) for at in span)


def occurrences(text: str, value: str) -> Iterator[Span]:
    """Yield the non-overlapping occurrences of ``value`` in ``text``, left to right.

    Each is a word span, see ``is_word_span``: "(S)-X" is found, "acid" is not found in "placid".
    Offsets are code points. The time is linear in the length of the text.
    """
    if value and value in text and value == value.strip():
        yield from _exact_index(text).find(segments(value))


def normalised_occurrences(text: str, value: str) -> list[Span]:
    """Return the word spans of ``text`` that are equal to ``value`` once both are normalised.

    Normalisation removes differences of case, of the form of a character (composed or not,
    ligatures, width, subscripts: NFKC_Casefold, The Unicode Standard, section 3.13), of runs of
    white space, of the kind of a hyphen or quote, of invisible characters, and of hyphens between
    letters with the white space after them: "infor-\\nmation" equals "information".

    Left to right. The time is linear in the length of the text.
    """
    found: set[Span] = set()
    for index, parts in zip(_normalised_indexes(text), _hyphenations(value), strict=True):
        found.update(index.find([part.text for part in parts]))
    return sorted(span for span in found if is_word_span(text, span))


def align(text: str, value: str) -> tuple[Span, ...] | None:
    """Return the spans of a value in a text that may write it in another form.

    These are its occurrences, if there are any, else its normalised occurrences. The text of the
    first span is what can be copied for the value.

    Returns:
        () if there are none; None if the texts of the normalised occurrences differ (as "Folic
        acid" and "folic acid" do for "FOLIC ACID"), so that it is unknown which is meant.
    """
    spans = tuple(occurrences(text, value)) or tuple(normalised_occurrences(text, value))
    return spans if len({text[start:end] for start, end in spans}) <= 1 else None


def ground(record: Record, text: str) -> dict[str, Grounding]:
    """Return JSON Pointer -> whether and where the leaf occurs in the text, for every leaf.

    Numbers, and dates and times that do not occur as they are, are sought in other notations.
    Spans are in code points of ``text``. The time is linear in the length of the text for each
    different string, and for all numbers and dates together.
    """
    known: dict[str, Grounding] = {}
    found: dict[str, Grounding] = {}
    inferred: dict[str, Leaf] = {}
    for pointer, leaf in leaves(record):
        if isinstance(leaf, str):
            found[pointer] = known[leaf] = known.get(leaf) or ground_string(leaf, text)
        else:
            found[pointer] = Grounding("absent" if leaf is None else "inferred")
        if found[pointer].status == "inferred" and not isinstance(leaf, bool):
            inferred[pointer] = leaf
    stated = equivalents(text, inferred.values())
    for pointer, leaf in inferred.items():
        if leaf in stated:
            found[pointer] = Grounding("equivalent", stated[leaf])
    return found


def ground_string(value: str, text: str) -> Grounding:
    """Return whether and where a string occurs in a text: "verbatim", "normalised" or "inferred".

    The time is linear in the length of the text.
    """
    if spans := tuple(occurrences(text, value)):
        return Grounding("verbatim", spans)
    if spans := tuple(normalised_occurrences(text, value)):
        return Grounding("normalised", spans)
    return Grounding("inferred")


class Segment(NamedTuple):
    """A normalised segment, and the span of the text that it comes from."""

    text: str
    start: int
    end: int


def normalised_segments(text: str) -> list[Segment]:
    """Return the segments that ``normalised_occurrences`` compares, hyphens kept.

    A run of white space is one space, none at the ends; invisible characters are left out.
    """
    found: list[Segment] = []
    end = 0
    for segment in segments(text):
        start, end = end, end + len(segment)
        normal = _normalise(segment)
        after_space = not found or found[-1].text == " "
        if normal and not (normal == " " and after_space):
            found.append(Segment(normal, start, end))
    if found and found[-1].text == " ":
        found.pop()
    return found


class _Index:
    """A text as a sequence of segments, to find runs of whole segments in.

    The segments are joined by a mark that none of them contains. A run of segments is then a
    substring that begins and ends with a mark, and Python's own search, which is linear, finds
    nothing else: no hit has to be rejected, which would cost time by its length in a repetitive
    text.
    """

    def __init__(self, parts: list[str], starts: Iterable[int], ends: Iterable[int]) -> None:
        together = "".join(parts)
        self.mark = next(c for c in map(chr, range(len(together) + 1)) if c not in together)
        self.marked = self.mark + "".join(part + self.mark for part in parts)
        self.starts, self.ends = array("q", starts), array("q", ends)

    def find(self, parts: Sequence[str]) -> Iterator[Span]:
        """Yield the non-overlapping spans of a run of segments, left to right."""
        if not parts or any(self.mark in part for part in parts):
            return
        sought = self.mark + "".join(part + self.mark for part in parts)
        at, passed, number = self.marked.find(sought), 0, 0
        while at >= 0:
            number += self.marked.count(self.mark, passed, at)
            yield self.starts[number], self.ends[number + len(parts) - 1]
            passed, at = at, self.marked.find(sought, at + len(sought) - 1)


# One value after another is sought in the same document: its index is kept.
@lru_cache(maxsize=4)
def _exact_index(text: str) -> _Index:
    parts = segments(text)
    boundaries = array("q", accumulate(map(len, parts), initial=0))
    return _Index(parts, boundaries[:-1], boundaries[1:])


@lru_cache(maxsize=4)
def _normalised_indexes(text: str) -> list[_Index]:
    return [
        _Index(
            [part.text for part in parts],
            (part.start for part in parts),
            (part.end for part in parts),
        )
        for parts in _hyphenations(text)
    ]


def _hyphenations(text: str) -> tuple[list[Segment], list[Segment]]:
    """Return the normalised segments, and the same without the hyphens in words.

    Both are searched: "steam" is a word of "Steam-driven", but not of "steamdriven".
    """
    found = normalised_segments(text)
    return found, _without_hyphens(found)


def _without_hyphens(parts: Sequence[Segment]) -> list[Segment]:
    """Join the words on both sides of a hyphen, with or without white space after it.

    The hyphen stays where it does not join letters, as in "IL-6".
    """
    joined: list[tuple[list[str], int, int]] = []
    for text, start, end in parts:
        hyphen = len(joined) - (2 if joined and joined[-1][0] == [" "] else 1)
        before = joined[hyphen - 1] if hyphen > 0 and joined[hyphen][0] == ["-"] else None
        if before is None or not (before[0][-1][-1].isalnum() and text[0].isalnum()):
            joined.append(([text], start, end))
        elif before[0][-1][-1].isalpha() and text[0].isalpha():
            before[0].append(text)
            joined[hyphen - 1 :] = [(before[0], before[1], end)]
        else:
            joined[hyphen + 1 :] = [([text], start, end)]
    return [Segment("".join(words), start, end) for words, start, end in joined]


_ALIKE = str.maketrans(
    # No dash as wide as an em: it separates words and breaks none.
    dict.fromkeys("\u058a\u2010\u2011\u2012\u2013\u2043\u2212", "-")
    | dict.fromkeys("‘’‚‛ʼ", "'")
    | dict.fromkeys("“”„‟", '"')
)
_INVISIBLE = regex.compile(r"\p{Default_Ignorable_Code_Point}+")


def _normalise(segment: str) -> str:
    if segment.isspace():
        return " "
    return segment.lower() if segment.isascii() else _nfkc_casefold(segment)


@lru_cache(maxsize=4096)
def _nfkc_casefold(segment: str) -> str:
    visible = _INVISIBLE.sub("", unicodedata.normalize("NFKD", segment).casefold())
    return unicodedata.normalize("NFKC", visible).translate(_ALIKE)
