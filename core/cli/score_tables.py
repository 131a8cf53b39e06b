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
    told = _outputs(summary) if "outputs" in summary else _reading(summary)
    click.echo(
        f"{summary['documents']} documents, {summary['valid']:.1%} with a valid record, {told}"
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


def _reading(summary: dict[str, Any]) -> str:
    """Say what a run read, and at what cost."""
    windows = summary["windows"]
    return (
        f"{windows['read']} of {windows['total']} windows read{_oddities(summary)}; "
        f"{summary['seconds_per_document']:.3f} s a document, "
        f"{summary['peak_memory_mb']:.0f} MB at most"
    )


def _outputs(summary: dict[str, Any]) -> str:
    """Say how many documents of the gold another system's outputs answer."""
    found = summary["outputs"]
    return (
        f"{found['answered']} of the gold answered, {found['unreadable']} unreadable, "
        f"{found['missing']} missing; {found['unknown']} outputs are of no gold document"
    )


def _oddities(summary: dict[str, Any]) -> str:
    """Say what was not as it should be, where something was not."""
    told = {
        "truncated": "answers cut off at the length limit",
        "repeats": "repeated items left out",
        "unsure": "leaves left out as unsure",
        "ungrounded": "leaves that stand in no document left out",
    }
    parts = [f", {summary[name]} {words}" for name, words in told.items() if summary.get(name)]
    return "".join(parts) + ("" if summary["constrained"] else ", unconstrained")


def print_calibration(summary: dict[str, Any]) -> None:
    """Print how far a leaf's confidence can be relied on, and what a threshold would keep."""
    from rich.console import Console
    from rich.table import Table

    found = summary.get("calibration")
    if not found or not found["leaves"]:
        return
    table = Table(title="confidence of the leaves", title_justify="left")
    for column in ["", "leaves", "mean", "right", "kept from here on", "right of those"]:
        table.add_column(column, justify="right" if column else "left")
    kept = {row["threshold"]: row for row in found["coverage"]}
    for row in found["reliability"]:
        from_here = kept[row["low"]]
        table.add_row(
            f"{row['low']:.1f}-{row['high']:.1f}",
            str(row["count"]),
            *(_share(row["confidence"]), _share(row["correct"])),
            *(_share(from_here["coverage"]), _share(from_here["precision"])),
        )
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    click.echo(f"{found['leaves']} leaves, expected calibration error {found['ece']:.3f}")


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _shown(interval: dict[str, float] | None) -> str:
    return "" if interval is None else f"{interval['value']:.3f}"
