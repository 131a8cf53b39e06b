"""Plan a training before it begins: its memory, steps and tokens, and whether it fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ..dataset.issues import Issue, training_issues
from ..dataset.loading import read_splits
from ..errors import FieldsmithError, InputError
from ..model.devices import free_memory, pick_device, pick_precision
from ..model.loading import has_local_weights
from ..model.prompts import PromptFormat
from ..progress import meter
from ..runs.job import TrainingJob
from ..settings import Settings
from ..task import Task
from ..windows.rows import Row, build_rows
from .batches import PromptBatch, TrainingBatch, Work, longest_batch, longest_prompts
from .estimator import MemoryEstimator, upper_bound
from .probe import Probe, run_probe
from .savings import MemorySaving, memory_savings

if TYPE_CHECKING:
    from .memory import Device, Memory


@dataclass(frozen=True)
class Plan:
    """What a training takes.

    Attributes:
        model: the base model.
        device: what it is planned for.
        precision: "bf16", "fp16" or "fp32".
        settings: the settings of the training.
        work: rows, tokens and steps.
        batch: the batch that takes the most memory.
        prompts: the same of held-out documents.
        memory: the memory with the settings as they are.
        toggled: the memory with activation checkpointing the other way.
        free: bytes to fit into; None where they are unknown.
        savings: settings that take less memory; only where it may not fit.
        probe: measured times; None where no step was run, and then ``probe_note`` says why.
        issues: problems of the data, as ``extract audit`` reports them.
    """

    model: str
    device: Device
    precision: str
    settings: Settings
    work: Work
    batch: TrainingBatch
    prompts: PromptBatch
    memory: Memory
    toggled: Memory
    free: int | None
    savings: Sequence[MemorySaving]
    probe: Probe | None
    probe_note: str
    issues: Sequence[Issue] = ()

    @property
    def upper_bound(self) -> int:
        """The peak where the C library retains freed memory, as glibc does."""
        return upper_bound(self.memory, self.device)

    @property
    def verdict(self) -> str:
        """Either "fits", "tight" or "does not fit"; "unknown" where the free memory is unknown."""
        if self.free is None:
            return "unknown"
        if self.memory.total > self.free:
            return "does not fit"
        return "fits" if self.upper_bound <= self.free else "tight"

    def as_json(self) -> dict[str, Any]:
        """Return everything as ``extract plan --json`` prints it."""
        return {
            "model": self.model,
            "findings": [asdict(issue) for issue in self.issues],
            "device": self.device,
            "precision": self.precision,
            "batch": asdict(self.batch),
            "asked": asdict(self.prompts),
            "accumulation": self.settings.accumulation,
            "activation_checkpointing": self.settings.activation_checkpointing,
            "work": asdict(self.work),
            "memory": self.memory.as_json() | {"most": self.upper_bound},
            "toggled": self.toggled.as_json(),
            "free": self.free,
            "verdict": self.verdict,
            "changes": [asdict(saving) for saving in self.savings],
            "probe": asdict(self.probe) if self.probe else None,
            "probe_note": self.probe_note,
        }


def make_plan(
    job: TrainingJob, *, device: Device | None = None, free: int | None = None, probe: bool = False
) -> Plan:
    """Estimate what a training takes; no weights are loaded unless ``probe``.

    Args:
        job: the training; issues of its data that it does not accept are reported, not refused.
        device: what to plan for; None for what this machine would train on.
        free: bytes to fit into; None for what this machine has, if it has the device.
        probe: run a few steps to measure their time.

    Raises:
        InputError: the source cannot be read, or leaves nothing to train on.
        SchemaError: answers cannot be constrained to the plugin's schema.
        SettingsError: config or tokenizer cannot be read, or the settings do not fit the model.
    """
    from ..model.loading import load_tokenizer, quieten

    quieten()  # before the libraries are imported, which log as they are
    from ..model.loading import read_config

    settings = job.settings.values
    config = read_config(settings)
    task = job.task(PromptFormat(load_tokenizer(settings)))
    rows, issues = _training_rows(job, task)
    device, is_here = _choose(device)
    estimator = MemoryEstimator(config, rows, device, pick_precision(settings, device))
    memory = estimator.memory(settings)
    other = replace(settings, activation_checkpointing=not settings.activation_checkpointing)
    if free is None and is_here:
        free = free_memory(device)
    savings: list[MemorySaving] = []
    if free is None or upper_bound(memory, device) > free:
        savings = list(memory_savings(estimator, settings, free))
    measured, note = None, "not measured; --probe runs a few steps"
    if probe:
        measured, note = _probe(task, rows, is_here=is_here)
    return Plan(
        model=settings.model,
        device=device,
        precision=estimator.precision,
        settings=settings,
        work=Work.count(rows, settings, device),
        batch=longest_batch(rows, settings, device),
        prompts=longest_prompts(rows, settings),
        memory=memory,
        toggled=estimator.memory(other),
        free=free,
        savings=savings,
        probe=measured,
        probe_note=note,
        issues=issues,
    )


def _training_rows(job: TrainingJob, task: Task) -> tuple[list[Row], list[Issue]]:
    splits, _hash = read_splits(job.plugin, job.source, allow_leaks=True, ratio=job.ratio)
    with meter("reading", len(splits.train), "documents") as progress:
        rows = build_rows(splits.train, task, progress.advance)
    if not rows.rows:
        raise InputError(f"{job.source_name}: no window to train on; see extract audit")
    return rows.trained, training_issues(splits, rows.lost, task.schema, job.accepted)


def _choose(device: Device | None) -> tuple[Device, bool]:
    """Return the device to plan for, and whether it is the one that would train here."""
    own: Device = "cuda" if pick_device().type == "cuda" else "cpu"
    return device or own, device in {None, own}


def _probe(task: Task, rows: Sequence[Row], *, is_here: bool) -> tuple[Probe | None, str]:
    """Measure a few steps of the training; return why not where it cannot run here."""
    if not is_here:
        return None, "not measured: this machine has no such device"
    if not has_local_weights(task.settings):
        return None, f"not measured: the weights of {task.settings.model} are not at hand"
    return run_probe(task, rows), ""


def planned_memory(settings: Settings, rows: Sequence[Row]) -> str:
    """Describe the estimated memory of a training here; "" where it cannot be estimated.

    It is asked when memory has just been exhausted: no error in here may hide that one.
    """
    try:
        from ..model.loading import read_config

        device, _is_here = _choose(None)
        precision = pick_precision(settings, device)
        memory = MemoryEstimator(read_config(settings), rows, device, precision).memory(settings)
        free = free_memory(device)
    except (FieldsmithError, MemoryError, RuntimeError, OSError):
        return ""
    upper = upper_bound(memory, device)
    kept = "" if upper == memory.total else f" (up to {gigabytes(upper)} with what glibc keeps)"
    return (
        f"extract plan counts {gigabytes(memory.total)} GiB{kept}, {gigabytes(free)} are free now"
    )


def gigabytes(count: int) -> str:
    """Return bytes as GiB, to three digits.

    >>> gigabytes(5 * 2**29)
    '2.50'
    """
    return f"{count / 2**30:.{2 if count < 10 * 2**30 else 1}f}"
