"""Settings that depend on the rows of a training: batch, rows per step, and warm-up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from ..errors import RunError
from ..parallel import reading_processes
from ..parallel.processes import agreed, process_count
from ..progress import say
from ..settings import Resolved, Settings
from ..windows.rows import Row
from .schedule import count_steps

ROWS_A_STEP = 16
"""Rows of an optimiser step where the batch is chosen automatically."""

LEAST_ROWS_A_STEP = 2
"""Rows of an optimiser step below which ``min_steps`` does not go: one row's gradient is noise."""

_ORIGIN = "plan"
"""What chose a value, as run.json says it."""


class Planner(Protocol):
    """Estimates the memory of a training; ``extract plan`` has one."""

    def largest_batch(self, settings: Settings, rows: Sequence[Row], most: int) -> int:
        """Return how many rows of a batch fit into the free memory, from 1 to ``most``."""

    def describe(self, settings: Settings, rows: Sequence[Row]) -> str:
        """Say how much memory a training was estimated to take; "" where it is unknown."""

    def estimate(self, settings: Settings, rows: Sequence[Row]) -> dict[str, int]:
        """Return the estimated bytes by what they are; {} where they are unknown."""

    def way(self, settings: Settings, rows: Sequence[Row], processes: int) -> str:
        """Return how so many processes share a training: "ddp", "fsdp", "zero2" or "zero3"."""


class NoPlanner:
    """Knows nothing of memory."""

    def largest_batch(self, settings: Settings, rows: Sequence[Row], most: int) -> int:
        """Return the default of the setting."""
        return min(most, Settings().batch_size)

    def describe(self, settings: Settings, rows: Sequence[Row]) -> str:
        """Return ""."""
        return ""

    def estimate(self, settings: Settings, rows: Sequence[Row]) -> dict[str, int]:
        """Return {}."""
        return {}

    def way(self, settings: Settings, rows: Sequence[Row], processes: int) -> str:
        """Return "ddp"."""
        return "ddp"


NO_PLANNER = NoPlanner()


def planned(planner: Planner, settings: Settings, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the entry of run.json with the planned memory, for trackers; {} without any."""
    plan = planner.estimate(settings, rows) if settings.report_to else {}
    return {"plan": plan} if plan else {}


def fit_to_rows(resolved: Resolved, rows: Sequence[Row], planner: Planner) -> Resolved:
    """Return settings with what the rows of a training decide.

    All processes of a training have to call it; they get the same settings.

    Args:
        resolved: the settings as they were asked for.
        rows: what is trained on, with copies.
        planner: chooses what several processes split, and the batch.
    """
    return fit_schedule(fit_batch(resolved, rows, planner), rows)


def fit_batch(resolved: Resolved, rows: Sequence[Row], planner: Planner) -> Resolved:
    """Return settings with the way of sharing the training, and the batch; see ``fit_to_rows``."""
    return agreed(_with_batch(_with_way(resolved, rows, planner), rows, planner))


def fit_schedule(resolved: Resolved, rows: Sequence[Row], processes: int | None = None) -> Resolved:
    """Return settings with rows per step and a warm-up that suit the number of rows.

    Rows per step are halved while the training has fewer than ``min_steps``, batches of a step
    before rows of a batch, unless the user chose them or ``max_steps``.

    Args:
        resolved: settings with a batch.
        rows: what is trained on.
        processes: how many share the training; None for those that run.
    """
    count = len(sequences_of(rows, resolved.values))
    return _with_warmup(_with_enough_steps(resolved, count, processes), count, processes)


def same_rows_a_step(settings: Settings, begun: int, now: int) -> Settings:
    """Return settings by which an optimiser step reads the rows that it read before.

    Args:
        settings: of the run.
        begun: how many processes the run was begun with.
        now: how many there are.

    Raises:
        RunError: no accumulation does so, or what splits the training is for as many processes.
    """
    if now == begun:
        return settings
    if settings.parallel in ("zero2", "zero3"):
        raise RunError(
            f"the run was begun with {begun} processes, and DeepSpeed's checkpoints are for as "
            f"many as wrote them; resume it with --processes {begun}"
        )
    batches = settings.accumulation * begun
    if batches % now:
        possible = [str(count) for count in range(1, batches + 1) if batches % count == 0]
        raise RunError(
            f"the run was begun with {begun} processes, and a step of {batches} batches cannot be "
            f"shared by {now}; resume it with --processes {', '.join(possible[:-1])} or "
            f"{possible[-1]}"
        )
    say(
        f"processes: {now} in place of {begun}; with accumulation {batches // now} in place of "
        f"{settings.accumulation} a step reads the same rows"
    )
    return replace(settings, accumulation=batches // now)


def sequences_of(rows: Sequence[Row], settings: Settings) -> Sequence[Row]:
    """Return what batches are made of: the rows, or with ``packing`` sequences of them.

    A sequence holds rows of one domain.
    """
    if not settings.packing:
        return rows
    from .packing import pack  # which imports trl

    domains = dict.fromkeys(row.domain for row in rows)
    return [
        sequence
        for domain in domains
        for sequence in pack([row for row in rows if row.domain == domain], settings)
    ]


def _with_way(resolved: Resolved, rows: Sequence[Row], planner: Planner) -> Resolved:
    if resolved.values.parallel != "auto" or process_count() == 1:
        return resolved
    way = planner.way(resolved.values, rows, process_count())
    say(f"parallel: {way}")
    return _changed(resolved, parallel=way)


def _with_batch(resolved: Resolved, rows: Sequence[Row], planner: Planner) -> Resolved:
    settings = resolved.values
    if settings.batch_size:
        return resolved
    is_set = resolved.origins["accumulation"] == "user"
    batches = settings.accumulation if is_set else 1
    readers = reading_processes(settings, process_count())
    most = max(1, ROWS_A_STEP // (batches * readers))
    chosen = {"batch_size": planner.largest_batch(settings, rows, most)}
    if not is_set:
        chosen["accumulation"] = max(1, most // chosen["batch_size"])
    say("; ".join(f"{name}: {value}" for name, value in chosen.items()))
    return _changed(resolved, **chosen)


def _with_enough_steps(resolved: Resolved, rows: int, processes: int | None) -> Resolved:
    given = fewer = resolved.values
    chosen = {resolved.origins["batch_size"], resolved.origins["accumulation"]}
    if "user" in chosen or given.max_steps:
        return resolved
    readers = reading_processes(given, processes)
    while count_steps(rows, fewer, processes)[1] < given.min_steps:
        name = "accumulation" if fewer.accumulation > 1 else "batch_size"
        halved = replace(fewer, **{name: getattr(fewer, name) // 2})
        if halved.batch_size * halved.accumulation * readers < LEAST_ROWS_A_STEP:
            break
        fewer = halved
    if fewer == given:
        return resolved
    before, now = (
        f"{each.batch_size} x {each.accumulation} ({count_steps(rows, each, processes)[1]} steps)"
        for each in (given, fewer)
    )
    say(f"rows per step: {now} in place of {before}, as min_steps is {given.min_steps}")
    return _changed(resolved, batch_size=fewer.batch_size, accumulation=fewer.accumulation)


def _with_warmup(resolved: Resolved, rows: int, processes: int | None) -> Resolved:
    """Return settings whose warm-up leaves a step: in its first step the learning rate is 0."""
    asked = resolved.values.warmup
    _, steps = count_steps(rows, resolved.values, processes)
    if asked < 1:  # a share, of which the trainer takes a part of a step as a whole one
        most = fewer = max(0, steps - 1)
        taken: float = math.ceil(asked * steps)
    else:
        # Of a warm-up in steps a preset cannot know how many there are; a user can.
        most = steps - 1 if resolved.origins["warmup"] == "user" else steps // 10
        taken, fewer = asked, steps // 10
    if taken <= most:
        return resolved
    say(f"warmup: {fewer} steps instead of {asked:g}, as there are {steps} in all")
    return _changed(resolved, warmup=fewer)


def _changed(resolved: Resolved, **values: float | str) -> Resolved:
    origins = {**resolved.origins, **dict.fromkeys(values, _ORIGIN)}
    return Resolved(replace(resolved.values, **values), origins)  # type: ignore[arg-type]
