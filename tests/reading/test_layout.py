"""What is read does not depend on how a page is drawn, and every span has its boxes."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from drawn_pages import columns
from drawn_spans import check_spans
from hypothesis import given, settings
from hypothesis import strategies as st
from name_lists import PLUGIN

from fieldsmith import Document
from fieldsmith.data import PageWord
from fieldsmith.dataset.inputs import read_inputs
from fieldsmith.reading.boxes import boxes_of
from fieldsmith.reading.page_lines import Box, Character
from fieldsmith.reading.page_text import PagedText, text_of_pages

_SIZE = 10.0


def row(text: str, x: float, y: float) -> list[Character]:
    """Return the characters of a line, each of half its height, without its spaces."""
    return [
        Character(each, Box(x + number * 5, y, x + number * 5 + 5, y + _SIZE))
        for number, each in enumerate(text)
        if each != " "
    ]


LEFT = [f"the left column says {number} things" for number in range(8)]
RIGHT = [f"the right one has {number} words more" for number in range(6)]
PAGE = [
    *row("A running header", 50, 20),
    *row("9", 500, 20),
    *row("The title goes across both of the columns of it", 120, 60),
    *(each for number, text in enumerate(LEFT) for each in row(text, 50, 100 + 12 * number)),
    *(each for number, text in enumerate(RIGHT) for each in row(text, 300, 103 + 12 * number)),
]
TEXT = "\n".join(
    ["A running header\t9\n", "The title goes across both of the columns of it\n", *LEFT, *RIGHT]
)


def test_a_page_is_read_in_order() -> None:
    assert text_of_pages([PAGE]).text == TEXT


@settings(max_examples=20)
@given(st.permutations(PAGE))
def test_the_order_in_which_it_is_drawn_is_no_matter(drawn: Sequence[Character]) -> None:
    assert text_of_pages([drawn]) == text_of_pages([PAGE])


places = st.floats(0, 800, allow_nan=False, width=32)
sides = st.floats(0, 60, allow_nan=False, width=32)
characters = st.builds(
    lambda text, x, y, width, height, angle: Character(
        text, Box(x, y, x + width, y + height), angle
    ),
    st.sampled_from("abc .-é東"),
    places,
    places,
    sides,
    sides,
    st.sampled_from([0.0, 3.0, 45.0, 90.0, 180.0, 270.0, -90.0]),
)


@settings(max_examples=50)
@given(st.lists(st.lists(characters, max_size=40), max_size=3))
def test_whatever_a_page_holds_its_words_are_those_of_the_text(
    pages: list[list[Character]],
) -> None:
    text, words = text_of_pages(pages)
    assert text.count("\f") == max(0, len(pages) - 1)
    end = 0
    for word in words:
        assert end <= word.start < word.end
        assert not text[end : word.start].strip()
        assert text[word.start : word.end].split() == [text[word.start : word.end]]
        end = word.end
    assert not text[end:].strip()


@given(
    st.lists(
        st.tuples(st.sampled_from([" ", "\n", "\t", "\f"]), st.integers(1, 4)),
        min_size=1,
        max_size=20,
    ),
    st.data(),
)
def test_a_span_has_the_boxes_of_the_words_that_it_touches(
    pieces: list[tuple[str, int]], data: st.DataObject
) -> None:
    text, words = "", []
    for number, (gap, length) in enumerate(pieces):
        text += gap
        words.append(PageWord(len(text), len(text) + length, 1, number, 0, number + 0.5, 1))
        text += "x" * length
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    touched = [word for word in words if word.start < end and start < word.end]
    boxes = boxes_of((start, end), text, words)
    lines = re.split("[\n\f]", text[start:end])
    assert len(boxes) == len([line for line in lines if line.strip()])
    covered = [word for word in words if any(b[1] <= word.x0 and word.x1 <= b[3] for b in boxes)]
    assert covered == touched


@pytest.mark.slow
def test_a_thousand_papers_are_read_and_every_span_is_found(tmp_path: Path) -> None:
    pytest.importorskip("pdfminer", reason="the extra pdf is not installed")
    drawings = {}
    for seed in range(1000, 2000):
        drawing = columns(seed)
        (tmp_path / f"{seed}.pdf").write_bytes(drawing.content())
        drawings[f"{seed}.pdf"] = drawing.words
    read = 0
    for document in read_inputs(PLUGIN, [str(tmp_path)]):
        assert isinstance(document, Document), document
        drawn = drawings[document.id]
        assert document.text.split() == [each.text for each in drawn], document.id
        found = PagedText(document.text, document.words)
        check_spans(found, drawn, random.Random(document.id), 100)
        read += 1
    assert read == 1000
