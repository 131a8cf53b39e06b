"""What a machine without a GPU cannot show: ``make test-gpu`` runs it on one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from command import Command, run_installed
from tiny_model import Workplace, info, lines

import fieldsmith
from fieldsmith.data import IGNORED
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.model.tokenizer import load_tokenizer
from fieldsmith.planning.planner import MemoryPlanner
from fieldsmith.settings import Settings
from fieldsmith.training.callbacks import BestAdapter
from fieldsmith.training.qlora import build_trainer
from fieldsmith.windows.rows import Row

pytestmark = pytest.mark.gpu

CAUSAL: dict[str, Any] = {"prefix_lm": False, "tagging_weight": 0, "attention": "auto"}


@pytest.mark.parametrize("precision", ["auto", "fp16"])
@pytest.mark.parametrize("quantize", ["nf4", "none"])
def test_a_training_ends_scored_and_its_run_answers(
    workplace: Workplace, tmp_path: Path, command: Command, precision: str, quantize: str
) -> None:
    run = tmp_path / "run"
    order = workplace.order(
        run, max_steps=8, precision=precision, quantize=quantize, batch_size="auto", **CAUSAL
    )
    answer = command(*order)
    assert answer.code == 0, answer.errors
    assert info(run)["device"]["type"] == "cuda"
    losses = [line["loss"] for line in lines(run / "log.jsonl") if "loss" in line]
    assert losses[-1] < losses[0]
    assert fieldsmith.load(run)("Aspirin caused rash.").record is not None


def test_a_step_takes_no_more_than_planned(tmp_path: Path) -> None:
    settings = Settings(batch_size=8, max_steps=3, accumulation=2)
    rows = [Row([*range(5, 905)], [IGNORED] * 700 + [*range(705, 905)])] * 32
    planner = MemoryPlanner()
    planned = planner.estimator(settings, rows).memory(settings)
    prompts = PromptFormat(load_tokenizer(settings))
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    trainer = build_trainer(tmp_path, settings, prompts, rows, [], scorer=None, best=BestAdapter(0))
    trainer.train()
    taken = torch.cuda.max_memory_allocated() - before
    assert taken < (planned.step - planned.runtime) * 1.1
    assert taken > (planned.step - planned.runtime) / 2


def test_the_allocator_extends_its_segments(workplace: Workplace, tmp_path: Path) -> None:
    answer = run_installed(*workplace.order(tmp_path / "run", max_steps=1))
    assert answer.code == 0, answer.errors
    assert "expandable_segments" not in answer.errors, "torch warns where it cannot"


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="wants two GPUs")
def test_two_gpus_train_together(workplace: Workplace, tmp_path: Path) -> None:
    run = tmp_path / "run"
    answer = run_installed(*workplace.order(run, epochs=2, batch_size=4), "--gpus", "2")
    assert answer.code == 0, answer.errors
    assert info(run)["device"]["processes"] == 2
    assert [line for line in lines(run / "log.jsonl") if "score" in line]


@pytest.mark.parametrize(
    ("way", "offload"),
    [
        ("fsdp", "none"),
        ("fsdp", "params"),
        ("zero2", "optimizer"),
        ("zero3", "none"),
        ("zero3", "params"),
    ],
)
@pytest.mark.parametrize("quantize", ["nf4", "none"])
def test_one_gpu_trains_by_what_splits_as_without(
    workplace: Workplace, tmp_path: Path, way: str, offload: str, quantize: str
) -> None:
    steps = {"max_steps": 4, "batch_size": 4, "lora_dropout": 0, "quantize": quantize, **CAUSAL}
    losses = []
    for name, more in (("plain", {}), ("split", {"parallel": way, "offload": offload})):
        run = tmp_path / name
        answer = run_installed(*workplace.order(run, data=None, **{**steps, **more}), timeout=900)
        assert answer.code == 0, answer.errors
        losses.append([line["loss"] for line in lines(run / "log.jsonl") if "loss" in line])
    assert losses[1] == pytest.approx(losses[0], abs=0.02), "bf16 rounds in another order"
