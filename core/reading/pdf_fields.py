"""What is filled into a field of a PDF's form that has no appearance, written as viewers write it.

See ISO 32000, 12.7.4.3. The same is done for notes on the page (free text).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .pdf_glyphs import Glyph, spread
from .pdf_values import entry, list_of, name_of, text_of

if TYPE_CHECKING:
    from pdfminer.utils import Matrix

_DEEPEST = 32
"""Fields in fields that are looked at."""

_SEVERAL_LINES, _PASSWORD = 1 << 12, 1 << 13
"""Flags of a field of text."""

_SIZE = re.compile(rb"([\d.]+)\s+Tf\b")
_AUTOMATIC = 12.0
"""Size of the letters of a field that leaves it to the viewer."""

_WIDTH, _LEADING = 0.5, 1.2
"""Width of a letter and height of a line, by the size of the letters."""


def inherited(field: Any, key: str) -> Any:
    """Return what a field has for a key, or the nearest of those that it is in."""
    for _ in range(_DEEPEST):
        if not isinstance(field, dict):
            return None
        if key in field:
            return entry(field, key)
        field = entry(field, "Parent")
    return None


def value_of(annotation: Mapping[str, Any]) -> str:
    """Return what an annotation says; "" if that is no text that is shown."""
    if name_of(entry(annotation, "Subtype")) == "FreeText":
        return text_of(entry(annotation, "Contents"))
    kind, flags = name_of(inherited(annotation, "FT")), _flags(annotation)
    if kind not in {"Tx", "Ch"} or (kind == "Tx" and flags & _PASSWORD):
        return ""
    value = text_of(inherited(annotation, "V"))
    if kind == "Tx":
        return value
    # What is chosen may be shown by another name than the one that is kept.
    pairs = [list_of(option) for option in list_of(inherited(annotation, "Opt"))]
    shown = {text_of(pair[0]): text_of(pair[1]) for pair in pairs if len(pair) == 2}
    return "\n".join(shown.get(line, line) for line in value.split("\n"))


def written(value: str, annotation: Mapping[str, Any], ctm: Matrix) -> list[Glyph]:
    """Return the characters of a value within the rectangle of its annotation.

    Args:
        value: what it says.
        annotation: it.
        ctm: the matrix that the page is drawn by.

    Raises:
        ValueError: the rectangle is broken, or another error.
    """
    from pdfminer.utils import apply_matrix_rect, mult_matrix

    turn = entry(entry(annotation, "MK"), "R")
    x0, y0, x1, y1 = (float(side) for side in list_of(entry(annotation, "Rect")))
    x0, x1, y0, y1 = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    turned: dict[Any, Matrix] = {
        90: (0, 1, -1, 0, x1, y0),
        180: (-1, 0, 0, -1, x1, y1),
        270: (0, -1, 1, 0, x0, y1),
    }
    matrix = mult_matrix(turned.get(turn, (1, 0, 0, 1, x0, y0)), ctm)
    wide, high = (y1 - y0, x1 - x0) if turn in (90, 270) else (x1 - x0, y1 - y0)
    return [
        glyph
        for text, box in _lines(value, annotation, wide, high)
        for glyph in spread(text, apply_matrix_rect(matrix, box), matrix)
    ]


def _lines(
    value: str, annotation: Mapping[str, Any], wide: float, high: float
) -> Iterator[tuple[str, tuple[float, float, float, float]]]:
    """Yield each line with its box in a rectangle of this size, from the upper left corner on."""
    size = min(_size(annotation), high)
    lines = value.splitlines()
    if _flags(annotation) & _SEVERAL_LINES or name_of(entry(annotation, "Subtype")) == "FreeText":
        most = max(1, int(wide / (_WIDTH * size))) if size else 1
        lines = [part for line in lines for part in textwrap.wrap(line, most) or [""]]
    size = min(size, high / _LEADING / max(1, len(lines)))
    upper = (high + _LEADING * size * len(lines)) / 2 if len(lines) == 1 else high
    for line in lines:
        lower = upper - _LEADING * size
        yield line, (0.0, lower, min(wide, _WIDTH * size * len(line)), upper)
        upper = lower


def _size(annotation: Mapping[str, Any]) -> float:
    appearance = inherited(annotation, "DA")
    found = _SIZE.search(appearance) if isinstance(appearance, bytes) else None
    return (float(found[1]) if found else 0.0) or _AUTOMATIC


def _flags(annotation: Mapping[str, Any]) -> int:
    flags = inherited(annotation, "Ff")
    return flags if isinstance(flags, int) else 0
