"""Predictions of a model that was not trained, through the command line and from Python."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import Answer, Command, Moment, extract
from tiny_model import Workplace, contents, lines

import fieldsmith
from fieldsmith.extraction.zero_shot import ZeroShot, key_without_run
from fieldsmith.plugins import load
from fieldsmith.schema.records import first_problem

TEXT = "aspirin and rash. aspirin caused rash in 12 patients. Case 7."
QUICK = ("--set=prompt=brief", "--set=max_new_tokens=24", "--set=max_length=256")
SAID = "zero-shot: nothing was trained; "


def asked(workplace: Workplace, *more: object) -> tuple[str, ...]:
    """Return the arguments of a prediction by the tiny model."""
    options = ("predict", "--plugin", "medical_ner", "--model", workplace.model, *QUICK, *more)
    return tuple(map(str, options))


def rows_of(answer: Answer) -> list[dict[str, Any]]:
    assert answer.code == 0, answer.errors
    return [json.loads(line) for line in answer.output.splitlines()]


@pytest.fixture
def notes(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path in paths:
        path.write_text(f"{TEXT} In {path.name}.", encoding="utf-8")
    return paths


# What is answered


@pytest.mark.parametrize("shots", [0, 2])
def test_lines_are_those_of_a_run_and_nothing_trained_is_said_once(
    workplace: Workplace, notes: list[Path], command: Command, shots: int
) -> None:
    answer = command(*asked(workplace, "--set=window=document", "--shots", shots, *notes))
    rows = rows_of(answer)
    assert [row["id"] for row in rows] == ["a.txt", "b.txt"]
    schema = load("medical_ner").schema
    found = 0
    for row, path in zip(rows, notes, strict=True):
        assert row["plugin"] == "medical_ner"
        assert row["windows"] == [1, 1]
        assert first_problem(row["record"], schema) is None
        assert list(row["record"]) == ["chemicals", "diseases", "relations"]
        assert set(row["spans"]) <= set(row["status"])
        for pointer, (start, end) in row["spans"].items():
            value = row["record"]
            for part in pointer.split("/")[1:]:
                value = value[int(part) if isinstance(value, list) else part]
            assert path.read_text()[start:end] == value
            found += 1
        assert all(0 <= sure <= 1 for sure in row["confidence"].values())
    assert found or shots  # two made-up examples lead the tiny model astray
    said = [line for line in answer.errors.splitlines() if "nothing was trained" in line]
    assert len(said) == 1
    assert said[0].startswith(SAID)
    fitting = "with 1 of 2 shots (no more fit into 512 tokens)"
    assert said[0].endswith(fitting if shots else "with no shots")
    assert "learning rate" not in answer.errors


def test_the_embedded_model_answers_as_installed(notes: list[Path]) -> None:
    arguments = ("--plugin", "medical_ner", "--model", "embedded", "--shots", "1", notes[0])
    answer = extract("predict", *arguments)
    (row,) = rows_of(answer)
    assert row["record"]["diseases"] == ["rash"]
    assert "embedded is asked by the prompt of medical_ner with 1 of 1 shots" in answer.errors


def test_an_answer_without_end_is_closed(
    workplace: Workplace, notes: list[Path], command: Command
) -> None:
    cut = asked(workplace, "--set=max_new_tokens=3", "--shots=1", notes[0])
    (row,) = rows_of(command(*cut))
    assert row["truncated"] == 1
    assert row["record"] == {"chemicals": [], "diseases": [], "relations": []}


def test_a_document_that_does_not_fit_says_what_cuts_it(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    long = tmp_path / "long.txt"
    long.write_text("aspirin " * 600)
    (row,) = rows_of(command(*asked(workplace, "--set=window=document", long)))
    assert "--set window=tokens" in row["error"]
    cut = ("--set=window=tokens", "--set=window_size=100", "--set=window_overlap=8")
    (row,) = rows_of(command(*asked(workplace, *cut, long)))
    assert row["windows"][0] == row["windows"][1] > 3


def test_python_gives_what_the_command_gives(
    workplace: Workplace, notes: list[Path], command: Command
) -> None:
    (row,) = rows_of(command(*asked(workplace, "--shots=1", notes[0])))
    ask = fieldsmith.zero_shot(
        "medical_ner",
        str(workplace.model),
        shots=1,
        prompt="brief",
        max_new_tokens=24,
        max_length=256,
    )
    prediction = ask(notes[0].read_text())
    assert prediction.record == row["record"]
    assert {pointer: list(span) for pointer, span in prediction.spans.items()} == row["spans"]


# Settings


def test_what_a_recipe_chooses_for_training_is_left_out(workplace: Workplace) -> None:
    plugin, model = load("medical_ner"), {"model": str(workplace.model)}
    settings = ZeroShot.of(plugin, None, model).settings
    assert (settings.prompt, settings.quantize, settings.window) == ("full", "none", "tokens")
    chosen = {"prompt": "brief", "quantize": "nf4"}
    settings = ZeroShot.of(plugin, None, {**model, **chosen}).settings
    assert (settings.prompt, settings.quantize) == ("brief", "nf4")
    settings = ZeroShot.of(plugin, None, {"model": "embedded"}).settings
    assert (settings.prompt, settings.window) == ("brief", "sentences")
    assert settings.tagging_weight > 0


# Shots


def test_shots_come_from_the_data_that_is_named_and_not_from_what_is_asked(
    workplace: Workplace, notes: list[Path], tmp_path: Path, command: Command
) -> None:
    plugin = load("medical_ner")
    data = tmp_path / "shots.jsonl"
    record = {"chemicals": ["aspirin"], "diseases": ["rash"], "relations": []}
    rows = [
        {"id": name, "text": text, "record": record}
        for name, text in (("1", f"{TEXT}  IN a.txt."), ("2", "rash by aspirin."))
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = {"model": str(workplace.model)}
    zero_shot = ZeroShot.of(plugin, None, model, shots=2, shots_data=data)
    document = fieldsmith.Document("a", notes[0].read_text())
    assert [each.document.id for each in zero_shot.examples([document])] == ["2"]
    answer = command(*asked(workplace, "--shots=2", "--shots-data", data, notes[0]))
    assert answer.code == 0, answer.errors
    assert "with 1 of 2 shots" in answer.errors
    refused = command(*asked(workplace, "--shots=2", "--shots-data", data, data))
    assert refused.code == 1
    assert "no labelled document is left to make a shot of" in refused.errors
    assert refused.errors.count("\n") == 1


def test_held_out_documents_are_no_shots(workplace: Workplace) -> None:
    plugin = load("medical_ner")
    zero_shot = ZeroShot.of(plugin, None, {"model": str(workplace.model)}, shots=1)
    zero_shot = replace(zero_shot, shots_data=workplace.corpus)
    assert len(zero_shot.examples([])) == 24
    assert {example.split for example in zero_shot.examples([])} == {"train"}


# Interrupted


def test_a_killed_prediction_is_resumed_by_the_same_shots_alone(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    whole, output = tmp_path / "whole.jsonl", tmp_path / "records.jsonl"
    # Eight prompts at once make groups of 32 documents.
    small = ("--set=max_new_tokens=8", "--set=eval_batch_size=8")
    short = ("--shots=1", *small, workplace.many, "--output")
    assert command(*asked(workplace, *short, whole)).code == 0
    kill = Moment("open", "records.jsonl.partial", 3)
    extract(*asked(workplace, *short, output), kill=kill)
    assert (tmp_path / "records.jsonl.partial").stat().st_size > 0
    shutil.copytree(tmp_path, tmp_path.with_name("copy"))
    answer = command(*asked(workplace, *short, output))
    assert "75 lines, 11 of them written now" in answer.errors
    assert output.read_bytes() == whole.read_bytes()
    assert sorted(contents(tmp_path)) == ["records.jsonl", "whole.jsonl"]
    other = tmp_path.with_name("copy") / "records.jsonl"
    answer = command(*asked(workplace, "--shots=0", *short[1:], other))
    assert "75 lines, 75 of them written now" in answer.errors
    assert len(lines(other)) == 75


def test_the_key_covers_plugin_model_shots_and_settings(
    workplace: Workplace, tmp_path: Path
) -> None:
    plugin, model = load("medical_ner"), {"model": str(workplace.model), "max_length": 256}
    asking = ZeroShot.of(plugin, None, {**model, "prompt": "brief", "max_new_tokens": 24}, shots=1)
    task = asking.load(asking.examples([])).task
    key = key_without_run(task, "inputs", {})
    assert key == key_without_run(task, "inputs", {})
    copy = shutil.copytree(workplace.model, tmp_path / "model")
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    (shot,) = task.shots
    for other in (
        replace(task, shots=()),
        replace(task, shots=(shot, shot)),
        replace(task, plugin=replace(plugin, name="other")),
        replace(task, settings=replace(task.settings, max_new_tokens=23)),
        replace(task, settings=replace(task.settings, model=str(copy))),
    ):
        assert key_without_run(other, "inputs", {}) != key
    assert key_without_run(task, "others", {}) != key
    assert key_without_run(task, "inputs", {"min_confidence": 0.5}) != key


# What is refused


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["a.txt"], "INPUT is missing"),
        (["--plugin", "medical_ner", "a.txt"], "--model is missing"),
        (["--model", "embedded", "a.txt"], "--plugin is missing"),
        (["--shots", "2", "run", "a.txt"], "--plugin is missing"),
        (["--set", "seed=1", "run", "a.txt"], "--plugin is missing"),
        (
            ["--plugin", "medical_ner", "--model", "x", "--shots-data", "d", "a.txt"],
            "--shots is missing",
        ),
        (["--plugin", "medical_ner", "--model", "x"], "Missing argument"),
    ],
)
def test_what_is_missing_is_wrong_usage(
    command: Command, arguments: list[str], missing: str
) -> None:
    answer = command("predict", *arguments)
    assert answer.code == 2
    assert missing in answer.errors
    assert answer.output == ""


@pytest.mark.parametrize(
    ("command_line", "said"),
    [
        ("predict --model one --set model=two a.txt", "--model one and --set model=two say diff"),
        ("train --model one --set model=two", "--model one and --set model=two say different"),
        ("train --max-length 300 --set max_length=200", "--max-length 300 and --set max_length"),
        ("plan --model=", "--model is empty: name one, or leave it out"),
        ("predict --model= a.txt", "--model is empty"),
    ],
)
def test_an_option_and_a_setting_that_differ_are_wrong_usage(
    command: Command, command_line: str, said: str
) -> None:
    name, *arguments = command_line.split()
    answer = command(name, "--plugin", "medical_ner", *arguments)
    assert answer.code == 2
    assert said in " ".join(answer.errors.split())


def test_a_run_and_a_model_exclude_each_other(
    workplace: Workplace, notes: list[Path], tmp_path: Path, command: Command
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    answer = command(*asked(workplace, tmp_path / "run", notes[0]))
    assert answer.code == 2
    assert f"{tmp_path / 'run'} is a run: leave it out" in answer.errors


def test_a_model_without_a_chat_template_is_one_line(
    workplace: Workplace, notes: list[Path], tmp_path: Path, command: Command
) -> None:
    folder = shutil.copytree(workplace.model, tmp_path / "model")
    (folder / "chat_template.jinja").unlink()
    answer = command("predict", "--plugin", "medical_ner", "--model", folder, *QUICK, notes[0])
    assert answer.code == 1
    assert "has no chat template; choose an instruction-tuned model" in answer.errors
    assert answer.errors.count("\n") == 1
    assert answer.output == ""
