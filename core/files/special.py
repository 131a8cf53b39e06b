"""Devices, pipes and the like as outputs: what is written goes there at once."""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_OPEN_FILES = re.compile(r"/dev/(stdout|stderr|stdin|fd/.*)|/proc/.*")
"""Paths that name what a process has open, and not a place in a folder."""

_READER_WAIT = 20.0
"""Seconds to wait for a process that reads from a named pipe."""


def is_special(path: Path) -> bool:
    """Say whether a path is a device, a pipe or the like: it is written through to, not replaced.

    So are the names of open files, such as ``/dev/stdout``.
    """
    if _OPEN_FILES.fullmatch(os.path.abspath(path)):
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # nothing is there, or it cannot be reached: opening it says why
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextmanager
def open_special(path: Path) -> Iterator[TextIO]:
    """Open a device, a pipe or the like for writing; a named pipe is waited for until it is read.

    Raises:
        OSError: it cannot be opened or written.
    """
    # What a shell has opened to append to, as in `--output /dev/stdout >> file`, keeps its content.
    flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOCTTY", 0)
    descriptor = _open_pipe(path, flags) if path.is_fifo() else os.open(path, flags)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
        yield stream


def _open_pipe(path: Path, flags: int) -> int:
    """Open a named pipe, which blocks for as long as no process reads from it."""
    deadline = time.monotonic() + _READER_WAIT
    while True:
        try:
            descriptor = os.open(path, flags | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            os.set_blocking(descriptor, True)
            return descriptor
