"""Failures of processes that train together: each reports its own, and one of them is the cause."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import OutputError
from ..files import write_json
from .environment import is_launched
from .processes import is_main_process, process_count, rank

ERROR_FILE = "TORCHELASTIC_ERROR_FILE"
"""Names the file in which torch's launcher looks for the error of a process."""

_PATIENCE = 3.0
"""Seconds to wait for the other processes where one has failed: a wrong file is seen by all."""

_LOST_A_PEER = re.compile(
    r"Connection closed by peer|Connection reset by peer|Broken pipe|NCCL|gloo|ProcessGroup|"
    r"TCPStore|DistBackendError|DistNetworkError|DistStoreError|Socket (Timeout|closed)",
    re.IGNORECASE,
)
"""What a process says where another one, which it exchanges tensors with, is gone."""


@dataclass(frozen=True)
class Failure:
    """What a process ended with.

    Attributes:
        line: the error in one line.
        trace: its traceback.
        expected: whether a user can act on it; others are bugs.
        code: the exit code.
    """

    line: str
    trace: str
    expected: bool
    code: int

    @staticmethod
    def from_json(held: object) -> Failure | None:
        """Return what an error file holds; None if something else than this module wrote it."""
        if not isinstance(held, dict) or not {"line", "trace", "expected", "code"} <= held.keys():
            return None
        return Failure(
            str(held["line"]), str(held["trace"]), bool(held["expected"]), int(held["code"])
        )


@dataclass(frozen=True)
class Ended:
    """A process that has failed, as the one that started it sees it.

    Attributes:
        rank: its number.
        code: its exit code; that of a signal is negative.
        time: when it failed, in seconds; when its end was noticed, if it reported nothing.
        failure: what it reported.
        last_line: the last line of its standard error; "" where that was the terminal.
    """

    rank: int
    code: int
    time: float
    failure: Failure | None = None
    last_line: str = ""

    @property
    def signal(self) -> str:
        """The name of the signal that ended it, "" for none."""
        if self.code >= 0:
            return ""
        with suppress(ValueError):
            return signal.Signals(-self.code).name
        return f"signal {-self.code}"

    def lost_a_peer(self) -> bool:
        """Say whether it was ended, or failed, because another process had failed before."""
        if self.failure:
            return not self.failure.expected and bool(_LOST_A_PEER.search(self.failure.line))
        return self.code == -signal.SIGTERM or bool(_LOST_A_PEER.search(self.last_line))

    def describe(self, processes: int) -> str:
        """Say in one line which of how many processes ended, and how."""
        name = f"process {self.rank} of {processes}"
        if self.failure:
            return f"{name}: {self.failure.line}"
        if self.code == -signal.SIGKILL:
            return f"{name} was killed (SIGKILL): out of memory is the usual cause"
        how = f"was ended by {self.signal}" if self.signal else f"ended with exit code {self.code}"
        return f"{name} {how}" + (f": {self.last_line}" if self.last_line else "")


def first_cause(ended: Sequence[Ended]) -> Ended:
    """Return the process whose end made the others end.

    Args:
        ended: those that have failed, in the order in which their ends were noticed.
    """
    return min(ended, key=_doubt)


def _doubt(ended: Ended) -> tuple[int, float]:
    if ended.lost_a_peer():
        return 2, 0  # of these the first that was noticed: its launcher has ended the others
    if ended.failure is None and ended.code == -signal.SIGABRT:
        return 1, ended.time  # so libraries of communication end a process that waits in vain
    return 0, ended.time


def fail_alike(ended: Sequence[Ended], processes: int) -> bool:
    """Say whether all of some processes failed with the same expected error."""
    lines = [each.failure.line for each in ended if each.failure and each.failure.expected]
    return len(lines) == processes and len(set(lines)) == 1


def last_line(printed: Path) -> str:
    """Return the last line that is not empty of what a process printed; "" where there is none."""
    with suppress(OSError):
        lines = printed.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
    return ""


def report(failure: Failure) -> str:
    """Report this process's failure to what started it, and return what it has to print itself.

    That is "" where our launcher prints it, or a process beside this one has the same to print.
    """
    file = Path(os.environ[ERROR_FILE]) if os.environ.get(ERROR_FILE) else None
    if file:
        held = {"message": failure.line if failure.expected else failure.trace}
        with suppress(OutputError):
            write_json(file, {**held, "timestamp": time.time(), **asdict(failure)})
    if not is_launched() and not _is_a_further_process():
        return failure.line
    alike = failure.expected and _peers_fail_alike(file, failure)
    if is_launched() or (alike and os.environ.get("LOCAL_RANK") != "0"):
        return ""
    return f"process {rank()} of {process_count()}: {failure.line}"


def _is_a_further_process() -> bool:
    """Say whether this is one of several processes, and not the first."""
    # Of what is not a number the error to be printed may be about.
    set_to = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE")]
    return all(map(str.isdecimal, set_to)) and process_count() > 1 and not is_main_process()


def _peers_fail_alike(file: Path | None, failure: Failure) -> bool:
    """Wait a little for the processes on this node to fail, and say whether all fail alike.

    Otherwise the first would be taken for the only one, as its end lets the others be ended.
    """
    deadline = time.monotonic() + _PATIENCE
    found: list[Failure | None] = [None]
    while None in found and time.monotonic() < deadline:
        time.sleep(0.05)
        found = list(_failures_beside(file)) if file else [None]
    return all(other is not None and other.line == failure.line for other in found)


def _failures_beside(file: Path) -> Iterator[Failure | None]:
    """Yield what the processes of this node reported; torch's launcher has a folder for each."""
    for number in range(int(os.environ.get("LOCAL_WORLD_SIZE", "1"))):
        try:
            held = (file.parent.parent / str(number) / file.name).read_text(encoding="utf-8")
            yield Failure.from_json(json.loads(held))
        except (OSError, ValueError):
            yield None
