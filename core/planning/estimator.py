"""Estimate the memory of one training under varying settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..settings import Settings
from ..windows.rows import Row
from .batches import Device, PromptBatch, longest_batch, longest_prompts

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from .memory import Memory

_RETAINED, _RETAINED_ANSWERING = 5, 3
"""How many times what a step allocates, or generation, glibc may hold; up to 4.6 and 2.4 were
measured, see docs/plan.md."""


_KEPT_ON_CUDA = 0.1
"""Share of a GPU's memory that a training should leave; not measured."""


@dataclass(frozen=True)
class MemoryEstimator:
    """What stays the same of a training while its settings vary.

    Attributes:
        config: of the base model.
        rows: the training rows.
        device: what the training runs on.
        precision: "bf16", "fp16" or "fp32".
        free: bytes to fit into; None where they are unknown.
    """

    config: PretrainedConfig
    rows: Sequence[Row]
    device: Device
    precision: str
    free: int | None = None

    def memory(self, settings: Settings) -> Memory:
        """Estimate the memory under some settings; rows above their ``max_length`` do not count.

        Raises:
            SettingsError: see ``measure``.
        """
        from .memory import measure

        rows = [row for row in self.rows if len(row.labels) <= settings.max_length]
        batch = longest_batch(rows, settings, self.device)
        prompts = longest_prompts(rows, settings)
        memory = measure(self.config, settings, batch, prompts, self.device, self.precision)
        fewer = replace(prompts, rows=self._answered(memory, prompts))
        if fewer == prompts:
            return memory
        return measure(self.config, settings, batch, fewer, self.device, self.precision)

    def _answered(self, memory: Memory, prompts: PromptBatch) -> int:
        """Return how many prompts are answered at once, as ``rows_in_memory`` decides it then."""
        from ..model.kv_cache import CACHE_SHARE, slot_bytes
        from ..model.loading import inference_dtype

        if self.free is None:
            return prompts.rows
        room = (self.free - memory.scoring + memory.answering) * CACHE_SHARE
        numbers = inference_dtype(self.device, self.precision)
        row = slot_bytes(self.config, numbers) * (prompts.length + prompts.answer)
        return max(1, min(prompts.rows, int(room) // row))


def upper_bound(memory: Memory, device: Device) -> int:
    """Return the peak with what the allocator retains of freed memory.

    glibc holds blocks under 32 MiB in its heap, where an aligned one does not fit the place of
    one of the same size again. On CUDA a tenth is kept for the pieces between torch's blocks.
    """
    if device == "cuda":
        return int(memory.total / (1 - _KEPT_ON_CUDA))
    return max(
        memory.step + memory.transient * (_RETAINED - 1),
        memory.scoring + memory.answering * (_RETAINED_ANSWERING - 1),
    )


def usable(free: int | None, device: Device) -> int | None:
    """Return how much of the free memory a training should take, by its tensors."""
    if free is None or device == "cpu":
        return free
    return int(free * (1 - _KEPT_ON_CUDA))
