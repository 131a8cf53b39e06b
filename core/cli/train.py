"""``extract train``: fine-tune a model, then score it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from ..data import FLAGS
from .options import PATH, TrainingOptions, training_options, trust_option


@click.command("train")
@training_options(*FLAGS, plugin_required=False)
@click.option("--output", type=PATH, help="The run folder. Default: runs/PLUGIN-TIME.")
@click.option("--resume", type=PATH, metavar="RUN", help="Resume an interrupted run.")
@click.option(
    "--auto-batch", is_flag=True, help="If memory is exhausted, halve the batch and continue."
)
@trust_option
@click.option("--gpus", type=click.IntRange(1), default=1, metavar="N", help="Train on N GPUs.")
def command(
    options: TrainingOptions,
    output: Path | None,
    resume: Path | None,
    auto_batch: bool,
    trusted: bool,
    gpus: int,
) -> None:
    """Fine-tune a model on a plugin's data, score it, and print the scores and the run folder.

    Stops where the audit finds the data unsound, by the same rules. Its notes are printed and
    stored in the run folder.

    \b
    Example:
      extract train --plugin NAME
      extract train --plugin NAME --data corpus/ --set epochs=4 --output runs/corpus
      extract train --plugin NAME --data rows.csv --map body=text --map headline=title
      extract train --resume runs/corpus
    """
    if (options.plugin is None) == (resume is None):
        raise click.UsageError("give either --plugin NAME or --resume RUN")
    if resume is not None:
        _require_resume_alone(click.get_current_context())
    if trusted and resume is None:
        raise click.UsageError("--trust-remote-code is for --resume; else --set says so")
    if gpus > 1 and auto_batch:
        raise click.UsageError("--auto-batch works with one GPU only")
    relaunches = gpus > 1 and "LOCAL_RANK" not in os.environ
    if relaunches and resume is None and output is None:
        raise click.UsageError("--gpus needs --output, which all processes write to")
    from ..parallel.processes import is_main_process
    from ..planning.planner import MemoryPlanner
    from ..runs.folder import default_folder
    from ..training import launch
    from .score_tables import print_scores

    if relaunches:
        launch.relaunch_on_gpus(gpus, sys.argv[1:])
    if resume is not None:
        run = launch.resume(resume, MemoryPlanner(), auto_batch=auto_batch, trusted=trusted)
    else:
        job = options.job(auto_batch=auto_batch)
        run = launch.start(job, output or default_folder(job.plugin.name), MemoryPlanner())
    if is_main_process():
        for scores in launch.score_run(run):
            print_scores(scores)
        click.echo(str(run.folder))


def _require_resume_alone(context: click.Context) -> None:
    """Raise UsageError for an option that the run's own settings would silently override."""
    refused = [
        option.opts[0]
        for option in context.command.params
        if option.name not in ("resume", "gpus", "auto_batch", "debug", "trusted")
        and context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
    ]
    if refused:
        raise click.UsageError(
            f"--resume uses the settings of the run; leave out {', '.join(refused)}"
        )
