"""Find names in a text as whole words, ignoring case.

Names are searched with the case-insensitive matching of ``re``, not in a case-folded copy of the
text: folding changes lengths ("ß" becomes "ss", "İ" two code points), and offsets must stay right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

Span = tuple[int, int]


def occurrences(name: str, text: str) -> Iterator[Span]:
    """Yield the span of every whole-word occurrence of a name, from left to right.

    Occurrences may overlap.

    >>> list(occurrences("ras", "Ras and k-ras, but not mitral or rash"))
    [(0, 3), (10, 13)]
    """
    # A word boundary is needed only at a word character: "[3H]-naloxone" may follow one.
    before = r"(?<!\w)" if re.match(r"\w", name) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", name) else ""
    pattern = re.compile(before + re.escape(name) + after, re.IGNORECASE)
    found = pattern.search(text) if name.strip() else None
    while found:
        yield found.span()
        found = pattern.search(text, found.start() + 1)


def longest_occurrences(names: Iterable[str], text: str) -> dict[str, list[Span]]:
    """Return the spans of names that do not overlap: longer names first, then from the left.

    So "hypertension" does not match the end of "portal hypertension" if both are names.

    Args:
        names: compared case-folded; of names that differ only in case, the first is kept.
        text: the document's text.

    Returns:
        The spans of each name, in the order given; empty if longer names cover all of them.
    """
    distinct: dict[str, str] = {}
    for name in names:
        distinct.setdefault(name.casefold(), name)
    spans: dict[str, list[Span]] = {name: [] for name in distinct.values()}
    taken = bytearray(len(text))
    for name in sorted(spans, key=lambda name: (-len(name), name.casefold())):
        for start, end in occurrences(name, text):
            if not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                spans[name].append((start, end))
    return spans
