"""Import the libraries that load models, and those that train them, in less time."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

_NO_COMPILER = "TORCHDYNAMO_DISABLE"


def import_model_libraries() -> None:
    """Import what models are loaded with."""
    with garbage_kept():
        import transformers.modeling_utils  # noqa: F401

        # bitsandbytes asks for torch's compiler as it is imported, for devices other than CPUs and
        # those of CUDA. To import that takes longer than all the rest of it. On some CPUs it warns
        # of a package that training does not use.
        log = logging.getLogger("bitsandbytes")
        level, before = log.level, os.environ.get(_NO_COMPILER)
        os.environ[_NO_COMPILER] = "1"
        log.setLevel(logging.ERROR)
        try:
            import bitsandbytes  # noqa: F401
        finally:
            log.setLevel(level)
            if before is None:
                del os.environ[_NO_COMPILER]
            else:
                os.environ[_NO_COMPILER] = before
        import peft  # noqa: F401


@contextmanager
def garbage_kept() -> Iterator[None]:
    """Do not collect garbage within the context: imports make none, and very many objects."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
