"""``extract export``: convert a predictions file, or write files of a run for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from .options import PATH


@click.command("export")
@click.argument("predictions", type=PATH, metavar="PREDICTIONS|RUN")
@click.option(
    "--format",
    "format_name",
    required=True,
    metavar="NAME",
    help="jsonl, or a format of the plugin; of a run training_metrics or latest_checkpoint_info.",
)
@click.option(
    "--plugin", metavar="NAME", help="The plugin of the records. Default: the one in the file."
)
@click.option("--output", type=PATH, help="Write to this file. Default: standard output.")
def command(predictions: Path, format_name: str, plugin: str | None, output: Path | None) -> None:
    """Convert a predictions file. Documents without a record are skipped and counted on stderr.

    Every plugin has the format jsonl; the README of a plugin lists the others. From a run folder,
    its numbers or its newest checkpoint are written as one JSON object (docs/run-folder.md).

    \b
    Example:
      extract predict runs/first folder/ --output records.jsonl
      extract export records.jsonl --format jsonl --output plain.jsonl
      extract export runs/first --format training_metrics --output training_metrics.json
    """
    from ..extraction.export import export
    from ..files import refuse_input, require_output

    if output is not None:
        refuse_input(output, predictions)
        require_output(output)
    if (predictions / "run.json").is_file():
        from ..runs.folder import Run
        from ..runs.trainer_files import export_run

        if plugin is not None:
            raise click.UsageError("--plugin is for predictions; a run names its own")
        _write(export_run(Run.open(predictions, joint=True), format_name), output)
        return
    exported = export(predictions, format_name, plugin)
    _write(exported.text, output)
    summary = f"{exported.count} records"
    if exported.skipped:
        summary += f"; {len(exported.skipped)} documents without a record skipped"
    click.echo(f"{output or 'standard output'}: {summary}", err=True)


def _write(text: str, output: Path | None) -> None:
    from ..files import write_atomically

    if output is None:
        click.echo(text, nl=False)
    else:
        write_atomically(output, text)
