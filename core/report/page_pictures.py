"""Draw the pages of documents that were read from PDFs, with their values framed.

The frames are those marks that the text has (``marked_text``), in the boxes of their words.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import InputError
from ..reading.boxes import PageBox, boxes_of
from ..reading.reader import Reader
from .marked_text import Mark, marks_of, object_fields, one_per_field
from .scored_run import DocumentResult, ScoredRun

PAGES_SHOWN = 3
"""Maximum number of pages of a document."""

BYTES_SHOWN = 8 << 20
"""Maximum size of all pictures."""


@dataclass(frozen=True)
class Frame:
    """A box on a page and what it is: one mark per field, the one to show first."""

    box: PageBox
    marks: tuple[Mark, ...]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in points."""
        _page, left, upper, right, lower = self.box
        return round(right - left, 2), round(lower - upper, 2)


@dataclass(frozen=True)
class FramedPage:
    """A page as a picture.

    Attributes:
        number: from 1.
        size: width and height in points.
        picture: PNG, in base64.
        frames: large ones first, so that small ones are drawn over them.
    """

    number: int
    size: tuple[float, float]
    picture: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Pages:
    """The pages of a document.

    Attributes:
        drawn: those that are shown.
        left_out: numbers of further pages with values.
        fault: why a page could not be drawn.
    """

    drawn: tuple[FramedPage, ...] = ()
    left_out: tuple[int, ...] = ()
    fault: str = ""


@dataclass
class PageDrawer:
    """Draws pages as long as the pictures are not too large in all.

    Attributes:
        scored: the run.
        fields: all fields of the report.
        reader: draws.
        left: bytes that are left.
        left_out: pages with values that were not drawn, because of a limit.
        without_file: documents whose PDF is not found.
    """

    scored: ScoredRun
    fields: Sequence[str]
    reader: Reader
    left: int = BYTES_SHOWN
    left_out: int = 0
    without_file: int = 0
    _last: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._last = object_fields(self.scored, self.fields)

    def pages_of(self, document: DocumentResult) -> Pages:
        """Return the pages of a document on which values stand, those with most errors first."""
        frames = self._frames(document)
        if not frames:
            return Pages()
        if document.file is None:
            self.without_file += 1
            return Pages()
        chosen = sorted(frames, key=lambda number: _order(frames[number]))[:PAGES_SHOWN]
        drawn: list[FramedPage] = []
        fault = ""
        for number in sorted(chosen) if self.left else ():
            try:
                png, size = self.reader.draw(document.file, number, is_gray=True)
            except InputError as error:
                fault = f"page {number}: {error}"
                break
            if len(png) > self.left:
                self.left = 0  # pages after it are not tried any more
                break
            self.left -= len(png)
            picture = base64.b64encode(png).decode()
            drawn.append(FramedPage(number, size, picture, tuple(frames[number])))
        left_out = sorted(frames.keys() - {page.number for page in drawn})
        self.left_out += 0 if fault else len(left_out)
        return Pages(tuple(drawn), tuple(left_out), fault)

    def _frames(self, document: DocumentResult) -> dict[int, list[Frame]]:
        """Return the frames of a document by page."""
        text = document.text or ""
        if not document.words:
            return {}
        found: dict[PageBox, list[Mark]] = defaultdict(list)
        for start, end, mark in marks_of(document, self.fields, len(text)):
            for box in boxes_of((start, end), text, document.words):
                found[box].append(mark)
        frames: dict[int, list[Frame]] = defaultdict(list)
        for box, marks in found.items():
            frames[box[0]].append(Frame(box, one_per_field(marks, self._last)))
        for each in frames.values():
            each.sort(key=lambda frame: -frame.size[0] * frame.size[1])
        return dict(frames)


def _order(frames: Sequence[Frame]) -> tuple[int, int]:
    errors = sum(frame.marks[0].kind != "right" for frame in frames)
    return -errors, -len(frames)
