"""Text of a PDF's page that is drawn by its annotations: fields that are filled in, notes, stamps.

Viewers draw them over the page by their appearance streams (ISO 32000, 12.5.5), and write the value
of a field that has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .pdf_fields import inherited, value_of, written
from .pdf_glyphs import characters_in, is_same
from .pdf_layers import Layers
from .pdf_values import entry, list_of, name_of

if TYPE_CHECKING:
    from pdfminer.pdfinterp import PDFPageInterpreter
    from pdfminer.pdfpage import PDFPage
    from pdfminer.pdftypes import PDFStream
    from pdfminer.utils import Matrix

_FIELD = "Widget"
_WITH_TEXT = {_FIELD, "FreeText", "Stamp", "Watermark"}
"""Kinds of annotations whose text is part of what a page says; others are links and remarks."""

_NOT_SHOWN = 1 << 1 | 1 << 5
"""Flags of an annotation that is hidden, or drawn on paper alone."""

_BUTTON = "Btn"
"""Fields of this type draw marks and no text."""


def draw_annotations(
    page: PDFPage, ctm: Matrix, interpreter: PDFPageInterpreter, layers: Layers
) -> None:
    """Draw the text of a page's annotations onto the device of an interpreter.

    One that is broken is passed over from its fault on, as viewers do.

    Args:
        page: the page.
        ctm: the matrix that the page is drawn by.
        interpreter: draws.
        layers: those of the file.
    """
    from pdfminer.pdftypes import resolve1

    device: Any = interpreter.device  # of a type that does not declare what a layout keeps
    annotations: list[Any] = []
    values_first = False
    with _passing_over(device):
        annotations = list_of(page.annots)
        values_first = entry(entry(page.doc.catalog, "AcroForm"), "NeedAppearances") is True
    for annotation in annotations:
        with _passing_over(device):
            shown = resolve1(annotation)
            if not isinstance(shown, dict) or not _is_text(shown) or layers.is_off(shown.get("OC")):
                continue
            figure = device.cur_item._objs
            before = len(figure)
            is_drawn = False
            with _passing_over(device):
                is_drawn = _draw(shown, ctm, interpreter)
            is_written = not is_drawn or (
                values_first and name_of(entry(shown, "Subtype")) == _FIELD
            )
            value = value_of(shown) if is_written else ""
            if value and not is_same(value, characters_in(figure[before:])):
                figure[before:] = written(value, shown, ctm)


@contextmanager
def _passing_over(device: Any) -> Iterator[None]:
    """Pass over what the parser raises, and leave figures that it has begun and not ended."""
    figures, item = [*device._stack], device.cur_item
    try:
        yield
    except MemoryError:
        raise
    except Exception:  # the parser may raise any
        device._stack[:], device.cur_item = figures, item


def _draw(annotation: Any, ctm: Matrix, interpreter: PDFPageInterpreter) -> bool:
    """Draw an annotation by its appearance; say whether it has one."""
    from pdfminer.pdftypes import PDFStream, dict_value, list_value, resolve1
    from pdfminer.utils import mult_matrix

    normal = entry(entry(annotation, "AP"), "N")
    if isinstance(normal, dict):  # one for each state
        normal = entry(normal, name_of(entry(annotation, "AS")))
    rect = entry(annotation, "Rect")
    if not isinstance(normal, PDFStream) or not isinstance(rect, list):
        return False
    matrix, corners = _matrix(normal), [resolve1(side) for side in rect]
    fitted = mult_matrix(_fit(list_value(normal["BBox"]), matrix, corners), ctm)
    resources = dict_value(normal.get("Resources") or {})
    interpreter.render_contents(resources, [normal], ctm=mult_matrix(matrix, fitted))
    return True


def _is_text(annotation: Mapping[str, Any]) -> bool:
    kind, flags = name_of(entry(annotation, "Subtype")), entry(annotation, "F")
    if kind not in _WITH_TEXT or (isinstance(flags, int) and flags & _NOT_SHOWN):
        return False
    return name_of(inherited(annotation, "FT")) != _BUTTON


def _matrix(stream: PDFStream) -> Matrix:
    from pdfminer.pdftypes import list_value
    from pdfminer.utils import MATRIX_IDENTITY

    given = list_value(stream.get("Matrix") or list(MATRIX_IDENTITY))
    a, b, c, d, e, f = map(float, given)
    return a, b, c, d, e, f


def _fit(bbox: Sequence[Any], matrix: Matrix, rect: Sequence[Any]) -> Matrix:
    """Return the matrix that fits a box, after its own matrix, into a rectangle."""
    from pdfminer.utils import apply_matrix_pt

    x0, y0, x1, y1 = map(float, bbox)
    corners = [apply_matrix_pt(matrix, (x, y)) for x in (x0, x1) for y in (y0, y1)]
    left, lower = (min(corner[axis] for corner in corners) for axis in (0, 1))
    right, upper = (max(corner[axis] for corner in corners) for axis in (0, 1))
    rx0, ry0, rx1, ry1 = map(float, rect)
    rx0, rx1, ry0, ry1 = min(rx0, rx1), max(rx0, rx1), min(ry0, ry1), max(ry0, ry1)
    wide = (rx1 - rx0) / (right - left) if right > left else 1.0
    high = (ry1 - ry0) / (upper - lower) if upper > lower else 1.0
    return wide, 0.0, 0.0, high, rx0 - left * wide, ry0 - lower * high
