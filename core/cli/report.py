"""``extract report``: show a run's results."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .options import PATH, json_option


@click.command("report")
@click.argument("run", type=PATH)
@click.option(
    "--against",
    type=PATH,
    metavar="RUN2",
    help="Compare with another run that was scored on the same documents.",
)
@click.option(
    "--split",
    metavar="NAME",
    help="Which scores of metrics.json. Default: those of --data, or else of the test split.",
)
@click.option(
    "--data", type=PATH, help="The documents that were scored. Default: the run's own data."
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write one HTML page that works offline.",
)
@click.option(
    "--png",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the figures as PNG; needs the extra `report`.",
)
@click.option(
    "--documents",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    metavar="N",
    help="Number of documents on the page, those with the most errors first.",
)
@json_option
def command(
    run: Path,
    against: Path | None,
    split: str | None,
    data: Path | None,
    html: Path | None,
    png: Path | None,
    documents: int,
    as_json: bool,
) -> None:
    """Show a run's results: scores, losses, error kinds, calibration and single documents.

    Reads what extract train and extract evaluate stored, and runs no model.

    \b
    Example:
      extract report runs/second
      extract report runs/second --against runs/first --html report.html
      extract report runs/second --data unseen.txt --png figures/
      extract report runs/second --json
    """
    from ..files import require_output, require_writable, write_atomically
    from ..report.comparison import compare
    from ..report.scored_run import read_scored_run
    from .report_tables import print_report

    if as_json and (html or png):
        raise click.UsageError("--json excludes --html and --png")
    if html is not None:
        require_output(html)
    if png is not None:
        require_writable(png)
    scored = read_scored_run(run, name=split, data=data)
    other = read_scored_run(against, name=split or scored.name, data=data) if against else None
    comparison = compare(scored, other) if other else None
    if html is not None:
        from ..report.page import render

        write_atomically(html, render(scored, comparison, documents=documents))
        click.echo(html)
    if png is not None:
        from ..report.figures import write_figures

        for path in write_figures(scored, comparison, png):
            click.echo(path)
    if as_json:
        from ..report.as_json import report_object

        click.echo(json.dumps(report_object(scored, comparison), ensure_ascii=False))
    elif html is None and png is None:
        print_report(scored, comparison)
