"""Trackers hold the numbers of log.jsonl and metrics.json, also of a training that was killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command import Answer, Command, Moment, extract
from tiny_model import Workplace, info, lines
from tracked import Numbers, Tracked, read_mlflow, read_tensorboard, read_trackio, read_wandb

from fieldsmith.progress import log_to_stderr
from fieldsmith.runs.ability import write_ability
from fieldsmith.runs.folder import Run
from fieldsmith.settings import TRACKERS
from fieldsmith.tracking.results import send_results
from fieldsmith.tracking.tensorboard import TensorBoard
from fieldsmith.tracking.tracker import RunDescription
from fieldsmith.tracking.trackers import _CLASSES, NO_TRACKERS, Trackers, open_trackers

SHORT: Mapping[str, Any] = {
    "batch_size": 16, "checkpoint_steps": 4, "eval_documents": 1, "logging_steps": 1,
    "max_new_tokens": 24, "max_steps": 7, "patience": 0, "score_documents": 2,
    "choose_confidence": False, "tag_share": 0.7, "gazetteer_share": 0.3,
}  # fmt: skip

SECRET = "hush-4711"

_LESS = {"value": -0.25, "low": -0.5, "high": -0.125}
_MORE = {"value": 4.0, "low": 1.5, "high": 8.5}

ABILITY: Mapping[str, Any] = {
    "date": "2026-01-01", "version": "0.1.0", "source": "fieldsmith", "figure": "accuracy",
    "documents": 80, "base": 0.75, "tuned": 0.5, "difference": _LESS, "lower_is_better": False,
    "loss": 0.25, "max_loss": None, "lost": False,
    "also": {
        "bits per byte": {
            "base": 2.0, "tuned": 6.0, "difference": _MORE, "lower_is_better": True,
        },
    },
}  # fmt: skip

KILLED_AT = Moment("open", "log.jsonl", 6)
"""As the sixth step is logged: the trackers have the fifth, and the checkpoint is of the fourth."""


@dataclass(frozen=True)
class Told:
    """A run that reported to all trackers, what its commands said, and trackio's folder."""

    run: Path
    resumed: Answer
    sent: Answer
    trackio: Path

    def read(self, name: str) -> Tracked:
        """Return what a tracker holds."""
        readers: Mapping[str, Callable[[], Tracked]] = {
            "tensorboard": lambda: read_tensorboard(self.run),
            "wandb": lambda: read_wandb(self.run),
            "mlflow": lambda: read_mlflow(self.run),
            "trackio": lambda: read_trackio(self.trackio),
        }
        return readers[name]()


@pytest.fixture(scope="module")
def told(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A training that was killed and resumed; a page was written into it and sent later."""
    folder = tmp_path_factory.mktemp("tracked")
    run = folder / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKIO_DIR", str(folder / "trackio"))
        for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
            patch.setenv(name, str(folder / "wandb"))  # and nothing in the home folder
        patch.setenv("WANDB_API_KEY", SECRET * 5)
        patch.setenv("HF_TOKEN", SECRET)
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # also for reading
        workplace.train(run, kill=KILLED_AT, report_to=list(TRACKERS), **SHORT)
        resumed = extract("train", "--resume", run)
        assert resumed.code == 0, resumed.errors
        (run / "report.html").write_text("<!doctype html>A page.", encoding="utf-8")
        write_ability(Run.open(run), {"last_word": ABILITY})
        sent = extract("track", run)
    return Told(run, resumed, sent, folder / "trackio")


@pytest.fixture(autouse=True)
def file_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let MLflow's client read what ours has written."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")


def logged(run: Path) -> Numbers:
    """Return the numbers of log.jsonl by name, each step once."""
    found: dict[str, dict[int, float]] = {}
    for line in lines(run / "log.jsonl"):
        for name, value in line.items():
            if name != "step":
                found.setdefault(name, {})[line["step"]] = value
    return {name: list(values.items()) for name, values in found.items()}


def scores(run: Path) -> dict[str, float]:
    """Return the scores of validation, as metrics.json has them."""
    summary = json.loads((run / "metrics.json").read_text())["validation"]
    return {name: interval["value"] for name, interval in summary["metrics"].items()}


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_holds_what_the_run_holds(told: Told, name: str) -> None:
    tracked, expected = told.read(name), logged(told.run)
    assert set(expected) >= {"loss", "learning_rate", "eval_loss", "score/chemicals/f1", "epoch"}
    assert [step for step, _ in expected["loss"]] == list(range(1, 8))

    def as_named(key: str) -> str:
        return key.replace("/", ".") if name == "mlflow" else key

    for key, values in expected.items():
        assert tracked.numbers[as_named(key)] == values, key
    final = scores(told.run)
    assert set(final) >= {"score", "chemicals/f1", "relations/f1"}
    for key, value in final.items():
        held = as_named(f"validation/{key}")
        found = [(7, tracked.scores[held])] if name == "wandb" else tracked.numbers[held]
        assert found == [(7, value)], key


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_holds_settings_plan_and_examples(told: Told, name: str) -> None:
    tracked, known = told.read(name), info(told.run)
    held = {
        key: json.loads(value) if name == "mlflow" and key != "plugin" else value
        for key, value in tracked.settings.items()
        if key in ("plugin", "lora_rank", "learning_rate", "report_to", "plan", "documents")
    }
    settings = {key: each["value"] for key, each in known["settings"].items()}
    assert known["plan"]["memory"] > 2**20
    assert held == {
        "plugin": "medical_ner",
        "plan": known["plan"],
        "documents": known["counts"]["documents"],
        **{key: settings[key] for key in ("lora_rank", "learning_rate", "report_to")},
    }
    predicted = lines(told.run / "predictions" / "validation.jsonl")
    assert len(predicted) == SHORT["score_documents"]
    for row in predicted:
        assert row["id"] in tracked.examples
        for chemical in row["gold"]["chemicals"]:
            assert chemical in tracked.examples


@pytest.mark.parametrize("name", TRACKERS)
def test_a_page_of_the_report_is_sent_later(told: Told, name: str) -> None:
    assert told.sent.code == 0, told.sent.errors
    assert told.sent.output == f"{told.run}: sent to {', '.join(TRACKERS)}\n"
    files = told.read(name).files
    page = (told.run / "report.html").read_bytes()
    assert files == {"report.html": b"" if name == "tensorboard" else page}


@pytest.mark.parametrize("name", TRACKERS)
def test_what_was_measured_of_general_ability_is_sent_later(told: Told, name: str) -> None:
    tracked = told.read(name)
    expected = {
        "last_word/accuracy/base": 0.75, "last_word/accuracy/tuned": 0.5,
        "last_word/accuracy/difference/high": -0.125,
        "last_word/bits_per_byte/tuned": 6.0, "last_word/bits_per_byte/difference": 4.0,
    }  # fmt: skip
    for key, value in expected.items():
        held = f"ability/{key}".replace("/", "." if name == "mlflow" else "/")
        found = tracked.scores[held] if name == "wandb" else tracked.numbers[held][-1][1]
        assert found == value, key


def test_trackers_print_nothing_and_store_no_secret(told: Told) -> None:
    assert told.resumed.output.splitlines()[-1] == str(told.run)
    for word in ("wandb", "trackio", "mlflow", "tracker"):
        assert word not in told.resumed.output.lower()
        assert word not in told.resumed.errors.lower()
    for folder in (told.run / "wandb", told.run / "mlruns", told.run / "tensorboard", told.trackio):
        files = [file for file in folder.rglob("*") if file.is_file()]
        assert files
        for file in files:
            assert SECRET.encode() not in file.read_bytes(), file


def test_the_log_for_people_is_continued(told: Told) -> None:
    text = (told.run / "training.log").read_text(encoding="utf-8")
    steps = re.findall(r"^\S+ \S+ step (\d) of 7, epoch \S+: loss", text, re.MULTILINE)
    assert steps == ["1", "2", "3", "4", "5", "5", "6", "7"]  # the fifth was not in a checkpoint
    assert text.count(" resuming from step 4 of 7\n") == 1


def test_the_run_of_a_tracker_is_no_danger_to_ours(told: Told) -> None:
    """A run with links out of its folder would be refused."""
    assert Run.open(told.run).is_complete()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wandb", "report_to: wandb is not installed; pip install 'fieldsmith[wandb]'"),
        (
            "wandbb",
            "report_to: 'wandbb': did you mean wandb?",
        ),
    ],
)
def test_a_tracker_that_there_is_not_is_said_before_all_else(
    name: str,
    said: str,
    workplace: Workplace,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    answer = command(*workplace.order(tmp_path / "run", report_to=[name]))
    assert answer.code == 1
    assert answer.errors.startswith(f"extract: error: {said}")
    assert len(answer.errors.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_each_name_that_the_setting_takes_has_a_tracker() -> None:
    assert set(_CLASSES) == set(TRACKERS)


def test_a_tracker_that_fails_is_said_once_and_left_out(
    told: Told, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(Path(shutil.copytree(told.run, tmp_path / "run", symlinks=True)))
    with log_to_stderr(), open_trackers(run, ["mlflow", "tensorboard"]) as trackers:
        shutil.rmtree(run.folder / "mlruns")
        for step in (8, 9):
            trackers.log({"step": step, "loss": 0.5})
    assert trackers.failed == ["mlflow"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tracker mlflow: ")
    assert line.endswith("extract track")
    assert read_tensorboard(run.folder).numbers["loss"][-2:] == [(8, 0.5), (9, 0.5)]


def test_a_server_that_is_not_there_ends_nothing(
    told: Told, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{SECRET}@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = shutil.copytree(told.run, tmp_path / "run", symlinks=True)
    answer = command("track", run, "--to", "mlflow")
    assert answer.code == 1
    assert answer.output == ""
    (line,) = answer.errors.splitlines()
    assert line.startswith("tracker mlflow: ")
    assert SECRET not in line


def test_only_the_first_process_tracks(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with open_trackers(Run(told.run), list(TRACKERS)) as trackers:
        assert trackers is NO_TRACKERS


def test_a_run_without_trackers_has_none(told: Told, tmp_path: Path, command: Command) -> None:
    run = shutil.copytree(told.run, tmp_path / "run", symlinks=True)
    known = info(run)
    known["settings"]["report_to"]["value"] = []
    (run / "run.json").write_text(json.dumps(known))
    (run / "tracking.json").unlink()
    answer = command("track", run)
    assert answer.code == 1
    assert "name one: --to tensorboard" in answer.errors
    assert send_results(Run(run), []) == []
    assert not (run / "tracking.json").exists()


def test_what_is_not_finite_is_no_number(tmp_path: Path) -> None:
    described = RunDescription(tmp_path, "0" * 16, {})
    trackers = Trackers({"tensorboard": TensorBoard(described)})
    trackers.log({"step": 3, "loss": None, "epoch": 1.0})
    trackers.finish(failed=False)
    assert read_tensorboard(tmp_path).numbers == {"epoch": [(3, 1.0)]}


def test_what_trackio_cannot_keep_is_one_line(run: Path, tmp_path: Path) -> None:
    """Its threads only warn, and go on; in a process of its own, as it reads its folder once."""
    (tmp_path / "file").touch()
    environment = {**os.environ, "TRACKIO_DIR": str(tmp_path / "file" / "trackio")}
    arguments = ["-m", "fieldsmith.cli", "track", str(run), "--to", "trackio"]
    answer = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert "tracker trackio: trackio failed to flush metric logs" in answer.stderr
