"""``extract train``: fine-tune a model, then score it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ..errors import FieldsmithError, SettingsError
from .lengths import max_length_option, require_positions
from .options import acceptance_options, accepted

if TYPE_CHECKING:
    from ..runs.folder import Run


@click.command("train")
@click.option("--plugin", metavar="NAME", help="The domain; see extract plugins.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="A file or folder that the plugin reads, or JSONL of id, text, record. "
    "Default: the plugin's bundled sample.",
)
@click.option(
    "--preset",
    default="embedded",
    show_default=True,
    metavar="NAME",
    help="embedded, llama-3.2-3b, llama-3.1-8b, llama-3.2-3b-30k, or a YAML file.",
)
@click.option("--model", metavar="MODEL", help="A hub id or a folder; short for --set model=….")
@max_length_option
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set one setting.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="The run folder. Default: runs/PLUGIN-TIME."
)
@click.option(
    "--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a killed run."
)
@click.option("--with", "wrappers", multiple=True, metavar="NAME", help="Add a wrapper plugin.")
@acceptance_options("leaks", "duplicate-ids")
@click.option(
    "--auto-batch", is_flag=True, help="Where memory is short, halve the batch and go on."
)
@click.option("--gpus", type=click.IntRange(1), default=1, metavar="N", help="Train on N GPUs.")
def command(
    plugin: str | None,
    data: Path | None,
    preset: str,
    model: str | None,
    max_length: int | None,
    assignments: tuple[str, ...],
    output: Path | None,
    resume: Path | None,
    wrappers: tuple[str, ...],
    auto_batch: bool,
    gpus: int,
    **acceptance: bool,
) -> None:
    """Fine-tune a model on a plugin's data, score it, and print the scores and the run folder.

    Refuses splits that share documents, and rows with the id of another; what extract audit finds
    besides is told and stored in the run.

    \b
    Example:
      extract train --plugin NAME
      extract train --plugin NAME --data corpus/ --set epochs=4 --output runs/corpus
      extract train --resume runs/corpus
    """
    if (plugin is None) == (resume is None):
        raise click.UsageError("say either --plugin NAME or --resume RUN")
    if resume is not None:
        _refuse_beside_resume(click.get_current_context())
    if gpus > 1 and auto_batch:
        raise click.UsageError("--auto-batch goes with one GPU")
    if gpus > 1 and "LOCAL_RANK" not in os.environ:
        if resume is None and output is None:
            raise click.UsageError("--gpus wants --output, which all processes write to")
        _launch(gpus)
    from ..errors import OutOfMemoryError
    from ..planning.plan import planned_memory
    from ..plugins import load
    from ..runs.folder import Run, default_folder
    from ..runs.job import Order
    from ..settings import parse_assignments, resolve
    from ..training.distributed import is_main_process
    from ..training.train import train

    if resume is not None:
        run = Run.open(resume)
        order = Order.of(run)
        order = replace(order, auto_batch=order.auto_batch or auto_batch)
        train(run, order, run.info().get("accepted", ()), planned_memory)
    else:
        assert plugin is not None
        domain = load(plugin, wrappers)
        chosen = parse_assignments(assignments) | ({"model": model} if model else {})
        chosen |= {"max_length": max_length} if max_length else {}
        settings = resolve(preset, plugin, domain.settings(preset), _absolute(chosen))
        require_positions(settings)
        known = accepted(acceptance)
        order = Order(domain, data, preset, settings, "leaks" in known, auto_batch)
        folder = output or default_folder(plugin)
        begun = {**order.as_json(), "accepted": sorted(known)}
        run = Run.create(folder, begun) if is_main_process() else Run(folder)
        try:
            train(run, order, known, planned_memory)
        except OutOfMemoryError:
            raise  # the run can be gone on with
        except FieldsmithError:
            if is_main_process():
                run.discard()
            raise
    if is_main_process():
        _report(run)


_BESIDE_RESUME = {"resume", "gpus", "auto_batch"}


def _refuse_beside_resume(context: click.Context) -> None:
    """Raise UsageError for an option that a run's own settings would override in silence."""
    given = [
        name
        for name in context.params
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    options = {option.name: option.opts[0] for option in context.command.params}
    refused = [str(options[name]) for name in given if name not in _BESIDE_RESUME]
    if refused:
        raise click.UsageError(
            f"--resume goes on with the settings of the run; leave out {', '.join(refused)}"
        )


def _absolute(chosen: dict[str, object]) -> dict[str, object]:
    """Return settings with a model's folder named so that it is found from anywhere."""
    model = chosen.get("model")
    if isinstance(model, str) and Path(model).is_dir():
        return {**chosen, "model": str(Path(model).resolve())}
    return chosen


def _launch(gpus: int) -> None:
    """Start one process a GPU through accelerate, each running this very command, and leave."""
    import torch

    found = torch.cuda.device_count()
    if found < gpus:
        raise SettingsError(f"--gpus {gpus}: this machine has {found}; see extract doctor")
    launcher = [sys.executable, "-m", "accelerate.commands.launch"]
    processes = ["--multi_gpu", "--num_processes", str(gpus)]
    os.execv(sys.executable, [*launcher, *processes, "--module", "fieldsmith.cli", *sys.argv[1:]])


def _report(run: Run) -> None:
    """Score validation and test, print the tables and, last, the run folder."""
    from ..errors import OutOfMemoryError
    from ..evaluation.evaluate import evaluate_run
    from ..model.out_of_memory import is_out_of_memory
    from .score_tables import print_scores

    for split in ("validation", "test"):
        if split not in run.splits():
            continue
        try:
            scores = run.metrics().get(split) or evaluate_run(run, split=split)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemoryError(
                f"{run.folder}: the adapter is trained, but out of memory while scoring {split}; "
                f"where there is more of it: extract evaluate {run.folder} --split {split}"
            ) from error
        print_scores(scores)
    click.echo(str(run.folder))
