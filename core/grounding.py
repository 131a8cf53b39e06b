"""Where each leaf of a record stands in the document."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .data import Span


def occurrences(text: str, value: str) -> Iterator[Span]:
    """Yield every whole-word occurrence of ``value`` in ``text``, left to right.

    A border is asked for only where the value's own edge is a letter, digit or underscore, so
    that "(S)-X" is found and "acid" is not found in "placid". Offsets are code points.
    """
    if not value:
        return
    before = r"(?<!\w)" if _is_word(value[0]) else ""
    after = r"(?!\w)" if _is_word(value[-1]) else ""
    for match in re.finditer(before + re.escape(value) + after, text):
        yield match.span()


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
