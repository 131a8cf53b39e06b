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
