"""``extract predict``: extract records from documents, one JSON line each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .domains import domain_of, require_one_domain
from .engines import EngineOptions, engine_options
from .options import (
    PATH,
    map_option,
    min_confidence_option,
    processes_option,
    trust_option,
    unconstrained_option,
)
from .ray_options import RAY, RayOptions, ray_options
from .zero_shot import ZeroShotOptions, zero_shot_options

if TYPE_CHECKING:
    from ..dataset.inputs import Inputs
    from ..decoding.llguidance_adapter import Vocabulary
    from ..engines.engine import Engine
    from ..extraction.extractor import Extractor
    from ..extraction.groups import GroupPredictor
    from ..extraction.zero_shot import ZeroShot
    from ..plugins import Plugin
    from ..runs.folder import Run
    from ..task import Task


_OURS = "transformers"
"""Name of our decoder, which leaves no trace in the key of a predictions file."""


@dataclass(frozen=True)
class _Answering:
    """What answers the documents.

    Attributes:
        task: what it was trained for.
        min_confidence: values below it are left out.
        engine: name of what answers prompts.
        lines: yields the lines, as ``predict_lines`` without its first two arguments.
        extractor: what answers in this process; None where other processes do.
    """

    task: Task
    min_confidence: float
    engine: str
    lines: Callable[..., Generator[list[bytes]]]
    extractor: Extractor | None


@click.command("predict")
@click.argument("names", nargs=-1, required=True, metavar="[RUN] INPUT...")
@click.option(
    "--output",
    type=PATH,
    help="Write to this file; the same command resumes after an interruption. With the ending "
    ".parquet it is a folder of parquet files. Default: standard output.",
)
@map_option
@min_confidence_option
@unconstrained_option
@processes_option
@engine_options(ray=True)
@ray_options
@trust_option
@zero_shot_options(
    "Without a run: take the shots from this path, the training documents where it names splits. "
    "Default: the plugin's bundled sample."
)
def command(
    names: tuple[str, ...],
    output: Path | None,
    mapping: tuple[str, ...],
    min_confidence: float | None,
    unconstrained: bool,
    processes: int,
    engine: EngineOptions,
    ray: RayOptions,
    trusted: bool,
    zero_shot: ZeroShotOptions,
) -> None:
    """Extract records from documents: one JSON object per line, in the order of the input.

    An INPUT is a text file, PDF, DOCX or HTML, JSONL of id and text, a file of a format that the
    plugin reads, a folder or zip of those, an address such as s3://bucket/folder, or - for standard
    input. Each line has id, record (or null and error), spans, confidence, status and occurrences
    by JSON Pointer, for a PDF boxes (page, left, upper, right, lower side), windows (read, total),
    and read, the share of the document that the model read. Documents are streamed, so there may be
    any number of them.

    For a run of several domains, --plugin says which answers. Without a run, --plugin and --model
    ask a model that was not trained.

    \b
    Example:
      extract predict runs/first notes.txt
      extract predict runs/first paper.pdf archive.zip
      extract predict runs/first folder/ --output records.jsonl --min-confidence 0.5
      extract predict runs/together notes.txt --plugin NAME
      extract predict runs/first rows.csv --map body=text --map doc_id=id
      echo "A text of one line." | extract predict runs/first -
      extract predict runs/first folder/ --output records.jsonl --processes 4
      extract predict runs/first folder/ --engine http://localhost:8000
      extract predict runs/first folder/ --engine vllm --engine-python ~/vllm/bin/python
      extract predict runs/first rows.jsonl --engine ray --actors 8 --output records.jsonl
      extract predict --plugin NAME --model MODEL --shots 2 notes.txt
    """
    from ..data import Document
    from ..dataset.inputs import open_inputs
    from ..extraction.groups import group_size
    from ..extraction.partition_folder import open_partitions
    from ..extraction.prediction_file import LineCounts
    from ..extraction.resumable_file import (
        is_partitioned,
        open_predictions,
        own_files,
        refuse_outputs,
    )
    from ..extraction.worker_processes import open_predictor
    from ..extraction.zero_shot import say_fewer_shots
    from ..model.library_output import quieten
    from ..progress import meter
    from ..runs.folder import Run

    folder, zero_shot = domain_of(Path(names[0]), zero_shot)
    if not zero_shot.given():
        require_one_domain(folder)
    if folder != Path(names[0]):
        names = (str(folder), *names[1:])
    run, inputs = _run_and_inputs(names, zero_shot)
    if engine and (run is None or unconstrained):
        raise click.UsageError("--engine wants a run, and excludes --unconstrained")
    if processes > 1 and (run is None or engine):
        raise click.UsageError("--processes wants a run, and excludes --engine")
    ray.require_ray(engine.names)
    quieten()
    asked: Run | ZeroShot = (
        zero_shot.load(mapping) if run is None else Run.open(run, trusted=trusted)
    )
    plugin = _plugin(asked, mapping)
    if output is not None:
        refuse_outputs(output, inputs)
    counts = LineCounts()
    stdout = sys.stdout.buffer
    with ExitStack() as stack:
        own = own_files(output) if output is not None else ()
        rows = stack.enter_context(open_inputs(plugin, inputs, own))
        file = None
        if output is not None:
            opened = open_partitions if is_partitioned(output) else open_predictions
            file = stack.enter_context(opened(output))
        if isinstance(asked, Run) and RAY in engine.names:
            answering = _by_ray(asked, rows, ray, engine, min_confidence, mapping)
        elif isinstance(asked, Run) and engine:
            connect = stack.enter_context(engine.connected(asked))
            answering = _by_predictor(_by_engine(asked, connect, min_confidence), rows)
        else:
            how: dict[str, Any] = {
                "constrained": not unconstrained,
                "min_confidence": min_confidence,
            }
            if isinstance(asked, Run):
                predictor = stack.enter_context(open_predictor(asked, processes, **how))
            else:
                documents = (row for row in rows if isinstance(row, Document))
                predictor = asked.load(asked.examples(documents), **how)
            answering = _by_predictor(predictor, rows)
        key = _key(asked, rows, answering, unconstrained) if file else ""
        skip = file.groups_done(key, group_size(answering.task.settings), rows) if file else 0
        with meter("predicting", rows.count, "documents") as progress:
            # Closed at once if they cannot be written: other processes may be making them.
            groups = stack.enter_context(
                closing(answering.lines(skip=skip, progress=progress.advance, counts=counts))
            )
            if file is not None:
                file.write(groups, rows.count)
            else:
                for lines in groups:
                    stdout.write(b"".join(lines))  # UTF-8, whatever the terminal uses
                    stdout.flush()
    if answering.extractor is not None:
        say_fewer_shots(answering.extractor)
    if output is not None:
        unread = f", {counts.unread} of documents that were not read whole" if counts.unread else ""
        click.echo(
            f"{output}: {rows.count} lines, {counts.lines} of them written now{unread}", err=True
        )


def _run_and_inputs(
    names: tuple[str, ...], zero_shot: ZeroShotOptions
) -> tuple[Path | None, tuple[str, ...]]:
    """Return the run folder, if there is one, and the inputs.

    Raises:
        click.UsageError: both a run and a model without one are named, or something is missing.
    """
    if zero_shot.plugin is None and not zero_shot.given():
        run, *inputs = names
        if not inputs:
            raise click.UsageError(
                "INPUT is missing: give a run folder and what to read, or, without a run, "
                "--plugin and --model and what to read"
            )
        return Path(run), tuple(inputs)
    zero_shot.require_complete()
    if (Path(names[0]) / "run.json").is_file():
        raise click.UsageError(
            f"{names[0]} is a run: leave it out, or leave out --plugin, "
            f"{', '.join(zero_shot.given())}"
        )
    return None, names


def _plugin(asked: Run | ZeroShot, mapping: tuple[str, ...]) -> Plugin:
    """Return the plugin of a model without a run, or of a run, which has to be complete.

    What a run's training data called its fields holds here unless a mapping is given.
    """
    from ..extraction.zero_shot import ZeroShot
    from ..runs.job import plugin_of
    from ..source_names import parse_names

    if isinstance(asked, ZeroShot):
        return asked.plugin
    asked.require_complete()
    plugin = plugin_of(asked)
    return plugin.mapped(parse_names(mapping)) if mapping else plugin


def _by_engine(
    run: Run, connect: Callable[[Vocabulary], Engine], min_confidence: float | None
) -> Extractor:
    from ..extraction.extractor import Extractor

    return Extractor.by_engine(run, connect, min_confidence)


def _by_predictor(predictor: GroupPredictor, rows: Inputs) -> _Answering:
    from ..extraction.extractor import Extractor
    from ..extraction.prediction_file import predict_lines

    extractor = predictor if isinstance(predictor, Extractor) else None
    engine = extractor.engine.name if extractor else _OURS
    lines = partial(predict_lines, predictor, rows)
    return _Answering(predictor.task, predictor.min_confidence, engine, lines, extractor)


def _by_ray(
    run: Run,
    rows: Inputs,
    options: RayOptions,
    engine: EngineOptions,
    min_confidence: float | None,
    mapping: tuple[str, ...],
) -> _Answering:
    """Return what lets processes of Ray answer, after the checks that can be made here."""
    from ..extraction.extractor import checked_task

    servers = replace(engine, names=tuple(name for name in engine.names if name != RAY))
    if servers:
        with servers.connected(run) as connect:
            extractor = _by_engine(run, connect, min_confidence)
        task, name = extractor.task, extractor.engine.name
    else:
        task, name = checked_task(run), _OURS
    job = options.job(run, mapping, min_confidence, servers.names, servers.model)
    chosen = run.min_confidence() if min_confidence is None else min_confidence
    return _Answering(task, chosen, name, partial(job.predict_lines, task.settings, rows), None)


def _key(asked: Run | ZeroShot, rows: Inputs, answering: _Answering, unconstrained: bool) -> str:
    """Return the hash of all that decides the predictions file."""
    from ..extraction.prediction_file import key_of
    from ..extraction.zero_shot import ZeroShot, key_without_run

    options: dict[str, object] = {
        "unconstrained": unconstrained,
        "min_confidence": answering.min_confidence,
    }
    if answering.engine != _OURS:
        options["engine"] = answering.engine
    if isinstance(asked, ZeroShot):
        return key_without_run(answering.task, rows.sha256, options)
    return key_of(asked, rows.sha256, options)
