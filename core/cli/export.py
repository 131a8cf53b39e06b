"""``extract export``: predictions as a file of another format."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export")
@click.argument("predictions", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_name",
    required=True,
    metavar="NAME",
    help="jsonl, or a format of the plugin.",
)
@click.option("--plugin", metavar="NAME", help="Whose records they are. Default: as the lines say.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Write to this file. Default: standard output.",
)
def command(predictions: Path, format_name: str, plugin: str | None, output: Path | None) -> None:
    """Write what `extract predict` wrote in another format.

    Documents without a record are left out, and told on stderr. Which formats a plugin has
    beside jsonl stands in its README.

    \b
    Example:
      extract predict runs/first folder/ --output records.jsonl
      extract export records.jsonl --format jsonl --output plain.jsonl
    """
    from ..errors import OutputError
    from ..extraction.export import export
    from ..files import require_writable, write_atomically

    if output is not None:
        if output.resolve() == predictions.resolve():
            raise OutputError(f"{output}: is what is exported; write to another file")
        require_writable(output.parent)
    exported = export(predictions, format_name, plugin)
    if output is None:
        click.echo(exported.text, nl=False)
    else:
        write_atomically(output, exported.text)
    told = f"{exported.count} records"
    if exported.left_out:
        told += f"; {len(exported.left_out)} documents without one left out"
    click.echo(f"{output or 'standard output'}: {told}", err=True)
