"""Full tuning, LoRA+ and PiSSA: resumed bit for bit, and what is saved is what was trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Command
from safetensors import safe_open
from safetensors.torch import load_file
from tiny_model import Workplace, contents, info, lines

from fieldsmith.extraction.extractor import Extractor
from fieldsmith.model.loading import load_for_inference
from fieldsmith.runs.folder import Run
from fieldsmith.training.trainer import ExtractionTrainer

CAUSAL: dict[str, object] = {
    "prefix_lm": False, "tagging_weight": 0, "gazetteer": False, "prompt": "brief",
    "window": "sentences", "max_length": 400, "precision": "fp32", "quantize": "none",
    "attention": "sdpa", "batch_size": 16, "accumulation": 1, "max_steps": 8, "checkpoint_steps": 4,
    "logging_steps": 1, "activation_checkpointing": False,
}  # fmt: skip

WAYS: dict[str, dict[str, object]] = {
    "packing": {"packing": True, "batch_size": 2},
    "full": {"tuning": "full", "learning_rate": 0.001},
    "loraplus": {"lora_plus_ratio": 8},
    "pissa": {"lora_init": "pissa"},
}


@pytest.fixture(scope="module")
def only_train(workplace: Workplace) -> Path:
    """Documents of training alone: nothing is scored."""
    folder = workplace.folder / "train-alone"
    folder.mkdir()
    shutil.copy(workplace.corpus / "train.txt", folder)
    return folder


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Path], None]:
    """A function that keeps a copy of the run folder, as it is after the checkpoint of a step."""

    def stop(step: int, copy: Path) -> None:
        save = ExtractionTrainer._save_checkpoint

        def and_copy(trainer: ExtractionTrainer, *arguments: Any) -> None:
            save(trainer, *arguments)
            if trainer.state.global_step == step:
                shutil.copytree(trainer.folder.parent, copy)

        monkeypatch.setattr(ExtractionTrainer, "_save_checkpoint", and_copy)

    return stop


@pytest.mark.parametrize("way", WAYS)
def test_a_training_is_resumed_bit_for_bit(
    way: str,
    workplace: Workplace,
    only_train: Path,
    tmp_path: Path,
    command: Command,
    stop_after: Callable[[int, Path], None],
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    stop_after(4, killed)
    order = workplace.order(whole, data=only_train, **{**CAUSAL, **WAYS[way]})
    answer = command(*order)
    assert answer.code == 0, answer.errors
    assert (killed / "checkpoints" / "checkpoint-4").is_dir()
    assert not (killed / "adapter").exists()
    answer = command("train", "--resume", killed)
    assert answer.code == 0, answer.errors
    assert "resuming from step 4 of 8" in answer.errors
    assert contents(killed) == contents(whole)
