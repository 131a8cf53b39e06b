"""``extract evaluate``: score a run by field."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..data import SPLITS


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Score every document of this path. Default: the run's own data.",
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
@click.option("--allow-leaks", is_flag=True, help="Score documents the run was trained on too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    run: Path,
    data: Path | None,
    split: str | None,
    base: bool,
    unconstrained: bool,
    allow_leaks: bool,
    as_json: bool,
) -> None:
    """Score a run: precision, recall and F1 by field, with 95 % intervals and a null baseline.

    The scores also go to metrics.json in the run folder, the predictions to predictions/.

    \b
    Example:
      extract evaluate runs/first
      extract evaluate runs/first --data unseen.txt --base --json
    """
    from ..evaluate import evaluate_run
    from ..models import quieten
    from ..runs import Run
    from .tables import print_calibration, print_scores

    quieten()
    summary = evaluate_run(
        Run.open(run),
        data=data,
        split=split,
        base=base,
        constrained=not unconstrained,
        allow_leaks=allow_leaks,
    )
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False))
    else:
        print_scores(summary)
        print_calibration(summary)
