"""``extract merge``: make a plain model folder of a run, and score it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .options import PATH, json_option, trust_option
from .terminal import console, table


@click.command()
@click.argument("run", type=PATH)
@click.option("--output", type=PATH, required=True, metavar="DIR", help="The folder to make.")
@click.option(
    "--dtype",
    type=click.Choice(["bf16", "fp16", "fp32"]),
    help="Numbers of the weights. Default: those of the base model's files.",
)
@click.option(
    "--score-on",
    type=PATH,
    metavar="PATH",
    help="Score on every labelled document of this path. Default: the run's test documents, or "
    "those of validation where it has none.",
)
@click.option(
    "--documents",
    "most",
    type=click.IntRange(0),
    metavar="N",
    help="Score at most so many of the run's own documents; 0: all. Default: the run's setting "
    "score_documents.",
)
@click.option("--no-score", is_flag=True, help="Do not score; export.json then has no score.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    metavar="X",
    help="Fail if the score falls by more than this. Default: 0.01.",
)
@trust_option
@json_option
def command(
    run: Path,
    output: Path,
    dtype: str | None,
    score_on: Path | None,
    most: int | None,
    no_score: bool,
    tolerance: float | None,
    trusted: bool,
    as_json: bool,
) -> None:
    """Merge the adapter of RUN into its base model: a folder that any engine loads.

    The folder has weights (safetensors), tokenizer, chat template, generation config, JSON Schema,
    grammar, and a card with a script. It is loaded again and answers the same documents as the run;
    export.json has both scores and their difference with its 95 % interval. The exit code is 1 if
    the score falls by more than the tolerance.

    What was made before is not made again, but scored.

    \b
    Example:
      extract merge runs/first --output models/first
      extract merge runs/first --output models/first --dtype bf16 --score-on gold/ --json
    """
    from ..errors import RunError
    from ..exporting.merged import merge
    from ..exporting.rescoring import TOLERANCE, compare, documents_to_score, exported_extractor
    from ..model.loading import quieten
    from ..runs.folder import Run

    if no_score and (score_on or most is not None or tolerance is not None):
        raise click.UsageError("--no-score excludes --score-on, --documents and --tolerance")
    quieten()
    opened = Run.open(run, trusted=trusted)
    opened.require_complete()
    chosen = None if no_score else documents_to_score(opened, score_on, most)
    made = merge(opened, output, dtype)
    if chosen is not None:
        scores = compare(
            opened, chosen, lambda: exported_extractor(opened, output), "the merged model"
        )
        made = made.with_scores("transformers", scores)
    if as_json:
        click.echo(json.dumps(made.record, ensure_ascii=False))
    elif chosen is not None:
        _print_scores(made.record["scores"]["transformers"])
    allowed = TOLERANCE if tolerance is None else tolerance
    if chosen is not None and made.drop("transformers") > allowed:
        raise RunError(
            f"{output}: its score is {made.drop('transformers'):.3f} below that of the run, more "
            f"than the tolerance of {allowed:g}; do not use it"
        )
    click.echo(str(output), err=as_json)


def _print_scores(scores: dict[str, Any]) -> None:
    """Print F1 by name before and after, their difference, and how many records are equal."""
    before, after = scores["before"]["metrics"], scores["after"]["metrics"]
    made = table("", "", "run", "export", "difference")
    names = [name for name in before if name.endswith("/f1") and name in after]
    for name in [*names, "score"]:
        one, other = before[name]["value"], after[name]["value"]
        label = name.removesuffix("/f1")
        made.add_row(label, f"{one:.3f}", f"{other:.3f}", f"{other - one:+.3f}")
    console().print(made)
    difference, count = scores["difference"], scores["documents"]
    of = f" of {scores['of']}" if "of" in scores else ""
    click.echo(
        f"{count}{of} documents of {scores['split']}, {scores['equal']} with equal records; "
        f"difference {difference['value']:+.3f} "
        f"({difference['low']:+.3f} to {difference['high']:+.3f})"
    )
