"""``extract evaluate``: score a run by field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ..data import SPLITS
from .ability import evaluate_ability
from .cases import fail_unless_all_hold, print_results
from .domains import domain_of, domains_in, print_domains
from .engines import EngineOptions, engine_options
from .options import (
    PATH,
    again_option,
    command_line,
    json_option,
    map_option,
    min_confidence_option,
    processes_option,
    require_data_for,
    trust_option,
    unconstrained_option,
)
from .zero_shot import ZeroShotOptions, zero_shot_options

_WAYS = "give a run; or --plugin and --model; or --plugin, --predictions and --data"

_OF_PREDICTIONS = (
    "--predictions needs --plugin and --data and allows --split; it excludes a run, --base, "
    "--unconstrained, --min-confidence, --allow-leaks and what is for a model without a run"
)


@click.command("evaluate")
@click.argument("run", type=PATH, required=False)
@click.option(
    "--data",
    type=PATH,
    help="Score every document of this path. Default: the run's own data; without a run, the "
    "plugin's bundled sample.",
)
@click.option(
    "--predictions",
    type=PATH,
    help="Instead of a run: score these predictions of any system against --data.",
)
@click.option(
    "--answered-only",
    is_flag=True,
    help="With --predictions: leave out documents without a prediction.",
)
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    help="The run's split (default: test); with --data: documents with this label or none; without "
    "a run: as a training would split --data, or the plugin's sample (default: test).",
)
@click.option(
    "--sample",
    type=click.IntRange(1),
    metavar="N",
    help="Without a run: score N of the documents, the same ones each time.",
)
@map_option
@click.option("--base", is_flag=True, help="Also score the base model without the adapter.")
@unconstrained_option
@min_confidence_option
@processes_option
@engine_options()
@trust_option
@click.option("--allow-leaks", is_flag=True, help="Also score documents the run was trained on.")
@again_option
@click.option(
    "--cases",
    type=PATH,
    metavar="FILE",
    help="Also check cases of this file, as `extract cases` does; the exit code is 1 if one does "
    "not hold.",
)
@click.option(
    "--ability",
    multiple=True,
    metavar="NAMES|FILE",
    help="Instead of scoring documents: measure the base and the tuned model on general tasks. "
    "`local` for those of the package, `original` for seven of lm-eval, names of tasks, or a file.",
)
@click.option(
    "--max-loss",
    type=click.FloatRange(min=0),
    metavar="X",
    help="With --ability: the exit code is 1 if more than X of a task is lost, and its interval "
    "excludes that nothing is.",
)
@zero_shot_options(
    "Without a run: take the shots from this path, the training documents where it names splits. "
    "Default: the training documents of what is scored, or the plugin's sample where all of "
    "--data is. A document that is scored is no shot."
)
@json_option
def command(
    run: Path | None,
    data: Path | None,
    predictions: Path | None,
    answered_only: bool,
    split: str | None,
    sample: int | None,
    mapping: tuple[str, ...],
    base: bool,
    unconstrained: bool,
    min_confidence: float | None,
    processes: int,
    engine: EngineOptions,
    trusted: bool,
    allow_leaks: bool,
    again: str | None,
    cases: Path | None,
    ability: tuple[str, ...],
    max_loss: float | None,
    zero_shot: ZeroShotOptions,
    as_json: bool,
) -> None:
    """Score a run: precision, recall and F1 by field, with 95 % intervals and a null baseline.

    Scores are also written to metrics.json in the run folder, predictions to predictions/.

    With --engine, a server answers in place of our decoder; the scores are beside those of ours.

    Test documents, and others that the run has not seen, are scored once: a second time needs
    --again and a reason (docs/test-set.md). Choose by validation: --split validation.

    For a run of several domains, each is scored, or with --plugin one.

    Without a run, --plugin and --model score a model that was not trained, and nothing is written.

    With --ability, no document is scored: the base and the tuned model are measured on general
    tasks, to see what the training has cost (docs/ability.md). Figures are written to ability.json.

    With --plugin, --predictions and --data, predictions of any system are scored without a run:
    a file of `extract predict`, or files that the plugin reads. Documents are matched by id.

    \b
    Example:
      extract evaluate runs/first
      extract evaluate runs/first --split validation
      extract evaluate runs/first --data unseen.txt --base --json
      extract evaluate runs/together --plugin NAME
      extract evaluate runs/first --again "the metric was wrong"
      extract evaluate runs/first --processes 4
      extract evaluate runs/first --ability local --max-loss 0.02
      extract evaluate runs/first --engine http://localhost:8000
      extract evaluate --plugin NAME --model MODEL --shots 2 --data gold/ --sample 20
      extract evaluate --plugin NAME --predictions theirs/ --data gold/
      extract evaluate runs/first --data gold.bioc.json --map ChemicalEntity=chemicals
    """
    from ..source_names import parse_names
    from .score_tables import print_calibration, print_scores

    if run is not None and predictions is None:
        run, zero_shot = domain_of(run, zero_shot)
    if ability:
        evaluate_ability(run, ability, max_loss=max_loss, trusted=trusted, as_json=as_json)
        return
    if max_loss is not None:
        raise click.UsageError("--max-loss wants --ability")
    require_data_for(mapping, data or zero_shot.shots_data)
    of_a_run = bool(run or base or allow_leaks)
    if again is not None and run is None:
        raise click.UsageError("--again wants a run: scores without one are not recorded")
    if cases is not None and run is None:
        raise click.UsageError("--cases wants a run")
    if sample is not None and (run is not None or predictions is not None):
        raise click.UsageError("--sample is for a model without a run")
    if engine and (run is None or base or unconstrained):
        raise click.UsageError("--engine wants a run, and excludes --base and --unconstrained")
    if processes > 1 and (run is None or engine):
        raise click.UsageError("--processes wants a run, and excludes --engine")
    how: dict[str, Any] = {"constrained": not unconstrained, "min_confidence": min_confidence}
    if predictions is not None:
        changed = unconstrained or min_confidence is not None
        if of_a_run or changed or zero_shot.given() or data is None or zero_shot.plugin is None:
            raise click.UsageError(_OF_PREDICTIONS)
        from ..evaluation.external import evaluate_predictions
        from ..plugins import load

        summary = evaluate_predictions(
            load(zero_shot.plugin, names=parse_names(mapping)),
            predictions,
            data,
            split=split,
            answered_only=answered_only,
        )
    elif answered_only or (run is None and not zero_shot.given()):
        raise click.UsageError(_WAYS)
    elif zero_shot.plugin is not None or zero_shot.given():
        zero_shot.require_complete()
        if of_a_run:
            raise click.UsageError("--plugin and --model exclude a run, --base and --allow-leaks")
        from ..evaluation.zero_shot import evaluate_zero_shot

        how |= {"data": data, "split": split, "sample": sample or 0}
        summary = evaluate_zero_shot(zero_shot.load(mapping), **how)
    else:
        assert run is not None
        how |= {"data": data, "split": split, "base": base, "allow_leaks": allow_leaks}
        how |= {"mapping": parse_names(mapping) or None, "processes": processes, "again": again}
        how |= {"cases": cases}
        if names := domains_in(run):
            if data or mapping or cases or engine:
                raise click.UsageError(
                    f"--data, --map, --cases and --engine are for one domain of {run}: "
                    f"add --plugin {names[0]}"
                )
            _print_each(run, engine, trusted=trusted, as_json=as_json, **how)
            return
        summary = _of_run(run, engine, trusted=trusted, **how)
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False))
    else:
        print_scores(summary)
        print_calibration(summary)
    if "cases" in summary:
        if not as_json:
            print_results(summary["cases"])
        fail_unless_all_hold(summary["cases"])


def _print_each(run: Path, engine: EngineOptions, *, as_json: bool, **how: Any) -> None:
    """Score each domain of a run, after a check of all, and print a table."""
    from ..evaluation.domains import domains_to_score
    from ..model.library_output import quieten
    from ..report.domains import mean_score
    from ..runs.folder import Run
    from .score_tables import print_calibration, print_scores

    quieten()
    opened = Run.open(run, trusted=how["trusted"], joint=True)
    asked = {key: how[key] for key in ("split", "again", "allow_leaks")}
    summaries = {}
    for name, domain in domains_to_score(opened, **asked).items():
        summaries[name] = _of_run(domain.folder, engine, **how)
        if not as_json:
            print_scores(summaries[name])
            print_calibration(summaries[name])
    if as_json:
        found = {"score": mean_score(summaries.values()), "domains": summaries}
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        print_domains(summaries)


def _of_run(
    run: Path,
    engine: EngineOptions,
    *,
    trusted: bool,
    again: str | None,
    cases: Path | None,
    **options: Any,
) -> dict[str, Any]:
    from ..evaluation.cases import find_cases
    from ..evaluation.evaluate import evaluate_run
    from ..evaluation.recording import ScoringRequest
    from ..model.library_output import quieten
    from ..runs.folder import Run
    from ..runs.job import plugin_of

    quieten()
    opened = Run.open(run, trusted=trusted)
    options["request"] = ScoringRequest(command_line(), again)
    if cases is not None:
        opened.require_complete()
        options["cases"], options["cases_file"] = find_cases(plugin_of(opened), cases)
    if not engine:
        return evaluate_run(opened, **options)
    opened.require_complete()
    with engine.connected(opened) as connect:
        return evaluate_run(opened, connect=connect, **options)
