"""``extract export``: convert a predictions file."""

from __future__ import annotations

from pathlib import Path

import click

from .options import PATH


@click.command("export")
@click.argument("predictions", type=PATH)
@click.option(
    "--format",
    "format_name",
    required=True,
    metavar="NAME",
    help="jsonl, or a format of the plugin.",
)
@click.option(
    "--plugin", metavar="NAME", help="The plugin of the records. Default: the one in the file."
)
@click.option("--output", type=PATH, help="Write to this file. Default: standard output.")
def command(predictions: Path, format_name: str, plugin: str | None, output: Path | None) -> None:
    """Convert a predictions file. Documents without a record are skipped and counted on stderr.

    Every plugin has the format jsonl; the README of a plugin lists the others.

    \b
    Example:
      extract predict runs/first folder/ --output records.jsonl
      extract export records.jsonl --format jsonl --output plain.jsonl
    """
    from ..extraction.export import export
    from ..files import refuse_input, require_output, write_atomically

    if output is not None:
        refuse_input(output, predictions)
        require_output(output)
    exported = export(predictions, format_name, plugin)
    if output is None:
        click.echo(exported.text, nl=False)
    else:
        write_atomically(output, exported.text)
    summary = f"{exported.count} records"
    if exported.skipped:
        summary += f"; {len(exported.skipped)} documents without a record skipped"
    click.echo(f"{output or 'standard output'}: {summary}", err=True)
