"""Scores on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..scoring.metrics import WHOLE_RECORD
from .terminal import console, printable, table

if TYPE_CHECKING:
    from rich.table import Table

_ODDITIES = {
    "truncated": "answers cut off at the length limit",
    "repeats": "repeated items left out",
    "unsure": "values of low confidence left out",
    "ungrounded": "values that are not in the document left out",
}
"""Counts of a summary that are printed where they are not zero."""


_LEAST_GAIN = 0.0005
"""A gain below it is printed as 0."""

_MOST_FIELDS = 5
"""So many of the fields that would raise the score are printed."""


def print_scores(summary: dict[str, Any]) -> None:
    """Print precision, recall and F1 with its interval by name, beside the baselines.

    Below them is the share of whole records that are right, and what would raise the score most.
    """
    metrics = summary["metrics"]
    null, base = summary["baselines"]["null"]["metrics"], summary["baselines"].get("base")
    columns = ["precision", "recall", "F1", "95 % interval", "null", *(["base"] if base else [])]
    made = table(printable(f"{summary['plugin']}, {summary['split']}"), "", *columns)
    for name in [key.removesuffix("/f1") for key in metrics if key.endswith("/f1")]:
        f1 = metrics[f"{name}/f1"]
        made.add_row(
            printable(name),
            _value(metrics.get(f"{name}/precision")),
            _value(metrics.get(f"{name}/recall")),
            _value(f1),
            f"{f1['low']:.3f}-{f1['high']:.3f}",
            f"{null.get(f'{name}/f1', 0.0):.3f}",
            *([_value(base["metrics"].get(f"{name}/f1"))] if base else []),
        )
    _add_whole_records(made, summary)
    console().print(made)
    details = _coverage(summary) if "outputs" in summary else _reading(summary)
    count = (
        f"{summary['documents']} of {summary['of']}" if "of" in summary else summary["documents"]
    )
    click.echo(f"{count} documents, {summary['valid']:.1%} with a valid record, {details}")
    for fault, count in summary.get("outputs", {}).get("faults", {}).items():
        click.echo(f"{count} predictions: {printable(fault)}")
    for name, value in metrics.items():
        if name.endswith("/accuracy") and name != WHOLE_RECORD:
            click.echo(f"{name}: {value['value']:.3f} ({value['low']:.3f}-{value['high']:.3f})")
    if base:
        difference = base["difference"]
        click.echo(
            f"better than the base by {difference['value']:.3f} "
            f"({difference['low']:.3f} to {difference['high']:.3f}, p {difference['p_value']:.3f})"
        )
    _print_oracle(summary)


def _add_whole_records(made: Table, summary: dict[str, Any]) -> None:
    """Add a row with the share of documents whose whole record is right."""
    share = summary["metrics"].get(WHOLE_RECORD)
    if share is None:
        return
    base = summary["baselines"].get("base")
    made.add_section()
    made.add_row(
        "whole records right (share)",
        "",
        "",
        _value(share),
        f"{share['low']:.3f}-{share['high']:.3f}",
        f"{summary['baselines']['null']['metrics'].get(WHOLE_RECORD, 0.0):.3f}",
        *([_value(base["metrics"].get(WHOLE_RECORD))] if base else []),
    )


def _print_oracle(summary: dict[str, Any]) -> None:
    """Print by how much the score would rise if one field were right in every document."""
    gains = [
        f"{printable(field)} {found['score']:.3f} ({found['gain']:+.3f})"
        for field, found in summary.get("oracle", {}).items()
        if found["gain"] > _LEAST_GAIN
    ]
    if gains:
        rest = f", and {len(gains) - _MOST_FIELDS} more" if len(gains) > _MOST_FIELDS else ""
        click.echo(
            f"score {summary['score']:.3f}; with one field right everywhere: "
            f"{', '.join(gains[:_MOST_FIELDS])}{rest}"
        )


def _reading(summary: dict[str, Any]) -> str:
    """Return what a run read, what was left out of its records, and the cost."""
    windows = summary["windows"]
    odd = [f", {summary[name]} {words}" for name, words in _ODDITIES.items() if summary.get(name)]
    return (
        f"{windows['read']} of {windows['total']} windows read{''.join(odd)}"
        f"{'' if summary['constrained'] else ', unconstrained'}; "
        f"{summary['seconds_per_document']:.3f} s per document, "
        f"{summary['peak_memory_mb']:.0f} MB at most"
    )


def _coverage(summary: dict[str, Any]) -> str:
    """Return how many gold documents the predictions of another system cover."""
    found = summary["outputs"]
    return (
        f"{found['answered']} of the gold predicted, {found['unreadable']} unreadable, "
        f"{found['missing']} missing; {found['unknown']} predictions match no gold document"
    )


def print_calibration(summary: dict[str, Any]) -> None:
    """Print how reliable the confidence of values is, and what a threshold would keep."""
    found = summary.get("calibration")
    if not found or not found["leaves"]:
        return
    columns = ("values", "mean", "right", "kept from here on", "right of those")
    made = table("confidence of the values", "", *columns)
    kept = {row["threshold"]: row for row in found["coverage"]}
    for row in found["reliability"]:
        from_here = kept[row["low"]]
        shares = (row["confidence"], row["correct"], from_here["coverage"], from_here["precision"])
        made.add_row(
            f"{row['low']:.1f}-{row['high']:.1f}",
            str(row["count"]),
            *("" if share is None else f"{share:.3f}" for share in shares),
        )
    console().print(made)
    click.echo(f"{found['leaves']} values, expected calibration error {found['ece']:.3f}")


def _value(interval: dict[str, float] | None) -> str:
    return "" if interval is None else f"{interval['value']:.3f}"
