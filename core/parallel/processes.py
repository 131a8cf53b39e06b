"""The processes of a training, one a GPU: rank and number, and what they send each other."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")

_TIMEOUT = timedelta(minutes=30)
"""How long a process waits for another one; each reads the whole corpus before it trains."""


def is_main_process() -> bool:
    """Say whether this process is the one that writes files."""
    return rank() == 0


def rank() -> int:
    """Return the number of this process among those that train together, from 0."""
    return int(os.environ.get("RANK", "0"))


def process_count() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def agreed(value: T) -> T:
    """Return the main process's value in every process; all have to call it."""
    if process_count() == 1:
        return value
    from accelerate.utils import broadcast_object_list

    _join()
    return broadcast_object_list([value])[0]  # type: ignore[no-any-return]


def gathered(values: Sequence[T]) -> list[T]:
    """Return the values of all processes, those of the main process first; all have to call it."""
    if process_count() == 1:
        return list(values)
    from accelerate.utils import gather_object

    _join()
    return list(gather_object(list(values)))


def meet() -> None:
    """Wait for all processes; what the main process has written until then the others can read."""
    agreed(None)


def leave() -> None:
    """Disconnect the processes when they have trained: from here on each works by itself.

    torch warns of what ends connected, and transformers would split what it loads after ZeRO-3.
    """
    import torch
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _join() -> None:
    """Connect the processes, if the trainer has not done so yet."""
    from accelerate import PartialState

    from ..model.devices import pick_device

    if not PartialState._shared_state:
        PartialState(cpu=pick_device().type == "cpu", timeout=_TIMEOUT)
