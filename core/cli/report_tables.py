"""A report on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..report.error_kinds import KINDS
from ..runs.scorings_card import described
from .ability import print_ability
from .score_tables import print_calibration, print_scores
from .terminal import console, printable, table

if TYPE_CHECKING:
    from ..report.comparison import Comparison, DocumentDifference, ValueChange
    from ..report.scored_run import ScoredRun

_SHOWN = 5  # documents that are better, and that are worse


def print_report(scored: ScoredRun, comparison: Comparison | None) -> None:
    """Print scores, scorings, comparison, losses and scores by step, kinds and calibration."""
    print_scores(dict(scored.summary))
    for line in (*scored.test_set(), *map(described, scored.scorings)):
        console().print(printable(line), soft_wrap=True)
    if scored.ability:
        print_ability(scored.ability)
    if comparison:
        _print_comparison(comparison)
    _print_steps(scored)
    kinds = table("values by kind", "", "gold", "predicted", *KINDS)
    for field, row in scored.kinds().items():
        kinds.add_row(printable(field), *(str(row[kind]) for kind in ("gold", "predicted", *KINDS)))
    console().print(kinds)
    print_calibration(dict(scored.summary))
    for sentence in scored.missing:
        console().print(printable(sentence), soft_wrap=True)


def _print_comparison(comparison: Comparison) -> None:
    title = printable(f"against {comparison.other.run.folder}")
    made = table(title, "", "here", "there", "difference", "95 % interval", "p")
    for row in (comparison.score, *comparison.fields):
        interval = row.difference
        made.add_row(
            printable(row.name),
            f"{row.ours:.3f}",
            f"{row.theirs:.3f}",
            f"{interval.value:+.3f}",
            f"{interval.low:+.3f} to {interval.high:+.3f}",
            f"{row.p_value:.3f}",
        )
    console().print(made)
    better, worse = comparison.changed("better"), comparison.changed("worse")
    _print_documents("better", [(document, document.better) for document in better])
    _print_documents("worse", [(document, document.worse) for document in worse])


def _print_documents(
    direction: str, documents: Sequence[tuple[DocumentDifference, Sequence[ValueChange]]]
) -> None:
    console().print(f"{len(documents)} documents are {direction}{':' if documents else ''}")
    for document, changes in documents[:_SHOWN]:
        line = f"  {document.id}: F1 {document.ours:.3f}, {document.theirs:.3f} there; "
        line += "; ".join(f"{change.field} {change.value!r} {change.what}" for change in changes)
        console().print(printable(line), soft_wrap=True)


def _print_steps(scored: ScoredRun) -> None:
    """Print the steps at which validation was scored, or else those at which losses were logged."""
    rows = scored.steps()
    kept = [row for row in rows if "score" in row or "eval_loss" in row] or rows
    if not kept:
        return
    made = table("by step", "step", "loss", "validation loss", "score on validation")
    training = dict(scored.losses().get("training", ()))
    for row in kept:
        values = (training.get(row["step"]), row.get("eval_loss"), row.get("score"))
        shown = ("" if value is None else f"{value:.3f}" for value in values)
        made.add_row(f"{row['step']:g}", *shown)
    console().print(made)
