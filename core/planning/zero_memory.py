"""What DeepSpeed holds besides the parts that ZeRO divides, by its configuration.

A training's configuration is made by ``core/parallel/zero.py``, and may be the user's own; a value
that it leaves "auto" is chosen by transformers, and one that it does not name by DeepSpeed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..parallel.zero import with_user_config, zero_config
from ..settings import Settings

_PREFETCHED, _LIVE, _SMALL = 50_000_000, 1_000_000_000, 100_000
"""DeepSpeed's defaults (deepspeed/runtime/zero/config.py), in numbers, for what is not set."""


@dataclass(frozen=True)
class ZeroSizes:
    """Sizes that a configuration of DeepSpeed sets, in numbers.

    Attributes:
        buckets: of the buffers in which gradients are collected before they are sent.
        live: that may be whole under ZeRO-3 though they do not compute: kept, or fetched ahead.
        small: weights up to this size are whole on each device under ZeRO-3.
    """

    buckets: int
    live: int
    small: int


def zero_sizes(
    settings: Settings, way: Literal["zero2", "zero3"], precision: str, width: int
) -> ZeroSizes:
    """Return what the configuration of a training sets.

    Args:
        settings: of the training; the user's configuration counts where ``parallel`` is this way.
        way: the stage of ZeRO.
        precision: "bf16", "fp16" or "fp32".
        width: numbers of a hidden state, by which transformers chooses what is "auto".

    Raises:
        SettingsError: the user's configuration is none, or contradicts the settings.
    """
    config = zero_config(replace(settings, parallel=way), precision)
    if settings.deepspeed_config and settings.parallel == way:
        config = with_user_config(config, Path(settings.deepspeed_config))
    zero: Mapping[str, Any] = config["zero_optimization"]

    def size(name: str, default: int, chosen: int) -> int:
        value = zero.get(name, default)
        return chosen if value == "auto" else int(value)

    square = width * width
    bucket = size("reduce_bucket_size", square, square)
    twice = way == "zero2" and zero.get("overlap_comm")  # one is filled while another is sent
    live = size("stage3_max_live_parameters", _LIVE, _LIVE)
    reused = size("stage3_max_reuse_distance", _LIVE, _LIVE)
    prefetched = size("stage3_prefetch_bucket_size", _PREFETCHED, int(0.9 * square))
    return ZeroSizes(
        buckets=bucket * (2 if twice else 1) if zero.get("contiguous_gradients", True) else 0,
        live=max(reused, min(live, prefetched)),
        small=size("stage3_param_persistence_threshold", _SMALL, 10 * width),
    )
