"""Names that other people's files have for fields, ``--map``: every kind of row, every command."""

from __future__ import annotations

import csv
import gzip
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from command import Command
from hypothesis import given
from hypothesis import strategies as st
from invented_plugins import example, plugin_of
from pyarrow import parquet

from fieldsmith.data import Document, Example, Reject
from fieldsmith.dataset.inputs import open_inputs, read_inputs
from fieldsmith.dataset.loading import read_examples
from fieldsmith.dataset.row_examples import jsonl_examples
from fieldsmith.dataset.row_names import renamed_record
from fieldsmith.errors import InputError, SettingsError, UnknownFormatError
from fieldsmith.plugins import Plugin
from fieldsmith.source_names import parse_names

SPAN = {"type": "string", "x-source": "verbatim"}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "title": {"type": ["string", "null"]},
        "drugs": {"type": "array", "items": SPAN},
        "dose": {"type": ["number", "null"]},
    },
}
NAMES = {"doc id": "id", "body": "text", "headline": "title", "meds": "drugs", "mg": "dose"}
TEXT = "Aspirin and Velmol, 5 mg."
RECORD = {"title": "Trial", "drugs": ["Aspirin", "Velmol"], "dose": 5}
COLUMNS: dict[str, Any] = {
    "doc id": "7",
    "body": TEXT,
    "headline": "Trial",
    "meds": ["Aspirin", "Velmol"],
    "mg": 5,
    "other": "x",
}
SPANS = [{"start": 0, "end": 7, "label": "MED"}, {"start": 12, "end": 18, "label": "MED"}]


def named(names: Mapping[str, str]) -> Plugin:
    return plugin_of(SCHEMA).mapped(names)


def write_lines(file: Path, row: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(row) + "\n", encoding="utf-8")


def write_gzip(file: Path, row: Mapping[str, Any]) -> None:
    file.write_bytes(gzip.compress(json.dumps(row).encode()))


def write_list(file: Path, row: Mapping[str, Any]) -> None:
    file.write_text(json.dumps([row]), encoding="utf-8")


def write_table(file: Path, row: Mapping[str, Any]) -> None:
    cells = [each if isinstance(each, str) else json.dumps(each) for each in row.values()]
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t" if file.suffix == ".tsv" else ",")
        writer.writerows([list(row), cells])


def write_parquet(file: Path, row: Mapping[str, Any]) -> None:
    parquet.write_table(pyarrow.Table.from_pylist([dict(row)]), file)


FILES: dict[str, Callable[[Path, Mapping[str, Any]], None]] = {
    "a.jsonl": write_lines,
    "a.ndjson": write_lines,
    "a.jsonl.gz": write_gzip,
    "a.json": write_list,
    "a.csv": write_table,
    "a.tsv": write_table,
    "a.parquet": write_parquet,
}


@pytest.mark.parametrize("name", FILES)
def test_columns_and_keys_are_mapped(tmp_path: Path, name: str) -> None:
    FILES[name](tmp_path / name, COLUMNS)
    (row,) = read_examples(named(NAMES), tmp_path / name)
    assert isinstance(row, Example)
    assert (row.document, row.record) == (Document("7", TEXT), RECORD)
    assert list(read_inputs(named(NAMES), [str(tmp_path / name)])) == [Document("7", TEXT)]


@pytest.mark.parametrize(
    ("row", "names"),
    [
        (
            {"id": "7", "body": TEXT, "answer": RECORD, "fold": "test", "link": "u"},
            {"body": "text", "answer": "record", "fold": "split", "link": "url"},
        ),
        (
            {"id": "7", "text": TEXT, "record": {"headline": "Trial", "meds": RECORD["drugs"]}},
            {"headline": "title", "meds": "drugs"},
        ),
        ({"id": "7", "text": TEXT, "record": {}, "headline": "Trial"}, {"headline": "title"}),
        (
            {
                "doc": "7",
                "messages": [
                    {"role": "user", "content": TEXT},
                    {"role": "assistant", "content": json.dumps({"headline": "Trial"})},
                ],
            },
            {"doc": "id", "headline": "title"},
        ),
        ({"id": "7", "body": TEXT, "spans": SPANS}, {"body": "text", "MED": "drugs"}),
        (
            {
                "id": 7,
                "data": {"review": TEXT},
                "annotations": [
                    {"result": [{"value": {**span, "labels": [span["label"]]}} for span in SPANS]}
                ],
            },
            {"review": "text", "MED": "drugs"},
        ),
    ],
    ids=["core", "record", "beside a record", "chat", "prodigy", "label studio"],
)
def test_rows_of_every_form_are_mapped(
    tmp_path: Path, row: dict[str, Any], names: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    write_list(tmp_path / "a.json", row)
    with caplog.at_level(logging.INFO):
        (found,) = read_examples(named(names), tmp_path / "a.json")
    assert isinstance(found, Example)
    assert found.document.id == "7"
    assert found.document.text == TEXT
    assert found.record
    assert found.record.items() <= RECORD.items()
    assert found.split == row.get("fold")
    assert found.document.meta == ({"url": "u"} if "link" in row else {})
    assert "--map" not in caplog.text  # each of the names is there


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_names_of_one_list_are_joined_with_its_own(tmp_path: Path, name: str) -> None:
    row = {"text": TEXT, "drugs": ["Aspirin"], "more": ["Velmol"], "rest": []}
    FILES[name](tmp_path / name, row)
    (found,) = read_examples(named({"more": "drugs", "rest": "drugs"}), tmp_path / name)
    assert isinstance(found, Example)
    assert found.record == {"drugs": ["Aspirin", "Velmol"]}


def test_a_cell_of_a_joined_list_that_is_no_json_sets_its_row_aside(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,body,meds,more\n1,Aspirin.,Aspirin,[Velm\n2,b,b,\n")
    names = {"body": "text", "meds": "drugs", "more": "drugs"}
    reject, found = read_examples(named(names), tmp_path / "a.csv")
    assert isinstance(reject, Reject)
    assert reject.reason.startswith("drugs: '[Velm' is no JSON")
    assert isinstance(found, Example)
    assert found.record == {"drugs": ["b"]}
    assert list(read_inputs(named(names), [str(tmp_path / "a.csv")])) == [
        Document("1", "Aspirin."),
        Document("2", "b"),
    ]


def test_a_key_that_is_named_counts_and_not_one_of_the_fields_name(tmp_path: Path) -> None:
    for row in ({"text": "a", "body": "b"}, {"body": "b", "text": "a"}):
        write_lines(tmp_path / "a.jsonl", row)
        (found,) = read_inputs(named({"body": "text"}), [str(tmp_path / "a.jsonl")])
        assert isinstance(found, Document)
        assert found.text == "b"


LISTS = st.dictionaries(
    st.sampled_from(["drugs", "meds", "more", "x/y~", "other"]),
    st.lists(st.sampled_from("abc"), max_size=3),
)


@given(record=LISTS)
def test_mentions_follow_the_values_of_a_record(record: dict[str, list[str]]) -> None:
    names = {"meds": "drugs", "more": "drugs", "x/y~": "title"}
    escaped = {key: key.replace("~", "~0").replace("/", "~1") for key in record}
    mentions = {
        f"/{escaped[key]}/{number}": [[ord(value), number]]
        for key, values in record.items()
        for number, value in enumerate(values)
    }
    row = renamed_record({"record": record, "mentions": mentions}, names)
    assert row["record"].keys() == {names.get(key, key) for key in record}
    assert len(row["mentions"]) == len(mentions)
    for pointer, ((code, _number),) in row["mentions"].items():
        _, field, number = pointer.split("/")
        assert ord(row["record"][field][int(number)]) == code
    joined = [value for key, values in record.items() if names.get(key, key) == "drugs"
              for value in values]  # fmt: skip
    assert row["record"].get("drugs", []) == joined


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        (["headline=titel"], "no field 'titel'; did you mean title? Known: dose, drugs, id,"),
        (["a=zzz"], "no field 'zzz'; Known: dose"),
        (["a=title", "b=title"], "a and b are both given to title, which is no list"),
        (["a=text", "b=text"], "a and b are both given to text"),
        (["a=title", "a=text"], "a is given twice, for title and for text"),
        (["title"], "SOURCE=FIELD is wanted"),
        (["=title"], "SOURCE=FIELD is wanted"),
        (["a="], "SOURCE=FIELD is wanted"),
    ],
)
def test_names_for_no_field_are_refused(mapping: list[str], reason: str) -> None:
    with pytest.raises(SettingsError) as error:
        named(parse_names(mapping))
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_source_may_hold_the_sign_that_separates() -> None:
    assert parse_names(["a=b=title", " body = text "]) == {"a=b": "title", "body": "text"}


def test_a_name_that_is_nowhere_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_table(tmp_path / "a.csv", COLUMNS)
    names = {"body": "text", "meds": "drugs", "headlin": "title"}
    message = "a.csv: nothing in it is called headlin (--map); did you mean headline? It has "
    with caplog.at_level(logging.INFO):
        assert len(list(read_examples(named(names), tmp_path / "a.csv"))) == 1
        assert caplog.text.count(message) == 1
        with open_inputs(named(names), [str(tmp_path / "a.csv")]) as rows:
            assert rows.count == 1
    assert f"{message}doc id, headline, mg, other" in caplog.text


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_a_text_says_what_could_be_it(tmp_path: Path, name: str) -> None:
    def unknown(source: Path | None) -> Iterable[Example | Reject]:
        raise UnknownFormatError(f"{source}: in no format")

    file = tmp_path / name
    FILES[name](file, COLUMNS)
    plugin = plugin_of(SCHEMA, load=unknown)
    hint = "doc id, body, headline, meds, mg, other: name the text by --map KEY=text"
    wrong = r"nothing in it is called bodi \(--map\); did you mean body\?"
    for mapped, message in ((plugin, hint), (plugin.mapped({"bodi": "text"}), wrong)):
        with pytest.raises(InputError, match=message):
            list(read_examples(mapped, file))
        with pytest.raises(InputError, match=message):
            list(read_inputs(mapped, [str(file)]))


def test_records_without_texts_are_told(tmp_path: Path) -> None:
    def unknown(source: Path | None) -> Iterable[Example | Reject]:
        raise UnknownFormatError(f"{source}: in no format")

    write_lines(tmp_path / "a.jsonl", {"id": "1", "record": RECORD})
    with pytest.raises(InputError, match="records without their text, which is wanted in each row"):
        list(read_examples(plugin_of(SCHEMA, load=unknown), tmp_path / "a.jsonl"))
    write_lines(tmp_path / "b.jsonl", {"id": "1", "text": "", "record": RECORD})
    (reject,) = read_inputs(plugin_of(SCHEMA), [str(tmp_path / "b.jsonl")])
    assert isinstance(reject, Reject)
    assert reject.reason == "labels without their text, which is empty"


def test_a_loader_that_takes_no_names_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.own").write_text("x")
    plugin = plugin_of(SCHEMA, load=lambda _source: [example("b", {"title": "b"})])
    assert not plugin.takes_names
    with caplog.at_level(logging.INFO):
        assert len(list(read_examples(plugin.mapped({"a": "title"}), tmp_path / "a.own"))) == 1
    assert "the plugin invented, which takes no names: --map changes nothing in it" in caplog.text
    assert "is called" not in caplog.text


def test_jsonl_of_a_plugins_loader_is_mapped(tmp_path: Path) -> None:
    row = {"doc id": "7", "body": TEXT, "record": {"headline": "Trial"}}
    write_lines(tmp_path / "a.jsonl", row)
    (found,) = jsonl_examples(tmp_path / "a.jsonl", NAMES)
    assert isinstance(found, Example)
    assert (found.document, found.record) == (Document("7", TEXT), {"title": "Trial"})


@pytest.mark.parametrize("name", ["audit", "plan", "train"])
def test_commands_refuse_wrong_names_before_any_work(
    command: Command, tmp_path: Path, name: str
) -> None:
    output = ("--output", tmp_path / "run") if name == "train" else ()
    data = ("--data", tmp_path / "none.csv")
    for given_names, message in (
        ((*data, "--map", "headline=chemicls"), "did you mean chemicals?"),
        (("--map", "headline=chemicals"), "--map is for the files of --data"),
    ):
        answer = command(name, "--plugin", "medical_ner", *given_names, *output)
        assert (answer.code, answer.output) == (1, "")
        assert message in answer.errors
        assert answer.errors.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_audit_reads_columns_by_other_names(command: Command, tmp_path: Path) -> None:
    write_table(tmp_path / "rows.csv", COLUMNS)
    mapping = ("--map", "body=text", "--map", "meds=chemicals", "--map", "doc id=id")
    answer = command(
        "audit", "--plugin", "medical_ner", "--data", tmp_path / "rows.csv", "--json", *mapping
    )
    assert answer.code == 0, answer.errors
    found = json.loads(answer.output)
    assert {leaf["id"] for leaf in found["leaves"]} == {"7"}
