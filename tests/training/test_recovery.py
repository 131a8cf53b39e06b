"""A run that is made of an unfinished one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command import Command, Moment
from tiny_model import Workplace, contents, info, lines


@pytest.fixture(scope="module")
def unfinished(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed as it wrote its third checkpoint; two epochs are scored by then."""
    run = tmp_path_factory.mktemp("unfinished") / "run"
    kill = Moment("os.rename", "checkpoint-12")
    workplace.train(run, kill=kill, patience=0, epochs=3)
    return run


def test_the_newest_checkpoint_is_described(unfinished: Path, command: Command) -> None:
    answer = command("export", unfinished, "--format", "latest_checkpoint_info")
    assert answer.code == 0, answer.errors
    (scored,) = (
        line for line in lines(unfinished / "log.jsonl") if "score" in line and line["step"] <= 8
    )
    assert json.loads(answer.output) == {
        "checkpoint": "checkpoints/checkpoint-8",
        "is_complete": False,
        "global_step": 8,
        "max_steps": 18,
        "best_metric": scored["score"],
        "best_step": 6,
        "epoch": pytest.approx(8 / 6),
    }
    assert (unfinished / "checkpoints" / "checkpoint-8").is_dir()


def test_a_run_is_made_of_the_best_weights_and_can_be_used(
    unfinished: Path, workplace: Workplace, command: Command
) -> None:
    before = contents(unfinished)
    before.pop(".run.json.lock", None)  # of the killed process
    answer = command("recover", unfinished)
    assert answer.code == 0, answer.errors
    made = Path(answer.output.strip())
    assert contents(unfinished) == before, "it can be resumed as if nothing had been made of it"
    scored = {line["step"]: line["score"] for line in lines(made / "log.jsonl") if "score" in line}
    training = info(made)["training"]
    step = training["steps"]
    assert made == unfinished.with_name(f"run-step-{step}")
    assert scored[step] == training["best_score"] == max(scored.values())
    assert max(line["step"] for line in lines(made / "log.jsonl")) == step
    assert f"step {step} of {training['unfinished']['of']}, scored" in answer.errors
    assert f"step {step} of " in (made / "adapter" / "README.md").read_text(encoding="utf-8")

    held_out = "held_out.jsonl"
    assert (made / held_out).read_bytes() == (unfinished / held_out).read_bytes()
    assert info(made)["test_seen"] == []
    predicted = command("predict", made, workplace.unseen)
    assert predicted.code == 0, predicted.errors
    assert all("record" in json.loads(line) for line in predicted.output.splitlines())


def test_weights_of_a_step_are_taken_and_others_are_named(
    unfinished: Path, tmp_path: Path, command: Command
) -> None:
    newest = max(int(p.name.partition("-")[2]) for p in unfinished.glob("checkpoints/checkpoint-*"))
    output = tmp_path / "deep" / "run"
    answer = command("recover", unfinished, "--step", str(newest), "--output", output)
    assert answer.code == 0, answer.errors
    saved = unfinished / "checkpoints" / f"checkpoint-{newest}" / "adapter_model.safetensors"
    assert (output / "adapter" / saved.name).read_bytes() == saved.read_bytes()
    refused = command("recover", unfinished, "--step", "7777", "--output", tmp_path / "other")
    assert refused.code == 1
    assert "no weights of step 7777 are kept; there are" in refused.errors
    assert str(newest) in refused.errors
    assert not (tmp_path / "other").exists()
    again = command("recover", unfinished, "--output", output)
    assert again.code == 1
    assert "exists already" in again.errors


def test_what_cannot_be_recovered_is_refused_and_nothing_is_left(
    unfinished: Path, run: Path, tmp_path: Path, command: Command
) -> None:
    answer = command("recover", run)
    assert answer.code == 1
    assert "the training has ended" in answer.errors

    damaged = tmp_path / "damaged"
    shutil.copytree(unfinished, damaged)
    for folder in damaged.glob("checkpoints/*"):
        for file in folder.glob("adapter_model.safetensors"):
            file.write_bytes(file.read_bytes()[:1000])
    answer = command("recover", damaged, "--output", tmp_path / "made")
    assert answer.code == 1
    assert "adapter_model.safetensors" in answer.errors
    assert not (tmp_path / "made").exists()
    assert not list(tmp_path.glob(".made*"))

    shutil.rmtree(damaged / "checkpoints")
    answer = command("recover", damaged)
    assert answer.code == 1
    assert f"resume the training: extract train --resume {damaged}" in answer.errors


def test_best_weights_outlive_a_damaged_checkpoint(
    unfinished: Path, tmp_path: Path, command: Command
) -> None:
    run = Path(shutil.copytree(unfinished, tmp_path / "run"))
    newest = run / "checkpoints" / "checkpoint-8"
    best = max(int(path.name.partition("-")[2]) for path in run.glob("checkpoints/best-*"))
    scores = {line["step"]: line["score"] for line in lines(run / "log.jsonl") if "score" in line}
    (newest / "optimizer.pt").unlink()
    answer = command("recover", run, "--step", "8", "--output", tmp_path / "whole")
    assert answer.code == 0, answer.errors

    state = newest / "trainer_state.json"
    state.write_bytes(state.read_bytes()[:100])
    for older in run.glob("checkpoints/checkpoint-[0-7]"):
        shutil.rmtree(older)
    for name, options in (("a", ()), ("b", ("--step", str(best)))):
        answer = command("recover", run, *options, "--output", tmp_path / name)
        assert answer.code == 0, answer.errors
        assert f"{state}: " in answer.errors
        training = info(tmp_path / name)["training"]
        assert (training["best_step"], training["best_score"]) == (best, scores[best])
        assert training["unfinished"] == {"of": 18}
    for folder in run.glob("checkpoints/best-*"):
        shutil.rmtree(folder)
    for is_gone in (False, True):
        if is_gone:
            state.unlink()
        answer = command("recover", run)
        assert answer.code == 1
        assert answer.errors.count("\n") == 1
        assert f"{state}: " in answer.errors
        assert f"extract recover {run} --step 8" in answer.errors
    config = newest / "adapter_config.json"
    config.unlink()
    answer = command("recover", run, "--step", "8", "--output", tmp_path / "made")
    assert answer.code == 1
    assert f"{config}: " in answer.errors
    assert ".partial" not in answer.errors
    assert "--step N" in answer.errors
    assert not list(tmp_path.glob("*made*"))


@pytest.mark.slow
@pytest.mark.parametrize("way", [{"lora_init": "pissa"}, {"tuning": "full"}])
def test_other_ways_to_tune_are_recovered(
    way: dict[str, Any], workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    run, made = tmp_path / "run", tmp_path / "made"
    kill = Moment("os.rename", "checkpoint-12")
    workplace.train(run, kill=kill, patience=0, epochs=3, quantize="none", **way)
    newest = max(int(p.name.partition("-")[2]) for p in run.glob("checkpoints/checkpoint-*"))
    answer = command("recover", run, "--step", str(newest), "--output", made)
    assert answer.code == 0, answer.errors
    predicted = command("predict", made, workplace.unseen)
    assert predicted.code == 0, predicted.errors
    records = [json.loads(line)["record"] for line in predicted.output.splitlines()]
    assert any(record["chemicals"] or record["diseases"] for record in records)
