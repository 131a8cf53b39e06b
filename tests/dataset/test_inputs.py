"""Inputs to predict on: files, folders and standard input."""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import re
import sys
from pathlib import Path

import pytest
from invented_plugins import NAMES, example, plugin_of
from name_lists import PLUGIN, ROW, write

from fieldsmith import Document, Example, InputError, Reject, UnknownFormatError
from fieldsmith.dataset.inputs import open_inputs, read_inputs
from fieldsmith.dataset.loading import read_examples
from fieldsmith.dataset.row_examples import text_id
from fieldsmith.plugins import Plugin, load


def inputs(plugin: Plugin, *names: object) -> list[Document | Reject]:
    return list(read_inputs(plugin, [str(name) for name in names]))


def test_inputs_come_in_order_whatever_their_format(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbfplain\r\ntext\r\n")
    (tmp_path / "c.lst").write_text("names\nAda\n\n")
    rows = write(tmp_path / "a.jsonl", {"id": "r", "text": "row"}, {"text": "no id"})
    found = inputs(PLUGIN, tmp_path / "c.lst", tmp_path / "b.txt", rows)
    assert found == [
        Document("line 2", "Ada"),
        Reject(f"{tmp_path / 'c.lst'}:3", "name", "the line is empty"),
        Document("b.txt", "\ufeffplain\r\ntext\r\n", {"path": "b.txt"}),
        Document("r", "row"),
        Document(text_id("no id"), "no id"),
    ]


def test_gold_is_no_matter_where_records_are_asked_for(tmp_path: Path) -> None:
    rows = write(tmp_path / "a.jsonl", {**ROW, "record": {"names": [1]}})
    assert inputs(PLUGIN, rows) == [Document("a", "Ada met Bob.")]


def test_every_file_of_a_folder_has_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder / "d.jsonl", ROW)
    (folder / "sub").mkdir()
    (folder / "sub" / "a.txt").write_text("plain")
    (folder / "binary.txt").write_bytes(b"a\0b")
    (folder / "broken.jsonl").write_text(json.dumps(ROW) + "\n{")
    (folder / "empty.jsonl").write_text("")
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    (folder / "names.lst").write_text("names\n")
    (folder / "paper.pdf").write_bytes(b"%PDF-1.7")
    (folder / "README.md").write_text("about the data")
    (folder / ".hidden.txt").write_text("hidden")
    found = inputs(PLUGIN, folder)
    assert [(type(row).__name__, row.id) for row in found] == [
        ("Reject", "binary.txt"),
        ("Document", "a"),
        ("Reject", ""),
        ("Document", "a"),
        ("Reject", "empty.jsonl"),
        ("Reject", "latin.txt"),
        ("Reject", "names.lst"),
        ("Reject", "paper.pdf"),
        ("Document", "sub/a.txt"),
    ]
    reasons = [row.reason for row in found if isinstance(row, Reject)]
    for reason, part in zip(
        reasons,
        ["is NUL", "not JSON", "is empty", "is not UTF-8", "no document", "PDF cannot be read"],
        strict=True,
    ):
        assert part in reason


def test_a_document_that_cannot_be_written_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.lst").write_text("x")
    plugin = plugin_of(NAMES, load=lambda _source: [example("half \ud800 of a pair", {})])
    assert inputs(plugin, tmp_path / "a.lst") == [
        Reject("one", "", "a text contains half a surrogate pair", "one")
    ]


def test_a_document_whose_record_cannot_be_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.lst").write_text("x")
    plugin = plugin_of(NAMES, load=lambda _source: [example("sound", {"names": [float("nan")]})])
    assert inputs(plugin, tmp_path / "a.lst") == [Document("one", "sound")]


def test_annotations_are_read_with_the_text_beside_them(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name in ("one", "sub/one"):
        (folder / f"{name}.txt").write_text("Velmol helped.")
        (folder / f"{name}.ann").write_text("T1\tChemical 0 6\tVelmol\n")
    (folder / "alone.ann").write_text("T1\tChemical 0 6\tVelmol\n")
    (folder / "annotation.conf").write_text("[entities]\nChemical\n")
    reject, first, second = inputs(load("medical_ner"), folder)
    assert isinstance(reject, Reject)
    assert reject.id == "alone.ann"
    assert "beside them as alone.txt" in reject.reason
    assert [first, second] == [Document(name, "Velmol helped.") for name in ("one", "sub/one")]


def test_a_file_that_is_named_and_cannot_be_read_stops(tmp_path: Path) -> None:
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "binary.txt").write_bytes(b"names\0")
    (tmp_path / "sheet.xyz").write_bytes(b"a,b")
    for name, reason in [
        ("gone.txt", "no such file"),
        ("paper.pdf", "the PDF cannot be read"),
        ("sheet.xyz", "in no format that invented reads"),
        ("binary.txt", "is NUL"),
    ]:
        with pytest.raises(InputError, match=reason):
            inputs(PLUGIN, tmp_path / name)


def test_a_file_whose_name_is_no_utf8_is_read(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    try:
        with open(path, "w") as stream:
            stream.write("text")
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    assert inputs(PLUGIN, tmp_path) == [Document("caf?.txt", "text", {"path": "caf?.txt"})]


def test_an_empty_text_file_is_a_document(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    assert inputs(PLUGIN, tmp_path / "empty.txt") == [
        Document("empty.txt", "", {"path": "empty.txt"})
    ]


# Standard input


def read_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> list[Document | Reject]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    return inputs(PLUGIN, "-")


def test_standard_input_is_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_stdin(monkeypatch, "\ufeffAn é.\r\n\nIt {\n".encode()) == [
        Document("-", "\ufeffAn é.\r\n\nIt {\n")
    ]


TOO_LONG = "has more than 20,000,000 characters of text; split it"


def test_a_text_that_is_too_long_is_refused_in_every_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "a" * 20_000_001
    rows = write(tmp_path / "in" / "a.jsonl", {"id": "long", "text": text}, ROW)
    (tmp_path / "in" / "b.txt").write_text(text)
    (tmp_path / "in" / "c.txt.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "in" / "d.lst").write_text(f"names\n{text}")
    place = str(rows)
    long_row, row, *others = inputs(PLUGIN, tmp_path / "in")
    assert long_row == Reject(f"{place}:1", "text", TOO_LONG, "long")
    assert isinstance(row, Document)
    assert [each.id for each in others] == ["b.txt", "c.txt.gz", "line 2"]
    assert all(isinstance(each, Reject) and TOO_LONG in each.reason for each in others)
    found = list(read_examples(PLUGIN, rows))
    assert [isinstance(each, Reject) for each in found] == [True, False]
    with pytest.raises(InputError, match=f"standard input: {TOO_LONG}"):
        read_stdin(monkeypatch, text.encode())


def test_a_text_in_utf_16_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\ufeffAn é.\r\n"
    (tmp_path / "a.txt").write_bytes(text.encode("utf-16-be"))
    assert inputs(PLUGIN, tmp_path / "a.txt") == [Document("a.txt", text, {"path": "a.txt"})]
    assert read_stdin(monkeypatch, text.encode("utf-16-le")) == [Document("-", text)]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.pdf", b"", "the file is empty"),
        ("x.pdf", b"some text", r"is no PDF, although its name ends in \.pdf; is it whole\?"),
        ("x.DOCX", b"some text", r"is no DOCX, although its name ends in \.DOCX"),
        ("x.zip", b"some text", "is no zip file"),
        ("x.txt.gz", b"some text", "is no gzip file"),
        ("x.bin", b"", "the file is empty"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_told(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    file = tmp_path / "in" / name
    file.parent.mkdir()
    file.write_bytes(content)
    for plugin in (PLUGIN, load("arxiv_metadata"), load("medical_ner")):
        with pytest.raises(InputError, match=says) as caught:
            inputs(plugin, file)
        assert str(caught.value).startswith(f"{file}: ")
        (reject,) = inputs(plugin, file.parent)
        assert isinstance(reject, Reject)
        assert re.search(says, reject.reason)


def test_standard_input_may_be_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b'\n{"id": "a", "text": "b\xe2\x80\xa8c"}\r\n\n{"text": "\\ud800"}\n'
    data += b'{"text": 1}\n{"id": "c", "text": "d", "record": "odd"}\n'
    assert read_stdin(monkeypatch, data) == [
        Document("a", "b\u2028c"),
        Reject("standard input:4", "", "a text contains half a surrogate pair", text_id("\ud800")),
        Reject("standard input:5", "", '"text" must be a string; found int'),
        Document("c", "d"),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "standard input: empty"),
        (b" \n\n", "standard input: empty"),
        (b"a\n\xff", "standard input:2: byte 2 is not UTF-8"),
    ],
)
def test_standard_input_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, data: bytes, reason: str
) -> None:
    with pytest.raises(InputError) as refusal:
        read_stdin(monkeypatch, data)
    assert reason in str(refusal.value)


# Ids by path


@pytest.mark.parametrize("ending", ["txt", "md", "own"])
@pytest.mark.parametrize("named", ["files", "folders", "mixed"])
def test_files_of_one_name_get_ids_by_their_paths(tmp_path: Path, named: str, ending: str) -> None:
    def by_name(source: Path | None) -> list[Example]:
        assert source is not None
        if source.suffix != ".own":
            raise UnknownFormatError("not ours")
        return [Example(Document(source.name, source.read_text()))]

    one, other = (tmp_path / name / f"report.{ending}" for name in ("a", "b"))
    for file in (one, other):
        file.parent.mkdir()
        file.write_text(f"Text of {file.parent.name}.")
    chosen = {
        "files": [one, other],
        "folders": [one.parent, other.parent],
        "mixed": [one, other.parent],
    }
    plugin = plugin_of(NAMES, load=by_name)
    for sources in (chosen[named], [tmp_path]):
        with open_inputs(plugin, [str(source) for source in sources]) as rows:
            assert [(row.id, row.text) for row in rows if isinstance(row, Document)] == [
                (f"a/report.{ending}", "Text of a."),
                (f"b/report.{ending}", "Text of b."),
            ]


def test_a_name_that_no_other_file_has_stays_the_id(tmp_path: Path) -> None:
    for name in ("a/x.txt", "b/x.txt", "b/y.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    found = inputs(PLUGIN, tmp_path / "a", tmp_path / "b")
    assert [row.id for row in found] == ["a/x.txt", "b/x.txt", "y.txt"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a.jsonl", "a.jsonl"),  # the same file twice
        ("a.jsonl", "b.jsonl"),
        ("twice.jsonl", "c.txt"),
        ("c.txt", "c.txt"),
        ("row-of-c.jsonl", "c.txt"),
        ("folder", "folder/d.txt"),
    ],
)
def test_two_documents_of_one_id_are_refused_before_work_begins(
    tmp_path: Path, first: str, second: str
) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        write(tmp_path / name, ROW)
    write(tmp_path / "twice.jsonl", ROW, ROW)
    write(tmp_path / "row-of-c.jsonl", {**ROW, "id": "c.txt"})
    (tmp_path / "folder").mkdir()
    for name in ("c.txt", "folder/d.txt"):
        (tmp_path / name).write_text("text")
    with (
        pytest.raises(InputError, match="a document with the id '") as refusal,
        open_inputs(PLUGIN, [str(tmp_path / first), str(tmp_path / second)]),
    ):
        pass
    assert "\n" not in str(refusal.value)
    assert str(tmp_path) in str(refusal.value)


# Markdown, and what is passed over


def test_markdown_is_text_and_what_is_passed_over_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = ["a.md", "b.markdown", "c.MD", "d.txt", "sub/readme of mine.txt"]
    others = [".hidden", "LICENSE.md", "README.md", "e.yaml", "sub/Readme.markdown"]
    (tmp_path / "sub").mkdir()
    for name in [*texts, *others]:
        (tmp_path / name).write_text("# A title\nAda met Bob.")
    (tmp_path / "gone.txt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.txt")
    caplog.set_level(logging.INFO, "fieldsmith")
    with open_inputs(PLUGIN, [str(tmp_path)]) as rows:
        assert sorted(row.id for row in rows) == sorted(texts)
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path}: 7 files passed over")
    assert ".hidden, LICENSE.md, README.md, e.yaml, gone.txt, …" in message


def test_a_file_that_is_named_is_read_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("Ada met Bob.")
    assert [row.id for row in inputs(PLUGIN, tmp_path / "README.md")] == ["README.md"]
