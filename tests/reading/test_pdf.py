"""The text of a PDF is in reading order, and each span of it is found on its page."""

from __future__ import annotations

import io
import random
from typing import Any

import pytest
from drawn_pages import HEIGHT, WIDTH, Drawing, columns
from drawn_spans import check_spans, inside

from fieldsmith.data import PageWord
from fieldsmith.reading.boxes import boxes_of
from fieldsmith.reading.limits import Limits
from fieldsmith.reading.page_text import PagedText
from fieldsmith.reading.pdf import read_pdf

pytest.importorskip("pdfminer", reason="the extra pdf is not installed")

SEEDS = range(4)
SPANS = 40


def read(drawing: Drawing) -> PagedText:
    return read_pdf(drawing.content(), Limits())


@pytest.mark.parametrize("seed", SEEDS)
def test_columns_are_read_one_after_another_and_spans_are_found(seed: int) -> None:
    drawing = columns(seed)
    found = read(drawing)
    assert found.text.split() == [each.text for each in drawing.words]
    assert [found.text[word.start : word.end] for word in found.words] == found.text.split()
    check_spans(found, drawing.words, random.Random(seed), SPANS)


def test_a_word_that_a_hyphen_breaks_has_a_box_on_each_line() -> None:
    drawing = columns(0)
    found = read(drawing)
    start = found.text.index("-\n") - 2
    end = found.text.index("\n", start) + 3
    first, second = boxes_of((start, end), found.text, found.words)
    assert first != second
    parts = [inside(box, drawing.words) for box in (first, second)]
    assert [len(part) for part in parts] == [1, 1]
    assert parts[0][0].endswith("-")
    assert parts[0][0] + "\n" + parts[1][0] in found.text


def test_a_value_that_goes_on_in_the_next_column_has_a_box_in_both() -> None:
    drawing = columns(1, [0])
    found = read(drawing)
    jump = next(
        number
        for number, (one, other) in enumerate(zip(found.words, found.words[1:], strict=False))
        if other.page == one.page == 1 and other.y1 < one.y0 - 200 and other.x0 > one.x0
    )
    one, other = found.words[jump : jump + 2]
    assert boxes_of((one.start, other.end), found.text, found.words) == [
        (1, *one[3:]), (1, *other[3:])
    ]  # fmt: skip


def test_text_that_runs_upwards_comes_after_the_page() -> None:
    drawing = Drawing([0])
    drawing.next_page()
    drawing.write(100, 700, ["Foxes", "in", "snow"], "Helvetica", 12)
    drawing.canvas.translate(30, 300)
    drawing.canvas.rotate(90)
    drawing.canvas.drawString(0, 0, "arXiv:1913.00001v1 [q-bio.TO]")
    found = read(drawing)
    assert found.text == "Foxes in snow\n\narXiv:1913.00001v1 [q-bio.TO]"
    (box,) = boxes_of((15, 33), found.text, found.words)
    assert box[1] < 30 < box[3]
    assert box[4] == pytest.approx(HEIGHT - 300, abs=0.01)


def test_a_page_that_is_cropped_has_boxes_in_what_is_shown() -> None:
    drawing = Drawing([0])
    drawing.next_page()
    drawing.write(100, 700, ["Shown"], "Helvetica", 12)
    drawing.canvas.drawString(10, 10, "printer's mark")
    drawing.canvas.setCropBox((50, 60, WIDTH - 50, HEIGHT - 40))
    found = read(drawing)
    assert found.text == "Shown"
    assert found.words[0].x0 == pytest.approx(50, abs=0.01)
    assert found.words[0].y0 < HEIGHT - 40 - 700 < found.words[0].y1


def test_rows_of_a_table_stay_rows() -> None:
    drawing = Drawing([0])
    drawing.next_page()
    rows = [("Name:", "Ada Lovelace"), ("Born:", "1815"), ("Field:", "Mathematics"), ("Age:", "36")]
    for number, (label, value) in enumerate(rows):
        drawing.write(100, 700 - 20 * number, [label], "Helvetica", 12)
        drawing.write(250, 700 - 20 * number, value.split(), "Helvetica", 12)
    assert read(drawing).text == "\n".join(f"{label}\t{value}" for label, value in rows)


def test_a_table_of_wide_cells_and_a_line_beside_none_stay_rows() -> None:
    drawing = Drawing([0])
    drawing.next_page()
    drawing.write(420, 790, ["Manual", "of", "foxes"], "Helvetica", 10)
    drawing.write(60, 765, ["1.", "The", "options", "of", "the", "command"], "Helvetica-Bold", 14)
    rows = [
        ("-b, --benchmark-of-all", "perform a benchmark on decoding"),
        ("-s", "use strict decoding"),
        ("-t, --no-time-strict", "use strict decoding but not in the fields of time"),
        ("-h, --help", "display this help and exit"),
    ]
    for number, (option, meaning) in enumerate(rows):
        drawing.write(80, 720 - 14 * number, option.split(), "Helvetica", 11)
        drawing.write(250, 720 - 14 * number, meaning.split(), "Helvetica", 11)
    table = "\n".join(f"{option}\t{meaning}" for option, meaning in rows)
    start = "Manual of foxes\n\n1. The options of the command\n\n"
    assert read(drawing).text == start + table


def test_blocks_side_by_side_that_are_no_rows_stay_blocks() -> None:
    drawing = Drawing([0])
    drawing.next_page()
    for number, line in enumerate(["Acme Ltd", "1 High Street", "Vellin"]):
        drawing.write(60, 760 - 12 * number, line.split(), "Helvetica", 10)
    for number, line in enumerate(["Invoice 12", "3 May 2024"]):
        drawing.write(400, 755 - 14 * number, line.split(), "Helvetica", 10)
    assert read(drawing).text.split("\n")[:3] == ["Acme Ltd", "1 High Street", "Vellin"]


def test_paragraphs_and_pages_are_told_apart() -> None:
    drawing = Drawing([0])
    for first in ("One", "Two"):
        drawing.next_page()
        for number, y in enumerate((700, 688, 676, 640, 628)):
            drawing.write(100, y, [first, str(number)], "Helvetica", 10)
    page = "{0} 0\n{0} 1\n{0} 2\n\n{0} 3\n{0} 4"
    assert read(drawing).text == f"{page.format('One')}\f{page.format('Two')}"


def test_letters_drawn_twice_to_be_bold_are_read_once() -> None:
    drawing = Drawing([0])
    drawing.next_page()
    for shift in (0, 0.3):
        drawing.write(100 + shift, 700, ["Bold", "llama"], "Helvetica", 12)
    assert read(drawing).text == "Bold llama"


def test_each_character_of_a_script_without_spaces_is_a_word() -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    pdfmetrics.registerFont(UnicodeCIDFont("HeiseiMin-W3"))
    drawing = Drawing([0])
    drawing.next_page()
    drawing.canvas.setFont("HeiseiMin-W3", 20)
    drawing.canvas.drawString(100, 700, "東京大学 2024")
    found = read(drawing)
    assert found.text == "東京大学 2024"
    (box,) = boxes_of((2, 4), found.text, found.words)
    assert box[1] == pytest.approx(140, abs=0.5)
    assert box[3] == pytest.approx(180, abs=0.5)


def test_another_reader_finds_the_same_words_in_the_boxes() -> None:
    pdfium = pytest.importorskip("pypdfium2", reason="the extra pdf is not installed")
    drawing = columns(3)
    content = drawing.content()
    found = read_pdf(content, Limits())
    with pdfium.PdfDocument(io.BytesIO(content)) as document:
        for word in found.words[:: max(1, len(found.words) // 200)]:
            assert _by_pdfium(document[word.page - 1], word) == found.text[word.start : word.end]


def _by_pdfium(page: Any, word: PageWord) -> str:
    """Return the text that PDFium finds in the box of a word."""
    left, right = word.x0, word.x1
    width, height = page.get_size()
    x0, y0, x1, y1 = left, height - word.y1, right, height - word.y0
    turn = page.get_rotation()
    # From the page as it is shown to the page as it is drawn.
    drawn = {
        0: (x0, y0, x1, y1),
        90: (height - y1, x0, height - y0, x1),
        180: (width - x1, height - y1, width - x0, height - y0),
        270: (y0, width - x1, y1, width - x0),
    }[turn]
    shrunk = drawn[0] + 0.5, drawn[1] + 2.5, drawn[2] - 0.5, drawn[3] - 2.5
    text = page.get_textpage().get_text_bounded(*shrunk)
    return str(text).strip().replace("\x02", "-")
