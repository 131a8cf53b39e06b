"""Settings that take less memory, and what each of them costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..settings import Settings
from ..training.backoff import fewer_at_once, halved, with_settings
from .estimator import MemoryEstimator


@dataclass(frozen=True)
class MemorySaving:
    """A change of settings.

    Attributes:
        settings: the settings that change, with their new values.
        total: the peak of the training with them, in bytes.
        cost: what is lost by it.
    """

    settings: dict[str, object]
    total: int
    cost: str


def memory_savings(
    estimator: MemoryEstimator, settings: Settings, free: int | None
) -> Iterator[MemorySaving]:
    """Yield single changes of the settings, then a combination of those that keep the result.

    The combination makes the batches smaller until the training fits, or until they have one row.

    Args:
        estimator: the training.
        settings: its settings as they are.
        free: bytes to fit into; None where they are unknown.
    """

    def saving(cost: str, **chosen: object) -> MemorySaving:
        changed = replace(settings, **chosen)  # type: ignore[arg-type]
        return MemorySaving(chosen, estimator.memory(changed).total, cost)

    checkpointing: dict[str, object] = {}
    if not settings.activation_checkpointing:
        checkpointing = {"activation_checkpointing": True}
        yield saving("about a third slower; the same result", **checkpointing)
    if half := halved(settings):
        yield saving("the same effective batch", **half)
    if fewer := fewer_at_once(settings):
        yield saving("held-out documents take longer", **fewer)
    lengths = sorted(len(row.labels) for row in estimator.rows)
    shorter = lengths[math.ceil(len(lengths) * 0.95) - 1]
    lost = sum(length > shorter for length in lengths)
    if lost and shorter > settings.max_new_tokens:
        cost = f"{lost} of {len(lengths)} windows set aside, unless cut smaller"
        yield saving(f"{cost} (window, window_size)", max_length=shorter)
    if settings.lora_rank > 1:
        yield saving("a smaller adapter learns less", lora_rank=settings.lora_rank // 2)
    combined = None
    for batches in _smaller_batches(settings):
        combined = saving("the same effective batch, slower", **checkpointing, **batches)
        if free is not None and combined.total <= free:
            break
    if combined is not None:
        yield combined


def _smaller_batches(settings: Settings) -> Iterator[dict[str, int]]:
    """Yield ever smaller batches, of rows that are trained on and of prompts."""
    batches: dict[str, int] = {}
    while smaller := halved(settings) | fewer_at_once(settings):
        batches |= smaller
        settings = with_settings(settings, smaller)
        yield dict(batches)
