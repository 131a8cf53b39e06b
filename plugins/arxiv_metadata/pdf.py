"""Read the text of a PDF's first pages with pdfminer.six, whose layout analysis knows columns."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fieldsmith import InputError

_PAGES = 3
_NO_CHARACTER = re.compile(r"\(cid:\d+\)|\0")  # a glyph without a character


def first_pages(path: Path, enough: int) -> str:
    """Return the text of the first pages, with form feeds between them.

    Args:
        path: the file.
        enough: number of characters after which no further page is read; at most three pages are
            read.

    Raises:
        InputError: the extra ``pdf`` is not installed, the file is broken or encrypted, or its
            first pages are images without text.
    """
    try:
        from pdfminer.high_level import extract_pages
        from pdfminer.layout import LAParams
    except ImportError as error:
        reason = "reading PDF needs the extra `pdf`: pip install 'fieldsmith[pdf]'"
        raise InputError(f"{path}: {reason}") from error
    logging.getLogger("pdfminer").setLevel(logging.ERROR)  # it warns about faults that it repairs
    pages: list[str] = []
    try:
        for layout in extract_pages(path, maxpages=_PAGES, laparams=LAParams()):
            pages.append(_NO_CHARACTER.sub("", "\n".join(_lines(layout))))
            if sum(map(len, pages)) >= enough:
                break
    # On a broken PDF the parser may raise any exception.
    except Exception as error:
        what = type(error).__name__
        raise InputError(
            f"{path}: the PDF cannot be read ({what}); is it whole, and without a password?"
        ) from error
    text = "\f".join(pages)
    if not text.strip():
        raise InputError(
            f"{path}: the first pages hold no text (a scan?); add a text layer with OCR, such as "
            f"ocrmypdf, and try again"
        )
    return text


def _lines(layout: Iterable[Any]) -> Iterator[str]:
    """Yield the lines of a page in reading order, and vertical text (arXiv's stamp) at the end.

    pdfminer.six would return vertical text letter by letter.
    """
    from pdfminer.layout import LTChar, LTTextBox

    sidewards: list[Any] = []
    for box in layout:
        if not isinstance(box, LTTextBox):
            continue
        for line in box:
            turned = [item for item in line if isinstance(item, LTChar) and not item.upright]
            if turned:
                sidewards += turned
            elif text := line.get_text().strip():
                yield text
    if stamp := _upwards(sidewards):
        yield stamp


def _upwards(characters: list[Any]) -> str:
    """Return the text of rotated characters, read from the bottom up, column by column."""
    text, last = "", None
    for item in sorted(characters, key=lambda item: (round(item.x0 / 4), item.y0)):
        if last is not None and item.y0 - last.y1 > 0.15 * item.size:
            text += " "
        text += item.get_text()
        last = item
    return " ".join(text.split())
