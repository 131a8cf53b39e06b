"""Boxes of spans, against what was drawn in them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable

from drawn_pages import Drawn

from fieldsmith.reading.boxes import PageBox, boxes_of
from fieldsmith.reading.page_text import PagedText


def inside(box: PageBox, drawn: Iterable[Drawn]) -> list[str]:
    """Return the words whose middle is in a box."""
    page, x0, y0, x1, y1 = box
    return [
        each.text
        for each in drawn
        if each.page == page and x0 <= each.x <= x1 and y0 <= each.y <= y1
    ]


def check_spans(
    found: PagedText, drawn: Iterable[Drawn], chance: random.Random, count: int
) -> None:
    """Check that the boxes of spans hold the words of the spans, and no others."""
    words = found.words
    on_page = defaultdict(list)
    for each in drawn:
        on_page[each.page].append(each)
    for _ in range(count):
        first = chance.randrange(len(words))
        last = min(len(words) - 1, first + chance.choice([0, 0, 1, 2, 5, 12]))
        span = words[first].start, words[last].end
        boxes = boxes_of(span, found.text, words)
        held = [text for box in boxes for text in inside(box, on_page[box[0]])]
        assert held == found.text[slice(*span)].split(), (span, boxes)
