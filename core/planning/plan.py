"""Plan a training before it begins: its memory, steps and tokens, and whether it fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ..dataset.issues import Issue, training_issues
from ..dataset.loading import read_splits
from ..dataset.lost_gold import LostGold
from ..errors import InputError
from ..model.location import has_local_weights
from ..model.prompts import PromptFormat
from ..parallel import reading_processes
from ..parallel.sequence import require_divisible
from ..progress import meter
from ..runs.job import TrainingJob
from ..runs.joint_job import JointJob
from ..settings import Resolved, Settings
from ..task import Task
from ..training.row_settings import fit_batch, fit_schedule
from ..windows.rows import Row, build_rows
from .batches import Device, PromptBatch, TrainingBatch, Work, longest_batch, longest_prompts
from .estimator import MemoryEstimator, upper_bound, usable, verdict
from .planner import MemoryPlanner
from .probe import Probe, run_probe
from .savings import MemorySaving, memory_savings
from .ways import WAYS, Choice, Way

if TYPE_CHECKING:
    from .memory import Memory
    from .sharding import DeviceShare


@dataclass(frozen=True)
class WayEstimate:
    """What one device takes if the training is shared in a certain way.

    Attributes:
        share: what the device holds.
        device: what it is.
        free: bytes that it has to fit into; None where they are unknown.
    """

    share: DeviceShare
    device: Device
    free: int | None

    @property
    def verdict(self) -> str:
        """Whether it fits, as ``Plan.verdict`` says it."""
        return verdict(self.share.memory, self.free, self.device)

    def as_json(self) -> dict[str, Any]:
        """Return the figures of a device."""
        share, memory = self.share, self.share.memory
        return {
            "way": share.way,
            "processes": share.processes,
            "offload": share.offload,
            "weights": memory.quantized + memory.constants + memory.plain,
            "adapter": memory.adapter,
            "gradients": memory.gradients,
            "optimizer": memory.optimizer,
            "activations": memory.activations,
            "working": memory.working,
            "gathered": share.gathered,
            "buckets": share.buckets,
            "loading": memory.loading,
            "offloaded": share.offloaded,
            "step": memory.step,
            "total": memory.total,
            "most": upper_bound(memory, self.device),
            "free": self.free,
            "verdict": self.verdict,
        }


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
        memory: the memory of a device with the settings as they are.
        toggled: the memory with activation checkpointing the other way.
        free: bytes that a device has to fit into; None where they are unknown.
        savings: settings that take less memory; only where it may not fit.
        probe: measured times; None where no step was run, and then ``probe_note`` says why.
        choice: what ``parallel: auto`` takes.
        way: how the training is shared: as ``parallel`` says, or else as ``choice`` does.
        processes: how many processes share it, one a device.
        ways: what a device takes under each way; only where several processes share the training.
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
    choice: Choice
    way: Way
    processes: int
    ways: Sequence[WayEstimate] = ()
    issues: Sequence[Issue] = ()

    @property
    def upper_bound(self) -> int:
        """The peak with what the allocator retains of freed memory."""
        return upper_bound(self.memory, self.device)

    @property
    def room(self) -> int | None:
        """Bytes that the training should take, at most; None where they are unknown."""
        return usable(self.free, self.device)

    @property
    def verdict(self) -> str:
        """Either "fits", "tight" or "does not fit"; "unknown" where the free memory is unknown."""
        return verdict(self.memory, self.free, self.device)

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
            "processes": self.processes,
            "parallel": {"way": self.way, "auto": asdict(self.choice)},
            "ways": [way.as_json() for way in self.ways],
            "changes": [asdict(saving) for saving in self.savings],
            "probe": asdict(self.probe) if self.probe else None,
            "probe_note": self.probe_note,
        }


def make_plan(
    job: TrainingJob | JointJob,
    *,
    device: Device | None = None,
    free: int | None = None,
    processes: int | None = None,
    probe: bool = False,
) -> Plan:
    """Estimate what a training takes; no weights are loaded unless ``probe``.

    Args:
        job: the training, which may be of several domains; issues of its data that it does not
            accept are reported, not refused.
        device: what to plan for; None for what this machine would train on.
        free: bytes that a device has, a CPU for all processes; None for what this machine has, if
            it has the device.
        processes: how many share the training, one a device; None for one, or for as many as
            there are GPUs where it does not fit into one of them.
        probe: run a few steps to measure their time.

    Raises:
        InputError: the source cannot be read, or leaves nothing to train on.
        SchemaError: answers cannot be constrained to the plugin's schema.
        SettingsError: config or tokenizer cannot be read, or the settings do not fit the model.
    """
    from ..model.library_output import quieten
    from ..model.tokenizer import load_tokenizer

    quieten()  # before the libraries are imported, which log as they are
    from ..model.importing import import_model_libraries
    from ..model.location import read_config

    config = read_config(job.settings.values)  # which is wrong more often than the data
    import_model_libraries()
    planner = MemoryPlanner(device, free, processes)
    require_divisible(job.settings.values, config, planner.processes)
    prompts = PromptFormat(load_tokenizer(job.settings.values))
    tasks = [each.task(prompts) for each in job.jobs]
    rows, issues = _training_rows(job, tasks)
    planner = replace(planner, given=planner.free)  # which others change meanwhile
    alone = planner.estimator(job.settings.values, rows)
    choice = None
    if processes is None and planner.devices > 1 and job.settings.values.parallel == "auto":
        choice = planner.choose(alone, job.settings.values)
        planner = replace(planner, planned=choice.processes)
    device, free = planner.device, planner.free_each
    settings = _fit_to_processes(job.settings, rows, planner).values
    estimator = planner.shared(alone, settings)
    memory = estimator.memory(settings)
    other = replace(settings, activation_checkpointing=not settings.activation_checkpointing)
    savings: list[MemorySaving] = []
    if free is None or upper_bound(memory, device) > free:
        savings = list(memory_savings(estimator, settings, usable(free, device)))
    measured, note = None, "not measured; --probe runs a few steps"
    if probe:
        measured, note = _probe(tasks, settings, rows, is_here=planner.is_here)
    return Plan(
        model=settings.model,
        device=device,
        precision=estimator.precision,
        settings=settings,
        work=Work.count(rows, settings, device, reading_processes(settings, planner.processes)),
        batch=longest_batch(rows, settings, device),
        prompts=replace(longest_prompts(rows, settings), rows=memory.answered),
        memory=memory,
        toggled=estimator.memory(other),
        free=free,
        savings=savings,
        probe=measured,
        probe_note=note,
        choice=choice or planner.choose(alone, settings),
        way=estimator.way,
        processes=planner.processes,
        ways=_ways(alone, settings, planner) if planner.processes > 1 else (),
        issues=issues,
    )


def _ways(alone: MemoryEstimator, settings: Settings, planner: MemoryPlanner) -> list[WayEstimate]:
    """Return what a device takes under each way to share a training."""
    each = replace(alone, processes=planner.processes, free=planner.free_each)
    estimators = [alone, *(replace(each, way=way) for way in WAYS[1:])]
    return [WayEstimate(e.share(settings), e.device, e.free) for e in estimators]


def _fit_to_processes(resolved: Resolved, rows: Sequence[Row], planner: MemoryPlanner) -> Resolved:
    """Return settings with what rows decide in a training by the processes that are planned for.

    A step of the optimiser reads as many rows from all processes together as from one.
    """
    found = fit_batch(resolved, rows, planner)
    values = found.values
    count = reading_processes(values, planner.processes) // reading_processes(values)
    if found.origins["accumulation"] != resolved.origins["accumulation"]:
        fewer = replace(values, accumulation=max(1, values.accumulation // count))
        found = replace(found, values=fewer)
    return fit_schedule(found, rows, planner.processes)


def _training_rows(
    job: TrainingJob | JointJob, tasks: Sequence[Task]
) -> tuple[list[Row], list[Issue]]:
    """Return the rows of all domains, and what the audit finds in each."""
    rows, issues = list[Row](), list[Issue]()
    for number, (each, task) in enumerate(zip(job.jobs, tasks, strict=True)):
        own, found = _rows_of(each, task)
        rows += [replace(row, domain=number) for row in own]
        several = f"{each.name}: " if len(tasks) > 1 else ""
        issues += [replace(issue, message=f"{several}{issue.message}") for issue in found]
    return rows, issues


def _rows_of(job: TrainingJob, task: Task) -> tuple[list[Row], list[Issue]]:
    splits, _hash = read_splits(job.plugin, job.source, allow_leaks=True, ratio=job.ratio)
    with meter("reading", len(splits.train), "documents") as progress:
        lost = LostGold(task.schema)
        rows = build_rows(splits.train, task, progress.advance, lost.add)
    if not rows.rows:
        raise InputError(f"{job.source_name}: no window to train on; see extract audit")
    return rows.trained, training_issues(splits, lost, job.settings.values.model, job.accepted)


def _probe(
    tasks: Sequence[Task], settings: Settings, rows: Sequence[Row], *, is_here: bool
) -> tuple[Probe | None, str]:
    """Measure a few steps of the training; return why not where it cannot run here."""
    if not is_here:
        return None, "not measured: this machine has no such device"
    if not has_local_weights(settings):
        return None, f"not measured: the weights of {settings.model} are not at hand"
    return run_probe(tasks, settings, rows), ""
