"""A report on the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ..report.error_kinds import KINDS
from . import printable
from .score_tables import print_calibration, print_scores

if TYPE_CHECKING:
    from ..report.comparison import Change, Comparison
    from ..report.scored_run import Scored

_SHOWN = 5  # documents that got better, and that got worse


def print_report(scored: Scored, comparison: Comparison | None) -> None:
    """Print scores, the comparison, losses and scores by step, kinds of errors and calibration."""
    console = Console(
        width=None if sys.stdout.isatty() else 100, highlight=False, markup=False, emoji=False
    )
    print_scores(dict(scored.summary))
    if comparison:
        _comparison(console, comparison)
    _steps(console, scored)
    _kinds(console, scored)
    print_calibration(dict(scored.summary))
    for sentence in scored.missing:
        console.print(printable(sentence), soft_wrap=True)


def _comparison(console: Console, comparison: Comparison) -> None:
    folder = printable(str(comparison.other.run.folder))
    table = _table(f"against {folder}", "", "here", "there", "difference", "95 % interval", "p")
    for row in (comparison.score, *comparison.fields):
        interval = row.difference
        table.add_row(
            printable(row.name),
            f"{row.ours:.3f}",
            f"{row.theirs:.3f}",
            f"{interval.value:+.3f}",
            f"{interval.low:+.3f} to {interval.high:+.3f}",
            f"{row.p_value:.3f}",
        )
    console.print(table)
    _changes(console, "better", comparison.better())
    _changes(console, "worse", comparison.worse())


def _changes(console: Console, word: str, changes: list[Change]) -> None:
    console.print(f"{len(changes)} documents are {word}{':' if changes else ''}")
    for change in changes[:_SHOWN]:
        line = f"  {change.id}: F1 {change.ours:.3f}, {change.theirs:.3f} there"
        told = [f"{field} {value!r} {what}" for field, value, what in _of(change, word)]
        console.print(printable(f"{line}; {'; '.join(told)}"), soft_wrap=True)


def _of(change: Change, word: str) -> tuple[tuple[str, str, str], ...]:
    return change.better if word == "better" else change.worse


def _steps(console: Console, scored: Scored) -> None:
    """Print a line for each step at which validation was scored, or else the last losses."""
    rows = scored.steps()
    kept = [row for row in rows if "score" in row or "eval_loss" in row] or rows
    if not kept:
        return
    table = _table("by step", "step", "loss", "validation loss", "score on validation")
    for row in kept:
        values = (row.get(name) for name in ("loss", "eval_loss", "score"))
        table.add_row(
            f"{row['step']:g}", *("" if value is None else f"{value:.3f}" for value in values)
        )
    console.print(table)


def _kinds(console: Console, scored: Scored) -> None:
    table = _table("answers by kind", "", "gold", "predicted", *KINDS)
    for field, row in scored.kinds().items():
        counts = [str(row[kind]) for kind in ("gold", "predicted", *KINDS)]
        table.add_row(printable(field), *counts)
    console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    return table
