"""Several processes, one per device, that train a model together.

- ``environment``: what started this process: the user, our launcher, torchrun or srun
- ``group``: how many processes there are to be, and where nodes meet
- ``launcher``: starts the processes and waits for them; ``rendezvous`` lets nodes meet
- ``failures``: what each process reports when it fails, and which of these is the cause
- ``processes``: rank and number of the processes, and what they send each other
- ``fsdp``, ``zero``: what makes a training split its weights
- ``whole_weights``: put split weights together again
- ``sequence``: divides the tokens of each row
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .processes import process_count

if TYPE_CHECKING:
    from ..settings import Settings


def splits_weights(settings: Settings) -> bool:
    """Say whether each process of a training has a part of the base model alone."""
    return settings.parallel in ("fsdp", "zero3")


def is_sharded(settings: Settings) -> bool:
    """Say whether the processes of a training have parts of anything that is trained."""
    return settings.parallel in ("fsdp", "zero2", "zero3")


def reading_processes(settings: Settings, processes: int | None = None) -> int:
    """Return among how many readers the rows of a training are shared out.

    A reader is one process, or several that share the tokens of each row (``sequence_parallel``).

    Args:
        settings: of the training.
        processes: how many processes there are; None for those that run.
    """
    running = process_count() if processes is None else processes
    return max(1, running // settings.sequence_parallel)
