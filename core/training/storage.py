"""Faults of the disk while a run is trained: it is full, or the run's folder is gone."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import StorageError
from ..runs.folder import Run

_FAULTS = {
    errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM,
    errno.ESTALE,
}  # fmt: skip
_NUMBER = re.compile(r"(?:os error|\[?Errno) (\d+)")
_TORCH = ("PytorchStreamWriter", "inline_container", "unexpected pos")
"""What is said where torch cannot write a file, without a reason."""


@contextmanager
def storage_faults(run: Run) -> Iterator[None]:
    """Report as one line that a run cannot be written any more.

    Raises:
        StorageError: says why, and how the training is resumed.
    """
    try:
        yield
    except Exception as error:  # safetensors and torch raise types of their own
        reason = _reason(error)
        if not run.info_file.is_file():
            raise StorageError(
                f"{run.folder}: was moved or deleted while it was trained; move it back and resume "
                f"it (extract train --resume RUN), or train anew"
            ) from error
        if reason is None:
            raise
        raise StorageError(
            f"{run.folder}: cannot be written ({reason}); once it can, resume it: "
            f"extract train --resume {run.folder}"
        ) from error


def _reason(error: BaseException | None) -> str | None:
    """Return what of the disk an error tells; None if it is of something else."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FAULTS:
            return error.strerror
        text = str(error)
        numbers = {int(number) for number in _NUMBER.findall(text)} & _FAULTS
        if numbers:
            return os.strerror(min(numbers))
        if isinstance(error, RuntimeError) and any(name in text for name in _TORCH):
            return "a file could not be written whole"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None
