"""Read files in another process, which is ended if it takes too much."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

from ..data import PageWord
from ..errors import InputError
from ..plugin_code.other_process import is_other_process
from .archives import Member
from .limits import Limits
from .page_text import PagedText

_SCRIPT = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from fieldsmith.reading.limits import Limits
from fieldsmith.reading.process import serve
serve(int(sys.argv[2]), Limits(*json.loads(sys.argv[3])))
"""

_PATIENCE = 10
"""So many times the seconds of computing are waited for, on a machine that has more to do."""


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
        text, words = self._ask({"task": "read", "file": str(file), "kind": kind})
        return PagedText(text, [PageWord(*word) for word in words])

    def unpack(self, file: Path, kind: str, folder: Path) -> list[Member]:
        """Unpack an archive into an empty folder; arguments and errors are those of ``read``."""
        request = {"task": "unpack", "file": str(file), "kind": kind, "folder": str(folder)}
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
        request = {"task": "draw", "file": str(file), "page": page, "is_gray": is_gray}
        picture, width, height = self._ask(request)
        return base64.b64decode(picture), (width, height)

    def _ask(self, request: dict[str, Any]) -> Any:
        if is_other_process():
            from .process import answer

            return answer(request, self.limits)
        if self._process is None:
            self._process = _Process.start(self.limits)
        connection = self._process.connection
        try:
            connection.send_bytes(json.dumps(request).encode())
            if not connection.poll(_PATIENCE * self.limits.seconds):
                self._process.process.send_signal(signal.SIGXCPU)
            reply = json.loads(connection.recv_bytes())
        except (EOFError, OSError) as error:
            code = self._process.process.wait()
            self._end()
            raise InputError(self._fault(code)) from error
        except BaseException:  # such as Ctrl-C: a later reply would be taken for another file's
            self._end()
            raise
        if reply.get("is_last"):
            self._end()
        if "bug" in reply:
            raise RuntimeError(f"in the process that reads {request['file']}:\n{reply['bug']}")
        if "fault" in reply:
            raise InputError(reply["fault"])
        return reply["value"]

    def _fault(self, code: int) -> str:
        """Return what is wrong with a file in which the process ended, with its exit code."""
        if code == -signal.SIGXCPU:
            return f"is not read within {self.limits.seconds:g} seconds; split it"
        how = signal.strsignal(-code) or f"signal {-code}" if code < 0 else f"exit code {code}"
        return (
            f"ends the process that reads it ({how}); is it whole? If it takes more than "
            f"{self.limits.memory >> 20} MiB of memory, split it"
        )

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None
