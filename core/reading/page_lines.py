"""Characters of a page as lines of words, from their places alone.

A PDF may draw its characters in any order, and need not draw spaces.
"""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .bidi import LEFT, RIGHT, direction_of, in_logical_order

_WORD_GAP = 0.15
"""A gap between two characters that is wider, in heights of a line, is a space."""

_LINE_GAP = 0.9
"""One that is wider ends a line: what follows is in another column or cell."""

_OVERLAP = 0.5
"""Characters of a line share so much of their height."""

_SIMILAR = 0.3
"""Least ratio of the heights of two characters of a line, such as an index, or a large initial."""

_REPEATED = 0.1
"""A character that is drawn again within so much of its height is bold, and no other one."""

_STRAIGHT = 15.0
"""So many degrees a line may lean, as in a scan, and is still taken for a straight one."""

_STRIP = 12.0
"""Height of the strips of a page by which lines are looked up."""

# Between words of Chinese, Japanese and Thai there is no space: each character is a word.
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


class Box(NamedTuple):
    """A rectangle in points; y grows downwards."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def height(self) -> float:
        """From the upper to the lower side."""
        return self.y1 - self.y0


class Character(NamedTuple):
    """A character as it is drawn.

    Attributes:
        text: several letters for a ligature.
        box: on the page as it is shown, from its upper left corner.
        angle: degrees by which its line is turned counterclockwise; a vertical line is one that is
            turned by 270.
    """

    text: str
    box: Box
    angle: float = 0.0


class Word(NamedTuple):
    """A word, or a character of a script without spaces.

    Attributes:
        text: what is written.
        box: on the page as it is shown.
        is_joined: whether it follows the word before it without a space.
    """

    text: str
    box: Box
    is_joined: bool = False


class Line(NamedTuple):
    """A line of words.

    Attributes:
        words: in the order in which they are read.
        box: on the page turned so that the line is upright and, if the page is read from right to
            left, seen in a mirror: lines that are read first are further left.
    """

    words: Sequence[Word]
    box: Box


class _Glyph(NamedTuple):
    """A character and its box on the page turned so that it is upright."""

    character: Character
    box: Box


@dataclass
class _OpenLine:
    glyphs: list[_Glyph]
    spaces: set[int] = field(default_factory=set)
    """Numbers of the glyphs before which a space is drawn."""


def lines_by_angle(characters: Iterable[Character]) -> list[list[Line]]:
    """Return the lines of a page for each direction of writing: first upright, then by number."""
    by_angle: dict[float, list[Character]] = defaultdict(list)
    for each in characters:
        by_angle[_direction(each.angle)].append(each)
    order = sorted(by_angle, key=lambda angle: (angle != 0, -len(by_angle[angle]), angle))
    upright = ([_upright(each, angle) for each in by_angle[angle]] for angle in order)
    return [lines for glyphs in upright if (lines := _lines(_with_marks(glyphs)))]


def union(boxes: Iterable[Box]) -> Box:
    """Return the smallest box that holds all of some, which have to be at least one."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return Box(min(x0), min(y0), max(x1), max(y1))


def _direction(angle: float) -> float:
    straight = round(angle / 90) * 90
    return (straight if abs(angle - straight) <= _STRAIGHT else round(angle)) % 360


def _upright(character: Character, angle: float) -> _Glyph:
    """Return a character with its box on a page that is turned by an angle."""
    if not angle:
        return _Glyph(character, character.box)
    x0, y0, x1, y1 = character.box
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    x, y = x * cosine - y * sine, x * sine + y * cosine
    width, height = x1 - x0, y1 - y0
    if angle in (90, 270):
        width, height = height, width
    elif angle != 180:  # what holds an oblique character is larger than it
        width = height = min(width, height)
    return _Glyph(character, Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2))


def _lines(glyphs: Sequence[_Glyph]) -> list[Line]:
    """Return the lines of upright characters: each takes the next character at its right."""
    strips: dict[int, list[_OpenLine]] = defaultdict(list)
    found: list[_OpenLine] = []
    for glyph in sorted(glyphs, key=lambda each: (each.box.x0, each.box.y0)):
        line = _line_for(glyph, strips)
        if glyph.character.text.isspace():
            if line is not None:
                line.spaces.add(len(line.glyphs))
            continue
        if line is None:
            found.append(line := _OpenLine([]))
        elif _is_repeated(glyph, line.glyphs[-1]):
            continue
        else:
            strips[_strip(line.glyphs[-1].box)].remove(line)
        line.glyphs.append(glyph)
        strips[_strip(glyph.box)].append(line)
    is_right_to_left = _is_right_to_left(glyphs)
    return [
        Line(
            _words(line, is_right_to_left=is_right_to_left),
            _mirrored(box) if is_right_to_left else box,
        )
        for line in found
        for box in (union(glyph.box for glyph in line.glyphs),)
    ]


def _is_right_to_left(glyphs: Iterable[_Glyph]) -> bool:
    """Say whether most letters are of a script that is written from right to left."""
    directions = Counter(direction_of(glyph.character.text) for glyph in glyphs)
    return directions[RIGHT] > directions[LEFT]


def _mirrored(box: Box) -> Box:
    return Box(-box.x1, box.y0, -box.x0, box.y1)


def _strip(box: Box) -> int:
    return int((box.y0 + box.y1) / 2 // _STRIP)


def _line_for(glyph: _Glyph, strips: dict[int, list[_OpenLine]]) -> _OpenLine | None:
    """Return the line that a character goes on: the one beside which it stands."""
    box, best, best_share = glyph.box, None, _OVERLAP
    first, last = int((box.y0 - box.height) // _STRIP), int((box.y1 + box.height) // _STRIP)
    # Of a huge character these are more strips than have lines.
    near = range(first, last + 1) if last - first < len(strips) else sorted(strips)
    for strip in near:
        for line in strips.get(strip, ()):
            end = line.glyphs[-1].box
            low, tall = sorted((end.height, box.height))
            if low < _SIMILAR * tall or not -tall <= box.x0 - end.x1 <= _LINE_GAP * tall:
                continue
            shared = min(end.y1, box.y1) - max(end.y0, box.y0)
            share = shared / (low or 1.0)
            if share > best_share:
                best, best_share = line, share
    return best


def _is_repeated(glyph: _Glyph, last: _Glyph) -> bool:
    near = _REPEATED * glyph.box.height
    apart = max(abs(glyph.box.x0 - last.box.x0), abs(glyph.box.y0 - last.box.y0))
    return glyph.character.text == last.character.text and apart < near


def _words(line: _OpenLine, *, is_right_to_left: bool) -> list[Word]:
    """Cut a line where there is a space, be it drawn or a gap, and around unspaced scripts."""
    words: list[Word] = []
    part: list[Character] = []

    def close(*, is_joined: bool) -> None:
        if part:
            text = "".join(each.text for each in part)
            words.append(Word(text, union(each.box for each in part), is_joined))
            part.clear()

    joins = False
    pieces = _with_spaces(line)
    if any(piece and direction_of(piece.text) == RIGHT for piece in pieces):
        pieces = _logical(pieces, is_right_to_left=is_right_to_left)
    for last, piece in itertools.pairwise([None, *pieces]):
        if piece is None or (last and any(map(_UNSPACED.match, (last.text, piece.text)))):
            close(is_joined=joins)
            joins = piece is not None
        if piece is not None:
            part.append(piece)
    close(is_joined=joins)
    return words


def _with_spaces(line: _OpenLine) -> list[Character | None]:
    """Return the characters of a line from left to right, and None for each space."""
    pieces: list[Character | None] = []
    for number, glyph in enumerate(line.glyphs):
        if number:
            last = line.glyphs[number - 1].box
            tall = max(last.height, glyph.box.height)
            if number in line.spaces or glyph.box.x0 - last.x1 > _WORD_GAP * tall:
                pieces.append(None)
        pieces.append(glyph.character)
    return pieces


def _logical(
    pieces: Sequence[Character | None], *, is_right_to_left: bool
) -> list[Character | None]:
    """Return the characters of a line in the order of reading."""
    strong = {direction_of(piece.text) for piece in pieces if piece}
    ordered = in_logical_order(
        [piece.text if piece else " " for piece in pieces],
        is_right_to_left=is_right_to_left or LEFT not in strong,
    )
    return [
        each and each._replace(text=text) for number, text in ordered for each in (pieces[number],)
    ]


def _with_marks(glyphs: Iterable[_Glyph]) -> list[_Glyph]:
    """Return glyphs, in the order of drawing, with the marks on letters from right to left.

    Where letters are drawn from left to right, as the page shows them, their marks come before
    them; else after them. Where a mark is says less: fonts differ in it.
    """
    found: list[_Glyph] = []
    marks: list[_Glyph] = []
    for glyph in [*glyphs, None]:
        if glyph and unicodedata.bidirectional(glyph.character.text[0]) == "NSM":
            marks.append(glyph)
            continue
        at = len(found) - 1
        last = found[at] if found else None
        own: list[_Glyph] = []
        for mark in marks:
            letters = [each for each in (last, glyph) if each and _may_have(each, mark)]
            if not letters:
                found.append(mark)
            elif last in letters and not (glyph in letters and glyph.box.x0 >= last.box.x0):
                found[at] = last = _marked(last, [mark])
            else:
                own.append(mark)
        marks = []
        if glyph:
            found.append(_marked(glyph, own) if own else glyph)
    return found


def _may_have(letter: _Glyph, mark: _Glyph) -> bool:
    one, other = letter.box, mark.box
    is_beside = one.x0 - one.height <= other.x0 <= one.x1 + one.height
    is_in_line = min(one.y1, other.y1) > max(one.y0, other.y0)
    return direction_of(letter.character.text) == RIGHT and is_beside and is_in_line


def _marked(letter: _Glyph, marks: Sequence[_Glyph]) -> _Glyph:
    text = letter.character.text + "".join(mark.character.text for mark in marks)
    text = unicodedata.normalize("NFC", text)
    return letter._replace(character=letter.character._replace(text=text))
