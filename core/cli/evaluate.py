"""``extract evaluate``: score a run by field."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..data import SPLITS
from .options import PATH, json_option, min_confidence_option, unconstrained_option


@click.command("evaluate")
@click.argument("run", type=PATH, required=False)
@click.option(
    "--data", type=PATH, help="Score every document of this path. Default: the run's own data."
)
@click.option(
    "--predictions",
    type=PATH,
    help="Instead of a run: score these predictions of any system against --data.",
)
@click.option("--plugin", metavar="NAME", help="With --predictions: the plugin that scores them.")
@click.option(
    "--answered-only",
    is_flag=True,
    help="With --predictions: leave out documents without a prediction.",
)
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    help="The run's split (default: test); with --data: documents with this label or none.",
)
@click.option("--base", is_flag=True, help="Also score the base model without the adapter.")
@unconstrained_option
@min_confidence_option
@click.option("--allow-leaks", is_flag=True, help="Also score documents the run was trained on.")
@json_option
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

    Scores are also written to metrics.json in the run folder, predictions to predictions/.

    With --plugin, --predictions and --data, predictions of any system are scored without a run:
    a file of `extract predict`, or files that the plugin reads. Documents are matched by id.

    \b
    Example:
      extract evaluate runs/first
      extract evaluate runs/first --data unseen.txt --base --json
      extract evaluate --plugin NAME --predictions theirs/ --data gold/
    """
    from .score_tables import print_calibration, print_scores

    if predictions is not None:
        of_a_run = run or base or unconstrained or allow_leaks or min_confidence is not None
        if of_a_run or data is None or plugin is None:
            raise click.UsageError(
                "--predictions needs --plugin and --data and allows --split; it excludes a run, "
                "--base, --unconstrained, --min-confidence and --allow-leaks"
            )
        from ..evaluation.external import evaluate_predictions
        from ..plugins import load

        summary = evaluate_predictions(
            load(plugin), predictions, data, split=split, answered_only=answered_only
        )
    elif run is None or plugin is not None or answered_only:
        raise click.UsageError("give a run, or --plugin, --predictions and --data without a run")
    else:
        from ..evaluation.evaluate import evaluate_run
        from ..model.loading import quieten
        from ..runs.folder import Run

        quieten()
        summary = evaluate_run(
            Run.open(run),
            data=data,
            split=split,
            base=base,
            constrained=not unconstrained,
            min_confidence=min_confidence,
            allow_leaks=allow_leaks,
        )
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False))
    else:
        print_scores(summary)
        print_calibration(summary)
