"""Real models as teachers: a model of this machine, and one that is served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command, extract
from played_teacher import Teacher
from served import serving
from tiny_model import Trained, Workplace, lines

QUICK = ("--set=prompt=brief", "--set=max_new_tokens=60", "--set=max_length=256")
TEXT = "aspirin and rash. aspirin caused rash in {number} patients. Case 7."


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    rows = [{"id": str(n), "text": TEXT.format(number=n)} for n in range(12, 16)]
    path = tmp_path / "notes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_model_of_this_machine_labels_as_it_predicts(
    workplace: Workplace, notes: Path, tmp_path: Path, command: Command
) -> None:
    output, records = tmp_path / "labels.jsonl", tmp_path / "records.jsonl"
    fixed = ("--plugin", "medical_ner", *QUICK, "--set=window=document", "--output")
    asked = ("--teacher", workplace.model, "--licence", "own")
    done = command("label", *fixed, output, *asked, notes)
    assert done.code == 0, done.errors
    predicted = command("predict", *fixed, records, "--model", workplace.model, notes)
    assert predicted.code == 0, predicted.errors
    wanted = {row["id"]: row for row in lines(records) if "truncated" not in row}
    found = {row["id"]: row for row in lines(output)}
    assert found
    assert found.keys() == wanted.keys()
    for name, row in found.items():
        assert row["record"] == wanted[name]["record"]
        assert row.get("confidence", {}) == wanted[name]["confidence"]
        assert row["teacher"]["kind"] == "local"
        assert row["teacher"]["model"] == workplace.model.name
        assert len(row["teacher"]["version"]) == 64
        assert row["teacher"]["form"] == "grammar"
        assert row["usage"]["prompt_tokens"] > row["usage"]["completion_tokens"] > 0
        assert str(workplace.folder) not in json.dumps(row)
    before = output.read_bytes()
    again = command("label", *fixed, output, *asked, notes)
    assert "0 questions answered now, 4 before" in again.errors
    assert output.read_bytes() == before
    some = command("label", *fixed, tmp_path / "some.jsonl", *asked, notes, "--budget", 200)
    assert some.code == 1
    assert 0 < len(lines(tmp_path / "some.jsonl")) < 4
    spent = [answer["usage"] for answer in lines(tmp_path / "some.answers.jsonl")]
    assert sum(each["prompt_tokens"] + each["completion_tokens"] for each in spent) <= 200


def test_options_of_a_server_are_refused(
    workplace: Workplace, notes: Path, tmp_path: Path, command: Command
) -> None:
    fixed = ("--plugin", "medical_ner", "--licence", "own", "--output", tmp_path / "out.jsonl")
    done = command("label", *fixed, "--teacher", workplace.model, notes, "--samples", 2)
    assert done.code == 2
    assert "are for a server" in done.errors
    done = command("label", *fixed, "--teacher", Teacher("http://localhost").address, notes)
    assert done.code == 2
    assert "--teacher-model is missing" in done.errors


@pytest.mark.slow
def test_a_served_run_labels_as_it_predicts(trained: Trained, notes: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    output, records = tmp_path / "labels.jsonl", tmp_path / "records.jsonl"
    with serving(trained.run) as server:
        asked = ("--teacher", server.address, "--teacher-model", "medical_ner")
        # Its own prompt is around what it is asked: the text alone is sent as a brief prompt.
        fixed = ("--licence", "own", "--output", output, "--set=prompt=brief")
        done = extract("label", "--plugin", "medical_ner", notes, *asked, *fixed)
    assert done.code == 0, done.errors
    assert extract("predict", trained.run, notes, "--output", records).code == 0
    wanted = {row["id"]: row["record"] for row in lines(records)}
    found = {row["id"]: row["record"] for row in lines(output)}
    assert found
    assert all(wanted[name] == each for name, each in found.items())
