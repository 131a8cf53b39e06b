"""Read files in another process, which is ended if it takes too much."""

from __future__ import annotations

import atexit
import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from ..data import PageWord
from ..errors import InputError
from ..plugin_code.other_process import is_other_process
from .archives import Member
from .limits import Limits
from .page_text import PagedText

T = TypeVar("T")

_SCRIPT = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from fieldsmith.reading.limits import Limits
from fieldsmith.reading.process import serve
serve(int(sys.argv[2]), Limits(*json.loads(sys.argv[3])))
"""

_PATIENCE = 10
"""So many times the seconds of computing are waited for, on a machine that has more to do."""

_FIRST_PAGES, _PAGE = 30.0, 1.0
"""Seconds of computing for first pages, and for each of them beside these."""

_refused: dict[tuple[object, ...], str] = {}
"""What took too much time or memory -> what was said: it is not tried again by another reader."""


@dataclass
class _Process:
    process: subprocess.Popen[bytes]
    connection: Connection

    @staticmethod
    def start(limits: Limits) -> _Process:
        here, there = Pipe()
        with there:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SCRIPT, json.dumps(sys.path), str(there.fileno()),
                 json.dumps(limits)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[there.fileno()],
                process_group=0,  # so that Ctrl-C reaches this process alone
            )  # fmt: skip
        return _Process(process, here)

    def end(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            self.process.kill()
        self.process.wait()
        self.connection.close()


@dataclass
class Reader:
    """Reads files in a process that is started with the first of them, and ends with the context.

    In a process that is limited itself, that is where it reads.

    Attributes:
        limits: of each file.
    """

    limits: Limits = field(default_factory=Limits)
    _process: _Process | None = None

    def __enter__(self) -> Reader:
        """Start nothing yet."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """End the process."""
        self._end()

    def read(self, file: Path, kind: str) -> PagedText:
        """Return the text of a file.

        Args:
            file: the file.
            kind: what ``kind_of`` says that it is.

        Raises:
            InputError: it cannot be read, or takes too much; says why without its name.
        """
        return _paged(self._ask({"task": "read", "file": _path(file), "kind": kind}))

    def read_first_pages(self, file: Path, *, pages: int, enough: int) -> PagedText:
        """Return the text of the first pages of a PDF; see the function of this name."""
        seconds = min(self.limits.seconds, _FIRST_PAGES + _PAGE * pages)
        request = {"task": "first pages", "file": _path(file), "pages": pages, "enough": enough}
        return _paged(self._ask({**request, "seconds": seconds}))

    def call(self, file: Path, read: Callable[[Path], T]) -> T:
        """Return what a function makes of a file; see ``read_within_limits``."""
        module, function = read.__module__, read.__qualname__
        if getattr(sys.modules.get(module), function, None) is not read:
            raise TypeError(f"{function} of {module} is no function of a module, as is wanted")
        request = {"task": "call", "file": _path(file), "module": module, "function": function}
        found: T = self._ask(request)
        return found

    def unpack(self, file: Path, kind: str, folder: Path) -> list[Member]:
        """Unpack an archive into an empty folder; arguments and errors are those of ``read``."""
        request = {"task": "unpack", "file": _path(file), "kind": kind, "folder": str(folder)}
        return [Member(*member) for member in self._ask(request)]

    def draw(
        self, file: Path, page: int, *, is_gray: bool = False
    ) -> tuple[bytes, tuple[float, float]]:
        """Return a page of a PDF as PNG, with its width and height in points.

        Args:
            file: the file.
            page: its number, from 1.
            is_gray: in shades of gray, which take about half the bytes.

        Raises:
            InputError: it cannot be drawn; says why without its name.
        """
        request = {"task": "draw", "file": _path(file), "page": page, "is_gray": is_gray}
        picture, width, height = self._ask(request)
        return base64.b64decode(picture), (width, height)

    def _ask(self, request: dict[str, Any]) -> Any:
        if is_other_process():
            from .process import answer

            return answer(request, self.limits)
        key = self._key(request)
        if key in _refused:
            raise InputError(_refused[key])
        reply = self._reply(request)
        if reply.get("is_last"):
            self._end()
        if reply.get("takes_too_much"):
            _refused[key] = reply["fault"]
        if "bug" in reply:
            raise RuntimeError(f"in the process that reads {request['file']}:\n{reply['bug']}")
        if "fault" in reply:
            raise InputError(reply["fault"])
        return reply["value"]

    def _key(self, request: Mapping[str, Any]) -> tuple[object, ...]:
        """Return what a file is known by; whoever reads pages of it reads what the first take."""
        with suppress(OSError):
            state = os.stat(request["file"])
            changed = state.st_ino, state.st_mtime_ns, state.st_size
            return request["file"], changed, request.get("page"), self.limits
        return (request["file"],)

    def _reply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the process replies, or the fault in which it ended."""
        self._process = self._process or _Process.start(self.limits)
        connection = self._process.connection
        seconds = request.get("seconds", self.limits.seconds)
        try:
            with suppress(BrokenPipeError):  # it has ended, and what it sent before says why
                connection.send_bytes(json.dumps(request).encode())
            if not connection.poll(_PATIENCE * seconds):
                self._process.process.send_signal(signal.SIGXCPU)
            reply: dict[str, Any] = json.loads(connection.recv_bytes())
        except (EOFError, OSError):
            code = self._process.process.wait()
            self._end()
            return {"fault": self._fault(code, seconds), "takes_too_much": code == -signal.SIGXCPU}
        except BaseException:  # such as Ctrl-C: a later reply would be taken for another file's
            self._end()
            raise
        if not reply.get("is_idle"):
            return reply
        self._end()
        return self._reply(request)

    def _fault(self, code: int, seconds: float) -> str:
        """Return what is wrong with a file in which the process ended.

        Args:
            code: exit code of the process.
            seconds: that the file could take.
        """
        if code == -signal.SIGXCPU:
            return f"is not read within {seconds:g} seconds; split it"
        how = signal.strsignal(-code) or f"signal {-code}" if code < 0 else f"exit code {code}"
        return (
            f"ends the process that reads it ({how}); is it whole? If it takes more than "
            f"{self.limits.memory >> 20} MiB of memory, split it"
        )

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


_own = threading.local()


def read_first_pages(path: Path, *, pages: int, enough: int) -> PagedText:
    """Return the text of the first pages of a PDF, and where its words stand.

    It is read in another process, within the limits of every file that is read. The process is that
    of all calls of a thread, and ends when nothing was asked for a while.

    Args:
        path: the file.
        pages: how many pages are read at most.
        enough: number of characters after which no further page is read.

    Raises:
        InputError: it cannot be read, or takes too much; names the file.
    """
    with _naming(path):
        return _own_reader().read_first_pages(path, pages=pages, enough=enough)


def read_within_limits(path: Path, read: Callable[[Path], T]) -> T:
    """Return what a function makes of a file, in the process that ``read_first_pages`` reads in.

    A loader calls its own parser by it, so that a hostile file is one line and ends no command.

    Args:
        path: the file.
        read: a function of a module, which is imported there. It is given the path and returns what
            JSON can hold.

    Raises:
        InputError: the function says so, or the file takes too much; names the file.
        TypeError: it is no function of a module.
    """
    with _naming(path):
        return _own_reader().call(path, read)


def _own_reader() -> Reader:
    """Return the reader of this thread."""
    if getattr(_own, "process", None) != os.getpid():  # a process that is forked starts its own
        _own.process, _own.reader = os.getpid(), Reader()
        atexit.register(_own.reader.__exit__, None, None, None)
    reader: Reader = _own.reader
    return reader


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in an error, as the user did."""
    try:
        yield
    except InputError as error:
        reason = str(error).removeprefix(f"{_path(path)}: ")
        raise InputError(f"{path}: {reason}") from error


def _path(file: Path) -> str:
    """Return the path of a file for a process that may be started in another folder."""
    return str(file.absolute())


def _paged(value: Any) -> PagedText:
    text, words = value
    return PagedText(text, [PageWord(*word) for word in words])
