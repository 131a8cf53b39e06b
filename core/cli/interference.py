"""``extract interference``: compare domains trained together with each trained alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..progress import say
from .options import PATH, json_option
from .terminal import console, printable, table

if TYPE_CHECKING:
    from ..report.comparison import ScoreDifference
    from ..report.interference import Interference


@click.command("interference")
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="TOGETHER ALONE...")
@click.option(
    "--split",
    metavar="NAME",
    help="Which scores of metrics.json. Default: those of test, or else of validation, that both "
    "runs have.",
)
@json_option
def command(runs: tuple[Path, ...], split: str | None, as_json: bool) -> None:
    """Compare a run of several domains with a run of each alone, on the same documents.

    For each domain and field: the scores together and alone, and their difference with a paired
    95 % bootstrap interval over documents. Reads stored scores, and runs no model.

    \b
    Example:
      extract interference runs/together runs/papers runs/news
      extract interference runs/together runs/papers --split validation --json
    """
    from ..report.interference import interference

    found = interference(runs, split)
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False))
    else:
        _print(found)
    if found.missing:
        say(f"no run alone was given of {', '.join(found.missing)}")


def _print(found: Interference) -> None:
    made = table("", "", "together", "alone", "difference", "95 % interval", "p")
    for domain in found.domains:
        comparison = domain.comparison
        title = f"{domain.plugin}, {domain.split} ({len(comparison.documents)} documents)"
        made.add_row(printable(title), *_cells(comparison.score))
        for row in comparison.fields:
            made.add_row(printable(f"  {row.name}"), *_cells(row))
        made.add_section()
    together, alone = found.means
    made.add_row("mean", f"{together:.3f}", f"{alone:.3f}", f"{together - alone:+.3f}", "", "")
    console().print(made)


def _cells(row: ScoreDifference) -> list[str]:
    interval = row.difference
    return [
        f"{row.ours:.3f}",
        f"{row.theirs:.3f}",
        f"{interval.value:+.3f}",
        f"{interval.low:+.3f} to {interval.high:+.3f}",
        f"{row.p_value:.3f}",
    ]
