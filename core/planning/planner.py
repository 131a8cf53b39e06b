"""What a training asks the plan for: how to share it, the largest batch that fits, its memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import FieldsmithError, SettingsError
from ..model.devices import free_memory, pick_device, pick_precision
from ..parallel.processes import process_count
from ..progress import say
from ..settings import Settings
from ..windows.rows import Row
from .batches import Device
from .estimator import MemoryEstimator, upper_bound
from .ways import Choice, choose_way


@dataclass(frozen=True)
class MemoryPlanner:
    """Plans for a device and a size of memory.

    Attributes:
        chosen: the device; None for what this machine trains on.
        given: bytes to fit into; None for what is free on the device, if it is here.
        planned: how many processes share the training; None for those that run.
    """

    chosen: Device | None = None
    given: int | None = None
    planned: int | None = None

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
    def processes(self) -> int:
        """How many processes share the training, one a device."""
        return self.planned or process_count()

    @property
    def devices(self) -> int:
        """How many GPUs of this machine could share a training; 1 where there are none."""
        import torch

        return torch.cuda.device_count() if self.device == "cuda" and self.is_here else 1

    @property
    def free(self) -> int | None:
        """Bytes that one device has for the training; None where they are unknown."""
        if self.given is not None or not self.is_here:
            return self.given
        return free_memory(self.device)

    @property
    def free_each(self) -> int | None:
        """Bytes that each process has to fit into: on a CPU they share one memory."""
        free = self.free
        return free if free is None or self.device != "cpu" else free // self.processes

    def estimator(self, settings: Settings, rows: Sequence[Row]) -> MemoryEstimator:
        """Return the estimator of a training on one device alone.

        Raises:
            SettingsError: the model's config cannot be read.
        """
        from ..model.location import read_config

        precision = pick_precision(settings, self.device)
        return MemoryEstimator(read_config(settings), rows, self.device, precision, self.free)

    def shared(self, alone: MemoryEstimator, settings: Settings) -> MemoryEstimator:
        """Return the estimator of a device where the processes share a training.

        Args:
            alone: the training on one device.
            settings: ``parallel`` says how it is shared; "auto" is ``choose``.

        Raises:
            SettingsError: see ``MemoryEstimator.memory``.
        """
        if self.processes == 1:
            return alone
        way = settings.parallel
        taken = self.choose(alone, settings).way if way == "auto" else way
        return replace(alone, way=taken, processes=self.processes, free=self.free_each)

    def choose(self, alone: MemoryEstimator, settings: Settings) -> Choice:
        """Return how ``parallel: auto`` shares a training, by its memory.

        Args:
            alone: the training on one device.
            settings: of the training; a batch that is to be chosen has one row here.

        Raises:
            SettingsError: see ``MemoryEstimator.memory``.
        """
        free, count = self.free_each, self.processes
        whole = replace(alone, way="ddp" if count > 1 else "one", processes=count, free=free)
        memory = whole.memory(replace(settings, batch_size=settings.batch_size or 1))
        devices = 1 if self.planned else self.devices
        return choose_way(upper_bound(memory, self.device), free, count, devices)

    def way(self, settings: Settings, rows: Sequence[Row], processes: int) -> str:
        """Return how so many processes share a training: ``parallel``, or what "auto" takes.

        Where the memory cannot be estimated, and for one process, "auto" is "ddp".
        """
        if settings.parallel != "auto":
            return settings.parallel
        if processes == 1:
            return "ddp"
        planner = replace(self, planned=processes)
        try:
            return planner.choose(planner.estimator(settings, rows), settings).way
        except SettingsError as error:
            say(f"parallel: ddp, because {error}")
            return "ddp"

    def largest_batch(self, settings: Settings, rows: Sequence[Row], most: int) -> int:
        """Return how many rows of a batch fit into the free memory, by halves of ``most``.

        Where the free memory or the model's is unknown, it is the default of the setting.
        """
        # ``most`` is for the processes that run; an optimiser step of more reads no more rows.
        most = max(1, most * process_count() // self.processes)
        default = min(most, Settings().batch_size)
        if self.free is None:
            return default
        alone = self.estimator(settings, rows)
        while most > 1:
            try:
                estimator = self.shared(alone, settings)
                memory = estimator.memory(replace(settings, batch_size=most))
            except SettingsError as error:
                say(f"batch_size: {default}, because {error}")
                return default
            if upper_bound(memory, self.device) <= (estimator.free or 0):
                break
            most //= 2
        return most

    def estimate(self, settings: Settings, rows: Sequence[Row]) -> dict[str, int]:
        """Return the bytes that a training takes by the plan; {} where they are unknown.

        It is asked when memory has just been exhausted: no error in here may hide that one.

        Returns:
            ``memory``, ``upper`` (with what is kept of freed memory), and ``free``.
        """
        try:
            estimator = self.shared(self.estimator(settings, rows), settings)
            memory, free = estimator.memory(settings), estimator.free
        except (FieldsmithError, MemoryError, RuntimeError, OSError):
            return {}
        upper = upper_bound(memory, self.device)
        return {"memory": memory.total, "upper": upper, "free": free or 0}

    def describe(self, settings: Settings, rows: Sequence[Row]) -> str:
        """Describe the estimated memory of a training; "" where it cannot be estimated."""
        plan = self.estimate(settings, rows)
        if not plan:
            return ""
        is_more = plan["upper"] != plan["memory"]
        kept = f" (up to {gigabytes(plan['upper'])} with what is kept)" if is_more else ""
        return (
            f"extract plan counts {gigabytes(plan['memory'])} GiB{kept}, "
            f"{gigabytes(plan['free'])} are free now"
        )


def gigabytes(count: int) -> str:
    """Return bytes as GiB, to three digits.

    >>> gigabytes(5 * 2**29)
    '2.50'
    """
    return f"{count / 2**30:.{2 if count < 10 * 2**30 else 1}f}"
