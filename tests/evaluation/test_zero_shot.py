"""Scores of a model that was not trained: of which documents, and after which shots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import Command
from tiny_model import Workplace, contents, documents, write_documents

from fieldsmith import Example
from fieldsmith.evaluation.zero_shot import evaluate_zero_shot
from fieldsmith.extraction.shots import choose_shots
from fieldsmith.extraction.zero_shot import ZeroShot
from fieldsmith.plugins import load

QUICK = ("--set=prompt=brief", "--set=max_new_tokens=24", "--set=max_length=256")


def asked(workplace: Workplace, *more: object) -> tuple[str, ...]:
    """Return the arguments of an evaluation of the tiny model."""
    options = ("evaluate", "--plugin", "medical_ner", "--model", workplace.model, *QUICK, *more)
    return tuple(map(str, options))


def scored(command: Command, *arguments: str) -> dict[str, Any]:
    answer = command(*arguments, "--json")
    assert answer.code == 0, answer.errors
    assert answer.errors.count("nothing was trained") == 1
    summary: dict[str, Any] = json.loads(answer.output)
    return summary


def offered(
    workplace: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    shots_data: Path | None = None,
    **how: Any,
) -> tuple[dict[str, str], dict[str, Any]]:
    """Evaluate with a shot; return id and text of the documents that it was chosen from."""
    found: dict[str, str] = {}

    def recorded(task: Any, examples: Any, *more: Any) -> Any:
        found.update({each.document.id: each.document.text for each in examples})
        return choose_shots(task, examples, *more)

    monkeypatch.setattr("fieldsmith.extraction.zero_shot.choose_shots", recorded)
    chosen = {"model": str(workplace.model), "prompt": "brief", "max_new_tokens": 24}
    plugin = load("medical_ner")
    asking = ZeroShot.of(plugin, None, chosen, shots=1, shots_data=shots_data)
    return found, evaluate_zero_shot(asking, **how)


# What is scored


def test_a_split_is_scored_with_intervals_and_the_null_baseline(
    workplace: Workplace, command: Command
) -> None:
    before = contents(workplace.corpus)
    arguments = asked(workplace, "--data", workplace.corpus, "--split", "test", "--shots", "1")
    summary = scored(command, *arguments)
    assert (summary["split"], summary["documents"]) == ("corpus:test", 10)
    assert {f"{name}/f1" for name in ("chemicals", "diseases", "relations")} <= set(
        summary["metrics"]
    )
    for interval in summary["metrics"].values():
        assert 0 <= interval["low"] <= interval["value"] <= interval["high"] <= 1
    assert summary["baselines"]["null"]["score"] == 0
    assert summary["valid"] == 1
    assert summary["windows"] == {"read": 10, "total": 10}
    asking = summary["zero_shot"]
    assert asking["shots"] == 1
    assert asking["windows"] == {"1": 10}
    assert asking["model"]["name"] == str(workplace.model)
    assert contents(workplace.corpus) == before
    table = command(*arguments).output
    assert "medical_ner, corpus:test" in table
    assert "95 % interval" in table


def test_without_a_split_all_of_the_data_is_scored_and_without_data_the_sample(
    workplace: Workplace, command: Command
) -> None:
    summary = scored(command, *asked(workplace, "--data", workplace.unseen))
    assert (summary["split"], summary["documents"]) == ("unseen.txt", 12)
    assert summary["zero_shot"]["windows"] == {"0": 12}
    short = ("--set=max_new_tokens=4", "--split=validation")
    summary = scored(command, *asked(workplace, *short))
    assert summary["split"] == "validation"
    sample = [e for e in load("medical_ner").load(None) if getattr(e, "split", "") == "validation"]
    assert summary["documents"] == len(sample) > 1


def test_a_sample_of_the_documents_is_scored(workplace: Workplace, command: Command) -> None:
    arguments = asked(workplace, "--data", workplace.corpus, "--split", "test", "--sample", "3")
    assert scored(command, *arguments)["documents"] == 3


# Shots


def test_shots_are_training_documents_of_what_is_scored_and_none_that_is_scored(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    training = documents(6, seed=11, first=1)
    held_out = documents(4, seed=12, first=101)
    copies = [
        held_out[0].replace("101|", "201|").replace("101\t", "201\t"),  # the same text
        documents(1, seed=13, first=102)[0],  # the same id
    ]
    write_documents(corpus / "train.txt", [*training, *copies])
    write_documents(corpus / "test.txt", held_out)
    found, summary = offered(workplace, monkeypatch, data=corpus, split="test")
    assert summary["documents"] == 4
    assert sorted(found) == ["1", "2", "3", "4", "5", "6"]
    assert summary["zero_shot"]["windows"] == {"1": 4}


def test_where_all_is_scored_shots_come_from_the_sample_or_from_what_is_named(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _summary = offered(workplace, monkeypatch, data=workplace.unseen)
    sample = {e.document.id for e in load("medical_ner").load(None) if isinstance(e, Example)}
    assert set(found) <= sample
    named = tmp_path / "named.txt"
    write_documents(named, [*documents(12, seed=201, first=201)[:3], *documents(2, 5, first=901)])
    found, _summary = offered(workplace, monkeypatch, named, data=workplace.unseen)
    assert sorted(found) == ["901", "902"]


def test_shots_out_of_the_documents_that_are_scored_are_refused(
    workplace: Workplace, command: Command
) -> None:
    answer = command(*asked(workplace, "--data", workplace.corpus, "--split=train", "--shots=1"))
    assert answer.code == 1
    assert "no labelled document is left to make a shot of" in answer.errors
    assert "--shots-data" in answer.errors
    assert answer.errors.count("\n") == 1


# What is refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give a run; or --plugin and --model; or --plugin, --predictions and --data"),
        (["--plugin", "medical_ner"], "give a run; or --plugin and --model"),
        (["--plugin", "medical_ner", "run"], "--model is missing"),
        (["--model", "embedded"], "--plugin is missing"),
        (["--shots", "1", "run"], "--plugin is missing"),
        (["--plugin", "medical_ner", "--model", "embedded", "run"], "exclude a run"),
        (["--plugin", "medical_ner", "--model", "embedded", "--base"], "exclude a run"),
        (["--plugin", "medical_ner", "--model", "x", "--answered-only"], "give a run"),
        (["--sample", "2", "run"], "--sample is for a model without a run"),
        (
            ["--plugin=medical_ner", "--model=x", "--predictions=p", "--data=d"],
            "a model without a run",
        ),
    ],
)
def test_wrong_combinations_say_what_is_wrong(
    command: Command, arguments: list[str], words: str
) -> None:
    answer = command("evaluate", *arguments)
    assert answer.code == 2
    assert words in " ".join(answer.errors.split())


@pytest.mark.parametrize("split", [None, "test"])
def test_rows_that_cannot_be_scored_are_told(
    workplace: Workplace, tmp_path: Path, command: Command, split: str | None
) -> None:
    gold = {"chemicals": ["aspirin"], "diseases": [], "relations": []}
    good = {"id": "a", "text": "aspirin.", "record": gold, "split": "test"}
    bad = {**good, "id": "b", "text": "cocaine.", "record": {"chemicals": 7}}
    source = tmp_path / "mixed.jsonl"
    source.write_text(f"{json.dumps(bad)}\n{json.dumps(good)}\n", encoding="utf-8")
    chosen = ("--split", split) if split else ()
    answer = command(*asked(workplace, "--data", source, *chosen))
    assert answer.code == 0, answer.errors
    said = f"{source}: 1 row was set aside; the first: {source}:1: /chemicals: the record breaks"
    assert said in answer.errors


def test_rows_that_cannot_be_shots_are_told(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    source = tmp_path / "shots.jsonl"
    bad = {"id": "b", "text": "cocaine.", "record": {"chemicals": 7}}
    source.write_text(json.dumps(bad) + "\n", encoding="utf-8")
    more = ("--data", workplace.unseen, "--shots", "1", "--shots-data", source)
    answer = command(*asked(workplace, *more))
    assert answer.code == 1
    told, refused = answer.errors.splitlines()
    assert told.startswith(f"{source}: 1 row was set aside; the first: {source}:1: /chemicals: ")
    assert "no labelled document is left to make a shot of" in refused


def test_data_without_labels_is_refused(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    source = tmp_path / "plain.jsonl"
    source.write_text(json.dumps({"id": "a", "text": "aspirin"}) + "\n")
    answer = command(*asked(workplace, "--data", source))
    assert answer.code == 1
    assert "holds no document with a record to score" in answer.errors
