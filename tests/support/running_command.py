"""A command as it runs, with the processes that it starts, and how to kill one."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from command import Answer
from forked_command import ForkedProcess, start_forked

LIMIT = 600
"""Seconds after which a command hangs."""


@dataclass
class RunningCommand:
    """A command that runs, and all processes that it has started so far."""

    process: ForkedProcess
    errors: Path
    output: Path
    started: set[psutil.Process] = field(default_factory=set)

    def named(self, name: str) -> list[psutil.Process]:
        """Return the processes that run now and whose program has a name, or begins with it."""
        return [process for process in self._children() if _is(process, name)]

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes that run now, in the order in which they were started."""
        found = [process for process in self._children() if _is_worker(process)]
        return sorted(found, key=lambda process: process.pid)

    def _children(self) -> list[psutil.Process]:
        try:
            now = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self.started.update(now)
        return now

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until something is the case; fail if the command ends before."""
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert self.process.poll() is None, self.errors.read_text()
            assert time.monotonic() < deadline, self.errors.read_text()
            self._children()
            time.sleep(0.1)

    def ended(self) -> Answer:
        """Wait until the command ends; return what it came to."""
        deadline = time.monotonic() + LIMIT
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"hangs: {self.errors.read_text()}"
            self._children()
            time.sleep(0.1)
        assert self.process.returncode is not None
        return Answer(self.process.returncode, self.output.read_text(), self.errors.read_text())

    def left(self, seconds: float) -> list[str]:
        """Return the processes that still run after so many seconds."""
        _gone, alive = psutil.wait_procs(list(self.started), timeout=seconds)
        return [process.name() for process in alive]


def start(folder: Path, *arguments: object, environment: Sequence[str] = ()) -> RunningCommand:
    """Start a command in a process group of its own, forked from this process."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    errors, output = folder / "errors", folder / "output"
    with (
        open(os.devnull, "rb") as nothing,
        output.open("wb") as output_stream,
        errors.open("wb") as error_stream,
    ):
        files = nothing, output_stream, error_stream
        variables = dict(each.split("=", 1) for each in environment)
        process = start_forked(arguments, files, prepare=_take_ctrl_c, environment=variables)
    return RunningCommand(process, errors, output)


def _take_ctrl_c() -> None:
    """Undo what shells do to commands in the background, which ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def kill(process: psutil.Process) -> None:
    """End a process at once."""
    process.send_signal(signal.SIGKILL)


def _is(process: psutil.Process, name: str) -> bool:
    try:
        line = process.cmdline()
    except psutil.Error:
        return False
    return bool(line) and (line[0].startswith(name) or Path(line[0]).name == name)


def _is_worker(process: psutil.Process) -> bool:
    try:
        return any("fieldsmith.extraction.worker" in part for part in process.cmdline())
    except psutil.Error:
        return False
