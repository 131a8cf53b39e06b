"""What a page of a PDF shows: no layers that are off, and the text that a part of it stands for."""

from __future__ import annotations

import pytest
from drawn_pages import pdf_of_objects, stream_of

from fieldsmith.reading.limits import Limits
from fieldsmith.reading.page_text import PagedText
from fieldsmith.reading.pdf import read_pdf

pytest.importorskip("pdfminer", reason="the extra pdf is not installed")

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
SHOWN = b"BT /F 12 Tf 50 700 Td (shown) Tj ET\n"
OTHER = b"BT /F 12 Tf 50 650 Td (other) Tj ET\n"
IN_LAYER = b"/OC /L BDC\n" + OTHER + b"EMC\n"
FORM = stream_of(
    OTHER,
    b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /Font << /F 5 0 R >> >>"
    b" /OC 8 0 R",
)


def page_of(
    content: bytes, config: bytes = b"/OFF [8 0 R]", layer: bytes = b"", named: bytes = b"8 0 R"
) -> bytes:
    """Return a PDF with two layers, objects 8 and 9.

    Args:
        content: of the page, on which the form is /X, and the properties of content /L.
        config: which layers are on.
        layer: entries of the first.
        named: the properties.
    """
    return pdf_of_objects(
        b"<< /Type /Catalog /Pages 2 0 R /OCProperties << /OCGs [8 0 R 9 0 R] /D << "
        + config
        + b" >> >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Annots [7 0 R]"
        b" /Resources << /Font << /F 5 0 R >> /XObject << /X 6 0 R >> /Properties << /L %b >> >> >>"
        % named,
        stream_of(content),
        FONT,
        FORM,
        b"<< /Type /Annot /Subtype /FreeText /Rect [0 0 200 20] /OC 8 0 R /Contents (other) >>",
        b"<< /Type /OCG /Name (a) " + layer + b" >>",
        b"<< /Type /OCG /Name (b) >>",
    )


def read(content: bytes) -> PagedText:
    return read_pdf(content, Limits())


OFF = {
    "content": page_of(SHOWN + IN_LAYER),
    "content in content": page_of(
        SHOWN + b"/OC /L BDC /P BMC\n" + OTHER + b"EMC\n" + OTHER + b"EMC\n"
    ),
    "a form": page_of(SHOWN + b"/X Do\n"),
    "a form in content": page_of(
        SHOWN + b"/OC /L BDC /X Do EMC\n", b"/OFF [9 0 R]", named=b"9 0 R"
    ).replace(b"/OC 8 0 R /Contents", b"/OC 9 0 R /Contents"),
    "all layers": page_of(SHOWN + IN_LAYER, b"/BaseState /OFF /ON [9 0 R]"),
    "a layer for paper": page_of(
        SHOWN + IN_LAYER,
        b"/AS [<< /Event /View /Category [/View] /OCGs [8 0 R] >>]",
        b"/Usage << /View << /ViewState /OFF >> >>",
    ),
    "a layer that is not ended": page_of(SHOWN + b"/OC /L BDC\n" + OTHER),
}


@pytest.mark.parametrize("content", OFF.values(), ids=OFF)
def test_a_layer_that_is_off_is_left_out(content: bytes) -> None:
    assert read(content).text == "shown"


MEMBERS = {
    b"/OCGs 8 0 R": False,
    b"/OCGs [8 0 R 9 0 R]": True,
    b"/OCGs [8 0 R 9 0 R] /P /AllOn": False,
    b"/OCGs [8 0 R 9 0 R] /P /AnyOff": True,
    b"/OCGs [8 0 R] /P /AllOff": True,
    b"/OCGs [9 0 R] /P /AllOff": False,
    b"/OCGs []": True,
    b"/VE [/And 9 0 R [/Not 8 0 R]]": True,
    b"/VE [/Or 8 0 R [/Not 9 0 R]]": False,
    b"/VE [/Not]": True,
}


@pytest.mark.parametrize(("members", "is_shown"), MEMBERS.items())
def test_several_layers_decide_together(members: bytes, is_shown: bool) -> None:
    text = read(page_of(SHOWN + IN_LAYER, named=b"<< /Type /OCMD " + members + b" >>")).text
    assert text == ("shown\nother" if is_shown else "shown")


@pytest.mark.parametrize("config", [b"", b"/OFF 8", b"/OFF [9 0 R]", b"/OFF [8 0 R] /ON [8 9]"])
def test_a_layer_that_is_on_is_read(config: bytes) -> None:
    text = read(page_of(SHOWN + IN_LAYER + b"EMC EMC\n" + SHOWN, config)).text
    assert ("other" in text) == (b"OFF [8 0 R]" not in config)


def standing_for(actual: bytes, drawn: bytes = b"(Xne) Tj", turn: bytes = b"1 0 0 1") -> bytes:
    return page_of(
        b"BT /F 12 Tf %b 50 700 Tm /Span << /ActualText %b >> BDC %b EMC ( day) Tj ET\n"
        % (turn, actual, drawn)
    )


LINE = b"BT /F 12 Tf 50 700 Td /Span %b BDC (Xne) Tj EMC ET\n"
ACTUAL = {
    "one line": (standing_for(b"(fine)"), "fine day"),
    "UTF-16": (standing_for(b"<FEFF00660069006E0065>"), "fine day"),
    "upwards": (standing_for(b"(fine)", turn=b"0 1 -1 0"), "fine day"),
    "named": (
        page_of(LINE % b"/L", named=b"<< /ActualText (fine) >>"),
        "fine",
    ),
    "from right to left": (
        page_of(LINE % b"<< /ActualText <FEFF05D005D1002000310032> >>"),
        "\u05d0\u05d1 12",
    ),
    "nothing": (standing_for(b"()"), "Xne day"),
    "no text": (standing_for(b"12"), "Xne day"),
    "several lines": (standing_for(b"(fine)", b"(Xne) Tj 0 -50 Td (Yne) Tj"), "Xne\nYne day"),
}


@pytest.mark.parametrize(("content", "text"), ACTUAL.values(), ids=ACTUAL)
def test_what_a_line_stands_for_is_read(content: bytes, text: str) -> None:
    assert read(content).text == text


def test_it_has_the_box_of_what_is_drawn() -> None:
    drawn, actual = read(standing_for(b"(Xne)")).words[0], read(standing_for(b"(fine)")).words[0]
    assert actual[3:] == pytest.approx(drawn[3:], abs=0.1)
