"""The command line in a forked process: as fast as in this one, and it can be killed or hang.

What libraries take to be imported is spent once, in the process of the tests.
"""

from __future__ import annotations

import gc
import importlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

from command import Answer

LIMIT = 240
"""Seconds after which a command hangs. `extract check` stops a plugin after 60, and its process
later, if it must."""

ENDED_BY_AN_EXCEPTION = 70

_LIGHT = ("export", "new", "plugins")
"""Commands that import none of the large libraries."""

Prepare = Callable[[], None]
"""Is called in the process of a command before it begins."""


class HangError(Exception):
    """A command did not end within the limit, and was killed with all that it started."""


class ForkedProcess:
    """A process that was forked from this one, with the methods of ``subprocess.Popen``.

    Attributes:
        pid: its number; it leads a process group and a session.
        returncode: its exit code, or the signal that ended it below 0; None while it runs.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        if self.returncode is None:
            number, status = os.waitpid(self.pid, os.WNOHANG)
            if number:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float = LIMIT) -> int:
        """Wait until the process ends; return its exit code.

        Raises:
            TimeoutExpired: it has not ended after so many seconds.
        """
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("extract", timeout)
            time.sleep(0.01)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal if the process has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process at once."""
        self.send_signal(signal.SIGKILL)


def run_forked(
    arguments: Sequence[object],
    cwd: Path | None = None,
    *,
    prepare: Prepare = lambda: None,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    limit: float = LIMIT,
) -> Answer:
    """Run a command in a process that is forked from this one, in which all libraries are loaded.

    Args:
        arguments: of the command line.
        cwd: the working directory; None for that of this process.
        prepare: is called in that process before the command.
        environment: variables beside those of this process. What libraries read as they are
            imported is read already.
        stdin: what it reads from standard input.
        limit: seconds after which it hangs.

    Raises:
        HangError: it does not end.
    """
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        given.write(stdin)
        given.seek(0)
        process = start_forked(
            arguments, (given, output, errors), cwd, prepare=prepare, environment=environment
        )
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(limit)
            raise HangError from None
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Answer(code, *texts)


def start_forked(
    arguments: Sequence[object],
    files: tuple[IO[bytes], IO[bytes], IO[bytes]],
    cwd: Path | None = None,
    *,
    prepare: Prepare = lambda: None,
    environment: Mapping[str, str] | None = None,
) -> ForkedProcess:
    """Start a command in a process that is forked from this one.

    Args:
        arguments: of the command line.
        files: its standard input, output and error.
        cwd: the working directory; None for that of this process.
        prepare: is called in that process before the command.
        environment: variables beside those of this process.
    """
    if arguments[0] not in _LIGHT:
        load_libraries()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    pid = os.fork()
    if pid == 0:
        _be_the_command(arguments, cwd, files, prepare, environment or {})
    return ForkedProcess(pid)


@cache
def load_libraries() -> None:
    """Import what trainings and predictions import, for this process and those forked later.

    What is there is not looked through again by the garbage collection of each command.
    """
    from fieldsmith.model.library_output import quieten

    quieten()  # some libraries read its variables as they are imported
    import bitsandbytes  # noqa: F401
    import peft.tuners.lora  # noqa: F401
    from transformers.models.llama import modeling_llama  # noqa: F401

    import fieldsmith.cli.predict
    import fieldsmith.extraction.extractor
    import fieldsmith.training.tagging_trainer
    import fieldsmith.training.train  # noqa: F401

    gc.collect()
    gc.freeze()


def read_hub_variables() -> None:
    """Let the hub's client read its variables again, in the process of a command."""
    from huggingface_hub import constants, hf_api

    importlib.reload(constants)
    hf_api.api.endpoint = constants.ENDPOINT


def _be_the_command(
    arguments: Sequence[object],
    cwd: Path | None,
    files: tuple[IO[bytes], IO[bytes], IO[bytes]],
    prepare: Prepare,
    environment: Mapping[str, str],
) -> None:
    """Run the command and end this process, whatever comes."""
    code = ENDED_BY_AN_EXCEPTION
    try:
        os.setsid()
        for number, file in enumerate(files):
            os.dup2(file.fileno(), number)
        # Nothing of this process stays open in that one: no socket that a test has closed.
        os.closerange(len(files), os.sysconf("SC_OPEN_MAX"))
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), "utf-8")
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(io.FileIO(n, "w", closefd=False), "utf-8", write_through=True)
            for n in (1, 2)
        )
        sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
        os.environ.update(environment)
        if cwd is not None:
            os.chdir(cwd)
        prepare()
        from fieldsmith.cli import main

        main([str(argument) for argument in arguments])
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
