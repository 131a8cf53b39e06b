"""Start the processes of a training, wait until they end, and find out why they failed."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import ProcessError
from .environment import LAUNCHED
from .failures import Ended, Failure, fail_alike, first_cause, last_line
from .group import ProcessGroup

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
    from torch.distributed.launcher.api import LaunchConfig

    from .rendezvous import Rendezvous

_POLL = 0.1
"""Seconds between two looks whether a process has ended."""

_ENDING = ("SIGTERM", "SIGHUP", "SIGQUIT")
"""Signals that end a command; Ctrl-C is an exception of Python's."""


class BugError(Exception):
    """A process met an unexpected error; the message says which, and ``trace`` is its traceback."""

    def __init__(self, message: str, trace: str) -> None:
        super().__init__(message)
        self.trace = trace


class KilledError(ProcessError):
    """A process was killed, which is no fault of the training: it can be resumed."""


def launch(group: ProcessGroup, arguments: Sequence[str]) -> None:
    """Run ``extract`` with these arguments in each process of this node, until all have ended.

    The first one of node 0 has this process's terminal; what the others print is not shown. If one
    fails, the others are ended. A signal that ends this process ends them, too.

    Raises:
        BugError: a process met an unexpected error.
        KilledError: a process was killed.
        ProcessError: a process failed otherwise, or the nodes did not meet.
        SettingsError: the options of the nodes contradict each other.
    """
    from torch.distributed.elastic.multiprocessing import SignalException

    try:
        with (
            tempfile.TemporaryDirectory(prefix="fieldsmith-") as folder,
            _signals_kept(),
            _variables(group),
        ):
            _run(group, arguments, Path(folder))
    except SignalException as ended:
        if ended.sigval == signal.SIGINT:
            raise KeyboardInterrupt from None
        signal.signal(ended.sigval, signal.SIG_DFL)
        os.kill(os.getpid(), ended.sigval)


def _run(group: ProcessGroup, arguments: Sequence[str], folder: Path) -> None:
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    from .rendezvous import NodeFailedError, Rendezvous

    _silence_torch()
    rendezvous = Rendezvous(group)
    command = ["-P", "-m", "fieldsmith.cli", *arguments]
    # torch replaces ${local_rank} in what it passes on.
    escaped = [argument.replace("$", "$$") for argument in command]
    try:
        elastic_launch(_configuration(rendezvous, folder), sys.executable)(*escaped)
    except ChildFailedError as error:
        _raise_cause(error, rendezvous, folder)
    except NodeFailedError as error:
        raise ProcessError(str(error)) from None
    except (KeyboardInterrupt, SignalException):
        rendezvous.share_failure(f"node {group.node_rank} of {group.nodes} was interrupted")
        raise
    finally:
        if sys.stderr.isatty():  # a bar of a process that was killed may have hidden the cursor
            print("\r\x1b[K\x1b[?25h", end="", file=sys.stderr, flush=True)


def _configuration(rendezvous: Rendezvous, folder: Path) -> LaunchConfig:
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
    from torch.distributed.elastic.rendezvous import rendezvous_handler_registry
    from torch.distributed.launcher.api import LaunchConfig

    group = rendezvous.group
    backend = rendezvous.get_backend()
    rendezvous_handler_registry.register(backend, lambda _parameters: rendezvous)
    shown = 0 if group.node_rank == 0 else None
    redirects = {number: Std.ALL for number in range(group.processes) if number != shown}
    options: dict[str, Any] = {}  # older releases of torch handle a fixed list of signals
    if "signals_to_handle" in {field.name for field in fields(LaunchConfig)}:
        options["signals_to_handle"] = ",".join(_signals_that_end())
    return LaunchConfig(
        min_nodes=group.nodes,
        max_nodes=group.nodes,
        nproc_per_node=group.processes,
        logs_specs=DefaultLogsSpecs(log_dir=str(folder), redirects=redirects),
        run_id=rendezvous.get_run_id(),
        rdzv_backend=backend,
        rdzv_endpoint="{}:{}".format(*group.address),
        max_restarts=0,
        monitor_interval=_POLL,
        **options,
    )


def _signals_that_end() -> list[str]:
    """Return the signals that end this process; nohup, for one, lets it live on after SIGHUP."""
    return [n for n in _ENDING if signal.getsignal(getattr(signal, n)) != signal.SIG_IGN]


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Put back the handlers of signals, which torch replaces."""
    names = [*_ENDING, "SIGINT"]
    before = {name: signal.getsignal(getattr(signal, name)) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler or signal.SIG_DFL)


@contextmanager
def _variables(group: ProcessGroup) -> Iterator[None]:
    """Set the variables that the processes inherit."""
    import torch

    # As many as one process would have, shared out.
    threads = max(1, torch.get_num_threads() // group.processes)
    added = {
        LAUNCHED: str(os.getpid()),
        "OMP_NUM_THREADS": str(threads),
        "TORCH_CPP_LOG_LEVEL": "ERROR",  # it warns where a host has no name
    }
    added = {name: value for name, value in added.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _silence_torch() -> None:
    """Keep torch's launcher from printing what the one line says that this module raises."""
    logger = logging.getLogger("torch.distributed.elastic")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False


def _raise_cause(error: ChildFailedError, rendezvous: Rendezvous, folder: Path) -> NoReturn:
    group = rendezvous.group
    ended = [_ended(rank, failure, folder) for rank, failure in error.failures.items()]
    cause = first_cause(ended)
    if group.nodes > 1 and cause.lost_a_peer():
        raise ProcessError(rendezvous.failure_elsewhere()) from None
    line = cause.describe(rendezvous.processes)
    rendezvous.share_failure(line)
    if cause.failure and not cause.failure.expected:
        raise BugError(line, cause.failure.trace) from None
    if cause.failure and fail_alike(ended, group.processes):
        line = cause.failure.line
    raised = (KilledError if cause.code == -signal.SIGKILL else ProcessError)(line)
    if cause.failure:
        raised.add_note(cause.failure.trace)  # which --debug prints
    raise raised from None


def _ended(rank: int, failure: ProcessFailure, folder: Path) -> Ended:
    printed = next(folder.glob(f"*/attempt_0/{failure.local_rank}/stderr.log"), None)
    # Without a report, whole seconds of when its end was noticed, which may be later.
    noticed = float(failure.error_file_data.get("timestamp", failure.timestamp - _POLL))
    reported = Failure.from_json(failure.error_file_data)
    return Ended(rank, failure.exitcode, noticed, reported, last_line(printed) if printed else "")
