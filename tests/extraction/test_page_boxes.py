"""Predictions for a PDF say on which page, and where, each value stands."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from command import Command
from drawn_pages import Drawing
from drawn_spans import inside
from tiny_model import Trained

from fieldsmith import Document, Prediction
from fieldsmith.data import PageWord
from fieldsmith.extraction.prediction_file import prediction_line
from fieldsmith.reading.limits import Limits
from fieldsmith.reading.pdf import read_pdf

pytest.importorskip("pdfminer", reason="the extra pdf is not installed")

LINES = (
    "Aspirin and rash. Aspirin caused rash in 5",
    "patients. Lidocaine was given to 3 patients.",
)


def drawing(turn: int = 0) -> Drawing:
    drawn = Drawing([0, turn])
    for _page in range(2):
        drawn.next_page()
        for number, line in enumerate(LINES):
            drawn.write(80, 700 - 14 * number, line.split(), "Helvetica", 11)
    return drawn


def check_boxes(line: dict[str, Any], drawn: Drawing, text: str) -> None:
    """Check that the boxes of each value hold its words."""
    assert line["spans"], "the tiny model finds something in this text"
    assert line["boxes"].keys() == line["spans"].keys()
    for pointer, span in line["spans"].items():
        boxes = [(page, *sides) for page, *sides in line["boxes"][pointer]]
        held = [word for box in boxes for word in inside(box, drawn.words)]
        value = text[slice(*span)]
        assert len(held) == len(value.split())
        assert value in " ".join(held) or value.split() == [each.rstrip(".") for each in held]


def test_lines_of_a_pdf_have_boxes_and_others_none(
    trained: Trained, tmp_path: Path, command: Command
) -> None:
    drawn = drawing(90)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(drawn.content())
    (folder / "b.txt").write_text("\n".join(LINES))
    answer = command("predict", trained.run, folder)
    assert answer.code == 0, answer.errors
    paged, plain = [json.loads(line) for line in answer.output.splitlines()]
    assert [paged["id"], plain["id"]] == ["a.pdf", "b.txt"]
    assert "boxes" not in plain
    check_boxes(paged, drawn, read_pdf((folder / "a.pdf").read_bytes(), Limits()).text)


def test_a_pdf_that_cannot_be_read_is_a_line_in_a_folder_and_an_error_alone(
    trained: Trained, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7\nrubbish")
    answer = command("predict", trained.run, tmp_path)
    (line,) = [json.loads(line) for line in answer.output.splitlines()]
    assert (answer.code, line["record"]) == (0, None)
    assert "a.pdf: the PDF cannot be read" in line["error"]
    answer = command("predict", trained.run, tmp_path / "a.pdf")
    assert answer.code == 1
    assert answer.errors.count("\n") == 1
    assert "a.pdf: the PDF cannot be read" in answer.errors


def test_a_value_over_two_lines_has_two_boxes() -> None:
    words = [
        PageWord(0, 6, 1, 10, 10, 40, 20),
        PageWord(7, 13, 1, 45, 10, 80, 20),
        PageWord(14, 19, 2, 10, 30, 40, 40),
    ]
    document = Document("a", "severe tarvi-\ntis in", {}, words)
    prediction = Prediction(document, record={"name": None}, spans={"/name": (0, 17)})
    line = prediction_line(prediction, "p")
    assert line["boxes"] == {"/name": [[1, 10, 10, 80, 20], [2, 10, 30, 40, 40]]}
    keys = list(line)
    assert keys[keys.index("spans") + 1] == "boxes"


def test_words_go_with_a_document_to_another_process_and_change_no_equality() -> None:
    document = Document("a", "one", {}, [PageWord(0, 3, 1, 1.5, 2, 3, 4)])
    assert document == Document("a", "one")
    assert "words" not in repr(document)
    assert pickle.loads(pickle.dumps(document)).words == document.words
