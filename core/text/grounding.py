"""Where each leaf of a record stands in the document.

A text is cut into pieces, and what stands in it is a run of whole pieces: of words in scripts that
put spaces between them, of characters in those that do not. The grammar of a window is made from
the same pieces, so that what a model can write is what is found again.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import regex

from ..data import Grounding, Record, Span
from ..schema.pointers import leaves

# Chinese and Japanese, and scripts whose words only a dictionary can tell (UAX #14, classes SA, AK
# and AS): Thai, Lao, Khmer, Burmese, Javanese and others.
_UNSPACED = (
    r"\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Bopomofo}\p{LB=SA}\p{LB=AK}\p{LB=AS}"
)
_LETTER = rf"[[\p{{L}}\p{{N}}_]--[{_UNSPACED}]]"
# A character as a reader sees it (UAX #29) takes these along, and so does whatever is before them.
_MARKS = r"[\p{M}\p{GCB=Extend}\p{GCB=SpacingMark}\p{GCB=ZWJ}]*+"
_BEFORE = r"\p{GCB=Prepend}"
# Between two letters, what has no width, such as a soft hyphen, is inside of a word.
_PIECE = regex.compile(
    rf"{_BEFORE}*{_LETTER}{_MARKS}(?:[{_BEFORE}\p{{WB=Format}}]*{_LETTER}{_MARKS})*+"
    # \X alone would count flags anew for each of them.
    rf"|\p{{Regional_Indicator}}{{1,2}}+{_MARKS}"
    rf"|\X{_MARKS}",
    regex.V1,
)
_ASCII_PIECE = re.compile(r"\w+|\r\n|\W", re.ASCII)  # the same for plain texts, six times as fast


def chunks(text: str) -> list[str]:
    """Cut a text at every border; joined, the chunks are the text.

    A chunk is a word (letters, digits and underscores with their marks), or one character of
    another kind or of a script without spaces. A character is an extended grapheme cluster (UAX
    #29): no chunk begins with a combining mark, a joiner, a variation selector or the colour of an
    emoji, or is half a flag.
    """
    found: list[str] = (_ASCII_PIECE if text.isascii() else _PIECE).findall(text)
    return found


def is_border(text: str, at: int) -> bool:
    """Say whether a span may begin or end at an offset; both ends of the text are borders."""
    starts = _verbatim(text).starts
    number = bisect_left(starts, at)
    return at == len(text) or (number < len(starts) and starts[number] == at)


def stands(text: str, span: Span) -> bool:
    """Say whether a span lies on borders and is not empty, with no white space at its ends."""
    value = text[slice(*span)]
    return bool(value) and value == value.strip() and all(is_border(text, at) for at in span)


def occurrences(text: str, value: str) -> Iterator[Span]:
    """Yield the whole occurrences of ``value`` in ``text``, left to right, none over another.

    Each one stands in the text, see ``stands``: "(S)-X" is found, "acid" is not found in "placid".
    Offsets are code points. Linear in the length of the text, whatever the value.
    """
    if value and value in text and value == value.strip():
        yield from _verbatim(text).find(chunks(value))


def readings(text: str, value: str) -> list[Span]:
    """Return what of ``text`` reads like ``value``, left to right; each span stands in the text.

    Two texts read alike if they are equal but for case, the form of a character (composed or not,
    ligatures, width, subscripts: NFKC_Casefold, The Unicode Standard, section 3.13), runs of white
    space, the kind of a hyphen or quote, characters that nobody sees, and hyphens between letters
    with the white space after them: "infor-\\nmation" reads like "information".

    Linear in the length of the text, whatever the value.
    """
    found: set[Span] = set()
    for index, pieces in zip(_folded(text), _folded_forms(value), strict=True):
        found.update(index.find([piece.text for piece in pieces]))
    return sorted(span for span in found if stands(text, span))


def align(text: str, value: str) -> tuple[Span, ...] | None:
    """Return where a value stands in a text that may write it in another way.

    These are its occurrences, if there are any, else its ``readings``. The text at the first span
    is what can be copied for the value.

    Returns:
        () where the text has none; None where its readings differ among themselves (as "Folic
        acid" and "folic acid" do for "FOLIC ACID"), so that there is no telling which is meant.
    """
    spans = tuple(occurrences(text, value)) or tuple(readings(text, value))
    return spans if len({text[start:end] for start, end in spans}) <= 1 else None


def ground(record: Record, text: str) -> dict[str, Grounding]:
    """Return JSON Pointer -> whether and where the leaf stands in the text, for every leaf.

    Numbers and booleans are "inferred" without being sought: a 1 stands everywhere. Spans are in
    code points of ``text``. Linear in the length of the text for each different value.
    """
    known: dict[str, Grounding] = {}
    found: dict[str, Grounding] = {}
    for pointer, leaf in leaves(record):
        if isinstance(leaf, str):
            if leaf not in known:
                known[leaf] = _ground(leaf, text)
            found[pointer] = known[leaf]
        else:
            found[pointer] = Grounding("absent" if leaf is None else "inferred")
    return found


def _ground(value: str, text: str) -> Grounding:
    if spans := tuple(occurrences(text, value)):
        return Grounding("verbatim", spans)
    if spans := tuple(readings(text, value)):
        return Grounding("normalised", spans)
    return Grounding("inferred")


def folded(text: str) -> list[Piece]:
    """Return the pieces of a text by which ``readings`` compares it, hyphens kept.

    A run of white space is one space, at the ends none; what nobody sees is no piece.
    """
    return _folded_forms(text)[0]


class Piece(NamedTuple):
    """A piece of a text as it is compared, and where it is from."""

    text: str
    start: int
    end: int


class _Index:
    """A text as a sequence of pieces, to find runs of whole pieces in.

    The pieces are joined by a mark that none of them holds. A run of pieces is then a substring
    that begins and ends with a mark, and Python's own search, which is linear, finds nothing else:
    no hit has to be turned down, which would cost time by its length in a text that repeats itself.
    """

    def __init__(self, pieces: list[str], starts: array[int], ends: array[int]) -> None:
        together = "".join(pieces)
        self.mark = next(c for c in map(chr, range(len(together) + 1)) if c not in together)
        self.marked = self.mark + "".join(piece + self.mark for piece in pieces)
        self.starts, self.ends = starts, ends

    def find(self, pieces: Sequence[str]) -> Iterator[Span]:
        """Yield the spans of a run of pieces, left to right, none over another."""
        if not pieces or any(self.mark in piece for piece in pieces):
            return
        sought = self.mark + "".join(piece + self.mark for piece in pieces)
        at, passed, number = self.marked.find(sought), 0, 0
        while at >= 0:
            number += self.marked.count(self.mark, passed, at)
            yield self.starts[number], self.ends[number + len(pieces) - 1]
            passed, at = at, self.marked.find(sought, at + len(sought) - 1)


# A document is asked for one value after another: what was made of it last is worth keeping.
@lru_cache(maxsize=4)
def _verbatim(text: str) -> _Index:
    pieces = chunks(text)
    borders = array("q", accumulate(map(len, pieces), initial=0))
    return _Index(pieces, borders[:-1], borders[1:])


@lru_cache(maxsize=4)
def _folded(text: str) -> tuple[_Index, _Index]:
    kept, joined = (
        _Index(
            [piece.text for piece in pieces],
            array("q", [piece.start for piece in pieces]),
            array("q", [piece.end for piece in pieces]),
        )
        for pieces in _folded_forms(text)
    )
    return kept, joined


def _folded_forms(text: str) -> tuple[list[Piece], list[Piece]]:
    """Return the folded pieces of a text, first with its hyphens, then without those in words.

    Both are searched: "steam" is a word of "Steam-driven", but none of "steamdriven".
    """
    pieces: list[Piece] = []
    end = 0
    for chunk in chunks(text):
        start, end = end, end + len(chunk)
        folded = _fold(chunk)
        after_space = not pieces or pieces[-1].text == " "
        if folded and not (folded == " " and after_space):
            pieces.append(Piece(folded, start, end))
    if pieces and pieces[-1].text == " ":
        pieces.pop()
    return pieces, _without_hyphens(pieces)


def _without_hyphens(pieces: Sequence[Piece]) -> list[Piece]:
    """Join what stands on both sides of a hyphen, white space after it or not.

    Where it is not letters that it joins, as in "IL-6", the hyphen stays.
    """
    joined: list[tuple[list[str], int, int]] = []
    for text, start, end in pieces:
        hyphen = len(joined) - (2 if joined and joined[-1][0] == [" "] else 1)
        before = joined[hyphen - 1] if hyphen > 0 and joined[hyphen][0] == ["-"] else None
        if before is None or not (before[0][-1][-1].isalnum() and text[0].isalnum()):
            joined.append(([text], start, end))
        elif before[0][-1][-1].isalpha() and text[0].isalpha():
            before[0].append(text)
            joined[hyphen - 1 :] = [(before[0], before[1], end)]
        else:
            joined[hyphen + 1 :] = [([text], start, end)]
    return [Piece("".join(parts), start, end) for parts, start, end in joined]


_ALIKE = str.maketrans(
    # No dash as wide as an em: it stands between words and breaks none.
    dict.fromkeys("\u058a\u2010\u2011\u2012\u2013\u2043\u2212", "-")
    | dict.fromkeys("‘’‚‛ʼ", "'")
    | dict.fromkeys("“”„‟", '"')
)
_UNSEEN = regex.compile(r"\p{Default_Ignorable_Code_Point}+")


def _fold(chunk: str) -> str:
    if chunk.isspace():
        return " "
    return chunk.lower() if chunk.isascii() else _fold_rare(chunk)


@lru_cache(maxsize=4096)
def _fold_rare(chunk: str) -> str:
    seen = _UNSEEN.sub("", unicodedata.normalize("NFKD", chunk).casefold())
    return unicodedata.normalize("NFKC", seen).translate(_ALIKE)
