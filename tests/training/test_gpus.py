"""GPUs as people have them, as far as a machine without any can show it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Command
from pretended_gpus import pretend_gpus
from tiny_model import Workplace, info

from fieldsmith.data import IGNORED
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.model.tokenizer import load_tokenizer
from fieldsmith.settings import Settings
from fieldsmith.training.callbacks import BestAdapter
from fieldsmith.training.qlora import build_trainer, training_arguments
from fieldsmith.windows.rows import Row


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


@pytest.mark.parametrize("quantize", ["nf4", "none"])
def test_an_adapter_learns_in_fp16(quantize: Any, tmp_path: Path) -> None:
    """As Trainer does it on a T4: autocast to fp16, and a scale that keeps gradients from zero.

    On a CPU Trainer does neither, so its loop is written out here.
    """
    settings = Settings(
        precision="fp16", quantize=quantize, batch_size=4, lora_dropout=0.0, attention="eager"
    )
    prompts = PromptFormat(load_tokenizer(settings))
    rows = [Row([*range(5, 40 + n)], [IGNORED] * 15 + [*range(20, 40 + n)]) for n in range(4)]
    trainer: Any = build_trainer(
        tmp_path, settings, prompts, rows, [], scorer=None, best=BestAdapter(0)
    )
    model: Any = trainer.model
    batch = trainer.data_collator([asdict(row) for row in rows])
    learned = [p for p in model.parameters() if p.requires_grad]
    assert {p.dtype for p in learned} == {torch.float32}
    optimizer, scaler = torch.optim.AdamW(learned, 5e-3), torch.amp.GradScaler("cpu")
    losses = []
    for _ in range(12):
        with torch.autocast("cpu", torch.float16):
            loss = trainer.compute_loss(model, dict(batch))
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2
    assert scaler.get_scale() >= 2**10, "few steps were skipped"
    assert all(bool(p.isfinite().all()) for p in learned)
