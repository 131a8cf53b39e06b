"""``extract train``: fine-tune a model, then score it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import SettingsError

if TYPE_CHECKING:
    from ..runs import Run


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
    help="embedded, llama-3.2-3b, llama-3.1-8b, or a YAML file.",
)
@click.option("--model", metavar="MODEL", help="A hub id or a folder; short for --set model=….")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set one setting.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="The run folder. Default: runs/PLUGIN-TIME."
)
@click.option(
    "--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a killed run."
)
@click.option("--with", "wrappers", multiple=True, metavar="NAME", help="Add a wrapper plugin.")
@click.option("--allow-leaks", is_flag=True, help="Train though official splits share documents.")
@click.option("--gpus", type=click.IntRange(1), default=1, metavar="N", help="Train on N GPUs.")
def command(
    plugin: str | None,
    data: Path | None,
    preset: str,
    model: str | None,
    assignments: tuple[str, ...],
    output: Path | None,
    resume: Path | None,
    wrappers: tuple[str, ...],
    allow_leaks: bool,
    gpus: int,
) -> None:
    """Fine-tune a model on a plugin's data, score it, and print the scores and the run folder.

    \b
    Example:
      extract train --plugin medical_ner
      extract train --plugin medical_ner --data corpus/ --set epochs=4 --output runs/corpus
      extract train --resume runs/corpus
    """
    if (plugin is None) == (resume is None):
        raise click.UsageError("say either --plugin NAME or --resume RUN")
    if gpus > 1 and "LOCAL_RANK" not in os.environ:
        if resume is None and output is None:
            raise click.UsageError("--gpus wants --output, which all processes write to")
        _launch(gpus)
    from ..plugins import load
    from ..runs import Run, default_folder
    from ..settings import parse_assignments, resolve
    from ..train import Order, is_main_process, train

    if resume is not None:
        run = Run.open(resume)
        order = Order.of(run)
    else:
        assert plugin is not None
        domain = load(plugin, wrappers)
        chosen = parse_assignments(assignments) | ({"model": model} if model else {})
        settings = resolve(preset, plugin, domain.settings(preset), chosen)
        order = Order(domain, data, preset, settings, allow_leaks)
        folder = output or default_folder(plugin)
        run = Run.create(folder) if is_main_process() else Run(folder)
    train(run, order)
    if is_main_process():
        _report(run)


def _launch(gpus: int) -> None:
    """Start one process a GPU through accelerate, each running this very command, and leave."""
    import torch

    if torch.cuda.device_count() < gpus:
        raise SettingsError(
            f"--gpus {gpus}: {torch.cuda.device_count()} are here; see extract doctor"
        )
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(gpus)]
    os.execv(sys.executable, [*launch, "--module", "fieldsmith.cli", *sys.argv[1:]])


def _report(run: Run) -> None:
    """Score validation and test, print the tables and, last, the run folder."""
    from ..evaluate import evaluate_run
    from .tables import print_scores

    for split in ("validation", "test"):
        if split in run.splits():
            print_scores(run.metrics().get(split) or evaluate_run(run, split=split))
    click.echo(str(run.folder))
