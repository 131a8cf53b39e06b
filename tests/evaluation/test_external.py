"""Scores of any system's outputs, without a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import Command

from fieldsmith.dataset.loading import read_splits
from fieldsmith.plugins import load


def record(chemicals: list[str], diseases: list[str]) -> dict[str, Any]:
    return {"chemicals": chemicals, "diseases": diseases, "relations": []}


GOLD: list[dict[str, Any]] = [
    {
        "id": "a",
        "text": "Velmol caused tarvitis.",
        "record": record(["Velmol"], ["tarvitis"]),
        "split": "test",
    },
    {"id": "b", "text": "Rash came.", "record": record([], ["Rash"]), "split": "test"},
    {"id": "c", "text": "Zinc was given.", "record": record(["Zinc"], []), "split": "train"},
    {"id": "d", "text": "Without a record."},
]


def written(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    return written(tmp_path / "gold.jsonl", GOLD)


def scored(command: Command, predictions: Path, gold: Path, *more: str) -> dict[str, Any]:
    arguments = ("--plugin", "medical_ner", "--predictions", predictions, "--data", gold)
    answer = command("evaluate", *arguments, *more, "--json")
    assert answer.code == 0, answer.errors
    summary: dict[str, Any] = json.loads(answer.output)
    return summary


def refused(command: Command, predictions: Path, gold: Path) -> str:
    arguments = ("--plugin", "medical_ner", "--predictions", predictions, "--data", gold)
    answer = command("evaluate", *arguments)
    assert answer.code == 1, answer.output
    assert answer.errors.count("\n") == 1
    return answer.errors


def test_what_is_unreadable_missing_or_of_no_gold_document_is_counted(
    command: Command, tmp_path: Path, gold: Path
) -> None:
    rows = [
        {"id": "a", "record": record(["velmol"], ["rash"])},
        {"id": "b", "record": {"chemicals": "none"}},
        {"id": "z", "record": record(["zinc"], [])},
    ]
    summary = scored(command, written(tmp_path / "theirs.jsonl", rows), gold)
    assert summary["documents"] == 3
    outputs = summary["outputs"]
    assert {name: outputs[name] for name in ("answered", "unreadable", "missing", "unknown")} == {
        "answered": 1,
        "unreadable": 1,
        "missing": 1,
        "unknown": 1,
    }
    assert "'none' is not of type 'array'" in outputs["reasons"]["b"]
    metrics = summary["metrics"]
    assert metrics["chemicals/precision"]["value"] == 1
    assert metrics["chemicals/recall"]["value"] == 0.5
    assert metrics["diseases/f1"]["value"] == 0
    assert "windows" not in summary


def test_only_what_is_answered(command: Command, tmp_path: Path, gold: Path) -> None:
    file = written(tmp_path / "theirs.jsonl", [{"id": "c", "record": record(["Zinc"], [])}])
    summary = scored(command, file, gold, "--answered-only")
    assert (summary["documents"], summary["score"]) == (1, 1.0)
    with_split = scored(command, file, gold, "--split", "train")
    assert (with_split["documents"], with_split["score"]) == (1, 1.0)
    arguments = ("--plugin", "medical_ner", "--predictions", file, "--data", gold)
    table = command("evaluate", *arguments)
    assert table.code == 0, table.errors
    assert "1 of the gold predicted, 0 unreadable, 2 missing; 0 predictions" in table.output


def test_a_split_of_rows_without_one_is_that_of_a_training(
    command: Command, tmp_path: Path
) -> None:
    rows = [
        {"id": f"d{number}", "text": f"Zinc {number}.", "record": record(["Zinc"], [])}
        for number in range(60)
    ]
    gold = written(tmp_path / "gold.jsonl", rows)
    splits, _sha256 = read_splits(load("medical_ner"), gold, allow_leaks=False)
    for name in ("train", "validation", "test"):
        expected = {example.document.id for example in getattr(splits, name)}
        assert 0 < len(expected) < 60
        answered = [row for row in rows if row["id"] in expected]
        summary = scored(command, written(tmp_path / "t.jsonl", answered), gold, "--split", name)
        assert summary["documents"] == summary["outputs"]["answered"] == len(expected)


def test_outputs_in_a_format_of_the_plugin(command: Command, tmp_path: Path, gold: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "one.txt").write_text(
        "a|t|Velmol caused tarvitis.\na|a|\na\t0\t6\tVelmol\tChemical\tC1\n", encoding="utf-8"
    )
    summary = scored(command, folder, gold)
    assert summary["outputs"]["answered"] == 1
    assert summary["metrics"]["chemicals/precision"]["value"] == 1


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"id": "z", "record": record([], [])}], "such as 'a' in the gold and 'z' here"),
        ([{"record": record([], [])}], "1 rows: no id: the row cannot be matched"),
        ([{"id": "a", "record": []}], "1 of them: the record is no object"),
        ([{"id": "a", "record": None, "error": "timed out"}], "1 of them: timed out"),
        ([{"id": "a", "record": "Velmol"}], "1 of them: the record is a text that is not JSON"),
        ([{"id": "a", "record": None}] * 2, "theirs.jsonl:2: the id 'a' is already in line 1"),
    ],
)
def test_what_cannot_be_scored_is_one_line(
    command: Command, tmp_path: Path, gold: Path, rows: list[Any], told: str
) -> None:
    assert told in refused(command, written(tmp_path / "theirs.jsonl", rows), gold)


ONE = record(["Velmol"], ["tarvitis"])
# What other systems write -> what the summary says of it; each has the right values of document 1
OURS_ALMOST: dict[str, tuple[dict[str, Any], str]] = {
    "a key too many": (
        {"id": "1", "record": {**ONE, "genes": ["X"]}},
        "the key 'genes' is not in the schema, and was left out",
    ),
    "a key too many further in": (
        {
            "id": "1",
            "record": {
                **ONE,
                "relations": [{"chemical": "Velmol", "disease": "tarvitis", "score": 0.9}],
            },
        },
        "the key 'score' in relations is not in the schema, and was left out",
    ),
    "an id as a number": ({"id": 1, "record": ONE}, "the id is a number, read as a text"),
    "an id as a fraction": ({"id": 1.0, "record": ONE}, "the id is a number, read as a text"),
    "a key too few": (
        {"id": "1", "record": {"chemicals": ["Velmol"], "diseases": ["tarvitis"]}},
        "",
    ),
    "a text": ({"id": "1", "record": json.dumps(ONE)}, "the record is JSON in a text"),
    "an item of another type": (
        {"id": "1", "record": {**ONE, "chemicals": ["Velmol", None, 7]}},
        "an item of chemicals was left out: … is not of type …",
    ),
    "more beside it": ({"id": "1", "record": ONE, "text": "x", "model": "gpt", "usage": {}}, ""),
}


@pytest.mark.parametrize("kind", OURS_ALMOST)
def test_outputs_that_are_not_ours_are_scored_and_their_faults_counted(
    command: Command, kind: str, tmp_path: Path
) -> None:
    row, said = OURS_ALMOST[kind]
    gold = written(
        tmp_path / "gold.jsonl",
        [{**GOLD[0], "id": "1"}, {**GOLD[1], "id": "2"}],
    )
    others = [{"id": "2", "record": None, "error": "timed out"}]
    file = written(tmp_path / "theirs.jsonl", [row, *others])
    summary = scored(command, file, gold)
    assert summary["metrics"]["chemicals/f1"]["value"] == 1
    assert summary["metrics"]["diseases/recall"]["value"] == 0.5
    outputs = summary["outputs"]
    assert (outputs["answered"], outputs["unreadable"], outputs["missing"]) == (1, 1, 0)
    assert outputs["reasons"] == {"2": "timed out"}
    assert outputs["faults"] == ({said: 1} if said else {})


def test_the_faults_are_printed(command: Command, tmp_path: Path, gold: Path) -> None:
    rows = [{"id": "a", "record": {**ONE, "genes": []}}, {"id": "b", "record": {"x": 1}}]
    file = written(tmp_path / "theirs.jsonl", rows)
    table = command("evaluate", "--plugin", "medical_ner", "--predictions", file, "--data", gold)
    assert table.code == 0, table.errors
    assert "1 predictions: the key 'genes' is not in the schema, and was left out" in table.output


def test_gold_without_a_record(command: Command, tmp_path: Path) -> None:
    gold = written(tmp_path / "gold.jsonl", [GOLD[3]])
    predictions = written(tmp_path / "theirs.jsonl", [{"id": "d", "record": record([], [])}])
    assert "gold.jsonl holds no record" in refused(command, predictions, gold)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--predictions", "x.jsonl"],
        ["--predictions", "x.jsonl", "--plugin", "medical_ner"],
        ["run", "--plugin", "medical_ner"],
        ["run", "--predictions", "x", "--plugin", "medical_ner", "--data", "y"],
        ["--base", "--predictions", "x", "--plugin", "medical_ner", "--data", "y"],
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    command: Command, arguments: list[str]
) -> None:
    assert command("evaluate", *arguments).code == 2


def test_keys_of_other_names_are_mapped(tmp_path: Path, command: Command) -> None:
    gold = [{"nr": row["id"], "text": row["text"], "record": row["record"]} for row in GOLD[:2]]
    answers = [{"nr": row["nr"], "answer": {"drugs": ["Velmol"], "signs": []}} for row in gold]
    answer = command(
        *("evaluate", "--plugin", "medical_ner", "--json"),
        *("--data", written(tmp_path / "gold.jsonl", gold)),
        *("--predictions", written(tmp_path / "theirs.jsonl", answers)),
        *("--map", "nr=id", "--map", "answer=record"),
        *("--map", "drugs=chemicals", "--map", "signs=diseases"),
    )
    assert answer.code == 0, answer.errors
    metrics = json.loads(answer.output)["metrics"]
    assert metrics["chemicals/recall"]["value"] == 1
    assert metrics["chemicals/precision"]["value"] == 0.5


def test_whole_records_and_what_would_raise_the_score(
    command: Command, tmp_path: Path, gold: Path
) -> None:
    rows = [
        {"id": "a", "record": record(["velmol"], ["rash"])},
        {"id": "b", "record": record([], ["rash"])},
        {"id": "c", "record": record(["zinc"], [])},
    ]
    theirs = written(tmp_path / "theirs.jsonl", rows)
    summary = scored(command, theirs, gold)
    share = summary["metrics"]["whole_record/accuracy"]
    assert share["value"] == pytest.approx(2 / 3)
    assert share["low"] < share["value"] < share["high"]
    assert summary["baselines"]["null"]["metrics"]["whole_record/accuracy"] == 0
    # Two names make up the score, as no document has a relation: 1.0 and 0.5.
    assert summary["score"] == pytest.approx(0.75)
    oracle = summary["oracle"]
    assert list(oracle) == ["diseases", "chemicals", "relations"]
    assert oracle["diseases"] == {"score": 1.0, "gain": pytest.approx(0.25)}
    assert oracle["chemicals"]["gain"] == oracle["relations"]["gain"] == 0
    told = command("evaluate", "--plugin", "medical_ner", "--predictions", theirs, "--data", gold)
    assert "whole records right (share)" in told.output
    assert "score 0.750; with one field right everywhere: diseases 1.000 (+0.250)\n" in told.output
