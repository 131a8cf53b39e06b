"""``extract predict``: documents in, one JSON line each out."""

from __future__ import annotations

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
    from ..errors import RunError
    from ..models import quieten
    from ..predict import Extractor, PredictionFile, predict_lines, read_all
    from ..progress import meter
    from ..runs import Run

    quieten()
    opened = Run.open(run)
    opened.require_complete()
    extractor = Extractor.load(run)
    rows = read_all(extractor.plugin, inputs)
    if output is None:
        with meter("predicting", len(rows), "documents") as progress:
            for lines in predict_lines(extractor, rows, progress=progress.advance):
                click.echo("".join(lines), nl=False)
        return
    info = opened.info()
    if output.resolve() in {Path(name).resolve() for name in inputs}:
        raise RunError(f"{output}: is an input too; write to another file")
    file = PredictionFile(output, made_from=[info["receipt"], info["training"], rows_key(rows)])
    skip = file.groups_done()
    with meter("predicting", len(rows), "documents") as progress:
        count = file.write(predict_lines(extractor, rows, skip=skip, progress=progress.advance))
    click.echo(f"{output}: {len(rows)} lines, {count} of them written now", err=True)


def rows_key(rows: object) -> str:
    """Return a hash of what is predicted on."""
    import hashlib

    return hashlib.sha256(repr(rows).encode("utf-8", "surrogatepass")).hexdigest()
