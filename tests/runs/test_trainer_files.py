"""The files that are made of a run for other programs, and its log for people."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command import Command
from tiny_model import Trained, info, lines

from fieldsmith.errors import InputError
from fieldsmith.progress import log_to_stderr, meter, say
from fieldsmith.runs.training_log import FILE, append_line, training_log

LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d) (\S.*)")


def messages(folder: Path) -> list[str]:
    """Return what a training.log says; each line has its time."""
    found = []
    for line in (folder / FILE).read_text(encoding="utf-8").splitlines():
        match = LINE.fullmatch(line)
        assert match, line
        found.append(match[2])
    return found


def test_the_numbers_of_a_run(trained: Trained, tmp_path: Path, command: Command) -> None:
    output = tmp_path / "training_metrics.json"
    answer = command("export", trained.run, "--format", "training_metrics", "--output", output)
    assert answer.code == 0, answer.errors
    made, log = json.loads(output.read_text()), lines(trained.run / "log.jsonl")
    known = info(trained.run)["training"]
    losses = [(line["loss"], line["loss_tokens"]) for line in log if "loss" in line]
    tokens = sum(count for _, count in losses)
    assert made.pop("log_history") == log
    assert made.pop("train_loss") == pytest.approx(sum(a * b for a, b in losses) / tokens)
    metrics = json.loads((trained.run / "metrics.json").read_text())
    scores = {name: each["value"] for name, each in metrics["validation"]["metrics"].items()}
    assert made.pop("metrics") == {"validation": scores}
    assert made == {
        "plugin": "medical_ner",
        "base_model": info(trained.run)["base_model"]["name"],
        "global_step": known["steps"],
        "epoch": log[-1]["epoch"],
        "eval_loss": next(line["eval_loss"] for line in log[::-1] if "eval_loss" in line),
        "learning_rate": 0.005,
        "best_metric": known["best_score"],
        "best_step": known["best_step"],
    }


def test_the_adapter_is_the_newest_checkpoint(trained: Trained, command: Command) -> None:
    answer = command("export", trained.run, "--format", "latest_checkpoint_info")
    known = info(trained.run)["training"]
    made = json.loads(answer.output)
    assert (trained.run / made["checkpoint"] / "adapter_model.safetensors").is_file()
    assert made == {
        "checkpoint": "adapter",
        "is_complete": True,
        "global_step": known["best_step"],
        "max_steps": known["steps"],
        "best_metric": known["best_score"],
        "best_step": known["best_step"],
        "epoch": known["best_step"] / 6,
    }


def test_a_run_has_no_other_format(trained: Trained, command: Command) -> None:
    answer = command("export", trained.run, "--format", "training_metric")
    assert answer.code == 1
    assert "did you mean training_metrics?" in answer.errors


def test_the_log_says_what_the_terminal_shows(trained: Trained) -> None:
    said = messages(trained.run)
    shown = [line for line in trained.answer.errors.splitlines() if "documents:" in line]
    assert shown
    assert set(shown) <= set(said)
    for row in lines(trained.run / "log.jsonl"):
        begins = f"step {row['step']} of 36, epoch {row['epoch']:.4g}: "
        name = "score" if "score" in row else "loss" if "loss" in row else "eval_loss"
        assert any(line.startswith(begins) and f"{name} {row[name]:.4g}" in line for line in said)
    assert re.match(r"validation: score 0\.\d+ \(0\.\d+ to [01]", said[-1])
    assert not [line for line in said if "documents/s" in line or "left" in line]


def fail_loudly(folder: Path) -> None:
    with training_log(folder):
        say("one\n\x1b[2Jtwo /home/someone/data")
        with meter("reading", 1, "documents") as progress:
            progress.advance()
        raise InputError("no\rdocument")


def test_the_log_has_no_control_characters_and_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    with log_to_stderr(), pytest.raises(InputError):
        fail_loudly(tmp_path)
    assert messages(tmp_path) == ["one\\n\\x1b[2Jtwo ~/data", "error: no\\rdocument"]
    say("after it")
    assert len(messages(tmp_path)) == 2


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    append_line(tmp_path / "missing", "A line.")
    assert not (tmp_path / "missing").exists()
