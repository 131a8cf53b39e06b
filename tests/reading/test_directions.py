"""Text from right to left and from top to bottom is in the order in which it is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chromium import needs_chromium, started_browser
from drawn_pages import HEIGHT, Drawing
from hypothesis import given
from hypothesis import strategies as st

from fieldsmith.reading.bidi import in_logical_order
from fieldsmith.reading.boxes import boxes_of
from fieldsmith.reading.limits import Limits
from fieldsmith.reading.page_text import PagedText
from fieldsmith.reading.pdf import read_pdf

SIZE = 12
SHOWN = {
    "םלוע םולש": "שלום עולם",
    "₪ 1,234.50 :ריחמ": "מחיר: 1,234.50 ₪",
    "03-1234567 ןופלט": "טלפון 03-1234567",
    "החנה 50%": "50% הנחה",
    "ןאכ Windows 10 ואר": "ראו Windows 10 כאן",
    "ףוס (.Smith et al ואר)": "(ראו Smith et al.) סוף",
    "א [Smith (2020)] ב": "ב [Smith (2020)] א",
    "2024/5 ةسارد": "دراسة 2024/5",
}
"""Lines of paragraphs from right to left as a page shows them, and as they are read."""
SHOWN_IN_LATIN = {
    "see םלוע םולש here": "see שלום עולם here",
    "see (םלוע) םולש, 5": "see שלום (עולם), 5",
    "v 2.0 םולש": "v 2.0 שלום",
}


def logical(shown: str, *, is_right_to_left: bool = True) -> str:
    return "".join(text for _, text in in_logical_order(shown, is_right_to_left=is_right_to_left))


@pytest.mark.parametrize("shown", SHOWN)
def test_a_line_from_right_to_left(shown: str) -> None:
    assert logical(shown) == SHOWN[shown]


@pytest.mark.parametrize("shown", SHOWN_IN_LATIN)
def test_words_from_right_to_left_in_a_latin_line(shown: str) -> None:
    assert logical(shown, is_right_to_left=False) == SHOWN_IN_LATIN[shown]


def test_brackets_that_the_file_names_as_they_are_meant() -> None:
    assert logical("321 )םולש(") == "(שלום) 321"


@given(st.lists(st.sampled_from(["שלום", "אב", "سلام", "12", "3.5", "1,000"]), min_size=1))
def test_numbers_stand_as_they_are_between_words(words: list[str]) -> None:
    shown = [word if word[0].isdigit() else word[::-1] for word in reversed(words)]
    assert logical(" ".join(shown)) == " ".join(words)


# Pages


@pytest.fixture(scope="module")
def font() -> str:
    """A font with Hebrew and Arabic letters."""
    matplotlib = pytest.importorskip("matplotlib", reason="the extra report is not installed")
    pytest.importorskip("pdfminer", reason="the extra pdf is not installed")
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    file = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    pdfmetrics.registerFont(TTFont("DejaVu", str(file)))
    return "DejaVu"


def page(lines: list[tuple[float, float, str]], font: str) -> PagedText:
    """Return the text of a page of lines: their right ends, baselines, and letters as shown."""
    drawing = Drawing([0])
    drawing.next_page()
    drawing.canvas.setFont(font, SIZE)
    for right, y, shown in lines:
        drawing.canvas.drawRightString(right, y, shown)
    return read_pdf(drawing.content(), Limits())


def test_a_page_of_hebrew(font: str) -> None:
    right = [f"רבד {'ב' * 22} {number}"[::-1] for number in range(1, 5)]
    left = [f"רחא {'ג' * 22} {number}"[::-1] for number in range(5, 9)]
    lines = [(540.0, 700.0 - 14 * n, line) for n, line in enumerate(right)]
    lines += [(260.0, 700.0 - 14 * n, line) for n, line in enumerate(left)]
    found = page([(540.0, 760.0, "2020 Smith לש ותדובע"), *lines], font)
    expected = [line[::-1] for line in [*right, *left]]
    assert found.text == "עבודתו של Smith 2020\n\n" + "\n".join(expected)
    start = found.text.index("Smith")
    (box,) = boxes_of((start, start + 5), found.text, found.words)
    (after,) = boxes_of((0, 6), found.text, found.words)
    assert after[3] == pytest.approx(540, abs=0.01)
    assert box[3] < after[1]
    assert box[2] < HEIGHT - 760 < box[4]


def test_cells_of_a_row_are_read_from_the_right(font: str) -> None:
    rows = [("םש", "הדע"), ("ליג", "36"), ("ריע", "הפיח")]
    lines = [
        (x, 700.0 - 20 * number, shown)
        for number, row in enumerate(rows)
        for x, shown in zip((500.0, 300.0), row, strict=True)
    ]
    assert page(lines, font).text == "שם\tעדה\nגיל\t36\nעיר\tחיפה"


def test_forms_of_arabic_letters_are_letters(font: str) -> None:
    shown = "\ufefc\ufe91\ufef3 \ufe94\ufef4\ufe91\ufeae\ufecc\ufedf\ufe8d"
    assert page([(500, 700, shown)], font).text == "العربية يبلا"


def test_marks_follow_their_letters(font: str) -> None:
    word = "שָלוֹם רַב"
    assert page([(500, 700, word[::-1])], font).text == word


def test_vertical_lines_are_read_from_the_right() -> None:
    pytest.importorskip("pdfminer", reason="the extra pdf is not installed")
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    upright = UnicodeCIDFont("HeiseiMin-W3", isVertical=True)
    pdfmetrics.registerFont(upright)
    drawing = Drawing([0])
    drawing.next_page()
    drawing.write(60, 60, ["12"], "Helvetica", 10)
    canvas = drawing.canvas
    for x, line in ((400, "東京大学の縦書きの文章"), (370, "二行目（注）です。")):
        canvas.setFont(upright.fontName, 20)
        canvas.drawString(x, 700, line)
    canvas.translate(363, 517)
    canvas.rotate(-90)
    canvas.setFont("Helvetica", 20)
    canvas.drawString(0, 0, "Tokyo")
    found = read_pdf(drawing.content(), Limits())
    assert found.text == "12\n\n東京大学の縦書きの文章\n二行目（注）です。 Tokyo"
    start = found.text.index("大学")
    (box,) = boxes_of((start, start + 2), found.text, found.words)
    assert box[1:] == pytest.approx((390, HEIGHT - 660, 410, HEIGHT - 620), abs=3)


HTML = """<html dir="rtl"><meta charset="utf-8"><body style="font-family: 'DejaVu Sans'">
<p>שלום, המחיר הוא 1,234.50 ₪ (50% הנחה). ראו Smith et al. (2020).</p><p>שָׁלוֹם רַב לְכֻלָּם.</p>
<table><tr><td style="padding: 0 40px">שם</td><td>עדה</td></tr></table>
<p>اللغة العربية (الفصحى) لغة سامية، عام 2024/5.</p></body></html>"""


@pytest.mark.slow
@needs_chromium
def test_what_chromium_prints_is_read_as_it_was_written() -> None:
    pytest.importorskip("playwright", reason="playwright is not installed")
    with started_browser() as browser:
        page = browser.new_page()
        page.set_content(HTML)
        found = read_pdf(page.pdf(), Limits())
    assert found.text.split() == re.sub(r"<[^>]*>", " ", HTML).split()
