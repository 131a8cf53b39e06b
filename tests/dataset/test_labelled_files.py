"""Documents that are files, and rows beside them that have their labels and no text."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from name_lists import PLUGIN
from pdf_files import line, pdf_of

from fieldsmith import Document, Example, InputError, Reject
from fieldsmith.dataset.inputs import open_inputs, read_inputs
from fieldsmith.dataset.loading import read_examples
from fieldsmith.dataset.readers import reader_of

pytest.importorskip("pdfminer", reason="the extra pdf is not installed")

RECORD = {"names": ["Ada"]}


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    (folder / "more").mkdir(parents=True)
    for name in ("a", "b.v2", "more/c"):
        (folder / f"{name}.pdf").write_bytes(pdf_of(line(72, 700, f"Ada wrote {name}.")))
    (folder / "d.txt").write_text("Ada met Bob.")
    return folder


def write(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def examples(source: Path) -> list[Example | Reject]:
    return list(read_examples(PLUGIN, source))


def test_labels_name_files_and_the_documents_are_those_that_are_predicted(
    papers: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fieldsmith")
    rows = (
        {"path": "a.pdf", "record": RECORD},
        {"id": "b.v2", "record": RECORD},
        {"id": "c", "path": "more/c.pdf", "record": RECORD, "split": "test"},
        {"id": "e", "text": "Ada.", "record": RECORD},
    )
    labels = write(papers, *rows)
    found = [row for row in examples(papers) if isinstance(row, Example)]
    assert [row.document.id for row in found] == ["a.pdf", "b.v2", "c", "e"]
    assert [row.document.meta.get("path") for row in found] == [
        "a.pdf", "b.v2.pdf", "more/c.pdf", None,
    ]  # fmt: skip
    assert {row.split for row in found} == {None, "test"}
    # One file has no label; it is not lost without a word.
    (message,) = caplog.messages
    assert message.endswith("or not regular): d.txt")
    assert examples(labels) == examples(papers)
    with open_inputs(PLUGIN, [str(papers)]) as inputs:
        predicted = {row.meta["path"]: row for row in inputs if isinstance(row, Document)}
    assert sorted(predicted) == ["a.pdf", "b.v2.pdf", "d.txt", "more/c.pdf"]
    for row in found[:3]:
        same = predicted[row.document.meta["path"]]
        assert row.document.text == same.text
        assert same.words
        assert row.document.words == same.words
    assert reader_of(PLUGIN, papers).startswith("the core")


def test_labels_may_be_a_table(papers: Path) -> None:
    (papers / "gold.csv").write_text("path,names\na.pdf,Ada\nd.txt,\n")
    found = {row.document.id: row.record for row in examples(papers) if isinstance(row, Example)}
    assert found == {"a.pdf": {"names": ["Ada"]}, "d.txt": {"names": []}}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"path": "gone.pdf", "record": RECORD}, "no file beside it that its path or id names"),
        ({"path": "../secret.txt", "record": RECORD}, "no file beside it"),
        ({"path": "/etc/hostname", "record": RECORD}, "no file beside it"),
        ({"path": "a\0.pdf", "record": RECORD}, "no file beside it"),
        ({"path": "labels.jsonl", "record": RECORD}, "no file beside it"),
        ({"path": 7, "id": "a", "record": RECORD}, "no file beside it"),
        ({"id": "x" * 300, "record": RECORD}, "no file beside it"),
        ({"path": "broken.pdf", "record": RECORD}, "the PDF cannot be read"),
        ({"path": "rows.csv", "record": RECORD}, "rows.csv has several documents"),
        ({"path": "a.pdf", "record": {"names": [1]}}, "the record breaks the schema"),
        ({"path": "a.pdf", "record": RECORD, "mentions": {"/names/0": [[0, 999]]}}, "outside"),
    ],
)
def test_a_label_without_its_file_is_a_reject(
    papers: Path, row: dict[str, Any], reason: str
) -> None:
    (papers.parent / "secret.txt").write_text("Ada")
    (papers / "broken.pdf").write_bytes(b"%PDF-1.7\nrubbish")
    (papers / "rows.csv").write_text("text\none\ntwo\n")
    labels = write(papers, {"id": "d", "record": RECORD}, row)
    first, second = examples(labels)
    assert isinstance(first, Example)
    assert isinstance(second, Reject)
    assert second.place == f"{labels}:2"
    assert reason in second.reason


def test_a_text_with_a_label_is_read_once_whatever_else_annotates_it(papers: Path) -> None:
    (papers / "d.ann").write_text("T1\tNames 0 3\tAda\n")
    write(papers, {"path": "d.txt", "record": RECORD})
    (only,) = examples(papers)
    assert isinstance(only, Example)
    assert (only.document.id, only.record) == ("d.txt", RECORD)


def test_an_id_that_two_files_have_names_none(papers: Path) -> None:
    (papers / "a.txt").write_text("Ada")
    labels = write(papers, {"id": "d", "record": RECORD}, {"id": "a", "record": RECORD})
    assert isinstance(examples(labels)[1], Reject)


def test_predictions_beside_their_documents_are_no_labels(papers: Path) -> None:
    predicted = {"id": "a.pdf", "record": RECORD, "spans": {}, "status": {}}
    labels = write(papers, predicted)
    with pytest.raises(InputError, match="records without their text"):
        examples(labels)
    rejects = [row.id for row in read_inputs(PLUGIN, [str(papers)]) if isinstance(row, Reject)]
    assert rejects == ["labels.jsonl"]
