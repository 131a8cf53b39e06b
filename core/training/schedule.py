"""Count the steps of a training."""

from __future__ import annotations

import math

from ..parallel import reading_processes
from ..settings import Settings


def count_steps(rows: int, settings: Settings, processes: int | None = None) -> tuple[int, int]:
    """Return the optimiser steps of an epoch, and of the whole training.

    Args:
        rows: of an epoch.
        settings: of the training.
        processes: how many share it; None for those that run.
    """
    batches = -(-rows // (settings.batch_size * reading_processes(settings, processes)))
    an_epoch = -(-batches // settings.accumulation)
    return an_epoch, settings.max_steps or math.ceil(an_epoch * settings.epochs)
