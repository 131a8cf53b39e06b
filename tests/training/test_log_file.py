"""The log's losses are means over equally many steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from fieldsmith.progress import Meter
from fieldsmith.training.callbacks import LogFile

LINES = [(10, 2.0), (20, 1.0), (21, 0.01), (30, 0.9), (31, 0.9)]


def logged(folder: Path, lines: list[tuple[int, float]]) -> list[float]:
    arguments = TrainingArguments(output_dir=str(folder), logging_steps=10, use_cpu=True)
    log = LogFile(folder / "log.jsonl", Meter("", 0, ""))
    for step, loss in lines:
        state = TrainerState(global_step=step)
        log.on_log(arguments, state, TrainerControl(), {"loss": loss, "epoch": 1.0})
    rows = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(row)["loss"] for row in rows]


def test_the_loss_of_a_last_small_batch_is_averaged_with_the_line_before(tmp_path: Path) -> None:
    losses = logged(tmp_path, LINES)
    assert losses[:2] == [2.0, 1.0]
    assert losses[2] == pytest.approx(0.9 * 1.0 + 0.1 * 0.01)
    assert losses[3] == pytest.approx(0.1 * losses[2] + 0.9 * 0.9)
    assert min(losses) > 0.8


@pytest.mark.parametrize("before", range(1, len(LINES)))
def test_a_resumed_log_goes_on_as_if_it_had_not_stopped(tmp_path: Path, before: int) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "resumed").mkdir()
    logged(tmp_path / "resumed", LINES[:before])
    assert logged(tmp_path / "resumed", LINES[before:]) == logged(tmp_path / "whole", LINES)
