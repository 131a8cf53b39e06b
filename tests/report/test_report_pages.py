"""The report's page shows pages of PDFs with the values framed, and says what it leaves out."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import Command
from drawn_pages import HEIGHT, WIDTH, Drawing
from lxml import html
from scored_runs import paged_run
from tiny_model import Trained, lines

from fieldsmith import Document
from fieldsmith.data import PageWord
from fieldsmith.reading.reader import Reader
from fieldsmith.report.page import render
from fieldsmith.report.page_pictures import PAGES_SHOWN, PageDrawer, Pages
from fieldsmith.report.scored_run import ScoredRun, pdf_of, read_scored_run

pytest.importorskip("pdfminer", reason="the extra pdf is not installed")
pytest.importorskip("pypdfium2", reason="the extra pdf is not installed")

Made = tuple[Path, Path, dict[str, Drawing]]


@pytest.fixture
def made(trained: Trained, tmp_path: Path) -> Made:
    return paged_run(trained.run, tmp_path)


def article(page: str, name: str) -> Any:
    (found,) = html.fromstring(page).xpath(f"//article[.//bdi[text()='{name}']]")
    return found


def framed(svg: Any, words: Drawing, number: int) -> set[tuple[str, str]]:
    """Return the words whose middle is in a frame of a page, each with the frame's kind."""
    found = set()
    for rect in svg.xpath(".//rect"):
        x, y, width, height = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
        found |= {
            (word.text.rstrip("."), rect.get("data-kind"))
            for word in words.words
            if word.page == number and x <= word.x <= x + width and y <= word.y <= y + height
        }
    return found


def test_values_are_framed_on_their_pages(made: Made, command: Command, tmp_path: Path) -> None:
    run, data, drawings = made
    predicted = {row["id"]: row for row in lines(run / "predictions" / "papers.jsonl")}
    assert predicted["right.pdf"]["boxes"].keys() == predicted["right.pdf"]["spans"].keys()
    file = tmp_path / "report.html"
    answer = command("report", run, "--data", data, "--html", file)
    assert answer.code == 0, answer.errors
    page = file.read_text(encoding="utf-8")
    (svg,) = article(page, "right.pdf").xpath(".//svg")
    assert svg.get("viewbox") == f"0 0 {WIDTH} {HEIGHT}"
    assert framed(svg, drawings["right.pdf"], 1) == {("Aspirin", "right"), ("rash", "right")}
    (picture,) = svg.xpath(".//image/@href")
    assert base64.b64decode(picture.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    # Page 2 has no value, pages 3 to 6 have the same ones, and more than page 1.
    shown = article(page, "wrong.pdf").xpath(".//figure[@class='page']")
    assert [each.xpath("string(figcaption)") for each in shown] == ["Page 3", "Page 4", "Page 5"]
    (turned,) = shown[1].xpath(".//svg")
    assert turned.get("viewbox") == f"0 0 {HEIGHT} {WIDTH}"
    assert framed(turned, drawings["wrong.pdf"], 4) == {
        ("Aspirin", "right"), ("cocaine", "missing"), ("severe", "wrong"), ("rash", "wrong"),
    }  # fmt: skip
    text = " ".join(html.fromstring(page).text_content().split())
    assert f"2 pages with values are not drawn: of a document at most {PAGES_SHOWN} are" in text
    assert "Values are on further pages, too: 1, 6." in text
    assert "; img-src data:; " in page


def test_audit_and_evaluation_read_pdfs_with_their_labels_beside_them(
    made: Made, command: Command
) -> None:
    run, data, _drawings = made
    audited = command("audit", "--plugin", "medical_ner", "--data", data, "--json")
    found = json.loads(audited.output)
    assert found["documents"]["read"] == 2
    assert found["reader"].startswith("the core")
    scored = command("evaluate", run, "--data", data, "--again", "made-up predictions before")
    assert scored.code == 0, scored.errors
    predicted = lines(run / "predictions" / "papers.jsonl")
    assert [row["id"] for row in predicted] == ["right.pdf", "wrong.pdf"]
    assert all(row["boxes"].keys() == row["spans"].keys() for row in predicted)
    assert any(row["boxes"] for row in predicted), "the tiny model finds something in these texts"
    assert command("report", run, "--data", data).code == 0


def drawer(scored: ScoredRun, reader: Reader, left: int) -> PageDrawer:
    return PageDrawer(scored, list(scored.kinds()), reader, left)


def test_pictures_are_bounded_in_all(made: Made) -> None:
    run, data, _drawings = made
    scored = read_scored_run(run, data=data)
    right, wrong = scored.documents
    with Reader() as reader:
        whole = drawer(scored, reader, 1 << 20)
        (only,) = whole.pages_of(right).drawn
        size = len(base64.b64decode(only.picture))
        assert whole.left == (1 << 20) - size
        # What is left is enough for the first, and for no other one.
        small = drawer(scored, reader, size)
        assert [len(small.pages_of(each).drawn) for each in (right, wrong)] == [1, 0]
        assert small.left_out == 5
        assert small.pages_of(replace(right, file=None)) == Pages()
        assert small.without_file == 1


def test_a_page_that_cannot_be_drawn_is_said(made: Made) -> None:
    run, data, _drawings = made
    scored = read_scored_run(run, data=data)
    (data / "right.pdf").write_bytes(b"%PDF-1.7\nrubbish")
    (data / "wrong.pdf").unlink()
    page = render(scored)
    found = [" ".join(article(page, name).text_content().split()) for name in made[2]]
    assert "Pages are not drawn: page 1: the PDF cannot be drawn" in found[0]
    assert "Pages are not drawn: page 3: cannot be read (No such file or directory)." in found[1]
    assert "Aspirin caused a rash." in found[0]
    assert "img-src" not in page


def test_without_the_pdf_the_report_says_so(made: Made, command: Command) -> None:
    run, data, _drawings = made
    (data / "wrong.pdf").unlink()
    answer = command("report", run, "--split", "papers")
    assert answer.code == 0, answer.errors
    assert "their pages" in " ".join(answer.output.split())


def test_a_path_leads_nowhere_else(made: Made, tmp_path: Path) -> None:
    """A loader may say any path; only a PDF below the data is drawn."""
    _run, data, _drawings = made
    document = Document("a", "Aspirin", {"path": "right.pdf"}, [PageWord(0, 7, 1, 0, 0, 9, 9)])
    assert pdf_of(document, data) == data / "right.pdf"
    assert pdf_of(document, data / "labels.jsonl") == data / "right.pdf"
    (tmp_path / "secret.pdf").write_bytes((data / "right.pdf").read_bytes())
    for path in ("../secret.pdf", str(tmp_path / "secret.pdf"), "labels.jsonl", "gone.pdf"):
        assert pdf_of(replace(document, meta={"path": path}), data) is None
