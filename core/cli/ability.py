"""What `extract evaluate --ability` prints: a run's base and its tuned model on general tasks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from .terminal import console, printable, table

_BESIDE = {"run", "ability", "max_loss", "trusted", "as_json"}
"""Parameters of `extract evaluate` that may be given beside --ability."""


def evaluate_ability(
    run: Path | None,
    asked: Sequence[str],
    *,
    max_loss: float | None,
    trusted: bool,
    as_json: bool,
) -> None:
    """Measure a run on general tasks, print the figures, and end with 1 if a task is lost."""
    from ..ability.measure import measure_ability
    from ..model.library_output import quieten
    from ..runs.folder import Run

    if run is None:
        raise click.UsageError("--ability wants a run")
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        if (
            name not in _BESIDE
            and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        ):
            raise click.UsageError(
                f"--ability measures general tasks and scores no documents; it excludes "
                f"{parameter.opts[0]}"
            )
    quieten()
    measured = measure_ability(Run.open(run, trusted=trusted), asked, max_loss=max_loss)
    if as_json:
        click.echo(json.dumps({"tasks": measured}, ensure_ascii=False))
    else:
        print_ability(measured)
    if any(found["lost"] for found in measured.values()):
        context.exit(1)


def print_ability(measured: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the figures of both models by task, and of which task more than the bound was lost."""
    from ..runs.ability import changed, named, verdict

    columns = ("documents", "figure", "base", "tuned", "difference (95 % interval)")
    made = table("general ability", "", *columns, text=("figure",))
    for task, entry in measured.items():
        for figure, found in {entry["figure"]: entry, **entry.get("also", {})}.items():
            first = found is entry
            made.add_row(
                printable(task) if first else "",
                str(entry["documents"]) if first else "",
                printable(named(figure, found)),
                f"{found['base']:.3f}",
                f"{found['tuned']:.3f}",
                changed(found),
            )
    console().print(made)
    verdicts: dict[str, list[str]] = {}
    for task, entry in measured.items():
        verdicts.setdefault(verdict(entry), []).append(printable(task))
    for words, tasks in verdicts.items():
        if words:
            click.echo(f"{words}: {', '.join(tasks)}")
