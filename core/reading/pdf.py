"""Read the text of a PDF, and where its words stand, with pdfminer.six."""

from __future__ import annotations

import io
import itertools
import logging
import math
import unicodedata
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .limits import Limits, require_short
from .page_lines import Box, Character
from .page_text import PagedText, text_of_pages
from .pdf_glyphs import characters_in

if TYPE_CHECKING:
    from pdfminer.pdfpage import PDFPage

_LIGATURES = {
    "\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl",
    "\ufb05": "st", "\ufb06": "st",
}  # fmt: skip
_HYPHEN = {"\u00ad": "-"}
"""A hyphen that other formats hide; a PDF draws it."""

_FORMS = ("<initial>", "<medial>", "<final>", "<isolated>", "<vertical>")
"""Kinds of characters that are forms of others, as of Arabic letters or in vertical lines."""

_LARGEST = 1e6
"""Points from the corner of a page; what is said to be further away is a fault of the file."""

_LETTERS = str.maketrans(_LIGATURES | _HYPHEN)


def read_pdf(
    data: bytes, limits: Limits, *, pages: int | None = None, enough: int | None = None
) -> PagedText:
    """Return the text of a PDF.

    Args:
        data: the file.
        limits: what it may take.
        pages: how many are read at most; None for all.
        enough: number of characters after which no further page is read; None for all.

    Raises:
        InputError: it is encrypted, broken, too large or without text, or the extra ``pdf`` is not
            installed; says so without the name of the file.
    """
    drawn: list[list[Character]] = []
    count = 0
    for characters in itertools.islice(_pages(data), pages):
        if len(drawn) == limits.pages:
            raise InputError(f"has more than {limits.pages:,} pages; split it")
        drawn.append(characters)
        count += len(characters)
        require_short(count, limits)
        if enough is not None and count >= enough:
            break
    found = text_of_pages(drawn)
    if not found.words:
        raise InputError(
            "its pages hold no text (a scan?); add a text layer with OCR, such as ocrmypdf, and "
            "try again"
        )
    return found


def _pages(data: bytes) -> Iterator[list[Character]]:
    """Yield the characters of each page."""
    try:
        from pdfminer.pdfdocument import PDFPasswordIncorrect
        from pdfminer.pdfinterp import PDFResourceManager
        from pdfminer.pdfpage import PDFPage

        from .pdf_content import Device
    except ImportError as error:
        raise InputError(
            "reading PDF needs the extra `pdf`: pip install 'fieldsmith[pdf]'"
        ) from error
    logging.getLogger("pdfminer").setLevel(logging.CRITICAL)  # it warns of faults that it repairs

    device = Device(PDFResourceManager())
    try:
        for page in PDFPage.get_pages(io.BytesIO(data)):
            device.interpreter.process_page(page)
            layout = device.get_result()
            yield [*_visible(characters_in(layout), _shown(page))]
    except PDFPasswordIncorrect as error:
        raise InputError(
            "is encrypted; remove its password (qpdf --decrypt) and try again"
        ) from error
    except (MemoryError, InputError):
        raise
    # On a broken PDF the parser may raise any exception.
    except Exception as error:
        what = type(error).__name__
        raise InputError(f"the PDF cannot be read ({what}); is it whole?") from error


def _shown(page: PDFPage) -> Box:
    """Return the part of a page that is shown, in the page as it is turned, y growing upwards."""
    left, lower, right, upper = page.mediabox
    x0, y0, x1, y1 = page.cropbox
    x0, y0, x1, y1 = max(x0, left), max(y0, lower), min(x1, right), min(y1, upper)
    width, height = right - left, upper - lower
    x0, y0, x1, y1 = x0 - left, y0 - lower, x1 - left, y1 - lower
    turned = {
        90: Box(y0, width - x1, y1, width - x0),
        180: Box(width - x1, height - y1, width - x0, height - y0),
        270: Box(height - y1, x0, height - y0, x1),
    }
    return turned.get(page.rotate, Box(x0, y0, x1, y1))


def _visible(characters: Iterable[Any], shown: Box) -> Iterator[Character]:
    """Yield the characters whose middle is in the part of the page that is shown."""
    for each in characters:
        x, y = (each.x0 + each.x1) / 2, (each.y0 + each.y1) / 2
        text = _text(each.get_text())
        if text and shown.x0 <= x <= shown.x1 and shown.y0 <= y <= shown.y1:
            box = Box(
                max(each.x0, shown.x0) - shown.x0,
                shown.y1 - min(each.y1, shown.y1),
                min(each.x1, shown.x1) - shown.x0,
                shown.y1 - max(each.y0, shown.y0),
            )
            a, b, *_rest = each.matrix
            if max(map(abs, box)) <= _LARGEST:
                turned = -90 if getattr(each, "is_vertical", False) else 0
                yield Character(text, box, math.degrees(math.atan2(b, a)) + turned)


def _text(drawn: str) -> str:
    """Return what a glyph stands for; nothing if it stands for no character."""
    if drawn.startswith("(cid:"):
        return ""
    letters = "".join(map(_letters, drawn))
    if letters.isspace():
        return " "
    return "".join(each for each in letters if each.isprintable())


def _letters(drawn: str) -> str:
    """Return the letters of a form that a letter has at its place in a word or in a line."""
    kind, _, _ = unicodedata.decomposition(drawn).partition(" ")
    if kind in _FORMS or "\ufb1d" <= drawn <= "\ufb4f":
        drawn = unicodedata.normalize("NFKC", drawn).strip()
    return drawn.translate(_LETTERS)
