"""``extract report``: show a run's results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .domains import domains_in, print_domains
from .options import PATH, json_option

if TYPE_CHECKING:
    from ..report.comparison import Comparison
    from ..report.scored_run import ScoredRun


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

    For a run of several domains, each is shown, and a table of their scores; --html then writes
    that table to FILE, with links to a page for each domain beside it, and --png a folder for each.

    \b
    Example:
      extract report runs/second
      extract report runs/second --against runs/first --html report.html
      extract report runs/second --data unseen.txt --png figures/
      extract report runs/second --json
      extract report runs/together --html report.html
    """
    from ..files import require_output, require_writable
    from ..report.comparison import compare
    from ..report.scored_run import read_scored_run
    from .report_tables import print_report

    if as_json and (html or png):
        raise click.UsageError("--json excludes --html and --png")
    if html is not None:
        require_output(html)
    if png is not None:
        require_writable(png)
    if names := domains_in(run):
        if data is not None:
            raise click.UsageError(
                f"--data is for one domain: name the run of one, such as {run / names[0]}"
            )
        _report_domains(run, against, split, html, png, documents, as_json=as_json)
        return
    scored = read_scored_run(run, name=split, data=data)
    other = read_scored_run(against, name=split or scored.name, data=data) if against else None
    comparison = compare(scored, other) if other else None
    _write(scored, comparison, html, png, documents)
    if as_json:
        from ..report.as_json import report_object

        click.echo(json.dumps(report_object(scored, comparison), ensure_ascii=False))
    elif html is None and png is None:
        print_report(scored, comparison)


def _report_domains(
    run: Path,
    against: Path | None,
    split: str | None,
    html: Path | None,
    png: Path | None,
    documents: int,
    *,
    as_json: bool,
) -> None:
    """Show the results of each domain of a run, and their scores in one table or page."""
    from ..files import write_atomically
    from ..report.domains import domains_object, page_names, read_domains
    from ..runs.folder import Run
    from .report_tables import print_report

    found = read_domains(Run.open(run, joint=True), split, against)
    pages = page_names(html, found) if html is not None else {}
    for name, (scored, comparison) in found.items():
        _write(scored, comparison, pages.get(name), png / name if png else None, documents)
    if html is not None:
        from ..report.page import render_domains

        files = {name: page.name for name, page in pages.items()}
        runs = {name: scored for name, (scored, _comparison) in found.items()}
        write_atomically(html, render_domains(runs, files))
        click.echo(html)
    if as_json:
        click.echo(json.dumps(domains_object(found), ensure_ascii=False))
    elif html is None and png is None:
        for scored, comparison in found.values():
            print_report(scored, comparison)
        print_domains({name: scored.summary for name, (scored, _comparison) in found.items()})


def _write(
    scored: ScoredRun,
    comparison: Comparison | None,
    html: Path | None,
    png: Path | None,
    documents: int,
) -> None:
    """Write the page and the figures of one run, where they are wanted, and print their paths."""
    from ..files import write_atomically

    if html is not None:
        from ..report.page import render

        write_atomically(html, render(scored, comparison, documents=documents))
        click.echo(html)
    if png is not None:
        from ..report.figures import write_figures

        for path in write_figures(scored, comparison, png):
            click.echo(path)
