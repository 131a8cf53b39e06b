"""Measure the time of a training by running its first steps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..settings import Settings
from ..tagging.labels import Tags
from ..task import Task
from ..training.schedule import count_steps
from ..windows.rows import Row

_STEPS, _WARM_UP = 6, 2


@dataclass(frozen=True)
class Probe:
    """Times of a training.

    Attributes:
        steps: how many steps were measured.
        seconds_a_step: mean time of one.
        seconds: what the whole training takes at that speed.
    """

    steps: int
    seconds_a_step: float
    seconds: float


def run_probe(tasks: Sequence[Task], settings: Settings, rows: Sequence[Row]) -> Probe:
    """Run the first steps of a training; the first of them, which are slower, do not count.

    Args:
        tasks: one for each domain.
        settings: of the training.
        rows: of all domains.
    """
    from transformers import TrainerCallback

    from ..training.callbacks import BestAdapter
    from ..training.qlora import build_trainer

    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    tags = [Tags(task.schema, task.prompts).ids for task in tasks]
    few = replace(settings, max_steps=_STEPS, report_to=[])
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(
            Path(folder),
            few,
            tasks[0].prompts,
            rows,
            [],
            scorer=None,
            best=BestAdapter(0),
            tags=tags if few.tagging_weight else (),
        )
        trainer.add_callback(Clock())
        trainer.train()
    a_step = (ends[-1] - ends[_WARM_UP - 1]) / (len(ends) - _WARM_UP)
    return Probe(_STEPS - _WARM_UP, a_step, a_step * count_steps(len(trainer.sampler), settings)[1])
