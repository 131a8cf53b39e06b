"""Messages and progress: log lines of the logger ``fieldsmith``, and a bar on a terminal.

As a library the package prints nothing unless the caller configures ``logging``. The command line
shows messages on standard error (``log_to_stderr``).
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

LOGGER = logging.getLogger("fieldsmith")

_LOG_EVERY = 15.0  # seconds between two log lines of a meter


def printable(text: object, *, keep: str = "") -> str:
    """Return text that a terminal shows unchanged, with control characters escaped.

    A document's text could otherwise move the cursor or set the title of the user's terminal.

    Args:
        text: anything that ``str`` turns into text.
        keep: control characters that are not escaped, such as line breaks of a longer text.

    >>> printable("one line\\n\\x1b[2J")
    'one line\\\\n\\\\x1b[2J'
    """
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in str(text)
    )


def say(message: str) -> None:
    """Log a message about what is being done; results are printed or returned instead."""
    LOGGER.info(message)


def is_progress(record: logging.LogRecord) -> bool:
    """Say whether a log line tells how far a meter has come."""
    return getattr(record, "is_progress", False)


class _StderrHandler(logging.Handler):
    """Prints messages as plain lines on ``sys.stderr``, which a progress bar replaces meanwhile."""

    def emit(self, record: logging.LogRecord) -> None:
        if not _is_first_process():
            return
        text = printable(self.format(record), keep="\n\t")
        print(text, file=sys.stderr, flush=True)


def _is_first_process() -> bool:
    # Asked each time: a command may find out itself which process it is.
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """Show messages and progress on standard error for as long as the context lasts.

    Where several processes train together, only the first one shows them.
    """
    handler, level, propagate = _StderrHandler(), LOGGER.level, LOGGER.propagate
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False  # a library that configures the root logger would print them again
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)
        LOGGER.propagate = propagate


@contextmanager
def unlogged() -> Iterator[None]:
    """Log no messages for as long as the context lasts: another process logs the same."""
    level = LOGGER.level
    LOGGER.setLevel(logging.WARNING)
    try:
        yield
    finally:
        LOGGER.setLevel(level)


class Meter:
    """Counts finished work and shows nothing; the base of meters that do.

    Attributes:
        done: units finished so far.
        text: shown beside the count.
    """

    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done, self.before, self.text = 0, 0, ""
        self.began = time.monotonic()

    def resume(self, done: int) -> None:
        """Start at ``done`` units of an earlier process, which the rate leaves out."""
        self.done = self.before = done

    def advance(self, count: int = 1) -> None:
        """Add to the finished units."""
        self.done += count
        self._show()

    def note(self, text: str) -> None:
        """Set the text shown beside the count."""
        self.text = text

    def rate(self) -> float:
        """Return units per second so far."""
        return (self.done - self.before) / max(1e-9, time.monotonic() - self.began)

    def _show(self) -> None: ...


class _LogMeter(Meter):
    shown = 0.0

    def _show(self) -> None:
        now = time.monotonic()
        if now - max(self.shown, self.began) < _LOG_EVERY and self.done < self.total:
            return
        self.shown = now
        left = (self.total - self.done) / max(1e-9, self.rate())
        line = (
            f"{self.label}: {self.done}/{self.total} {self.unit}, {self.rate():.1f}/s, "
            f"{_clock(left)} left  {self.text}"
        )
        LOGGER.info(line.rstrip(), extra={"is_progress": True})


class _BarMeter(Meter):
    def __init__(self, label: str, total: int, unit: str, progress: Progress) -> None:
        super().__init__(label, total, unit)
        self.progress = progress
        self.task = progress.add_task(label, total=total, note="")

    def _show(self) -> None:
        note = f"{self.rate():.1f} {self.unit}/s {self.text}"
        self.progress.update(self.task, completed=self.done, note=note)


@contextmanager
def meter(label: str, total: int, unit: str) -> Iterator[Meter]:
    """Show progress for as long as the context lasts: as a bar on a terminal, else as log lines.

    Args:
        label: what is being done.
        total: units of work in all.
        unit: what a unit is, in the plural.
    """
    shows = LOGGER.isEnabledFor(logging.INFO) and _is_first_process()
    if not (shows and sys.stderr.isatty()):
        yield _LogMeter(label, total, unit)
        return
    from rich import progress as bar
    from rich.console import Console

    columns = (
        bar.TextColumn("{task.description}"),
        bar.BarColumn(),
        bar.MofNCompleteColumn(),
        bar.TimeElapsedColumn(),
        bar.TimeRemainingColumn(),
        bar.TextColumn("{task.fields[note]}", markup=False),
    )
    with bar.Progress(*columns, console=Console(stderr=True)) as shown:
        yield _BarMeter(label, total, unit, shown)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
