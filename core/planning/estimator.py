"""Estimate the memory of one training under varying settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..settings import Settings
from ..windows.rows import Row
from .batches import longest_batch, longest_prompts

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from .memory import Device, Memory

_RETAINED, _RETAINED_ANSWERING = 5, 3
"""How many times what a step allocates, or generation, glibc may hold; up to 4.6 and 2.4 were
measured, see docs/plan.md."""


@dataclass(frozen=True)
class MemoryEstimator:
    """What stays the same of a training while its settings vary.

    Attributes:
        config: of the base model.
        rows: the training rows.
        device: what the training runs on.
        precision: "bf16", "fp16" or "fp32".
    """

    config: PretrainedConfig
    rows: Sequence[Row]
    device: Device
    precision: str

    def memory(self, settings: Settings) -> Memory:
        """Estimate the memory under some settings; rows above their ``max_length`` do not count.

        Raises:
            SettingsError: see ``measure``.
        """
        from .memory import measure

        rows = [row for row in self.rows if len(row.labels) <= settings.max_length]
        batch = longest_batch(rows, settings, self.device)
        prompts = longest_prompts(rows, settings)
        return measure(self.config, settings, batch, prompts, self.device, self.precision)


def upper_bound(memory: Memory, device: Device) -> int:
    """Return the peak where the C library retains freed memory.

    glibc holds blocks under 32 MiB in its heap, where an aligned one does not fit the place of
    one of the same size again.
    """
    if device != "cpu":
        return memory.total
    return max(
        memory.step + memory.transient * (_RETAINED - 1),
        memory.scoring + memory.answering * (_RETAINED_ANSWERING - 1),
    )
