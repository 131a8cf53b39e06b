"""Several processes, one a device, that train a model together.

- ``environment``: what started this process: the user, our launcher, torchrun or srun
- ``group``: how many processes there are to be, and where nodes meet
- ``launcher``: starts the processes and waits for them; ``rendezvous`` lets nodes meet
- ``failures``: what each process reports when it fails, and which of these is the cause
- ``processes``: rank and number of the processes, and what they send each other
- ``fsdp``, ``zero``: what makes a training split its weights
- ``whole_weights``: put split weights together again
"""

from __future__ import annotations

from ..settings import Settings


def splits_weights(settings: Settings) -> bool:
    """Say whether each process of a training has a part of the base model alone."""
    return settings.parallel in ("fsdp", "zero3")


def is_sharded(settings: Settings) -> bool:
    """Say whether the processes of a training have parts of anything that is trained."""
    return settings.parallel in ("fsdp", "zero2", "zero3")
