"""The range of each setting that is a number, and what optimisers need."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping

_MOST = 2**31 - 1
RANGES: Mapping[str, tuple[float, float]] = {
    "read_characters": (0, _MOST),
    "window_size": (1, 10**7),
    "window_overlap": (0, 10**7),
    "augment_copies": (0, 100),
    "max_length": (2, 10**7),
    "max_new_tokens": (1, 10**7),
    "lora_rank": (1, 8192),
    "lora_alpha": (1, 10**6),
    "lora_dropout": (0, math.nextafter(1, 0)),
    "lora_plus_ratio": (1e-3, 1e4),
    "epochs": (1e-3, 10**5),
    "max_steps": (0, _MOST),
    "min_steps": (0, _MOST),
    "batch_size": (0, 65_536),
    "accumulation": (1, 65_536),
    "learning_rate": (1e-12, 100),
    "warmup": (0, _MOST),
    "weight_decay": (0, 100),
    "max_grad_norm": (0, 1e9),
    "tagging_weight": (0, 1000),
    "seed": (0, 2**32 - 1),
    "eval_steps": (0, _MOST),
    "eval_documents": (0, _MOST),
    "score_documents": (0, _MOST),
    "eval_batch_size": (1, 65_536),
    "patience": (0, _MOST),
    "checkpoint_steps": (1, _MOST),
    "logging_steps": (1, _MOST),
    "sampling_temperature": (1, 10**6),
    "sequence_parallel": (1, 1024),
    "tag_share": (0, 1),
    "gazetteer_share": (0, 1),
}
"""Smallest and largest value of each setting that is a number.

The largest ones are beyond all use: they keep a slip of the pen from filling memory or disk.
"""

_OPTIMIZER_PACKAGES: Mapping[str, str] = {
    "adamw_anyprecision": "torchdistx",
    "adamw_apex_fused": "apex",
    "adamw_torch_4bit": "torchao",
    "adamw_torch_8bit": "torchao",
    "adamw_torch_npu_fused": "torch_npu",
    "adamw_torch_xla": "torch_xla",
    "adalomo": "lomo_optim",
    "apollo": "apollo_torch",
    "galore": "galore_torch",
    "grokadamw": "grokadamw",
    "lomo": "lomo_optim",
    "schedule_free": "schedulefree",
    "stable_adamw": "optimi",
}
"""How the names of optimisers begin -> the module that they need and that we do not install."""


def out_of_range(name: str, value: float | None) -> str:
    """Say why a number cannot be the value of a setting; "" if it can."""
    low, high = RANGES[name]
    if value is None or low <= value <= high:
        return ""
    if (low, high) == (0, 1):
        return f"{name} must be between 0 and 1"
    if value < low:
        return f"{name} {_above(low, value)}"
    return f"{name} {_under(high)}"


def _above(low: float, value: float) -> str:
    if low == 0:
        return "must not be negative"
    if low < 1 and value <= 0:
        return "must be above 0"
    return f"must be at least {low:g}"


def _under(high: float) -> str:
    if high < 1:
        return "must be under 1"
    bits = math.log2(high + 1)
    return (
        f"must be under 2 to the power of {bits:g}"
        if bits.is_integer()
        else (f"must be at most {high:,}")
    )


def unusable_optimizer(name: str) -> str:
    """Say what an optimiser lacks; "" if it lacks nothing or is not known here."""
    module = next((m for begin, m in _OPTIMIZER_PACKAGES.items() if name.startswith(begin)), None)
    if module is None or importlib.util.find_spec(module) is not None:
        return ""
    return f"optimizer {name} needs the package {module}, which is not installed"
