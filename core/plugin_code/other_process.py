"""Run plugins' code in another process, which is ended if that code does not end.

The limits of `calls` interrupt Python code by a signal. Code in C that does not return, or that
blocks signals, ends with its process alone.
"""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

from ..errors import PluginError
from .calls import endless, watched_calls

Tell = Callable[[object], None]
"""Reports a value, as JSON, to the process that started this one."""

_SCRIPT = """
import json, sys
sys.path[:], *rest = json.loads(sys.argv[1])
from fieldsmith.plugin_code.other_process import serve
serve(*rest)
"""

_LONGEST = 1800.0
"""Seconds between two reports, whatever they are spent on."""

_POLL = 0.2

_is_other = False
"""Whether this process is such a process itself."""


class ProcessEndedError(PluginError):
    """A process ended, or was ended, before its function returned; says what it was doing."""


def is_other_process() -> bool:
    """Say whether this process was started by ``running``."""
    return _is_other


@contextmanager
def running(
    function: Callable[..., None],
    *arguments: object,
    environment: Mapping[str, str] | None = None,
    shows_errors: bool = False,
) -> Iterator[Iterator[Any]]:
    """Call a function of this package in another process; give an iterator of what it reports.

    At the end of the context the process is ended, with those that it started.

    Args:
        function: is called with a ``Tell`` and the arguments, and found by its name.
        arguments: JSON.
        environment: variables of the process beside those of this one.
        shows_errors: whether its standard error is this one's; otherwise it is discarded.

    Raises:
        ProcessEndedError: by the iterator, if the function did not return.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        record = _CallRecord(Path(folder, "call"), is_new=True)
        wanted = [sys.path, str(record.path), function.__module__, function.__name__, arguments]
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _SCRIPT, json.dumps(wanted)],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if shows_errors else subprocess.DEVNULL,
            # A group of its own, so that what it starts ends with it. Those that such a process
            # starts in turn belong to its group.
            process_group=None if _is_other else 0,
        )
        try:
            yield _reports(process, record)
        finally:
            _end(process)
            record.close()


def _reports(process: subprocess.Popen[bytes], record: _CallRecord) -> Iterator[Any]:
    lines: SimpleQueue[bytes] = SimpleQueue()
    assert process.stdout is not None
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    while report := _next_report(process, record, lines):
        yield report[0]


def _next_report(
    process: subprocess.Popen[bytes], record: _CallRecord, lines: SimpleQueue[bytes]
) -> list[Any]:
    """Return a report in a list, or an empty list where the function has returned."""
    until = time.monotonic() + _LONGEST
    while True:
        ended = process.poll() is not None
        with suppress(Empty):
            # Processes that it started may keep the pipe open after its end.
            if line := lines.get(timeout=_POLL):
                report: list[Any] | str = json.loads(line)
                if isinstance(report, str):
                    raise RuntimeError(f"in another process:\n{report}")
                return report
            ended = True
        if ended:
            raise ProcessEndedError(
                record.fault(f"it ends the process (exit code {process.wait()})")
            )
        seconds = record.exceeded() or (_LONGEST if time.monotonic() > until else 0.0)
        if seconds:
            raise ProcessEndedError(record.fault(endless(f"{seconds:g} seconds")))


def _read(stream: IO[bytes], lines: SimpleQueue[bytes]) -> None:
    """Put each line into the queue, and an empty one at the end of the stream."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(b"")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and, where it leads a group, what it started, also if it has ended itself."""
    if _is_other or not hasattr(os, "killpg"):  # Windows has no such groups
        process.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):  # nothing of the group is left
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def serve(path: str, module: str, name: str, arguments: list[Any]) -> None:
    """Call a function and report what it tells; called in the other process."""
    global _is_other
    _is_other = True
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a plugin may print, too
    with open(os.devnull, "w") as nowhere, watched_calls(_CallRecord(Path(path))):

        def write(*report: object) -> None:
            # By a thread that needs neither a signal nor a lock of Python, for the case that the
            # process which would end this one was killed.
            faulthandler.dump_traceback_later(2 * _LONGEST, exit=True, file=nowhere)
            print(json.dumps(report), file=output, flush=True)

        with suppress(BrokenPipeError):
            try:
                getattr(import_module(module), name)(write, *arguments)
            except Exception:  # a bug of this package: what plugins raise is a PluginError
                print(json.dumps(traceback.format_exc()), file=output, flush=True)
            else:
                write()


class _CallRecord:
    """The call of a plugin that a process is in: it writes it, the one that started it reads it.

    Both share the memory of a file, which can be read whatever the process does. The clock of
    ``time.monotonic`` is the same in both.
    """

    _HEAD = struct.Struct("<ddI")  # when its time is up, seconds that it has, bytes of the texts
    _SIZE = 4096

    def __init__(self, path: Path, *, is_new: bool = False) -> None:
        self.path = path
        if is_new:
            path.write_bytes(bytes(self._SIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), self._SIZE)

    def begins(self, call: str, where: str, left: float, seconds: float) -> None:
        """Write a call: how a message about it begins and ends, its time left and its limit."""
        data = f"{call[:1000]}\0{where[:500]}".encode(errors="backslashreplace")
        data = data[: self._SIZE - self._HEAD.size]
        self._map[self._HEAD.size : self._HEAD.size + len(data)] = data
        self._HEAD.pack_into(self._map, 0, time.monotonic() + left, seconds, len(data))

    def ends(self) -> None:
        """Write that no call is going on."""
        self._HEAD.pack_into(self._map, 0, 0.0, 0.0, 0)

    def exceeded(self) -> float:
        """Return the limit of a call that goes on long after the signal which ends it; else 0."""
        until, seconds, _length = self._HEAD.unpack_from(self._map)
        return seconds if until and time.monotonic() > until + 1.0 + seconds / 10 else 0.0

    def fault(self, what: str) -> str:
        """Return a message about the call that goes on, if one does."""
        _until, _seconds, length = self._HEAD.unpack_from(self._map)
        data = self._map[self._HEAD.size : self._HEAD.size + length]
        call, _, where = data.decode(errors="replace").partition("\0")
        return f"{call}: {what}{where}" if length else what

    def close(self) -> None:
        self._map.close()
