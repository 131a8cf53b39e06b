"""Names of the data that a run was trained on (``--map``): stored, used again, checked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from command import Command

from fieldsmith.errors import RunError
from fieldsmith.runs.folder import Run
from fieldsmith.runs.job import TrainingJob, plugin_of

NAMES = {"body": "text", "Drug": "chemicals"}


def with_names(run: Path, names: object) -> Path:
    info = json.loads((run / "run.json").read_text("utf-8"))
    info["data"]["names"] = names
    (run / "run.json").write_text(json.dumps(info), "utf-8")
    return run


def test_a_job_is_stored_and_read_with_its_names(run: Path) -> None:
    job = TrainingJob.from_run(Run.open(run))
    assert job.plugin.names.as_json() == {}
    stored = replace(job, plugin=job.plugin.mapped(NAMES)).as_json()
    again = TrainingJob.from_run(Run.open(with_names(run, stored["data"]["names"])))
    assert again.plugin.names.as_json() == NAMES
    assert again.as_json() == stored


def test_a_run_without_names_has_none(run: Path) -> None:
    info = json.loads((run / "run.json").read_text("utf-8"))
    info["data"].pop("names", None)
    (run / "run.json").write_text(json.dumps(info), "utf-8")
    assert not plugin_of(Run.open(run)).names


@pytest.mark.parametrize("names", [{"body": "textt"}, {"a": "id", "b": "id"}, {"a": 1}, []])
def test_names_that_are_none_are_refused(run: Path, names: object) -> None:
    with pytest.raises(RunError, match=r"run\.json.*names"):
        plugin_of(Run.open(with_names(run, names)))


def test_predict_and_evaluate_read_by_the_names_of_the_run_or_their_own(
    run: Path, tmp_path: Path, command: Command
) -> None:
    row = {"id": "7", "body": "Rash was seen.", "content": "Nausea was seen.", "signs": ["Nausea"]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row), "utf-8")
    data = tmp_path / "rows.jsonl"
    with_names(run, {"body": "text", "headline": "chemicals"})
    answer = command("predict", run, data)
    assert answer.code == 0, answer.errors
    assert "--map" not in answer.errors  # other data need not have all that the training's has
    assert json.loads(answer.output)["id"] == "7"
    mapping = ("--map", "content=text", "--map", "signs=diseases")
    scored = command("evaluate", run, "--data", data, "--json", *mapping)
    assert scored.code == 0, scored.errors
    assert json.loads(scored.output)["documents"] == 1
    refused = command("evaluate", run, *mapping)
    assert (refused.code, refused.output) == (1, "")
    assert "--map is for the files of --data" in refused.errors
    wrong = command("predict", run, data, "--map", "bodi=text")
    assert (wrong.code, wrong.output) == (1, "")
    assert "did you mean body?" in wrong.errors


def test_a_training_is_not_resumed_with_other_names(run: Path, command: Command) -> None:
    answer = command("train", "--resume", run, "--map", "body=text")
    assert answer.code == 2
    assert "--resume uses the settings of the run; leave out --map" in answer.errors
