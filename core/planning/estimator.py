"""Estimate the memory of one training under varying settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..settings import Settings
from ..windows.rows import Row
from .batches import Device, PromptBatch, TrainingBatch, longest_batch, longest_prompts
from .ways import Way

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from .memory import Measured, Memory
    from .sharding import DeviceShare

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
        free: bytes to fit into, of each device; None where they are unknown.
        way: how several devices share the training.
        processes: how many there are.
    """

    config: PretrainedConfig
    rows: Sequence[Row]
    device: Device
    precision: str
    free: int | None = None
    way: Way = "one"
    processes: int = 1
    _measured: dict[object, Measured] = field(default_factory=dict, repr=False, compare=False)

    def memory(self, settings: Settings) -> Memory:
        """Estimate the memory of a device; rows above the ``max_length`` of settings do not count.

        Raises:
            SettingsError: see ``measure``.
        """
        return self.share(settings).memory

    def share(self, settings: Settings) -> DeviceShare:
        """Estimate what a device holds; see ``memory``.

        Raises:
            SettingsError: see ``measure``.
        """
        if self.way not in ("zero2", "zero3"):
            settings = replace(settings, sequence_parallel=1)
        rows = [row for row in self.rows if len(row.labels) <= settings.max_length]
        batch = longest_batch(rows, settings, self.device)
        prompts = longest_prompts(rows, settings)
        share = self._share(settings, batch, prompts)
        fewer = replace(prompts, rows=self._answered(share.memory, prompts))
        return share if fewer == prompts else self._share(settings, batch, fewer)

    def _share(self, settings: Settings, batch: TrainingBatch, prompts: PromptBatch) -> DeviceShare:
        """Return what a device holds; a training is measured once for all ways to share it."""
        from .memory import as_divided
        from .sharding import share_of_device

        measured = self._measure(settings, batch, prompts)
        # Of an adapter, as little is trained, the copies are small.
        if self.way not in ("one", "ddp") and settings.tuning == "full":
            gathered = self._measure(settings, batch, prompts, in_precision=True)
            measured = as_divided(measured, gathered)
        return share_of_device(measured, self.way, self.processes, settings, self.device)

    def _measure(
        self,
        settings: Settings,
        batch: TrainingBatch,
        prompts: PromptBatch,
        *,
        in_precision: bool = False,
    ) -> Measured:
        from .memory import measure_parts

        # What has no part in the measurement.
        kept = replace(settings, warmup=0.0, parallel="auto", offload="none", deepspeed_config=None)
        in_precision = in_precision and self.precision != "fp32"
        key = (repr(kept), batch, prompts, in_precision)
        if key not in self._measured:
            self._measured[key] = measure_parts(
                self.config,
                settings,
                batch,
                prompts,
                self.device,
                self.precision,
                in_precision=in_precision,
            )
        return self._measured[key]

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
        memory.loading,
    )


def verdict(memory: Memory, free: int | None, device: Device) -> str:
    """Return "fits", "tight" or "does not fit"; "unknown" where the free memory is unknown."""
    if free is None:
        return "unknown"
    if memory.total > free:
        return "does not fit"
    return "fits" if upper_bound(memory, device) <= free else "tight"


def usable(free: int | None, device: Device) -> int | None:
    """Return how much of the free memory a training should take, by its tensors."""
    if free is None or device == "cpu":
        return free
    return int(free * (1 - _KEPT_ON_CUDA))
