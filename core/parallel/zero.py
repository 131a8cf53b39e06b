"""ZeRO (Rajbhandari et al. 2020) by DeepSpeed: states of the optimiser, gradients, weights split.

ZeRO-2 splits the states of the optimiser and the gradients of what is trained, ZeRO-3 the weights
as well.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..files import read_text
from ..settings import Settings

if TYPE_CHECKING:
    import torch


def zero_options(settings: Settings, precision: str, device: torch.device) -> dict[str, Any]:
    """Return the arguments of a training that make it ZeRO-2 or ZeRO-3, and prepare DeepSpeed.

    Args:
        settings: ``parallel``, ``offload`` and ``deepspeed_config`` decide.
        precision: "bf16", "fp16" or "fp32".
        device: what is trained on.

    Raises:
        SettingsError: DeepSpeed is not installed, or the user's config contradicts the settings.
    """
    if find_spec("deepspeed") is None:
        raise SettingsError(
            f"parallel {settings.parallel}: wants DeepSpeed; pip install 'fieldsmith[deepspeed]'"
        )
    _require_possible(settings, precision, device)
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    config = zero_config(settings, precision)
    if settings.deepspeed_config:
        config = with_user_config(config, Path(settings.deepspeed_config))
    if device.type == "cpu":
        _connect_cpus()
    options: dict[str, Any] = {"deepspeed": config}
    if settings.parallel == "zero3":
        # Layers that are computed anew the other way find their weights split already.
        options["activation_checkpointing_kwargs"] = {"use_reentrant": True}
    return options


def _require_possible(settings: Settings, precision: str, device: torch.device) -> None:
    if device.type != "cpu":
        return
    if settings.offload != "none":
        raise SettingsError(
            "offload: all is in main memory already, as this machine has no GPU; set offload=none"
        )
    if precision != "fp32":
        raise SettingsError(
            f"parallel {settings.parallel}: DeepSpeed trains in float32 alone on a CPU; set "
            f"precision=fp32, or parallel=fsdp"
        )


def zero_config(settings: Settings, precision: str) -> dict[str, Any]:
    """Return DeepSpeed's configuration for our settings.

    Args:
        settings: of the training.
        precision: "bf16", "fp16" or "fp32".
    """
    stage = 3 if settings.parallel == "zero3" else 2
    zero: dict[str, Any] = {
        "stage": stage,
        "contiguous_gradients": True,
        "overlap_comm": True,
        "round_robin_gradients": True,
        # By the width of the model. DeepSpeed's default is 500 million numbers, twice with
        # overlap_comm: more memory than an adapter's gradients and states of the optimiser.
        "reduce_bucket_size": "auto",
    }
    if settings.offload != "none":
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    if settings.offload == "params":
        zero["offload_param"] = {"device": "cpu", "pin_memory": True}
    if stage == 3:
        zero["stage3_param_persistence_threshold"] = "auto"  # smaller weights stay whole
        # To keep weights for the backward pass it would look through all layers after each one.
        zero["stage3_max_reuse_distance"] = 0
        # Adapters are gathered and saved by themselves, so the whole model is never put together.
        zero["stage3_gather_16bit_weights_on_model_save"] = settings.tuning == "full"
    return {
        "train_micro_batch_size_per_gpu": settings.batch_size,
        "gradient_accumulation_steps": settings.accumulation,
        "gradient_clipping": settings.max_grad_norm,
        "bf16": {"enabled": precision == "bf16"},
        "fp16": {"enabled": precision == "fp16"},
        "zero_optimization": zero,
        # The optimiser is the one of the settings, also where its states are in main memory.
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 10**9,
        "wall_clock_breakdown": False,
    }


def with_user_config(ours: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return the user's configuration of DeepSpeed, with what it leaves open taken from ours.

    Args:
        ours: the configuration by the settings.
        file: a JSON file, in which "auto" leaves a value open.

    Raises:
        SettingsError: it is none, or contradicts the settings; names each value.
    """
    try:
        theirs = json.loads(read_text(file))
    except ValueError as error:
        raise SettingsError(f"{file}: not JSON: {error}") from error
    if not isinstance(theirs, dict):
        raise SettingsError(f"{file}: an object is wanted, as DeepSpeed's documentation shows it")
    faults: list[str] = []
    merged = _merged(ours, theirs, "", faults)
    faults += [
        f"{name}: the settings name it (--set {name}=…); leave it out"
        for name in ("optimizer", "scheduler")
        if name in theirs
    ]
    if faults:
        raise SettingsError(f"{file}: " + "; ".join(faults))
    return merged


_NAMES = {
    "train_micro_batch_size_per_gpu": "batch_size",
    "gradient_accumulation_steps": "accumulation",
    "gradient_clipping": "max_grad_norm",
    "bf16.enabled": "precision",
    "fp16.enabled": "precision",
    "zero_optimization.stage": "parallel",
    "zero_optimization.offload_optimizer.device": "offload",
    "zero_optimization.offload_param.device": "offload",
}
"""Values that settings decide, by their place in DeepSpeed's configuration."""


def _merged(
    ours: dict[str, Any], theirs: dict[str, Any], place: str, faults: list[str]
) -> dict[str, Any]:
    """Return ``theirs`` over ``ours``; values that contradict a setting are added to ``faults``."""
    merged = dict(ours)
    for name, value in theirs.items():
        at = f"{place}{name}"
        if value == "auto" and name in ours:
            continue
        if isinstance(value, dict):
            merged[name] = _merged(ours.get(name, {}), value, f"{at}.", faults)
            continue
        own = ours.get(name, _ABSENT.get(at))
        if at in _NAMES and value not in ("auto", own):
            faults.append(f"{at} is {value!r}, and by the setting {_NAMES[at]} it is {own!r}")
        merged[name] = value
    return merged


_ABSENT = {
    "zero_optimization.offload_optimizer.device": "none",
    "zero_optimization.offload_param.device": "none",
}


def _connect_cpus() -> None:
    """Connect processes on CPUs first: DeepSpeed counts only those that it connected."""
    import deepspeed

    # A kernel that it would compile first, which takes a compiler and a minute; gloo does the same.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed("gloo", auto_mpi_discovery=False, verbose=False)


def train_on_cpu() -> None:
    """Let accelerate use DeepSpeed on a CPU: it does so where no CPU was asked for.

    To be called once the training's arguments are made; the device stays the CPU, as torch has no
    other.
    """
    os.environ.pop("ACCELERATE_USE_CPU", None)


@contextmanager
def loading_whole() -> Iterator[None]:
    """Let models be loaded whole for as long as the context lasts.

    transformers splits every model that it loads while a training is ZeRO-3.
    """
    from transformers.integrations import deepspeed

    config = deepspeed._hf_deepspeed_config_weak_ref
    deepspeed.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        deepspeed._hf_deepspeed_config_weak_ref = config
