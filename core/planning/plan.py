"""What a training will take before it begins: memory, steps, tokens, and what to change."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import IGNORED
from ..dataset.issues import Finding, findings_of_training
from ..dataset.loading import read_splits
from ..errors import FieldsmithError, InputError
from ..model.devices import free_memory, pick_device, pick_precision
from ..model.loading import weights_at_hand
from ..model.prompts import PromptFormat
from ..progress import meter
from ..runs.job import Order
from ..settings import Settings
from ..tagging.labels import Tags
from ..training.backoff import fewer_at_once, halved, with_settings
from ..training.schedule import count_steps
from ..windows.rows import Row, build_rows

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from .memory import Asked, Batch, Device, Memory

_MULTIPLE = 32
"""Rows are padded to a multiple of so many tokens; see ``qlora.training_arguments``."""

_PROBE_STEPS, _PROBE_WARM_UP = 6, 2


@dataclass(frozen=True)
class Work:
    """How much there is to train on.

    rows, tokens, answer_tokens: of one epoch; an answer's tokens are those with loss.
    longest: tokens of the longest row.
    lengths: how many different lengths its batches can be padded to.
    steps: optimiser steps in all.
    """

    rows: int
    tokens: int
    answer_tokens: int
    longest: int
    lengths: int
    steps: int


@dataclass(frozen=True)
class Change:
    """Settings that take less memory, what they come to, and what they cost."""

    settings: dict[str, object]
    total: int
    cost: str


@dataclass(frozen=True)
class Probe:
    """What a few steps took: seconds, and the tokens that they read."""

    steps: int
    seconds_a_step: float
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What a training will take.

    device, precision: what it is planned for.
    measured_device: whether this machine has it.
    memory: with the settings as they are; ``toggled`` with activation checkpointing the other way.
    free: bytes to fit into; None where they are not known.
    probe: None where no step was run, and then ``probe_note`` says why.
    findings: what ``extract audit`` finds in the data; what of it stops, a training refuses.
    """

    model: str
    device: Device
    precision: str
    settings: Settings
    work: Work
    batch: Batch
    asked: Asked
    memory: Memory
    toggled: Memory
    free: int | None
    changes: Sequence[Change]
    probe: Probe | None
    probe_note: str
    findings: Sequence[Finding] = ()

    @property
    def most(self) -> int:
        """The peak where the C library keeps what a step gave back, as glibc does."""
        return most(self.memory, self.device)

    @property
    def verdict(self) -> str:
        """Say "fits", "tight" or "does not fit", or "unknown" where nothing says what is free."""
        if self.free is None:
            return "unknown"
        if self.memory.total > self.free:
            return "does not fit"
        return "fits" if self.most <= self.free else "tight"

    def as_json(self) -> dict[str, Any]:
        """Return everything as ``extract plan --json`` prints it."""
        return {
            "model": self.model,
            "findings": [asdict(finding) for finding in self.findings],
            "device": self.device,
            "precision": self.precision,
            "batch": asdict(self.batch),
            "asked": asdict(self.asked),
            "accumulation": self.settings.accumulation,
            "activation_checkpointing": self.settings.activation_checkpointing,
            "work": asdict(self.work),
            "memory": _bytes(self.memory) | {"most": self.most},
            "toggled": _bytes(self.toggled),
            "free": self.free,
            "verdict": self.verdict,
            "changes": [asdict(change) for change in self.changes],
            "probe": asdict(self.probe) if self.probe else None,
            "probe_note": self.probe_note,
        }


def _bytes(memory: Memory) -> dict[str, int]:
    peaks = {"step": memory.step, "scoring": memory.scoring, "total": memory.total}
    return asdict(memory) | peaks


_KEPT, _KEPT_ANSWERING = 5, 3
"""How many times what a step takes, or answering, glibc may keep; up to 4.6 and 2.4 were seen, see
docs/plan.md."""


def most(memory: Memory, device: Device) -> int:
    """Return the peak where the C library keeps what is given back.

    glibc holds blocks under 32 MiB in its heap, where an aligned one does not fit the place of
    one of the same size again.
    """
    if device != "cpu":
        return memory.total
    return max(
        memory.step + memory.passing * (_KEPT - 1),
        memory.scoring + memory.answering * (_KEPT_ANSWERING - 1),
    )


def make_plan(
    order: Order,
    *,
    device: Device | None = None,
    free: int | None = None,
    probe: bool = False,
    accepted: Collection[str] = (),
) -> Plan:
    """Work out what a training will take; no weights are loaded unless ``probe``.

    device: what to plan for; None for what this machine would train on.
    free: bytes to fit into; None for what this machine has, if it has the device.
    accepted: names of the findings that the user accepts; what is unsound is told, not refused.

    Raises:
        InputError: the source cannot be read, or leaves nothing to train on.
        SchemaError: answers cannot be held to the plugin's schema.
        SettingsError: config or tokenizer cannot be read, or the settings do not fit the model.
    """
    from ..model.loading import load_tokenizer, quieten

    quieten()  # before the libraries are imported, which speak as they are
    from ..model.loading import read_config
    from .memory import measure

    settings = order.settings.values
    config = read_config(settings)
    prompts = PromptFormat(load_tokenizer(settings))
    rows, findings = _rows(order, prompts, accepted)
    chosen, here = _pick(device)
    precision = pick_precision(settings, chosen)
    batch, asked = longest_batch(rows, settings), longest_prompts(rows, settings)
    memory = measure(config, settings, batch, asked, chosen, precision)
    other = replace(settings, activation_checkpointing=not settings.activation_checkpointing)
    room = free if free is not None else free_memory(chosen) if here else None
    changes: list[Change] = []
    if room is None or most(memory, chosen) > room:
        changes = list(_changes(config, settings, rows, chosen, precision, room))
    measured, note = _probe(order, prompts, rows, here=here) if probe else (None, _NOT_ASKED)
    return Plan(
        model=settings.model,
        device=chosen,
        precision=precision,
        settings=settings,
        work=work_of(rows, settings),
        batch=batch,
        asked=asked,
        memory=memory,
        toggled=measure(config, other, batch, asked, chosen, precision),
        free=room,
        changes=changes,
        probe=measured,
        probe_note=note,
        findings=findings,
    )


def _rows(
    order: Order, prompts: PromptFormat, accepted: Collection[str]
) -> tuple[list[Row], list[Finding]]:
    plugin, settings = order.plugin, order.settings.values
    splits, _hash = read_splits(plugin, order.source, allow_leaks=True)
    with meter("reading", len(splits.train), "documents") as progress:
        books = build_rows(splits.train, plugin, prompts, settings, progress.advance)
    if not books.rows:
        source = order.source or f"{plugin.name}'s sample"
        raise InputError(f"{source}: no window to train on; see extract audit")
    return books.trained, findings_of_training(splits, books.lost, plugin.schema, accepted)


def _pick(asked: Device | None) -> tuple[Device, bool]:
    """Return the device to plan for, and whether it is the one that would train here."""
    own: Device = "cuda" if pick_device().type == "cuda" else "cpu"
    return asked or own, asked in {None, own}


def longest_batch(rows: Sequence[Row], settings: Settings) -> Batch:
    """Return the batch that takes the most memory, and maybe more than any that there is.

    It has the length of the longest rows, the answers of those with the longest ones, and the tags
    of those with the most.
    """
    from .memory import Batch

    count = min(settings.batch_size, len(rows))
    answers = sorted((_answer(row) for row in rows), reverse=True)
    tagged = sorted((len(row.tags) - row.tags.count(IGNORED) for row in rows), reverse=True)
    return Batch(
        rows=count,
        length=_padded(max(len(row.labels) for row in rows)),
        answer=sum(answers[:count]),
        lengths=len({_padded(len(row.labels)) for row in rows}),
        tagged=sum(tagged[:count]),
        tags=len({tag for row in rows for tag in row.tags} - {IGNORED}),
    )


def longest_prompts(rows: Sequence[Row], settings: Settings) -> Asked:
    """Return what is answered at once of held-out documents, if they are as long as the rows."""
    from .memory import Asked

    return Asked(
        rows=min(settings.eval_batch_size, len(rows)),
        length=max(len(row.labels) - _answer(row) for row in rows),
        answer=settings.max_new_tokens,
    )


def _answer(row: Row) -> int:
    """Return how many tokens of a row carry loss."""
    return len(row.labels) - row.labels.count(IGNORED)


def _padded(length: int) -> int:
    return -(-length // _MULTIPLE) * _MULTIPLE


def work_of(rows: Sequence[Row], settings: Settings) -> Work:
    """Count rows, tokens and steps."""
    return Work(
        rows=len(rows),
        tokens=sum(len(row.input_ids) for row in rows),
        answer_tokens=sum(map(_answer, rows)),
        longest=max(len(row.input_ids) for row in rows),
        lengths=len({_padded(len(row.input_ids)) for row in rows}),
        steps=count_steps(len(rows), settings)[1],
    )


def _changes(
    config: PretrainedConfig,
    settings: Settings,
    rows: Sequence[Row],
    device: Device,
    precision: str,
    room: int | None,
) -> Iterator[Change]:
    """Yield what takes less memory, each from the settings as they are, then all that is free.

    The combination makes the batches smaller until it fits, or until they have one row.
    """
    from .memory import measure

    def change(cost: str, **chosen: object) -> Change:
        changed = replace(settings, **chosen)  # type: ignore[arg-type]
        left = [row for row in rows if len(row.labels) <= changed.max_length]
        batch, asked = longest_batch(left, changed), longest_prompts(left, changed)
        memory = measure(config, changed, batch, asked, device, precision)
        return Change(chosen, memory.total, cost)

    slower: dict[str, object] = {}
    if not settings.activation_checkpointing:
        slower = {"activation_checkpointing": True}
        yield change("about a third slower; the same result", **slower)
    if half := halved(settings):
        yield change("the same effective batch", **half)
    if fewer := fewer_at_once(settings):
        yield change("held-out documents take longer", **fewer)
    longest = sorted(len(row.labels) for row in rows)
    shorter = longest[math.ceil(len(longest) * 0.95) - 1]
    lost = sum(length > shorter for length in longest)
    if lost and shorter > settings.max_new_tokens:
        cost = f"{lost} of {len(rows)} windows set aside, unless cut smaller (window, window_size)"
        yield change(cost, max_length=shorter)
    if settings.lora_rank > 1:
        yield change("a smaller adapter learns less", lora_rank=settings.lora_rank // 2)
    last = None
    for together in _batches(settings):
        last = change("the same effective batch, slower", **slower, **together)
        if room is not None and last.total <= room:
            break
    if last is not None:
        yield last


def _batches(settings: Settings) -> Iterator[dict[str, int]]:
    """Yield ever smaller batches, of what is trained on and of what is answered at once."""
    together: dict[str, int] = {}
    while less := halved(settings) | fewer_at_once(settings):
        together |= less
        settings = with_settings(settings, less)
        yield dict(together)


def planned_memory(settings: Settings, rows: Sequence[Row]) -> str:
    """Say what a training here is counted to take; "" where that cannot be told.

    For when the memory has just been short: nothing that fails here may hide that.
    """
    try:
        from ..model.loading import read_config
        from .memory import measure

        device, _here = _pick(None)
        batch, asked = longest_batch(rows, settings), longest_prompts(rows, settings)
        precision = pick_precision(settings, device)
        memory = measure(read_config(settings), settings, batch, asked, device, precision)
        free = free_memory(device)
    except (FieldsmithError, MemoryError, RuntimeError, OSError):
        return ""
    upper = most(memory, device)
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


_NOT_ASKED = "not measured; --probe runs a few steps"


def _probe(
    order: Order, prompts: PromptFormat, rows: Sequence[Row], *, here: bool
) -> tuple[Probe | None, str]:
    """Time a few steps of this very training, where its weights are at hand."""
    settings = order.settings.values
    if not here:
        return None, "not measured: this machine has no such device"
    if not weights_at_hand(settings):
        return None, f"not measured: the weights of {settings.model} are not at hand"
    steps = count_steps(len(rows), settings)[1]
    seconds = _seconds_a_step(order, prompts, rows)
    return Probe(_PROBE_STEPS - _PROBE_WARM_UP, seconds, seconds * steps), ""


def _seconds_a_step(order: Order, prompts: PromptFormat, rows: Sequence[Row]) -> float:
    """Run the first steps as training would; return the seconds of one after the warm-up."""
    from transformers import TrainerCallback

    from ..training.callbacks import BestAdapter
    from ..training.qlora import build_trainer

    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    few = replace(order.settings.values, max_steps=_PROBE_STEPS, report_to=[])
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(
            Path(folder),
            few,
            prompts,
            rows,
            [],
            scorer=None,
            best=BestAdapter(0),
            tags=Tags(order.plugin.schema, prompts).ids if few.tagging_weight else (),
        )
        trainer.add_callback(Clock())
        trainer.train()
    return (ends[-1] - ends[_PROBE_WARM_UP - 1]) / (len(ends) - _PROBE_WARM_UP)
