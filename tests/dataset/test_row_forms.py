"""Rows that are not the core's own: tables, parquet, gzip, conversations, Prodigy, Label Studio."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from command import extract
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invented_plugins import plugin_of
from pyarrow import parquet

from fieldsmith.data import Example, Reject
from fieldsmith.dataset.loading import read_examples
from fieldsmith.errors import InputError

SPAN = {"type": "string", "x-source": "verbatim"}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "drugs": {"type": "array", "items": SPAN},
        "side_effects": {"type": "array", "items": SPAN},
        "dose": {"type": ["number", "null"]},
        "note": {"type": ["string", "null"]},
        "proven": {"type": "boolean"},
    },
}
PLUGIN = plugin_of(SCHEMA)
ROWS: list[dict[str, Any]] = [
    {"id": "1", "text": "Aspirin, 5 mg.", "record": {"drugs": ["Aspirin"], "dose": 5}},
    {"id": "2", "text": 'A "quoted"\nword; \té', "record": {"drugs": [], "note": "é"}},
    {"id": "3", "text": "Nothing known."},
]


def read(file: Path) -> list[Example | Reject]:
    return list(read_examples(PLUGIN, file))


def read_records(file: Path) -> list[Any]:
    found = read(file)
    assert all(isinstance(row, Example) for row in found), found
    return [row.record for row in found if isinstance(row, Example)]


def as_jsonl(rows: Sequence[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def write_gzip(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    file.write_bytes(gzip.compress(as_jsonl(rows)))


def write_table(delimiter: str) -> Callable[[Path, Sequence[dict[str, Any]]], None]:
    def write(file: Path, rows: Sequence[dict[str, Any]]) -> None:
        with file.open("w", encoding="utf-8-sig", newline="") as stream:
            writer = csv.writer(stream, delimiter=delimiter)
            writer.writerow(["id", "text", "record"])
            for row in rows:
                record = json.dumps(row["record"]) if row.get("record") is not None else ""
                writer.writerow([row["id"], row["text"], record])

    return write


def write_parquet(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    columns = {
        "id": [row["id"] for row in rows],
        "text": [row["text"] for row in rows],
        "record": [json.dumps(row["record"]) if row.get("record") else "" for row in rows],
    }
    parquet.write_table(pyarrow.table(columns), file)


WRITERS = {
    "rows.jsonl.gz": write_gzip,
    "rows.csv": write_table(","),
    "semicolons.csv": write_table(";"),
    "rows.tsv": write_table("\t"),
    "rows.parquet": write_parquet,
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_rows_are_read_from_every_kind_of_file(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name, ROWS)
    found = read(tmp_path / name)
    assert [
        (e.document.id, e.document.text, e.record) for e in found if isinstance(e, Example)
    ] == [(row["id"], row["text"], row.get("record")) for row in ROWS]


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1)


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS.filter(str.strip), min_size=1, max_size=5))
def test_what_is_written_is_read_back(name: str, texts: list[str], tmp_path: Path) -> None:
    rows = [
        {"id": str(number), "text": text, "record": {"note": text}}
        for number, text in enumerate(texts)
    ]
    WRITERS[name](tmp_path / name, rows)
    found = [row for row in read(tmp_path / name) if isinstance(row, Example)]
    assert [(row.document.text, row.record) for row in found] == [
        (row["text"], row["record"]) for row in rows
    ]


def test_a_column_is_a_field_by_the_type_that_it_has(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(
        "text,drugs,dose,note,proven,more\n"
        'Aspirin 5,"[""Aspirin"", ""5""]",5,fine,TRUE,x\n'
        "Aspirin,Aspirin,2.5,,false,x\n"
        "None,,null,,,x\n"
    )
    assert read_records(file) == [
        {"drugs": ["Aspirin", "5"], "dose": 5, "note": "fine", "proven": True},
        {"drugs": ["Aspirin"], "dose": 2.5, "note": None, "proven": False},
        {"drugs": [], "dose": None, "note": None},  # a boolean that is not there is not annotated
    ]


def test_typed_columns_of_parquet_are_fields(tmp_path: Path) -> None:
    columns = {"text": ["a", "b"], "drugs": [["a"], []], "dose": [1.5, None]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")
    assert read_records(tmp_path / "rows.parquet") == [
        {"drugs": ["a"], "dose": 1.5},
        {"drugs": [], "dose": None},
    ]


def test_a_table_of_texts_is_read_by_predictions_and_has_no_records(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,text\n1,one\n2,two\n")
    assert read_records(tmp_path / "rows.csv") == [None, None]


SPANS: list[dict[str, Any]] = [
    {
        "text": "Aspirin gave rash; aspirin.",
        "spans": [
            {"start": 0, "end": 7, "label": "DRUG"},
            {"start": 13, "end": 17, "label": "Side Effect"},
            {"start": 19, "end": 26, "label": "drugs"},
            {"start": 8, "end": 12, "label": "VERB"},
        ],
        "answer": "accept",
    },
    {"text": "Nothing.", "spans": [], "answer": "accept"},
    {"text": "Rejected.", "spans": [], "answer": "reject"},
]
WANTED = [
    {"drugs": ["Aspirin", "aspirin"], "side_effects": ["rash"]},
    {"drugs": [], "side_effects": []},
    None,
]


def test_spans_of_prodigy_are_values_of_the_fields_that_the_file_labels(tmp_path: Path) -> None:
    file = tmp_path / "prodigy.jsonl"
    file.write_bytes(as_jsonl(SPANS))
    assert read_records(file) == WANTED
    first = read(file)[0]
    assert isinstance(first, Example)
    assert first.mentions["/drugs/1"] == [(19, 26)]


def test_an_export_of_label_studio_is_read_alike(tmp_path: Path) -> None:
    tasks = [
        {
            "id": number,
            "data": {"text": row["text"]},
            "annotations": [
                {"was_cancelled": True, "result": []},
                {
                    "was_cancelled": row["answer"] != "accept",
                    "result": [
                        {
                            "type": "labels",
                            "value": {
                                "start": span["start"],
                                "end": span["end"],
                                "labels": [span["label"]],
                            },
                        }
                        for span in row["spans"]
                    ],
                },
            ],
        }
        for number, row in enumerate(SPANS, 1)
    ]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    assert read_records(tmp_path / "tasks.json") == WANTED


def test_what_audit_exports_is_read_back(tmp_path: Path) -> None:
    export, plugin = tmp_path / "chat.jsonl", "medical_ner"
    small = ("--set", "window=document", "--set", "max_length=1024")
    answer = extract("audit", "--plugin", plugin, "--export", export, *small)
    assert answer.code == 0, answer.errors
    from fieldsmith.plugins import load

    ours = {
        row.document.text: row.record
        for row in read_examples(load(plugin), None)
        if isinstance(row, Example)
    }
    found = [row for row in read_examples(load(plugin), export) if isinstance(row, Example)]
    assert len(found) == len(export.read_text().splitlines()) > 100
    for row in found:
        assert row.record == ours[row.document.text]


def test_the_text_of_a_conversation_is_taken_out_of_the_plugins_prompt(tmp_path: Path) -> None:
    from fieldsmith.data import Document
    from fieldsmith.plugins import load

    news = load("news_json")
    rows = [
        {
            "messages": [
                {"role": each.role, "content": each.content}
                for each in news.prompt(Document("a", text))
            ]
            + [{"role": "assistant", "content": json.dumps({"Headline": text[:5]})}]
        }
        for text in ("Storm over Vellin\nOn Monday.", "Short")
    ]
    (tmp_path / "chat.jsonl").write_bytes(as_jsonl(rows))
    found = list(read_examples(news, tmp_path / "chat.jsonl"))
    assert all(isinstance(row, Example) for row in found), found
    assert [row.document.text for row in found if isinstance(row, Example)] == [
        "Storm over Vellin\nOn Monday.",
        "Short",
    ]


ANSWER = json.dumps({"drugs": ["velmol"]})


@pytest.mark.parametrize(
    "row",
    [
        {"conversations": [
            {"from": "system", "value": "Answer with JSON."},
            {"from": "human", "value": "Took velmol."},
            {"from": "gpt", "value": ANSWER},
        ]},
        {"messages": [
            {"role": "user", "content": [{"type": "text", "text": "Took velmol."}]},
            {"role": "assistant", "content": [{"type": "text", "text": ANSWER}]},
        ]},
        {"prompt": "Took velmol.", "completion": ANSWER},
        {
            "prompt": [{"role": "user", "content": "Took velmol."}],
            "completion": [{"role": "assistant", "content": ANSWER}],
        },
        {"instruction": "Which drugs?", "input": "Took velmol.", "output": ANSWER, "system": "Be."},
        {"instruction": "Took velmol.", "input": None, "output": ANSWER},
        {"text": "<s>Took velmol. {}</s>", "messages": [
            {"role": "user", "content": "Took velmol."},
            {"role": "assistant", "content": ANSWER},
            {"role": "user", "content": "Thanks."},
        ]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet"])
def test_what_trainers_of_chat_models_read_is_read(
    row: dict[str, Any], name: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    if name == "a.parquet":
        pq = pytest.importorskip("pyarrow.parquet")
        pa = pytest.importorskip("pyarrow")
        pq.write_table(pa.Table.from_pylist([row]), file)
    else:
        file.write_text(json.dumps([row] if name == "a.json" else row), encoding="utf-8")
    (found,) = read(file)
    assert isinstance(found, Example), found
    assert found.document.text == "Took velmol."
    assert found.record == {"drugs": ["velmol"]}


def test_an_instruction_in_all_prompts_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [f"Which drugs does this note name?\n\nTook {name}." for name in ("velmol", "brunixal")]
    rows = [{"prompt": text, "completion": ANSWER} for text in texts]
    (tmp_path / "a.jsonl").write_bytes(as_jsonl(rows))
    with caplog.at_level("INFO"):
        assert len(read(tmp_path / "a.jsonl")) == 2
    assert "all 2 prompts begin with 'Which drugs does this note name?" in caplog.text
    assert "write it into the plugin's prompt" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"text,text\na,b\n", "the column 'text' comes twice"),
        ("a.csv", b"text\n\xff\n", "not UTF-8"),
        ("a.csv", b'text\n"a\n', "not a table"),
        ("a.jsonl.gz", b"no gzip", "compression"),
        ("a.jsonl.gz", gzip.compress(as_jsonl(ROWS))[:-9], "compression"),
        ("a.parquet", b"PAR1 and no more", "not parquet"),
        ("a.json", b'[{"data": {"text": "a"}, "annotations": []}', "not JSON"),
    ],
)
def test_a_file_that_is_damaged_is_one_line(
    name: str, content: bytes, fault: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as raised:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(raised.value)
    assert fault in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", "text,dose\na,1\nb,x\n", "dose: 'x' is no JSON"),
        ("a.csv", "text,dose\na,1\nb\n", "1 columns, where the first line has 2"),
        ("a.csv", 'text,record\na,{}\nb,"{"\n', "Expecting property name"),
        (
            "a.jsonl",
            '{"text":"a","spans":[]}\n{"text":"b","spans":[{"start":0,"end":9,"label":"d"}]}\n',
            "is none within the text of 1 characters",
        ),
        (
            "a.jsonl",
            '{"messages":[{"role":"user","content":"a"}]}\n'
            '{"messages":[{"role":"assistant","content":"a"}]}\n',
            "a user's turn and one answer after it are wanted",
        ),
        (
            "a.jsonl",
            '{"conversations":[{"from":"human","value":"a"}]}\n'
            '{"conversations":[{"from":"human","value":"a"},{"from":"bard","value":"{}"}]}\n',
            "a turn of 'bard'; those of user and assistant, or human and gpt, are read",
        ),
    ],
)
def test_a_row_that_is_wrong_is_set_aside_by_its_line(
    name: str, content: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    good, bad = read(tmp_path / name)
    assert isinstance(good, Example)
    assert isinstance(bad, Reject)
    line = "3" if name.endswith("csv") else "2"
    assert bad.place == f"{tmp_path / name}:{line}"
    assert reason in bad.reason
