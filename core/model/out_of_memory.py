"""Out of memory: how it is known, what it leaves to be given back, and what takes less."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_SIGNS = (
    "can't allocate memory",  # DefaultCPUAllocator of torch
    "not enough memory: you tried to allocate",  # the same, on Windows
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "MPS backend out of memory",
)


_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE = 128 * 1024


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error, or what caused it, is a lack of memory."""
    import torch

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError | torch.OutOfMemoryError):
            return True
        if isinstance(cause, RuntimeError) and any(sign in str(cause) for sign in _SIGNS):
            return True
        cause = cause.__cause__
    return False


def give_back() -> None:
    """Return to the system what a failed attempt held and nothing refers to any more."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # another C library than glibc has no such call
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)  # slower, but it is free at once
    trim()


def trim() -> None:
    """Return to the system what the C library holds and nothing uses."""
    with suppress(OSError, AttributeError):  # another one than glibc
        ctypes.CDLL(None).malloc_trim(0)
