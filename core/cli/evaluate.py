"""``extract evaluate``: score a run by field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ..data import SPLITS
from .confidence import min_confidence_option


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Score every document of this path. Default: the run's own data.",
)
@click.option(
    "--predictions",
    type=click.Path(path_type=Path),
    help="In place of a run: score these outputs of any system against --data.",
)
@click.option("--plugin", metavar="NAME", help="With --predictions: the domain that scores them.")
@click.option(
    "--answered-only",
    is_flag=True,
    help="With --predictions: leave out documents that have no answer.",
)
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    help="With --data: documents with this official label or none. Else: the run's own split, "
    "test by default.",
)
@click.option("--base", is_flag=True, help="Score the base model without the adapter beside it.")
@click.option(
    "--unconstrained",
    is_flag=True,
    help="Let the model write what it likes; for comparison only, and the scores say so.",
)
@min_confidence_option
@click.option("--allow-leaks", is_flag=True, help="Score documents the run was trained on too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    run: Path | None,
    data: Path | None,
    predictions: Path | None,
    plugin: str | None,
    answered_only: bool,
    split: str | None,
    base: bool,
    unconstrained: bool,
    min_confidence: float | None,
    allow_leaks: bool,
    as_json: bool,
) -> None:
    """Score a run: precision, recall and F1 by field, with 95 % intervals and a null baseline.

    The scores also go to metrics.json in the run folder, the predictions to predictions/.

    With --plugin, --predictions and --data, the outputs of any system are scored without a run:
    a file of `extract predict`, or files that the plugin reads, told apart by the documents' ids.

    \b
    Example:
      extract evaluate runs/first
      extract evaluate runs/first --data unseen.txt --base --json
      extract evaluate --plugin NAME --predictions theirs/ --data gold/
    """
    from .score_tables import print_calibration, print_scores

    if predictions is not None:
        if (
            run is not None
            or data is None
            or plugin is None
            or base
            or unconstrained
            or allow_leaks
            or min_confidence is not None
        ):
            raise click.UsageError(
                "--predictions goes with --plugin and --data, and --split if need be; "
                "with no run, --base, --unconstrained, --min-confidence or --allow-leaks"
            )
        summary = _outputs(plugin, predictions, data, split, answered_only)
    else:
        if run is None or plugin is not None or answered_only:
            raise click.UsageError(
                "name a run; or outputs to score by --plugin, --predictions and --data"
            )
        summary = _run(run, data, split, base, not unconstrained, min_confidence, allow_leaks)
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False))
    else:
        print_scores(summary)
        print_calibration(summary)


def _outputs(
    plugin: str, predictions: Path, data: Path, split: str | None, answered_only: bool
) -> dict[str, Any]:
    from ..evaluation.external import evaluate_outputs
    from ..plugins import load

    return evaluate_outputs(
        load(plugin), predictions, data, split=split, answered_only=answered_only
    )


def _run(
    run: Path,
    data: Path | None,
    split: str | None,
    base: bool,
    constrained: bool,
    min_confidence: float | None,
    allow_leaks: bool,
) -> dict[str, Any]:
    from ..evaluation.evaluate import evaluate_run
    from ..model.loading import quieten
    from ..runs.folder import Run

    quieten()
    return evaluate_run(
        Run.open(run),
        data=data,
        split=split,
        base=base,
        constrained=constrained,
        min_confidence=min_confidence,
        allow_leaks=allow_leaks,
    )
