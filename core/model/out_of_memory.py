"""Recognise out-of-memory errors, and release memory after them."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_MESSAGES = (
    "can't allocate memory",  # DefaultCPUAllocator of torch
    "not enough memory: you tried to allocate",  # the same, on Windows
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "MPS backend out of memory",
)
_M_MMAP_THRESHOLD = -3  # malloc.h
_MMAP_BYTES = 128 * 1024


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error, or its cause, is a lack of memory."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, RuntimeError) and any(text in str(error) for text in _MESSAGES):
        return True
    return error.__cause__ is not None and is_out_of_memory(error.__cause__)


def release_memory() -> None:
    """Return to the system what nothing refers to any more, such as a model that was trained.

    A trainer and its model refer to each other, so that only the garbage collector frees them.
    """
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    trim_heap()


def save_memory() -> None:
    """Release memory, and from now on what is freed, too, at some cost of time."""
    with suppress(OSError, AttributeError):  # only glibc has this function
        # Large blocks that are freed go back to the system at once; allocating them is slower.
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
    release_memory()


def trim_heap() -> None:
    """Return free memory of the C library's heap to the system."""
    with suppress(OSError, AttributeError):  # only glibc has this function
        ctypes.CDLL(None).malloc_trim(0)
