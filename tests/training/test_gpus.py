"""GPUs as people have them, as far as a machine without any can show it."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Command
from pretended_gpus import pretend_gpus
from tiny_model import Workplace, info

from fieldsmith.settings import Settings
from fieldsmith.training.qlora import training_arguments


def test_of_several_visible_gpus_one_process_trains_on_the_first(
    workplace: Workplace, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_gpus(monkeypatch, 3)
    assert training_arguments(tmp_path / "checkpoints", Settings(precision="fp32")).n_gpu == 1
    run = tmp_path / "run"
    answer = command(*workplace.order(run, max_steps=1, precision="fp32"))
    assert answer.code == 0, answer.errors
    assert info(run)["training"]["steps"] == 1


def test_so_does_the_probe_of_the_plan(
    workplace: Workplace, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_gpus(monkeypatch, 2)
    _train, *order = workplace.order(tmp_path / "run", precision="fp32")
    at = order.index("--output")
    answer = command("plan", *order[:at], *order[at + 2 :], "--probe")
    assert answer.code == 0, answer.errors
    assert "(measured over 4 steps)" in answer.output
