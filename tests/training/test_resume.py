"""A training that is killed by SIGKILL and resumed ends as an unbroken one, bit for bit."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from command import Command, Moment, extract
from tiny_model import SETTINGS, Trained, Workplace, contents, info, lines, without_cost

from fieldsmith.tagging.ensemble import Shares

# With SETTINGS an epoch has six steps, and checkpoints are at 4, 6, 8, 12, 16 and 18. Each line
# is a process: it resumes where the one before it died.
MOMENTS = [
    # Before the manifest is written: run.json has the job alone.
    Moment("os.rename", "rejects.jsonl"),
    # Before the first checkpoint: a logged step must not be logged twice.
    Moment("open", "log.jsonl", 2),
    # While the first checkpoint is written, half of which is there.
    Moment("open", ".partial/checkpoint-4/trainer_state.json"),
    # After the first epoch was scored and its adapter kept as the best, before the checkpoint.
    Moment("os.rename", "checkpoints/checkpoint-6"),
    # Inside the second epoch, between two checkpoints; the log is read once and written six times.
    Moment("open", "log.jsonl", 7),
    # Just after the second epoch's checkpoint, while an older one is deleted.
    Moment("shutil.rmtree", "checkpoints/checkpoint-8"),
    # Inside the third epoch.
    Moment("os.rename", "checkpoints/checkpoint-16"),
    # After the last step, before the best adapter is in place.
    Moment("os.rename", "/adapter"),
    # After the adapter is in place, before the checkpoints are gone.
    Moment("shutil.rmtree", "checkpoints"),
    # During the final scoring, with validation scored and test not.
    Moment("os.rename", "predictions/test.jsonl"),
]


@pytest.fixture(scope="module")
def broken(workplace: Workplace) -> list[Path]:
    """The run folder as it stood after each kill, and at last when nothing killed it."""
    folder = workplace.folder / "broken"
    states = []
    for number, moment in enumerate(MOMENTS):
        if number == 0:
            workplace.train(folder, kill=moment)
        else:
            extract("train", "--resume", folder, kill=moment)
        states.append(Path(shutil.copytree(folder, workplace.folder / f"killed-{number}")))
    answer = extract("train", "--resume", folder)
    assert answer.code == 0, answer.errors
    return [*states, folder]


def checkpoints(run: Path) -> set[str]:
    return {path.name for path in (run / "checkpoints").glob("*")}


def last_logged(run: Path) -> int:
    return int(lines(run / "log.jsonl")[-1]["step"])


def test_each_kill_came_at_its_moment(broken: list[Path]) -> None:
    asked, first, half, scored, between, deleting, third, ended, whole, scoring, _last = broken
    left = {path.name.split(".", 2)[-1] for path in asked.glob(".*.new")}
    assert left == {"rejects.jsonl.new"}
    assert {path.name for path in asked.glob("[!.]*")} == {"run.json"}
    assert not checkpoints(first)
    assert last_logged(first) == 3
    assert checkpoints(half) == {".partial"}
    assert checkpoints(scored) == {"checkpoint-4", "best-6", ".partial"}
    assert "score" in lines(scored / "log.jsonl")[-1]
    assert {"checkpoint-8", "best-6"} <= checkpoints(between)
    assert last_logged(between) == 8
    assert {"checkpoint-8", "checkpoint-12"} <= checkpoints(deleting)
    assert "checkpoint-12" in checkpoints(third)
    assert last_logged(third) == 16
    assert not (ended / "adapter").exists()
    assert (whole / "adapter").is_dir()
    assert checkpoints(whole)
    assert set(json.loads((scoring / "metrics.json").read_bytes())) == {"validation"}


@pytest.mark.parametrize(
    "name", ["adapter/adapter_model.safetensors", "log.jsonl", "predictions/test.jsonl"]
)
def test_the_file_equals_the_unbroken_one(broken: list[Path], trained: Trained, name: str) -> None:
    assert (broken[-1] / name).read_bytes() == (trained.run / name).read_bytes()


def test_all_else_equals_the_unbroken_run(broken: list[Path], trained: Trained) -> None:
    ours, unbroken = contents(broken[-1]), contents(trained.run)
    scores = [json.loads(files.pop("metrics.json")) for files in (ours, unbroken)]
    assert without_cost(scores[0]) == without_cost(scores[1])
    assert ours == unbroken


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


def test_a_complete_run_prints_its_scores_and_stays_as_it_is(run: Path, trained: Trained) -> None:
    before = contents(run)
    answer = extract("train", "--resume", run)
    assert answer.code == 0
    assert contents(run) == before
    assert answer.output == trained.answer.output.replace(str(trained.run), str(run))


# Without validation the last adapter is kept, and it stands in the last checkpoint alone


@pytest.fixture(scope="module")
def unvalidated(workplace: Workplace) -> Path:
    """A corpus that has an official training set and nothing else."""
    folder = workplace.folder / "unvalidated"
    folder.mkdir()
    shutil.copy(workplace.corpus / "train.txt", folder)
    return folder


def test_the_last_adapter_survives_a_kill_after_the_last_step(
    workplace: Workplace, unvalidated: Path, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    workplace.train(whole, data=unvalidated, max_steps=8)
    workplace.train(killed, data=unvalidated, max_steps=8, kill=Moment("os.rename", "/adapter"))
    assert checkpoints(killed) == {"checkpoint-8", ".partial"}
    answer = extract("train", "--resume", killed)
    assert answer.code == 0, answer.errors
    assert contents(killed) == contents(whole)


# What a resumed run refuses


@pytest.fixture
def stopped(workplace: Workplace, tmp_path: Path) -> Path:
    """A run that was killed before its first checkpoint; corpus and model are beside it."""
    for name in ("corpus", "model"):
        shutil.copytree(workplace.folder / name, tmp_path / name)
    Workplace(tmp_path).train(tmp_path / "run", kill=Moment("open", "log.jsonl"))
    return tmp_path / "run"


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
    template.write_text("{{ 'Hello.' }}" + template.read_text())
    answer = command("train", "--resume", stopped)
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
