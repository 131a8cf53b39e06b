"""What annotations draw over a page is text of the page: fields that are filled in, and notes."""

from __future__ import annotations

import io

import pytest
from drawn_pages import pdf_of_objects, stream_of

from fieldsmith.reading.limits import Limits
from fieldsmith.reading.page_text import PagedText
from fieldsmith.reading.pdf import read_pdf
from fieldsmith.reading.pictures import draw_page

pytest.importorskip("pdfminer", reason="the extra pdf is not installed")

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
FIELD = b"/Subtype /Widget /FT /Tx /T (drug) /V (Ibuprofen) /F 4"
SHOWS = b"/Rect [100 600 300 620] /AP << /N 6 0 R >>"


def page_with(
    annotation: bytes,
    *further: bytes,
    rotate: int = 0,
    form: bytes = b"/BBox [0 0 200 20]",
    annotations: bytes = b"[7 0 R]",
) -> bytes:
    """Return a PDF with the text "Drug:" and an annotation that draws "Ibuprofen".

    Args:
        annotation: entries of it; it is object 7.
        further: objects from 8 on.
        rotate: by which the page is turned.
        form: entries of what the annotation draws.
        annotations: of the page.
    """
    return pdf_of_objects(
        b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [7 0 R] >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Annots %b"
        b" /Rotate %d /Resources << /Font << /F 5 0 R >> >> >>" % (annotations, rotate),
        stream_of(b"BT /F 12 Tf 50 605 Td (Drug:) Tj ET\n"),
        FONT,
        stream_of(
            b"BT /F 12 Tf 2 5 Td (Ibuprofen) Tj ET\n",
            b"/Type /XObject /Subtype /Form " + form + b" /Resources << /Font << /F 5 0 R >> >>",
        ),
        b"<< /Type /Annot " + annotation + b" >>",
        *further,
    )


def read(content: bytes) -> PagedText:
    return read_pdf(content, Limits())


def test_a_field_that_is_filled_in_is_read_in_its_line() -> None:
    assert read(page_with(FIELD + SHOWS)).text == "Drug:\tIbuprofen"


@pytest.mark.parametrize(
    ("rotate", "form", "box"),
    [
        (0, b"/BBox [0 0 200 20]", (100, 172, 300, 192)),
        (90, b"/BBox [0 0 200 20]", (600, 100, 620, 300)),
        (0, b"/BBox [0 0 100 20]", (100, 172, 300, 192)),
        (0, b"/BBox [0 0 200 20] /Matrix [1 0 0 1 30 -40]", (100, 172, 300, 192)),
        (0, b"/BBox [0 0 100 100] /Matrix [0 1 -1 0 0 0]", (100, 172, 300, 192)),
    ],
)
def test_what_it_draws_has_its_box_in_its_rectangle(
    rotate: int, form: bytes, box: tuple[int, int, int, int]
) -> None:
    text, words = read(page_with(FIELD + SHOWS, rotate=rotate, form=form))
    (word,) = (each for each in words if text[each.start : each.end] == "Ibuprofen")
    assert box[0] <= word.x0 < word.x1 <= box[2]
    assert box[1] <= word.y0 < word.y1 <= box[3]


@pytest.mark.parametrize(
    "annotation",
    [
        b"/Subtype /FreeText" + SHOWS,
        b"/Subtype /Stamp" + SHOWS,
        b"/Subtype /Widget /FT /Ch /AS /On /Rect [100 600 300 620] /AP << /N << /On 6 0 R >> >>",
    ],
)
def test_notes_stamps_and_choices_are_read(annotation: bytes) -> None:
    assert "Ibuprofen" in read(page_with(annotation)).text


@pytest.mark.parametrize(
    "annotation",
    [
        b"/Subtype /Widget /FT /Tx /F 2" + SHOWS,  # hidden
        b"/Subtype /Widget /FT /Btn" + SHOWS,
        b"/Subtype /Popup" + SHOWS,
        b"/Subtype /Widget /FT /Tx /Rect [100 600] /AP << /N 6 0 R >>",
        b"/Subtype /Widget /FT /Tx /Rect [100 600 300 620] /AP 7 0 R",
        b"/Subtype /Widget /Parent 7 0 R",
    ],
)
def test_what_is_hidden_no_text_or_broken_is_passed_over(annotation: bytes) -> None:
    assert read(page_with(annotation)).text == "Drug:"


RECT = b" /Rect [100 600 300 620]"
VALUES = {
    "a text": (b"/FT /Tx /V (Ibuprofen)", "Ibuprofen"),
    "UTF-16": (b"/FT /Tx /V <FEFF03B10042>", "\u03b1B"),
    "UTF-8": (b"/FT /Tx /V <EFBBBFCEB142>", "\u03b1B"),
    "of its parent": (b"/Parent << /FT /Tx /V (Ibuprofen) /DA (/F 9 Tf) >>", "Ibuprofen"),
    "a stream": (b"/FT /Tx /V 8 0 R", "Ibuprofen"),
    "a choice": (b"/FT /Ch /V (i) /Opt [[(i) (Ibuprofen)] [(a) (Aspirin)]]", "Ibuprofen"),
    "a choice by its name": (b"/FT /Ch /V (Ibuprofen) /Opt [(Ibuprofen)]", "Ibuprofen"),
    "Hebrew": (b"/FT /Tx /V <FEFF05D005D1002000310032>", "\u05d0\u05d1 12"),
    "a button": (b"/FT /Btn /V /On", ""),
    "a password": (b"/FT /Tx /Ff 8192 /V (secret)", ""),
    "nothing": (b"/FT /Tx", ""),
    "hidden": (b"/FT /Tx /F 2 /V (secret)", ""),
}


@pytest.mark.parametrize(("field", "text"), VALUES.values(), ids=VALUES)
def test_a_field_without_an_appearance_is_read(field: bytes, text: str) -> None:
    page = page_with(b"/Subtype /Widget " + field + RECT, stream_of(b"Ibuprofen"))
    found, words = read(page)
    assert found == f"Drug:\t{text}".rstrip()
    for word in words[1:]:
        assert 100 <= word.x0 < word.x1 <= 300
        assert 172 <= word.y0 < word.y1 <= 192


@pytest.mark.parametrize(
    ("turn", "rotate", "box"),
    [(0, 0, (100, 172, 300, 192)), (0, 90, (600, 100, 620, 300)), (180, 180, (312, 600, 512, 620))],
)
def test_the_box_of_a_value_is_in_the_rectangle_of_its_field(
    turn: int, rotate: int, box: tuple[int, int, int, int]
) -> None:
    field = b"/Subtype /Widget /FT /Tx /V (Ibuprofen) /MK << /R %d >>" % turn + RECT
    text, words = read(page_with(field, rotate=rotate))
    (word,) = (each for each in words if text[each.start : each.end] == "Ibuprofen")
    assert box[0] <= word.x0 < word.x1 <= box[2]
    assert box[1] <= word.y0 < word.y1 <= box[3]


def test_a_field_of_several_lines_and_a_note_are_broken_into_lines() -> None:
    value = b"(Ibuprofen and Aspirin\\nfor\\rhens)"
    lines = "Ibuprofen and\nAspirin\nfor\nhens"
    rect = b" /Rect [100 500 180 570]"
    field = b"/Subtype /Widget /FT /Tx /Ff 4096 /V " + value + rect
    assert read(page_with(field)).text.endswith(lines)
    assert read(page_with(b"/Subtype /FreeText /Contents " + value + rect)).text.endswith(lines)


@pytest.mark.parametrize(
    ("needed", "drawn", "text"),
    [
        (b"true", b"() Tj", "new"),
        (b"true", b"(old) Tj", "new"),
        (b"false", b"(old) Tj", "old"),
        (b"false", b"() Tj", ""),
    ],
)
def test_an_appearance_is_written_anew_where_the_form_says_so(
    needed: bytes, drawn: bytes, text: str
) -> None:
    page = page_with(b"/Subtype /Widget /FT /Tx /V (new)" + SHOWS)
    page = page.replace(b"/AcroForm <<", b"/AcroForm << /NeedAppearances " + needed)
    assert read(page.replace(b"(Ibuprofen) Tj", drawn.ljust(14))).text == f"Drug:\t{text}".rstrip()


BOX = b"/Type /XObject /Subtype /Form /BBox [0 0 200 20]"
BROKEN = {
    "a form in a stamp": [
        b"<< /Subtype /Stamp /Rect [100 500 300 520] /AP << /N 9 0 R >> >>",
        stream_of(b"/X Do\n", BOX + b" /Resources << /XObject << /X 10 0 R >> >>"),
        stream_of(b"q Q\n", BOX + b" /Matrix [1 0]"),
    ],
    "no dictionary": [b"<< /Subtype >>"],
    "a rectangle": [b"<< /Subtype /Stamp /Rect [1 2 3 /A] /AP << /N 6 0 R >> >>"],
}


@pytest.mark.parametrize("objects", BROKEN.values(), ids=BROKEN)
def test_what_is_broken_in_an_annotation_spoils_no_other(objects: list[bytes]) -> None:
    page = page_with(FIELD + SHOWS, *objects, annotations=b"[8 0 R 7 0 R]")
    assert read(page).text == "Drug:\tIbuprofen"


def test_a_broken_list_of_annotations_spoils_no_page() -> None:
    page = page_with(FIELD + SHOWS, b"<< /A >>", annotations=b"8 0 R")
    assert read(page).text == "Drug:"


def test_a_field_is_drawn_with_its_page() -> None:
    pytest.importorskip("pypdfium2", reason="the extra pdf is not installed")
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    png, (width, _height) = draw_page(page_with(FIELD + SHOWS), 1)
    with image.open(io.BytesIO(png)) as picture:
        scale = picture.width / width
        field = picture.convert("L").crop([round(side * scale) for side in (100, 172, 300, 192)])
    assert min(field.tobytes()) < 128
