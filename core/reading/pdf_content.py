"""What a page of a PDF draws, for pdfminer.six: its characters, without layers that are off.

Where a part of a page has the text that it stands for (``ActualText``; ISO 32000, 14.9.4), that is
its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pdfminer.converter import PDFPageAggregator
from pdfminer.layout import LTChar
from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager
from pdfminer.pdftypes import resolve1
from pdfminer.utils import MATRIX_IDENTITY, Matrix

from .pdf_annotations import draw_annotations
from .pdf_glyphs import Glyph, box_around, is_same, spread
from .pdf_layers import Layers
from .pdf_values import entry, name_of, text_of


@dataclass(frozen=True)
class _Mark:
    """Content that is marked, from its beginning on.

    Attributes:
        is_hidden: whether it is in a layer that is off.
        text: what it stands for; "" if that is what it draws.
        figure: what it is drawn in.
        start: how much is drawn in it before.
    """

    is_hidden: bool
    text: str
    figure: Any
    start: int


class Device(PDFPageAggregator):
    """Collects the characters of a page, and nothing else that it draws.

    Those that are written from top to bottom have a line that is turned by a right angle.
    """

    def __init__(self, resources: PDFResourceManager) -> None:
        """Begin before the first page."""
        super().__init__(resources)
        self.interpreter = Interpreter(resources, self)
        self.layers = Layers(None)
        self._document: Any = None
        self._marks: list[_Mark] = []

    def begin_page(self, page: Any, ctm: Matrix) -> None:
        """Keep the matrix of the page, and read the layers of its file."""
        super().begin_page(page, ctm)
        self.page_matrix = ctm
        if page.doc is not self._document:
            self._document, self.layers = page.doc, Layers(page.doc.catalog)

    def end_page(self, page: Any) -> None:
        """Add what annotations draw over the page."""
        draw_annotations(page, self.page_matrix, self.interpreter, self.layers)
        super().end_page(page)

    def begin_mark(self, *, is_hidden: bool = False, text: str = "") -> int:
        """Begin marked content, and return how many have begun before it."""
        before = len(self._marks)
        is_hidden = is_hidden or (before > 0 and self._marks[-1].is_hidden)
        figure: Any = self.cur_item  # the layout does not say what its items are
        self._marks.append(_Mark(is_hidden, text, figure, len(figure._objs)))
        return before

    def end_mark(self, least: int) -> None:
        """End the content that was marked last, if more than so many are marked."""
        self.end_marks(max(least, len(self._marks) - 1))

    def end_marks(self, before: int) -> None:
        """End marked content until so many are left."""
        while len(self._marks) > before:
            mark = self._marks.pop()
            if mark.text.strip() and mark.figure is self.cur_item:
                drawn = mark.figure._objs[mark.start :]
                mark.figure._objs[mark.start :] = _standing_for(mark.text, drawn)

    def render_char(self, matrix: Any, font: Any, *how: Any, **more: Any) -> float:
        """Add a character that is shown, and say whether it is of a vertical line."""
        advance = super().render_char(matrix, font, *how, **more)
        figure: Any = self.cur_item
        if self._marks and self._marks[-1].is_hidden:
            del figure._objs[-1:]
        elif font.is_vertical():
            figure._objs[-1].is_vertical = True
        return advance

    def paint_path(self, *_path: Any, **_how: Any) -> None:
        """Pass over a path."""

    def render_image(self, *_image: Any, **_how: Any) -> None:
        """Pass over a picture."""


class Interpreter(PDFPageInterpreter):
    """Draws pages, and says to its device which content is marked."""

    device: Device
    _before = 0

    def render_contents(
        self,
        resources: dict[object, object],
        streams: Sequence[object],
        ctm: Matrix = MATRIX_IDENTITY,
    ) -> None:
        """Draw streams; content that is marked in them and not ended ends with them."""
        self._before = self.device.begin_mark()
        try:
            super().render_contents(resources, streams, ctm)
        finally:
            self.device.end_marks(self._before)

    def do_BMC(self, _tag: Any) -> None:
        """Begin marked content."""
        self.device.begin_mark()

    def do_BDC(self, tag: Any, properties: Any) -> None:
        """Begin marked content with properties, which may be named in the resources."""
        if name := name_of(properties):
            named = entry(self.resources, "Properties")
            properties = named.get(name) if isinstance(named, dict) else None
        is_hidden = name_of(tag) == "OC" and self.device.layers.is_off(properties)
        text = text_of(entry(resolve1(properties), "ActualText"))
        self.device.begin_mark(is_hidden=is_hidden, text=text)

    def do_EMC(self) -> None:
        """End marked content that this stream has begun."""
        self.device.end_mark(self._before + 1)

    def do_Do(self, name: Any) -> None:
        """Draw a form, if it is in no layer that is off."""
        form = resolve1(self.xobjmap.get(name_of(name)))
        attributes = getattr(form, "attrs", {})
        if not self.device.layers.is_off(attributes.get("OC")):
            super().do_Do(name)


def _standing_for(text: str, drawn: list[Any]) -> list[Any]:
    """Return what is drawn with a text in its place, if it is in one line.

    What stands for itself keeps the places of its characters.
    """
    if not drawn or not all(isinstance(each, LTChar | Glyph) for each in drawn):
        return drawn
    if is_same(text, drawn):
        return drawn
    first = drawn[0]
    a, b = first.matrix[:2]
    low, high = ("y0", "y1") if abs(a) >= abs(b) else ("x0", "x1")
    middles = ((getattr(each, low) + getattr(each, high)) / 2 for each in drawn)
    if not all(getattr(first, low) <= middle <= getattr(first, high) for middle in middles):
        return drawn
    return list(spread(text.strip(), box_around(drawn), first.matrix))
