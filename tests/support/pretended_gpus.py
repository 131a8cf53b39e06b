"""Several GPUs, pretended: the libraries count them, and everything is computed on the CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from trl import SFTConfig


def pretend_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let torch count some GPUs, and TrainingArguments choose among them as it does on CUDA.

    The device itself stays the CPU: ``use_cpu``, which would skip the choice, is taken back, and
    ACCELERATE_TORCH_DEVICE names what stands in for "cuda:0".
    """
    choose: Any = SFTConfig.__post_init__

    def choose_among_gpus(arguments: Any) -> None:
        arguments.use_cpu = False
        choose(arguments)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(SFTConfig, "__post_init__", choose_among_gpus)
    monkeypatch.setenv("ACCELERATE_TORCH_DEVICE", "cpu")
