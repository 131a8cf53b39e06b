"""Loading: rows of JSONL and of a plugin's own formats become examples or rejects."""

from __future__ import annotations

import gzip
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from invented_plugins import NAMES, example, plugin_of
from name_lists import PLUGIN, ROW, write

from fieldsmith import Document, Example, InputError, Reject
from fieldsmith.dataset.inputs import read_inputs
from fieldsmith.dataset.loading import read_examples, read_splits
from fieldsmith.dataset.row_examples import example_of_row, text_id
from fieldsmith.files import lines_in
from fieldsmith.plugins import Plugin, load

PUBTATOR = (
    "7|t|Famotidine-associated delirium.\n"
    "7|a|It passed.\n"
    "7\t0\t10\tFamotidine\tChemical\tD015738\n"
    "7\t22\t30\tdelirium\tDisease\tD003693\n"
)


def only_example(plugin: Plugin, source: Path) -> Example:
    (row,) = read_examples(plugin, source)
    assert isinstance(row, Example), row
    return row


def only_reject(plugin: Plugin, source: Path) -> Reject:
    (row,) = read_examples(plugin, source)
    assert isinstance(row, Reject), row
    return row


# The core's JSONL


def test_a_row_with_everything(tmp_path: Path) -> None:
    row = {
        **ROW,
        "mentions": {"/names/0": [[0, 3]], "/names": []},
        "split": "test",
        "url": "https://example.org",
        "path": "a.txt",
        "other": [1],
    }
    file = write(tmp_path / "a.jsonl", row)
    assert only_example(PLUGIN, file) == Example(
        Document("a", "Ada met Bob.", {"url": "https://example.org", "path": "a.txt"}),
        {"names": ["Ada", "Bob"]},
        {"/names/0": [(0, 3)], "/names": []},
        "test",
        f"{file}:1",
    )


def test_a_row_with_its_text_alone(tmp_path: Path) -> None:
    found = only_example(PLUGIN, write(tmp_path / "a.jsonl", {"text": "Ada"}))
    assert found.document.id == text_id("Ada")
    assert (found.record, dict(found.mentions), found.split) == (None, {}, None)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("x", "x"), (0, "0"), (7, "7"), (None, text_id("t")), ("", text_id("t"))],
)
def test_an_id_is_a_string_or_made_of_the_text(given: object, wanted: str) -> None:
    found = example_of_row({"id": given, "text": "t"}, "f:1")
    assert isinstance(found, Example)
    assert found.document.id == wanted


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": None}, '"text" must be a string; found nothing'),
        ({"text": ["a"]}, '"text" must be a string; found list'),
        ({"text": "a", "id": True}, '"id" must be a string; found bool'),
        ({"text": "a", "id": {"x": 1}}, '"id" must be a string; found dict'),
    ],
)
def test_a_row_without_a_document_is_set_aside_with_its_place(
    tmp_path: Path, row: dict[str, Any], reason: str
) -> None:
    file = write(tmp_path / "a.jsonl", ROW, row, {**ROW, "id": "b"})
    before, reject, after = read_examples(PLUGIN, file)
    assert reject == Reject(f"{file}:2", "", reason)
    assert isinstance(before, Example)
    assert isinstance(after, Example)
    # Predicted from, such a row has its line in the output.
    assert list(read_inputs(PLUGIN, [str(file)])) == [before.document, reject, after.document]


ODD_ANNOTATIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"split": "dev"}, "split", "one of train, validation, test is wanted, not 'dev'"),
    ({"split": ["test"]}, "split", "one of train, validation, test is wanted"),
    ({"record": [1]}, "", "the record breaks the schema: an object is wanted, not list"),
    ({"record": {"names": ["\ud800"]}}, "", "a text contains half a surrogate pair"),
    ({"mentions": [1]}, "mentions", '"mentions" maps JSON Pointers to lists of spans'),
    ({"mentions": {"/a": [0, 1]}}, "mentions", '"mentions" maps JSON Pointers'),
    ({"mentions": {"/a": [[0, 1.5]]}}, "mentions", '"mentions" maps JSON Pointers'),
    ({"mentions": {"/a": [[0, 1, 2]]}}, "mentions", '"mentions" maps JSON Pointers'),
    ({"mentions": {"/a": "01"}}, "mentions", '"mentions" maps JSON Pointers'),
]


@pytest.mark.parametrize(("keys", "field", "reason"), ODD_ANNOTATIONS)
def test_a_row_with_odd_annotations_is_set_aside_and_predicted(
    tmp_path: Path, keys: dict[str, Any], field: str, reason: str
) -> None:
    file = tmp_path / "a.jsonl"
    rows = (ROW, {**ROW, "id": "odd"} | keys, {**ROW, "id": "b"})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    _before, reject, after = read_examples(PLUGIN, file)
    assert isinstance(reject, Reject)
    assert (reject.place, reject.field, reject.id) == (f"{file}:2", field, "odd")
    assert reject.reason.startswith(reason)
    assert reject.document is None  # of use to predictions alone
    assert isinstance(after, Example)
    documents = list(read_inputs(PLUGIN, [str(file)]))
    assert documents == [Document(each, "Ada met Bob.") for each in ("a", "odd", "b")]


@pytest.mark.parametrize("ending", [b"\n", b""], ids=["ended", "unended"])
@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
def test_of_a_line_that_is_too_long_only_the_beginning_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: bytes, is_packed: bool
) -> None:
    monkeypatch.setattr("fieldsmith.files.reading._LONGEST_LINE", 1 << 20)
    rows = [ROW, {**ROW, "id": "b", "text": "x" * (5 << 20)}, {**ROW, "id": "c"}]
    lines = [json.dumps(row).encode() for row in (rows if ending else rows[:2])]
    data = b"\n".join(lines) + ending
    path = tmp_path / ("rows.jsonl.gz" if is_packed else "rows.jsonl")
    path.write_bytes(gzip.compress(data) if is_packed else data)
    first, refused, *others = read_examples(PLUGIN, path)
    assert isinstance(first, Example)
    assert refused == Reject(f"{path}:2", "", "has more than 1 MiB; split its text")
    assert [isinstance(other, Example) for other in others] == ([True] if ending else [])
    with path.open("rb") as stream:  # what is yielded of any line
        assert max(map(len, lines_in(stream))) <= (1 << 20) + 1


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("line", ['{"text": "cut o', "[1]", "plain", '{"a": 1, "a": 2}'])
def test_a_line_that_is_no_row_is_set_aside_wherever_it_is(
    tmp_path: Path, line: str, number: int
) -> None:
    lines = [json.dumps({**ROW, "id": each}) for each in "ab"]
    lines.insert(number, line)
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(lines))
    rows = list(read_examples(PLUGIN, file))
    assert [isinstance(row, Reject) for row in rows] == [each == number for each in range(3)]
    reject = rows[number]
    assert isinstance(reject, Reject)
    assert reject.place == f"{file}:{number + 1}"
    assert "JSON" in reject.reason


def test_a_file_without_a_single_row_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("plain\ntext\n")
    with pytest.raises(InputError, match=r"a\.jsonl:1: not JSON"):
        list(read_examples(PLUGIN, file))


def test_rows_with_keys_of_a_plugin_are_read_by_it(tmp_path: Path) -> None:
    own = {"text": "Ada met Bob.", "who": ["Ada"]}
    file = write(tmp_path / "a.jsonl", own)

    def load(source: Path | None) -> list[Example]:
        assert source == file
        return [example("Ada met Bob.", {"names": ["Ada"]})]

    assert only_example(plugin_of(NAMES, load=load), file).record == {"names": ["Ada"]}
    # A plugin that does not know them leaves them to the core.
    assert only_example(PLUGIN, file).document == Document(text_id("Ada met Bob."), "Ada met Bob.")
    # Rows with a record are the core's, whatever else they have.
    labelled = write(tmp_path / "b.jsonl", {**ROW, **own})
    assert only_example(plugin_of(NAMES, load=load), labelled).record == ROW["record"]


def test_what_a_loader_passes_over_is_counted_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def load(source: Path | None) -> Iterator[Example]:
        for kinds in (("mention of Gene",) * 2, (), ("relation Bind", "mention of Gene")):
            yield replace(example("Ada", {"names": []}), passed_over=kinds)

    plugin, file = plugin_of(NAMES, load=load), tmp_path / "a.own"
    file.write_text("own")
    with caplog.at_level("INFO", "fieldsmith"):
        assert len(list(read_inputs(plugin, [str(file)]))) == 3
        assert not caplog.messages  # predictions need no annotation
        for _again in range(2):
            assert len(list(read_examples(plugin, file))) == 3
    assert caplog.messages == [
        f"{file}: annotated and not part of a record, passed over: "
        "mention of Gene (3), relation Bind (1)"
    ]


@pytest.mark.parametrize(
    ("record", "field", "reason"),
    [
        ({"names": ["Ada", 3]}, "/names/1", "the record breaks the schema: 3 is not of type"),
        ({"name": "Ada"}, "", "the record breaks the schema: Additional properties"),
    ],
)
def test_a_record_that_breaks_the_schema_is_set_aside_with_its_pointer(
    tmp_path: Path, record: Any, field: str, reason: str
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({**ROW, "record": record}) + "\n" + json.dumps(ROW))
    reject, good = read_examples(PLUGIN, file)
    assert isinstance(reject, Reject)
    assert isinstance(good, Example)
    assert (reject.place, reject.field, reject.id) == (f"{file}:1", field, "a")
    assert reject.reason.startswith(reason)


def test_a_record_that_is_nested_too_deeply_is_set_aside(tmp_path: Path) -> None:
    deep = "[" * 200 + "]" * 200
    file = tmp_path / "a.jsonl"
    file.write_text('{"id": "a", "text": "x", "record": {"names": ' + deep + "}}")
    assert only_reject(PLUGIN, file).reason == "nested deeper than 64 levels"


@pytest.mark.parametrize(
    ("mentions", "reason"),
    [
        ({"/names/2": [[0, 3]]}, "mentions of something that the record does not hold"),
        ({"names/0": [[0, 3]]}, "mentions of something that the record does not hold"),
        ({f"/names/{'1' * 5000}": [[0, 3]]}, "mentions of something that the record does not"),
        ({"/names/٠": [[0, 3]]}, "mentions of something that the record does not hold"),
        ({"/names/-1": [[0, 3]]}, "mentions of something that the record does not hold"),
        ({"/names/0": [[0, 13]]}, "a mention is outside the text of 12 characters"),
        ({"/names/0": [[3, 3]]}, "a mention is outside"),
        ({"/names/0": [[-1, 2]]}, "a mention is outside"),
    ],
)
def test_mentions_of_what_is_not_there_are_set_aside(
    tmp_path: Path, mentions: dict[str, Any], reason: str
) -> None:
    reject = only_reject(PLUGIN, write(tmp_path / "a.jsonl", {**ROW, "mentions": mentions}))
    assert reject.field == next(iter(mentions))
    assert reject.reason.startswith(reason)


def test_in_a_folder_the_names_of_files_decide_the_split(tmp_path: Path) -> None:
    folder = tmp_path / "test_data"  # says nothing about what is in it
    write(folder / "train.jsonl", ROW, {**ROW, "id": "b", "split": "test"})
    write(folder / "dev" / "x.jsonl", {**ROW, "id": "c", "split": None})
    write(folder / "more.ndjson", {**ROW, "id": "d"})
    (folder / "README.md").write_text("About the data.")
    (folder / ".hidden.jsonl").write_text("not JSON")
    rows = list(read_examples(PLUGIN, folder))
    assert {row.document.id: row.split for row in rows if isinstance(row, Example)} == {
        "a": "train",
        "b": "test",
        "c": "validation",
        "d": None,
    }


def test_what_is_passed_over_in_a_folder_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "a.jsonl", ROW)
    for name in ("README.md", "b.yaml", ".hidden.jsonl"):
        (tmp_path / name).write_text("about")
    caplog.set_level(logging.INFO, "fieldsmith")
    for _time in range(2):
        assert len(list(read_examples(PLUGIN, tmp_path))) == 1
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path}: 3 files passed over")
    assert message.endswith(": .hidden.jsonl, README.md, b.yaml")


def test_rows_are_read_one_by_one(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(ROW) + "\nbroken")
    rows = read_examples(PLUGIN, file)
    assert isinstance(next(iter(rows)), Example)


# The plugin's own formats


def test_what_is_no_core_jsonl_goes_to_the_plugin(tmp_path: Path) -> None:
    file = tmp_path / "a.lst"
    file.write_text("names\nAda\n\nBob\n")
    ada, reject, bob = read_examples(PLUGIN, file)
    assert isinstance(ada, Example)
    assert ada.record == {"names": ["Ada"]}
    assert reject == Reject(f"{file}:3", "name", "the line is empty")
    assert isinstance(bob, Example)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (example("x", {"names": [1]}), "the record breaks the schema"),
        (example("x", {"names": [float("nan")]}), "which is not JSON"),
        (example("half \ud800 of a pair", {"names": []}), "half a surrogate pair"),
        (example("x", {"names": ["x"]}, {"/names/0": [(0, 2)]}), "outside the text"),
    ],
)
def test_what_a_plugin_yields_is_checked_too(row: Example, reason: str) -> None:
    plugin = plugin_of(NAMES, load=lambda _source: [row])
    (reject,) = read_examples(plugin, None)
    assert isinstance(reject, Reject)
    assert reason in reject.reason
    assert reject.place == "one"


def test_a_place_that_is_no_utf8_can_be_written() -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    plugin = plugin_of(NAMES, load=lambda _source: [Reject(name, "", f"{name}: broken", name)])
    assert list(read_examples(plugin, None)) == [
        Reject("caf?.txt", "", "caf?.txt: broken", "caf?.txt")
    ]


# Sources without documents


def test_a_source_without_documents_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "blank.jsonl").write_text("\n \n")
    (tmp_path / "names.lst").write_text("names\n")
    for name, reason in [
        ("gone.jsonl", "no such file or folder"),
        ("empty", "the folder contains no file"),
        ("empty.jsonl", "the file is empty"),
        ("blank.jsonl", "the file is empty"),
        ("names.lst", "no document in it"),
    ]:
        with pytest.raises(InputError, match=f"{name}: {reason}"):
            list(read_examples(PLUGIN, tmp_path / name))
        with pytest.raises(InputError, match=f"{name}: {reason}"):
            list(read_inputs(PLUGIN, [str(tmp_path / name)]))


def test_a_plugin_without_a_sample_is_named() -> None:
    with pytest.raises(InputError, match="the sample of invented: no document in it"):
        list(read_examples(plugin_of(NAMES), None))


# The fingerprint of the data


def test_the_hash_of_the_data_knows_all_that_is_trained_on(tmp_path: Path) -> None:
    def hashed(**changes: object) -> str:
        file = write(tmp_path / "a.jsonl", {**ROW, **changes})
        return read_splits(PLUGIN, file, allow_leaks=False)[1]

    changed = [
        hashed(),
        hashed(id="b"),
        hashed(text="Ada met Bob!"),
        hashed(record={"names": ["Bob", "Ada"]}),
        hashed(split="train"),
        hashed(url="https://example.org"),
        hashed(mentions={"/names/0": [[0, 3]]}),
        hashed(mentions={"/names/0": [[0, 4]]}),
    ]
    assert len(set(changed)) == len(changed)
    assert hashed() == changed[0]
    assert hashed(unknown="key") == changed[0]


# A domain that ships


def test_a_corpus_is_read_through_its_plugin(tmp_path: Path) -> None:
    medical = load("medical_ner")
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(PUBTATOR)
    (tmp_path / "note.txt").write_text("Aspirin helped.")
    text = "Famotidine-associated delirium. It passed."
    assert list(read_inputs(medical, [str(tmp_path)])) == [
        Document("7", text),
        Document("note.txt", "Aspirin helped.", {"path": "note.txt"}),
    ]
    found = only_example(medical, corpus)
    assert found.record == {"chemicals": ["Famotidine"], "diseases": ["delirium"]}


def test_the_core_reads_its_jsonl_for_every_plugin(tmp_path: Path) -> None:
    medical = load("medical_ner")
    good = {"id": "a", "text": "Aspirin helped.", "record": {"chemicals": ["Aspirin"]}}
    wrong = {"id": "b", "text": "Aspirin helped.", "record": {"chemicals": [""]}}
    example_a, reject_b = read_examples(medical, write(tmp_path / "a.jsonl", good, wrong))
    assert isinstance(example_a, Example)
    assert isinstance(reject_b, Reject)
    assert (reject_b.field, reject_b.id) == ("/chemicals/0", "b")


DATED = plugin_of(
    {
        "type": "object",
        "properties": {
            "day": {"type": ["string", "null"], "format": "date"},
            "hours": {"type": "integer", "minimum": 1},
            "names": {"type": "array", "items": {"type": "string", "minLength": 2}},
        },
        "required": ["names"],
    }
)


def test_an_optional_value_that_the_schema_refuses_is_not_annotated_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = {"day": "2024-02-31", "hours": 0, "names": ["Ada"]}
    row = {"text": "Ada, 0 hours", "record": record, "mentions": {"/names/0": [[0, 3]]}}
    caplog.set_level(logging.INFO, logger="fieldsmith")
    found = only_example(DATED, write(tmp_path / "a.jsonl", row))
    assert found.record == {"names": ["Ada"]}
    assert dict(found.mentions) == {"/names/0": [(0, 3)]}
    assert "day with a value that the schema refuses (1)" in caplog.text
    assert "hours with a value that the schema refuses (1)" in caplog.text


@pytest.mark.parametrize(
    ("record", "pointer"),
    [
        ({"day": 3, "names": []}, "/day"),  # of another type: the loader is wrong
        ({"names": ["A"]}, "/names/0"),  # without it, the list would say less than there is
        ({"day": "2024-02-29"}, ""),
    ],
)
def test_other_values_that_the_schema_refuses_set_the_document_aside(
    record: dict[str, Any], pointer: str, tmp_path: Path
) -> None:
    found = only_reject(DATED, write(tmp_path / "a.jsonl", {"text": "A", "record": record}))
    assert found.field == pointer
