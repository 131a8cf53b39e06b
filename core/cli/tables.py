"""Scores as a table."""

from __future__ import annotations

import sys
from typing import Any

import click


def print_scores(summary: dict[str, Any]) -> None:
    """Print the scores of a split: by name precision, recall and F1 with its interval."""
    from rich.console import Console
    from rich.table import Table

    null = summary["baselines"]["null"]["metrics"]
    base = summary["baselines"].get("base")
    table = Table(title=f"{summary['plugin']}, {summary['split']}", title_justify="left")
    columns = ["", "precision", "recall", "F1", "95 % interval", "null"]
    for column in [*columns, "base"] if base else columns:
        table.add_column(column, justify="left" if not column else "right")
    metrics = summary["metrics"]
    for name in dict.fromkeys(key.rsplit("/", 1)[0] for key in metrics if "/" in key):
        f1 = metrics.get(f"{name}/f1")
        if f1 is None:
            continue
        row = [
            name,
            _shown(metrics.get(f"{name}/precision")),
            _shown(metrics.get(f"{name}/recall")),
            _shown(f1),
            f"{f1['low']:.3f}-{f1['high']:.3f}",
            f"{null.get(f'{name}/f1', 0.0):.3f}",
        ]
        table.add_row(*row, *([_shown(base["metrics"].get(f"{name}/f1"))] if base else []))
    # Wide enough to be whole in a file or a pipe, where there is no terminal to ask.
    width = None if sys.stdout.isatty() else 100
    Console(width=width).print(table)
    windows = summary["windows"]
    click.echo(
        f"{summary['documents']} documents, {summary['valid']:.1%} with a valid record, "
        f"{windows['read']} of {windows['total']} windows read, "
        f"{summary['ungrounded']} leaves that stand in no document left out; "
        f"{summary['seconds_per_document']:.3f} s a document, "
        f"{summary['peak_memory_mb']:.0f} MB at most"
    )
    for name, value in metrics.items():
        if name.endswith("/accuracy"):
            click.echo(f"{name}: {value['value']:.3f} ({value['low']:.3f}-{value['high']:.3f})")
    if base:
        difference = base["difference"]
        click.echo(
            f"better than the base by {difference['value']:.3f} "
            f"({difference['low']:.3f} to {difference['high']:.3f}, p {difference['p_value']:.3f})"
        )


def _shown(interval: dict[str, float] | None) -> str:
    return "" if interval is None else f"{interval['value']:.3f}"
