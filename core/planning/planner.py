"""What a training asks the plan for: the largest batch that fits, and the memory it should take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import FieldsmithError, SettingsError
from ..model.devices import free_memory, pick_device, pick_precision
from ..progress import say
from ..settings import Settings
from ..windows.rows import Row
from .batches import Device
from .estimator import MemoryEstimator, upper_bound


@dataclass(frozen=True)
class MemoryPlanner:
    """Plans for a device and a size of memory.

    Attributes:
        chosen: the device; None for what this machine trains on.
        given: bytes to fit into; None for what is free on the device, if it is here.
    """

    chosen: Device | None = None
    given: int | None = None

    @property
    def device(self) -> Device:
        """The device that is planned for."""
        own: Device = "cuda" if pick_device().type == "cuda" else "cpu"
        return self.chosen or own

    @property
    def is_here(self) -> bool:
        """Whether this machine would train on that device."""
        return self.chosen in {None, MemoryPlanner().device}

    @property
    def free(self) -> int | None:
        """Bytes to fit into; None where they are unknown."""
        if self.given is not None or not self.is_here:
            return self.given
        return free_memory(self.device)

    def estimator(self, settings: Settings, rows: Sequence[Row]) -> MemoryEstimator:
        """Return the estimator of a training.

        Raises:
            SettingsError: the model's config cannot be read.
        """
        from ..model.loading import read_config

        precision = pick_precision(settings, self.device)
        return MemoryEstimator(read_config(settings), rows, self.device, precision, self.free)

    def largest_batch(self, settings: Settings, rows: Sequence[Row], most: int) -> int:
        """Return how many rows of a batch fit into the free memory, by halves of ``most``.

        Where the free memory or the model's is unknown, it is the default of the setting.
        """
        free, default = self.free, min(most, Settings().batch_size)
        if free is None:
            return default
        estimator = self.estimator(settings, rows)
        while most > 1:
            try:
                memory = estimator.memory(replace(settings, batch_size=most))
            except SettingsError as error:
                say(f"batch_size: {default}, because {error}")
                return default
            if upper_bound(memory, self.device) <= free:
                break
            most //= 2
        return most

    def describe(self, settings: Settings, rows: Sequence[Row]) -> str:
        """Describe the estimated memory of a training; "" where it cannot be estimated.

        It is asked when memory has just been exhausted: no error in here may hide that one.
        """
        try:
            memory = self.estimator(settings, rows).memory(settings)
            free = self.free
        except (FieldsmithError, MemoryError, RuntimeError, OSError):
            return ""
        upper = upper_bound(memory, self.device)
        kept = "" if upper == memory.total else f" (up to {gigabytes(upper)} with what is kept)"
        return (
            f"extract plan counts {gigabytes(memory.total)} GiB{kept}, "
            f"{gigabytes(free or 0)} are free now"
        )


def gigabytes(count: int) -> str:
    """Return bytes as GiB, to three digits.

    >>> gigabytes(5 * 2**29)
    '2.50'
    """
    return f"{count / 2**30:.{2 if count < 10 * 2**30 else 1}f}"
