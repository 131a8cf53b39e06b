"""Settings of a training by several processes that do not fit each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .settings import Settings

_SPLITTABLE = ("adamw_torch", "adamw_torch_fused", "sgd", "adagrad", "rmsprop")
"""Optimisers of torch itself, which keep a state of a part of a weight."""


def parallel_conflicts(settings: Settings) -> list[str]:
    """Say what the way of sharing a training cannot do."""
    wanted = {
        "none": ("auto", "ddp", "fsdp", "zero2", "zero3"),
        "optimizer": ("zero2", "zero3"),
        "params": ("fsdp", "zero3"),
    }[settings.offload]
    faults = []
    splits_weights = settings.parallel in ("fsdp", "zero3")
    if splits_weights and settings.tagging_weight and settings.tuning == "full":
        faults.append("tagging_weight wants the head whole: set tuning=adapter, or parallel=ddp")
    if settings.parallel == "zero3" and settings.dora and settings.quantize == "nf4":
        faults.append(
            "dora cannot read 4-bit weights that zero3 splits: use fsdp, or quantize=none"
        )
    if settings.parallel in ("fsdp", "zero2", "zero3") and settings.compile == "yes":
        faults.append(f"compile is not for what {settings.parallel} splits: set compile=no")
    if settings.parallel == "fsdp" and settings.optimizer not in _SPLITTABLE:
        faults.append(f"optimizer: fsdp can split the states of {', '.join(_SPLITTABLE)}")
    if settings.parallel not in wanted:
        faults.append(f"offload {settings.offload} wants parallel {' or '.join(wanted)}")
    if settings.deepspeed_config and settings.parallel not in ("zero2", "zero3"):
        faults.append("deepspeed_config wants parallel zero2 or zero3")
    return faults + _sequence_conflicts(settings)


def _sequence_conflicts(settings: Settings) -> list[str]:
    """Say what rows cannot have whose tokens are divided among processes."""
    if settings.sequence_parallel == 1:
        return []
    faults = []
    if settings.parallel not in ("zero2", "zero3"):
        faults.append("sequence_parallel wants parallel zero2 or zero3")
    if settings.attention not in ("auto", "sdpa"):
        faults.append("sequence_parallel wants attention sdpa")
    off = {"packing": "false", "prefix_lm": "false", "tagging_weight": "0"}
    taken = [f"{name}={value}" for name, value in off.items() if getattr(settings, name)]
    if taken:
        faults.append(f"sequence_parallel divides plain causal rows: set {', '.join(taken)}")
    return faults
