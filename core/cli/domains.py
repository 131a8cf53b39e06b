"""Runs of several domains on the command line: the run of one of them, or of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import RunError, did_you_mean
from .terminal import console, printable, table
from .zero_shot import ZeroShotOptions


def domain_of(folder: Path, options: ZeroShotOptions) -> tuple[Path, ZeroShotOptions]:
    """Return the folder of the domain that ``--plugin`` names, and the options without it.

    Args:
        folder: what may be a run; of one that is not that of several domains, all stays as it is.
        options: name the domain.

    Raises:
        RunError: the run has no such domain.
    """
    if options.plugin is None or options.given() or not (names := domains_in(folder)):
        return folder, options
    if options.plugin not in names:
        known = did_you_mean(options.plugin, names)
        raise RunError(f"{folder}: was not trained on {options.plugin!r}; {known}")
    return folder / options.plugin, replace(options, plugin=None)


def domains_in(folder: Path) -> list[str]:
    """Return the plugins of a run of several domains; [] for anything else.

    Raises:
        RunError: it is a run whose run.json is damaged.
    """
    from ..runs.folder import Run

    run = Run(folder)
    return run.domains() if run.info_file.is_file() else []


def require_one_domain(folder: Path) -> None:
    """Raise RunError for a run of several domains of which one has to be named."""
    if names := domains_in(folder):
        raise RunError(
            f"{folder}: was trained on several domains; say which by --plugin: {', '.join(names)}"
        )


def require_own_run(folder: Path) -> None:
    """Raise RunError for a run of several domains, of which one has to say how it is asked."""
    if names := domains_in(folder):
        raise RunError(
            f"{folder}: was trained on several domains ({', '.join(names)}), which share their "
            f"weights; name the run of one, such as {folder / names[0]}: what is made has these "
            f"weights, with the prompt, schema and card of that domain"
        )


def print_domains(summaries: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the score of each domain with its interval, and their mean."""
    from ..report.domains import mean_score
    from ..scoring.metrics import WHOLE_RECORD

    made = table("", "domain", "documents", "score", "95 % interval", "whole records")
    for name, summary in summaries.items():
        interval, whole = summary["metrics"]["score"], summary["metrics"].get(WHOLE_RECORD)
        made.add_row(
            printable(name),
            str(summary["documents"]),
            f"{summary['score']:.3f}",
            f"{interval['low']:.3f}-{interval['high']:.3f}",
            f"{whole['value']:.3f}" if whole else "",
        )
    made.add_section()
    made.add_row("mean", "", f"{mean_score(summaries.values()):.3f}", "", "")
    console().print(made)
