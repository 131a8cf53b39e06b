"""Where each leaf of a record stands in the document."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .data import Span

# A letter, digit or underscore of a script that puts spaces between its words; Chinese, Japanese,
# Thai, Lao, Khmer and Burmese do not, so any place in them may be a word's border.
_WORD = re.compile(
    r"[^\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff"
    r"\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)


def occurrences(text: str, value: str) -> Iterator[Span]:
    """Yield every whole-word occurrence of ``value`` in ``text``, left to right.

    A border is asked for only where the value's own edge is a letter, digit or underscore, so
    that "(S)-X" is found and "acid" is not found in "placid". Offsets are code points;
    occurrences may overlap.
    """
    start = text.find(value) if value else -1
    while start >= 0:
        end = start + len(value)
        if not _inside_word(text, start) and not _inside_word(text, end):
            yield start, end
        start = text.find(value, start + 1)


def _inside_word(text: str, at: int) -> bool:
    """Say whether the characters on both sides of an offset belong to one word."""
    return 0 < at < len(text) and all(map(_WORD.match, text[at - 1 : at + 1]))
