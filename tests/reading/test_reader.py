"""Files that take too much, or end the process that reads them, are one line and nothing else."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from drawn_pages import Drawing, columns, encrypted, pdf_of_objects, scan, stream_of

from fieldsmith import InputError, read_first_pages, read_within_limits
from fieldsmith.reading import reader as reading
from fieldsmith.reading.kinds import kind_of
from fieldsmith.reading.limits import Limits
from fieldsmith.reading.reader import Reader

pytest.importorskip("pdfminer", reason="the extra pdf is not installed")

PAGES = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
PAGE = (
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
    b" /Resources << /Font << /F 5 0 R >> /XObject << /X 6 0 R >> >> >>"
)


def page_of(content: bytes, entries: bytes = b"", *more: bytes) -> bytes:
    return pdf_of_objects(CATALOG, PAGES, PAGE, stream_of(content, entries), FONT, *more)


def hello(x: int = 100) -> bytes:
    return b"BT /F 12 Tf %d 700 Td (Hello there) Tj ET\n" % x


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader() as opened:
        yield opened


def fault(reader: Reader, path: Path, content: bytes) -> str:
    path.write_bytes(content)
    kind = kind_of(path)
    assert kind is not None
    with pytest.raises(InputError) as caught:
        reader.read(path, kind)
    message = str(caught.value)
    assert "\n" not in message
    return message


WHOLE = columns(0).content()
LOOP_OF_PAGES = pdf_of_objects(CATALOG, b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>")
LOOP_OF_OBJECTS = pdf_of_objects(b"<< /Type /Catalog /Pages 2 0 R >>", b"2 0 R")
REFUSED = {
    "nothing": (b"%PDF-1.7\n", "cannot be read (PDF"),
    "rubbish": (b"%PDF-1.7\nrubbish", "is it whole?"),
    "the first half": (WHOLE[: len(WHOLE) // 2], ""),
    "a loop of pages": (LOOP_OF_PAGES, "its pages hold no text"),
    "a picture alone": (scan(), "its pages hold no text (a scan?); add a text layer with OCR"),
    "a password": (encrypted("secret"), "is encrypted; remove its password"),
}


@pytest.mark.parametrize(("content", "says"), REFUSED.values(), ids=REFUSED)
def test_a_pdf_that_cannot_be_read_is_one_line(
    reader: Reader, tmp_path: Path, content: bytes, says: str
) -> None:
    assert says in fault(reader, tmp_path / "a.pdf", content)


def test_a_form_that_draws_itself_is_read(reader: Reader, tmp_path: Path) -> None:
    form = stream_of(
        hello(300) + b"/X Do",
        b"/Type /XObject /Subtype /Form /BBox [0 0 612 792]"
        b" /Resources << /Font << /F 5 0 R >> /XObject << /X 6 0 R >> >>",
    )
    file = tmp_path / "a.pdf"
    file.write_bytes(page_of(hello() + b"/X Do", b"", form))
    text = reader.read(file, "PDF").text
    assert text.startswith("Hello there\tHello there")


ODD = {
    "far away": b"BT /F 12 Tf 1 0 0 1 100 9000000000 Tm (x) Tj ET\n",
    "huge": b"BT /F 9000000000 Tf 100 700 Td (x) Tj ET\n",
    "a watermark": b"BT /F 700 Tf 100 100 Td (x) Tj ET\n",
    "no size": b"BT /F 0 Tf 100 700 Td (xyz) Tj ET\n",
    "digits without end": b"BT /F 12 Tf " + b"9" * 500 + b" 700 Td (x) Tj ET\n",
    "mirrored": b"BT /F 12 Tf -1 0 0 1 300 600 Tm (x) Tj ET\n",
    "oblique": b"BT /F 12 Tf 0.7 0.7 -0.7 0.7 300 400 Tm (x) Tj ET\n",
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_odd_numbers_do_not_hide_the_text(reader: Reader, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(page_of(content + hello()))
    text, words = reader.read(file, "PDF")
    assert "Hello there" in text
    assert all(0 <= side <= 792 for word in words for side in word[3:])


LIMITED = {
    "pages": (Limits(pages=2), columns(0, [0, 90, 180]).content(), "more than 2 pages"),
    "characters": (Limits(characters=1000), WHOLE, "more than 1,000 characters"),
    "the file": (Limits(file_bytes=1 << 20), WHOLE + bytes(1 << 20), "has more than 1 MiB"),
    "seconds": (Limits(seconds=1), LOOP_OF_OBJECTS, "not read within 1 seconds"),
    "memory": (
        Limits(memory=256 << 20),
        page_of(zlib.compress(bytes(1 << 30)), b"/Filter /FlateDecode"),
        "256 MiB of memory",
    ),
}


@pytest.mark.parametrize(("limits", "content", "says"), LIMITED.values(), ids=LIMITED)
def test_what_takes_too_much_is_one_line_and_the_next_file_is_read(
    tmp_path: Path, limits: Limits, content: bytes, says: str
) -> None:
    good = tmp_path / "good.pdf"
    good.write_bytes(page_of(hello()))
    with Reader(limits) as limited:
        assert says in fault(limited, tmp_path / "a.pdf", content)
        assert limited.read(good, "PDF").text == "Hello there"


@pytest.mark.parametrize(("limits", "content", "says"), LIMITED.values(), ids=LIMITED)
def test_first_pages_have_the_same_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: Limits, content: bytes, says: str
) -> None:
    good, bad = tmp_path / "good.pdf", tmp_path / "a.pdf"
    good.write_bytes(page_of(hello()))
    bad.write_bytes(content)
    with Reader(limits) as limited:
        own = SimpleNamespace(process=os.getpid(), reader=limited)
        monkeypatch.setattr(reading, "_own", own)
        with pytest.raises(InputError, match=says) as caught:
            read_first_pages(bad, pages=2000, enough=20_000_000)
        assert str(caught.value).startswith(f"{bad}: ")
        assert read_first_pages(good, pages=1, enough=1).text == "Hello there"


def test_first_pages_have_less_time_than_a_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_FIRST_PAGES", 0.7)
    monkeypatch.setattr(reading, "_PAGE", 0.1)
    file = tmp_path / "a.pdf"
    file.write_bytes(LOOP_OF_OBJECTS)
    with Reader() as limited, pytest.raises(InputError, match="not read within 1 seconds"):
        limited.read_first_pages(file, pages=3, enough=1)


def test_a_function_that_its_process_cannot_find_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="is no function of a module"):
        read_within_limits(tmp_path / "a", lambda path: path.name)


def test_what_took_too_much_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits, file = Limits(seconds=1), tmp_path / "a.pdf"
    with Reader(limits) as first:
        says = fault(first, file, LOOP_OF_OBJECTS)
    monkeypatch.setattr(reading, "_Process", None)  # none can be started
    with Reader(limits) as second, pytest.raises(InputError, match=says):
        second.read(file, "PDF")


def test_a_process_that_is_asked_for_nothing_ends_and_another_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "good.pdf"
    file.write_bytes(page_of(hello()))
    monkeypatch.setattr(reading, "_SCRIPT", reading._SCRIPT.replace("[3])))", "[3])), 0.5)"))
    with Reader() as waiting:
        assert waiting.read(file, "PDF").text == "Hello there"
        assert waiting._process
        psutil.Process(waiting._process.process.pid).wait()
        assert waiting.read(file, "PDF").text == "Hello there"


def test_a_process_that_is_killed_is_one_line_and_the_next_file_is_read(tmp_path: Path) -> None:
    good = tmp_path / "good.pdf"
    good.write_bytes(page_of(hello()))
    before = set(psutil.Process().children())
    with Reader() as killed:
        assert killed.read(good, "PDF").text == "Hello there"
        (process,) = set(psutil.Process().children()) - before
        process.kill()
        process.wait()
        with pytest.raises(InputError, match="ends the process that reads it"):
            killed.read(good, "PDF")
        assert killed.read(good, "PDF").text == "Hello there"
    assert set(psutil.Process().children()) == before


@pytest.mark.parametrize("is_gray", [False, True])
def test_a_page_is_drawn_as_it_is_shown(reader: Reader, tmp_path: Path, is_gray: bool) -> None:
    pytest.importorskip("pypdfium2", reason="the extra pdf is not installed")
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    drawing = Drawing([90])
    drawing.next_page()
    drawing.write(100, 700, ["Foxes"], "Helvetica-Bold", 40)
    file = tmp_path / "a.pdf"
    file.write_bytes(drawing.content())
    (word,) = reader.read(file, "PDF").words
    png, (width, height) = reader.draw(file, 1, is_gray=is_gray)
    (tmp_path / "a.png").write_bytes(png)
    with image.open(tmp_path / "a.png") as picture:
        assert picture.mode == ("L" if is_gray else "RGB")
        dark = picture.convert("L").point(lambda light: 255 * (light < 128)).getbbox()
        scale = picture.width / width
    assert scale == pytest.approx(picture.height / height, rel=0.01)
    x0, y0, x1, y1 = (corner / scale for corner in dark)
    assert word.x0 - 1 <= x0 < x1 <= word.x1 + 1
    assert word.y0 - 1 <= y0 < y1 <= word.y1 + 1
    with pytest.raises(InputError, match="has no page 2; it has 1"):
        reader.draw(file, 2)


def test_what_is_no_pdf_is_not_drawn(reader: Reader, tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2", reason="the extra pdf is not installed")
    file = tmp_path / "a.pdf"
    file.write_bytes(b"%PDF-1.7\nrubbish")
    with pytest.raises(InputError, match="cannot be drawn"):
        reader.draw(file, 1)
