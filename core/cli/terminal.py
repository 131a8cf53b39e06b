"""Safe text, coloured states and tables for the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..progress import printable as printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_COLOURS = {"ok": "green", "fail": "red", "warn": "yellow", "expected": "yellow", "skip": "yellow"}


def debug_is_on() -> bool:
    """Say whether the user asked for tracebacks of expected errors, too (``--debug``)."""
    return bool(getattr(click.get_current_context().find_root().obj, "debug", False))


def state(word: str) -> str:
    """Return the state of a check in its colour, padded to the width of a column."""
    return click.style(f"{word:<4}", fg=_COLOURS[word])


def console() -> Console:
    """Return a console on standard output that prints text as it is."""
    from rich.console import Console

    # Wide enough to be whole in a file or a pipe, where there is no terminal to ask.
    width = None if sys.stdout.isatty() else 100
    return Console(width=width, highlight=False, markup=False, emoji=False)


def table(title: str, *columns: str, text: tuple[str, ...] = ()) -> Table:
    """Return an empty table: the first column and those called ``text`` left, numbers right."""
    from rich.table import Table

    made = Table(title=title or None, title_justify="left")
    for number, column in enumerate(columns):
        is_text = number == 0 or column in text
        made.add_column(column, justify="left" if is_text else "right", overflow="fold")
    return made
