"""Rank and number of the processes of a training, one a GPU."""

from __future__ import annotations

import os


def is_main_process() -> bool:
    """Say whether this process is the one that writes files."""
    return int(os.environ.get("RANK", "0")) == 0


def process_count() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))
