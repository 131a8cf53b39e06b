"""``extract predict``: extract records from documents, one JSON line each."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .options import PATH, min_confidence_option, unconstrained_option


@click.command("predict")
@click.argument("run", type=PATH)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "--output",
    type=PATH,
    help="Write to this file; the same command resumes after an interruption. "
    "Default: standard output.",
)
@min_confidence_option
@unconstrained_option
def command(
    run: Path,
    inputs: tuple[str, ...],
    output: Path | None,
    min_confidence: float | None,
    unconstrained: bool,
) -> None:
    """Extract records from documents: one JSON object per line, in the order of the input.

    An INPUT is a text file, JSONL of id and text, a file of a format that the plugin reads, a
    folder of those, or - for standard input. Each line has id, record (or null and error), spans,
    confidence, status and occurrences by JSON Pointer, windows (read, total), and read, the share
    of the document that the model read. Documents are streamed, so there may be any number of them.

    \b
    Example:
      extract predict runs/first notes.txt
      extract predict runs/first folder/ --output records.jsonl --min-confidence 0.5
      echo "A text of one line." | extract predict runs/first -
    """
    from ..dataset.inputs import open_inputs
    from ..errors import OutputError
    from ..extraction.extractor import Extractor
    from ..extraction.prediction_file import LineCounts, PredictionFile, key_of, predict_lines
    from ..model.loading import quieten
    from ..progress import meter
    from ..runs.folder import Run
    from ..runs.job import plugin_of

    quieten()
    opened = Run.open(run)
    opened.require_complete()
    if output is not None and output.resolve() in {Path(name).resolve() for name in inputs}:
        raise OutputError(f"{output}: is an input too; write to another file")
    if min_confidence is None:
        min_confidence = opened.min_confidence()
    options = {"unconstrained": unconstrained, "min_confidence": min_confidence}
    counts = LineCounts()
    with open_inputs(plugin_of(opened), inputs) as rows:
        file = PredictionFile(output) if output is not None else None
        extractor = Extractor.load(
            run, constrained=not unconstrained, min_confidence=min_confidence
        )
        skip = file.groups_done(key_of(opened, rows.sha256, options)) if file else 0
        with meter("predicting", rows.count, "documents") as progress:
            groups = predict_lines(
                extractor, rows, skip=skip, progress=progress.advance, counts=counts
            )
            if file is not None:
                file.write(groups)
            else:
                for lines in groups:
                    sys.stdout.buffer.write(b"".join(lines))  # UTF-8, whatever the terminal uses
                    sys.stdout.buffer.flush()
    if output is not None:
        unread = f", {counts.unread} of documents that were not read whole" if counts.unread else ""
        click.echo(
            f"{output}: {rows.count} lines, {counts.lines} of them written now{unread}", err=True
        )
