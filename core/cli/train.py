"""``extract train``: fine-tune a model, then score it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ..data import FLAGS
from ..progress import say, unlogged
from .options import PATH, command_line, trust_option
from .process_options import ProcessOptions, process_options
from .training_options import (
    ParallelOptions,
    TrainingOptions,
    parallel_options,
    training_options,
)

if TYPE_CHECKING:
    from ..parallel.group import ProcessGroup
    from ..runs.folder import Run
    from ..runs.job import TrainingJob
    from ..runs.joint_job import JointJob


@click.command("train")
@training_options(*FLAGS, plugin_required=False)
@click.option("--output", type=PATH, help="The run folder. Default: runs/PLUGIN-TIME.")
@click.option("--resume", type=PATH, metavar="RUN", help="Resume an interrupted run.")
@click.option(
    "--test",
    "scores_test",
    is_flag=True,
    help="Score the test documents at the end, too. Without it they are left for `extract "
    "evaluate`, once everything is chosen (docs/test-set.md).",
)
@click.option(
    "--auto-batch", is_flag=True, help="If memory is exhausted, halve the batch and continue."
)
@trust_option
@parallel_options
@process_options
def command(
    options: TrainingOptions,
    output: Path | None,
    resume: Path | None,
    scores_test: bool,
    auto_batch: bool,
    trusted: bool,
    shared: ParallelOptions,
    processes: ProcessOptions,
) -> None:
    """Fine-tune a model on a plugin's data, score it, and print the scores and the run folder.

    It is scored on its validation documents, and with --test on its test documents.

    Several plugins are trained together, in one adapter; RUN/NAME is the run of each.

    Stops where the audit finds the data unsound, by the same rules. Its notes are printed and
    stored in the run folder.

    \b
    Example:
      extract train --plugin NAME
      extract train --plugin NAME --data corpus/ --set epochs=4 --output runs/corpus
      extract train --plugin NAME --data rows.csv --map body=text --map headline=title
      extract train --plugin NAME --plugin OTHER --data NAME=corpus/ --data OTHER=pages/
      extract train --plugin NAME --gpus 4
      extract train --plugin NAME --preset llama-3.1-8b --parallel fsdp --processes 4
      extract train --resume runs/corpus
    """
    if bool(options.plugins) == (resume is not None):
        raise click.UsageError("give either --plugin NAME or --resume RUN")
    if resume is not None:
        _require_resume_alone(click.get_current_context())
    if trusted and resume is None:
        raise click.UsageError("--trust-remote-code is for --resume; else --set says so")
    options = shared.applied(options)
    group = processes.group()
    from ..parallel import is_sharded
    from ..parallel.environment import adopt_launcher, is_launched
    from ..parallel.group import ProcessGroup
    from ..parallel.processes import is_main_process
    from ..runs.joint_job import JointJob, require_one_process

    launcher = adopt_launcher()
    if auto_batch and (group.is_several or (launcher and launcher.processes > 1)):
        raise click.UsageError("--auto-batch works with one process only")
    if launcher:
        if not is_launched():
            processes.require_agreement(launcher)
        run = _take_part(options, output, resume, trusted=trusted)
        scores_run = is_main_process() and not is_launched()
    else:
        group.require_devices(gpus=processes.gpus is not None)
        with unlogged() if group.node_rank else nullcontext():
            job = _job(options, resume, auto_batch=auto_batch, trusted=trusted)
        if isinstance(job, JointJob):
            if auto_batch:
                raise click.UsageError("--auto-batch is for one plugin; set batch_size lower")
            require_one_process(job.settings.values, group.processes * group.nodes)
        elif group == ProcessGroup(1) and not processes.processes and not processes.gpus:
            group = ProcessGroup(_devices(job, resumed=resume is not None))
        if auto_batch and group.is_several:
            raise click.UsageError(
                f"--auto-batch works with one process only; this training has {group.processes}"
            )
        if group.is_several or is_sharded(job.settings.values):
            run = _launch(group, job, output, resume)
        elif resume is not None:
            run = _resume(resume, auto_batch=auto_batch, trusted=trusted)
        else:
            run = _start(job, output)
        scores_run = group.node_rank == 0
    if scores_run:
        _print_scores(run, 1 if launcher else group.processes, test=scores_test)


def _job(
    options: TrainingOptions, resume: Path | None, *, auto_batch: bool, trusted: bool
) -> TrainingJob | JointJob:
    """Return what is trained; what is wrong with it is found before anything is started."""
    from ..runs.folder import Run
    from ..training.launch import job_of

    if resume is not None:
        return job_of(Run.open(resume, trusted=trusted, joint=True))
    if len(options.plugins) > 1:
        return options.joint_job()
    return options.job(auto_batch=auto_batch)


def _devices(job: TrainingJob, *, resumed: bool) -> int:
    """Return how many devices of this machine train a job where nobody has said how many.

    A resumed training has those that it was begun with. A new one has one, unless what several
    would split is chosen, or ``auto`` is and one is not enough.
    """
    import torch

    gpus, parallel = torch.cuda.device_count(), job.settings.values.parallel
    if resumed:
        return min(job.processes, gpus or job.processes)
    if gpus < 2 or job.settings.origins["parallel"] == "default":
        return 1
    if parallel != "auto":
        return gpus
    from ..planning.plan import make_plan

    return make_plan(job).processes


def _start(job: TrainingJob | JointJob, output: Path | None) -> Run:
    from ..parallel.processes import agreed
    from ..planning.planner import MemoryPlanner
    from ..runs.job import default_folder
    from ..training import launch

    return launch.start(job, output or agreed(default_folder(job.name)), MemoryPlanner())


def _resume(folder: Path, *, auto_batch: bool, trusted: bool) -> Run:
    from ..planning.planner import MemoryPlanner
    from ..training import launch

    return launch.resume(folder, MemoryPlanner(), auto_batch=auto_batch, trusted=trusted)


def _take_part(
    options: TrainingOptions, output: Path | None, resume: Path | None, *, trusted: bool
) -> Run:
    """Train as one of several processes."""
    from ..parallel.environment import is_launched
    from ..parallel.processes import leave

    if resume is not None:
        run = _resume(resume, auto_batch=False, trusted=trusted)
    else:
        # The process that started this one has said which recipe it takes.
        with unlogged() if is_launched() else nullcontext():
            job = _job(options, None, auto_batch=False, trusted=trusted)
        run = _start(job, output)
    leave()
    return run


def _launch(
    group: ProcessGroup, job: TrainingJob | JointJob, output: Path | None, resume: Path | None
) -> Run:
    """Train in processes that are started for it."""
    from ..parallel.launcher import BugError
    from ..runs.folder import Run
    from ..runs.job import default_folder
    from ..training import launch

    arguments: Sequence[str] = click.get_current_context().find_root().obj.arguments
    if resume is None and group.nodes > 1 and output is None:
        raise click.UsageError("--nodes needs --output: a folder that all nodes see")
    run = Run(resume or output or default_folder(job.name), trusted=True)
    if resume is None and group.node_rank == 0:
        Run.require_new(run.folder)
    if resume is None and output is None:
        at = arguments.index("train") + 1
        arguments = [*arguments[:at], "--output", str(run.folder), *arguments[at:]]
    try:
        launch.run_processes(group, arguments, run)
    except BugError as bug:
        click.echo(f"extract: {bug}\n{bug.trace}", err=True)
        click.get_current_context().exit(1)
    return run


def _print_scores(run: Run, processes: int, *, test: bool) -> None:
    from ..model.devices import pick_device
    from ..runs.joint_job import domain_runs
    from ..training.launch import score_run
    from .score_tables import print_scores

    gpus = processes if pick_device().type == "cuda" else 1  # CPUs answer no sooner by several
    for scores in score_run(run, gpus, test=test, command=command_line()):
        print_scores(scores)
    runs = domain_runs(run) if run.domains() else [run]
    with_test = [each for each in runs if "test" in each.splits()]
    if test and not with_test:
        say("there are no test documents to score")
    elif any("test" not in each.metrics() for each in with_test):
        say(
            f"its test documents were not scored; once all is chosen: extract evaluate {run.folder}"
        )
    click.echo(str(run.folder))


def _require_resume_alone(context: click.Context) -> None:
    """Raise UsageError for an option that the run's own settings would silently override."""
    accepted = {"resume", "auto_batch", "debug", "trusted", "scores_test"}
    accepted |= {field.name for field in fields(ProcessOptions)}
    refused = [
        option.opts[0]
        for option in context.command.params
        if option.name not in accepted
        and context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
    ]
    if refused:
        raise click.UsageError(
            f"--resume uses the settings of the run; leave out {', '.join(refused)}"
        )
