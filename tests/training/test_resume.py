"""When a training stops, and what a resumed one refuses; tests/runs/test_kills.py kills it."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from command import Command, Moment
from tiny_model import SETTINGS, Trained, Workplace, contents, info, lines

from fieldsmith.tagging.ensemble import Shares


def test_the_training_stops_and_keeps_the_best_as_the_log_says(trained: Trained) -> None:
    patience = SETTINGS["patience"]
    best, kept, sure, stale, last = -1.0, 0, 0.0, 0, 0
    for line in lines(trained.run / "log.jsonl"):
        last = line["step"]
        if "score" in line:
            assert stale != patience, "an epoch was trained after the patience was spent"
            stale = 0 if line["score"] > best else stale + 1
            if line["score"] >= best:
                kept, sure = last, line["score/min_confidence"]
            best = max(best, line["score"])
    training = info(trained.run)["training"]
    if training.pop("shares") != asdict(Shares()):  # the threshold is that of other weights
        sure = training["min_confidence"]
    kept_as = {"steps": last, "best_step": kept, "best_score": best, "min_confidence": sure}
    assert training == kept_as
    assert stale == patience  # so the best score is not of the last epoch alone


def test_a_complete_run_prints_its_scores_and_stays_as_it_is(
    run: Path, trained: Trained, command: Command
) -> None:
    before = contents(run)
    answer = command("train", "--resume", run)
    assert answer.code == 0
    assert contents(run) == before
    assert answer.output == trained.answer.output.replace(str(trained.run), str(run))


# What a resumed run refuses


@pytest.fixture(scope="module")
def stopped(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed before its first checkpoint; corpus and model are beside it."""
    folder = tmp_path_factory.mktemp("stopped")
    for name in ("corpus", "model"):
        shutil.copytree(workplace.folder / name, folder / name)
    Workplace(folder).train(folder / "run", kill=Moment("open", "log.jsonl"))
    return folder / "run"


def test_what_a_run_began_with_must_not_change(stopped: Path, command: Command) -> None:
    corpus, model = stopped.parent / "corpus", stopped.parent / "model"
    data = (corpus / "train.txt").read_bytes()
    (corpus / "train.txt").write_bytes(data.replace(b"Case 1.", b"Case 0."))
    answer = command("train", "--resume", stopped)
    assert answer.code == 1
    assert "the data changed since this run began" in answer.errors
    (corpus / "train.txt").write_bytes(data)

    weights = model / "model.safetensors"
    held = weights.read_bytes()
    weights.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    answer = command("train", "--resume", stopped)
    assert answer.code == 1
    assert f"the base model {model} changed since this run began" in answer.errors
    weights.write_bytes(held)

    template = model / "chat_template.jinja"
    asked = template.read_text()
    template.write_text("{{ 'Hello.' }}" + asked)
    answer = command("train", "--resume", stopped)
    template.write_text(asked)
    assert answer.code == 1
    assert "chat_template, probe changed since this run was trained" in answer.errors


def test_a_training_that_has_not_ended_is_not_used(
    stopped: Path, workplace: Workplace, command: Command
) -> None:
    for arguments in (["evaluate", stopped], ["predict", stopped, workplace.unseen]):
        answer = command(*arguments)
        assert answer.code == 1
        assert answer.errors == (
            f"extract: error: {stopped}: the training has not ended; "
            f"resume it: extract train --resume {stopped}\n"
        )


@pytest.mark.parametrize(
    "option", ["--set=epochs=9", "--data=.", "--allow-leaks", "--model=x", "--preset=embedded"]
)
def test_the_settings_of_a_run_cannot_be_changed(run: Path, option: str, command: Command) -> None:
    answer = command("train", "--resume", run, option)
    assert answer.code == 2
    assert f"leave out {option.partition('=')[0]}" in answer.errors
