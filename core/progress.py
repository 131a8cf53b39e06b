"""A progress line on a terminal, with rate and time left; plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_PLAIN_EVERY = 15.0  # seconds between two plain lines


class Meter:
    """Counts work done; ``advance`` is called with how much, ``note`` with what to show beside."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done, self.before, self.text = 0, 0, ""
        self.began = time.monotonic()

    def resume(self, done: int) -> None:
        """Begin at ``done``: work of an earlier process, which the rate leaves out."""
        self.done = self.before = done

    def advance(self, count: int = 1) -> None:
        """Add to the work done."""
        self.done += count
        self._show()

    def note(self, text: str) -> None:
        """Set the text shown beside the bar."""
        self.text = text

    def rate(self) -> float:
        """Return units a second so far."""
        return (self.done - self.before) / max(1e-9, time.monotonic() - self.began)

    def _show(self) -> None: ...


class _Plain(Meter):
    def __init__(self, label: str, total: int, unit: str) -> None:
        super().__init__(label, total, unit)
        self.shown = self.began

    def _show(self) -> None:
        now = time.monotonic()
        if now - self.shown < _PLAIN_EVERY and self.done < self.total:
            return
        self.shown = now
        left = (self.total - self.done) / max(1e-9, self.rate())
        print(
            f"{self.label}: {self.done}/{self.total} {self.unit}, {self.rate():.1f}/s, "
            f"{_clock(left)} left{'  ' + self.text if self.text else ''}",
            file=sys.stderr,
            flush=True,
        )


class _Bar(Meter):
    def __init__(self, label: str, total: int, unit: str, progress: Progress) -> None:
        super().__init__(label, total, unit)
        self.progress = progress
        self.task = progress.add_task(label, total=total, note="")

    def _show(self) -> None:
        note = f"{self.rate():.1f} {self.unit}/s {self.text}"
        self.progress.update(self.task, completed=self.done, note=note)


@contextmanager
def meter(label: str, total: int, unit: str) -> Iterator[Meter]:
    """Show progress on standard error for as long as the context lasts."""
    if _is_silent():
        yield Meter(label, total, unit)
        return
    if not sys.stderr.isatty():
        yield _Plain(label, total, unit)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Bar(label, total, unit, progress)


def say(line: str) -> None:
    """Print a line of narration on standard error: standard output is for results."""
    if not _is_silent():
        print(line, file=sys.stderr, flush=True)


def _is_silent() -> bool:
    """Say whether this is one of several processes, and not the one that speaks."""
    return os.environ.get("RANK", "0") != "0"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
