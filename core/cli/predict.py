"""``extract predict``: documents in, one JSON line each out."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Write to this file; the same command goes on where it was killed. "
    "Default: standard output.",
)
def command(run: Path, inputs: tuple[str, ...], output: Path | None) -> None:
    """Turn documents into records, one JSON object a line, in the order of the input.

    An INPUT is a text file, JSONL of id and text, a file of a format that the plugin reads, a
    folder of those, or - for standard input. Each line holds id, record (or null and error),
    spans and confidence by JSON Pointer, and windows (read, total).

    \b
    Example:
      extract predict runs/first notes.txt
      extract predict runs/first folder/ --output records.jsonl
      echo "Aspirin caused a rash." | extract predict runs/first -
    """
    from ..errors import OutputError
    from ..models import quieten
    from ..predict import Extractor, PredictionFile, key_of, plugin_of, predict_lines, read_all
    from ..progress import meter
    from ..runs import Run

    quieten()
    opened = Run.open(run)
    opened.require_complete()
    if output is not None and output.resolve() in {Path(name).resolve() for name in inputs}:
        raise OutputError(f"{output}: is an input too; write to another file")
    rows = read_all(plugin_of(opened), inputs)
    file = PredictionFile(output) if output is not None else None
    extractor = Extractor.load(run)
    skip = file.groups_done(key_of(opened, rows)) if file else 0
    with meter("predicting", len(rows), "documents") as progress:
        groups = predict_lines(extractor, rows, skip=skip, progress=progress.advance)
        if file is None:
            for lines in groups:
                sys.stdout.buffer.write(b"".join(lines))  # UTF-8, whatever the terminal's encoding
                sys.stdout.buffer.flush()
            return
        count = file.write(groups)
    click.echo(f"{output}: {len(rows)} lines, {count} of them written now", err=True)
