"""The command line in a forked process: as fast as in this one, and it can be killed or hang."""

from __future__ import annotations

import io
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from command import Answer

from fieldsmith.cli import main

LIMIT = 240
"""Seconds after which a command hangs. `extract check` stops a plugin after 60, and its process
later, if it must."""

ENDED_BY_AN_EXCEPTION = 70


class HangError(Exception):
    """A command did not end within the limit, and was killed with all that it started."""


def run_forked(
    arguments: Sequence[object], cwd: Path, *, prepare: Callable[[], None] = lambda: None
) -> Answer:
    """Run a command in a process that is forked from this one, in which all libraries are loaded.

    Args:
        arguments: of the command line.
        cwd: the working directory.
        prepare: is called in that process before the command.

    Raises:
        HangError: it does not end.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = os.fork()
        if process == 0:
            _be_the_command(arguments, cwd, (output, errors), prepare)
        code = _wait(process)
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Answer(code, *texts)


def _be_the_command(
    arguments: Sequence[object],
    cwd: Path,
    files: tuple[IO[bytes], IO[bytes]],
    prepare: Callable[[], None],
) -> None:
    """Run the command and end this process, whatever comes."""
    code = ENDED_BY_AN_EXCEPTION
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, file in enumerate(files, start=1):
            os.dup2(file.fileno(), number)
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(io.FileIO(n, "w", closefd=False), "utf-8", write_through=True)
            for n in (1, 2)
        )
        os.chdir(cwd)
        prepare()
        main([str(argument) for argument in arguments])
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _wait(process: int) -> int:
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        number, status = os.waitpid(process, os.WNOHANG)
        if number:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise HangError
