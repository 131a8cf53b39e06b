"""``extract next``: choose which documents to label next."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import PATH, map_option, trust_option
from .terminal import console, printable, table

if TYPE_CHECKING:
    from ..choosing.choose import Request
    from ..choosing.pool import Pool
    from ..extraction.resumable_file import PredictionFile

_STRATEGIES = ("random", "uncertainty", "diversity", "both")
_SHOWN = 40
"""Characters of a value in the table."""

_COLUMNS = {
    "uncertainty": "uncertainty",
    "least_confident": "least sure of",
    "distance": "distance",
}
"""Columns of the table by the key of the reason that they show."""


@click.command("next")
@click.argument("names", nargs=-1, required=True, metavar="[RUN] POOL...")
@click.option(
    "--count",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    metavar="N",
    help="How many documents to choose.",
)
@click.option(
    "--strategy",
    type=click.Choice(_STRATEGIES),
    default="random",
    show_default=True,
    help="What is chosen: any documents, those that the model is least sure of, those far from "
    "each other and from the labelled ones, or far ones among the least sure.",
)
@click.option(
    "--output",
    type=PATH,
    help="Write rows to this JSONL file; the same command resumes after an interruption. Default: "
    "standard output.",
)
@click.option("--seed", type=int, default=42, show_default=True, help="For what is drawn.")
@click.option(
    "--plugin", metavar="NAME", help="Without a run: the plugin; extract plugins lists them."
)
@click.option(
    "--model",
    metavar="MODEL",
    help="Without a run: the model that reads the pool. Default: the embedded one.",
)
@map_option
@trust_option
def command(
    names: tuple[str, ...],
    count: int,
    strategy: str,
    output: Path | None,
    seed: int,
    plugin: str | None,
    model: str | None,
    mapping: tuple[str, ...],
    trusted: bool,
) -> None:
    """Choose the documents of a pool that are worth labelling next.

    POOL is what `extract predict` reads: files, folders, archives, addresses, - for standard input.
    The documents of the run's training, validation and test data are left out, by id and by text,
    and so are copies.

    The output has a row for each chosen document, the best first, with the run's prediction as its
    record: `extract review` lets a person correct it, `extract label` labels it anew. Its key
    "next" says why it was chosen: how unsure the model is, of which value the most, and how far it
    is from the nearest document that is labelled or was chosen before it.

    Before any training, --plugin in place of a run chooses at random or by diversity.

    \b
    Example:
      extract next runs/first pool/ --count 50 --output next.jsonl
      extract next runs/first pool.jsonl --strategy uncertainty --output next.jsonl
      extract review next.jsonl --plugin NAME
      extract next --plugin NAME pool/ --strategy diversity --output first.jsonl
    """
    from ..choosing.choose import Request
    from ..extraction.prediction_file import encoded
    from ..files import write_atomically
    from ..model.library_output import quieten

    run, pool = _run_and_pool(names, plugin, model, strategy)
    quieten()
    request = Request(strategy, count, seed)
    with _work_file(output, pool) as work:
        if run is not None:
            rows = _by_run(run, pool, mapping, request, output, work, trusted=trusted)
        else:
            rows = _without_run(plugin or "", model, pool, mapping, request, output)
        content = b"".join(map(encoded, rows))
        if output is None:
            sys.stdout.buffer.write(content)
            return
        write_atomically(output, content)
        work.discard()
    _print_table(rows, request.strategy)
    click.echo(f"{output}: {len(rows)} documents", err=True)


def _run_and_pool(
    names: tuple[str, ...], plugin: str | None, model: str | None, strategy: str
) -> tuple[Path | None, tuple[str, ...]]:
    """Return the run folder, if there is one, and the inputs.

    Raises:
        click.UsageError: both a run and a plugin are named, or something is missing.
    """
    if plugin is None:
        run, *pool = names
        if not pool:
            raise click.UsageError(
                "POOL is missing: give a run folder and what to choose from, or, without a run, "
                "--plugin and what to choose from"
            )
        if model is not None:
            raise click.UsageError("--model is for a pool without a run: give --plugin, too")
        return Path(run), tuple(pool)
    if (Path(names[0]) / "run.json").is_file():
        raise click.UsageError(f"{names[0]} is a run: leave it out, or leave out --plugin")
    if strategy in ("uncertainty", "both"):
        raise click.UsageError(f"--strategy {strategy} asks a model that was trained: name a run")
    return None, names


def _by_run(
    folder: Path,
    pool: Sequence[str],
    mapping: tuple[str, ...],
    request: Request,
    output: Path | None,
    work: PredictionFile,
    *,
    trusted: bool,
) -> list[dict[str, Any]]:
    """Choose by a run; see ``choose_by_run``."""
    from ..choosing.choose import choose_by_run
    from ..choosing.pool import Labelled, open_pool, training_documents
    from ..dataset.inputs import open_inputs
    from ..extraction.extractor import Extractor
    from ..extraction.prediction_file import key_of
    from ..runs.folder import Run
    from ..runs.job import plugin_of
    from ..source_names import parse_names

    run = Run.open(folder, trusted=trusted)
    run.require_complete()
    plugin = plugin_of(run)
    plugin = plugin.mapped(parse_names(mapping)) if mapping else plugin
    with (
        open_inputs(plugin, pool, _own_files(output)) as rows,
        open_pool(rows, Labelled.of_run(run)) as documents,
    ):
        _say_left_out(documents, pool, request.count)
        extractor = Extractor.load(folder, trusted=trusted)
        key = key_of(run, rows.sha256, {"next": 1, "min_confidence": extractor.min_confidence})
        trained = training_documents(run)
        return choose_by_run(extractor, documents, trained, request, work, key)


def _without_run(
    plugin: str,
    model: str | None,
    pool: Sequence[str],
    mapping: tuple[str, ...],
    request: Request,
    output: Path | None,
) -> list[dict[str, Any]]:
    """Choose before any training; see ``choose_without_run``."""
    from ..choosing.choose import choose_without_run
    from ..choosing.pool import Labelled, open_pool
    from ..dataset.inputs import open_inputs
    from ..extraction.zero_shot import ZeroShot
    from ..plugins import load
    from ..settings import EMBEDDED
    from ..source_names import parse_names

    loaded = load(plugin, (), parse_names(mapping))
    asked = ZeroShot.of(loaded, None, {"model": model or EMBEDDED})
    with (
        open_inputs(loaded, pool, _own_files(output)) as rows,
        open_pool(rows, Labelled()) as documents,
    ):
        _say_left_out(documents, pool, request.count)
        return choose_without_run(asked, documents, request)


def _own_files(output: Path | None) -> tuple[Path, ...]:
    """Return the files that are written, which are not read as a part of the pool."""
    from ..extraction.resumable_file import own_files

    return () if output is None else (*own_files(output), *own_files(_predictions(output)))


def _predictions(output: Path) -> Path:
    """Return the file beside an output that keeps the predictions of the pool meanwhile."""
    path = Path(os.path.realpath(output))
    return path.with_name(f"{path.name}.predictions")


@contextmanager
def _work_file(output: Path | None, pool: Sequence[str]) -> Iterator[PredictionFile]:
    """Open the file of the pool's predictions: beside the output, or, without one, a temporary one.

    Raises:
        OutputError: the output cannot be written, is an input, or another process writes it.
    """
    from ..extraction.resumable_file import PredictionFile, open_predictions, refuse_outputs
    from ..files import require_output
    from ..files.special import is_special

    with ExitStack() as stack:
        if output is None or is_special(output):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fieldsmith-"))
            path = Path(folder) / "predictions"
        else:
            refuse_outputs(output, pool)
            require_output(output)
            path = _predictions(output)
        file = stack.enter_context(open_predictions(path))
        assert isinstance(file, PredictionFile)
        yield file


def _say_left_out(pool: Pool, names: Sequence[str], count: int) -> None:
    """Say how many documents are left out and why, and whether there are enough others.

    Raises:
        InputError: there is none.
    """
    from ..errors import InputError
    from ..progress import say

    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(pool.left_out.items()))
    if not pool.count:
        raise InputError(f"{' '.join(names)}: no document left to choose from ({reasons})")
    said = f"choosing from {pool.count} documents"
    say(said + (f"; left out: {reasons}" if reasons else ""))
    if pool.count < count:
        say(f"all {pool.count} are chosen, where {count} are asked for")


def _print_table(rows: Sequence[Mapping[str, Any]], strategy: str) -> None:
    from ..choosing.strategies import STRATEGIES

    click.echo(f"Chosen: {STRATEGIES[strategy]}")
    present = {key for row in rows for key in row["next"]}
    columns = {key: head for key, head in _COLUMNS.items() if key in present}
    shown = table("", "", "document", *columns.values(), text=("document", "least sure of"))
    for row in rows:
        reasons = row["next"]
        cells = [_cell(reasons.get(key)) for key in columns]
        shown.add_row(str(reasons["rank"]), printable(row["id"]), *cells)
    console().print(shown)


def _cell(reason: Any) -> str:
    """Return a reason as the table shows it: a number, or a value with its confidence."""
    if reason is None:
        return "–"
    if isinstance(reason, float):
        return f"{reason:.2f}"
    value = printable(reason["value"])
    value = value if len(value) <= _SHOWN else f"{value[: _SHOWN - 1]}…"
    left_out = "" if reason["path"] else ", left out"
    return f"{reason['field']}: {value} ({reason['confidence']:.2f}{left_out})"
