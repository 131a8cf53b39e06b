"""``extract fetch``: fetch documents from a source that a plugin names."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from .options import PATH
from .terminal import printable

_SHOWN = 3
"""So many of the failures are shown; the file has all."""


@click.command("fetch")
@click.argument("source")
@click.option("--query", metavar="TEXT", help="What to search for, as the source writes it.")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="From this day on."
)
@click.option(
    "--from", "origin", metavar="FILE|URL", help="A list of addresses, or a feed of them."
)
@click.option(
    "--through",
    metavar="NAME",
    help="The service that lists the documents, of a source that has several.",
)
@click.option(
    "--max",
    "limit",
    type=click.IntRange(1),
    metavar="N",
    help="The first N. Default: all.",
)
@click.option(
    "--output",
    type=PATH,
    required=True,
    metavar="DIR",
    help="A new folder, or one that was fetched from the same source before.",
)
@click.option(
    "--service",
    metavar="URL",
    help="Ask this address in place of the source's own, such as a mirror; it may be in a private "
    "network, from which nothing is fetched otherwise.",
)
@click.option(
    "--delay",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Wait so long between two requests to one host. Default: what the source asks for.",
)
@click.option(
    "--plugin", metavar="NAME", help="The plugin that has the source. Default: all are looked into."
)
def command(
    source: str,
    query: str | None,
    since: datetime | None,
    origin: str | None,
    through: str | None,
    limit: int | None,
    output: Path,
    service: str | None,
    delay: float | None,
    plugin: str | None,
) -> None:
    """Fetch documents from a SOURCE that a plugin names, into a folder that the plugin reads.

    Stopped or killed, the same command goes on. What fails is listed with its reason, and tried
    again by the next command. Labels that come with documents are compared with their texts.
    `extract plugins NAME` shows the sources of a plugin.

    \b
    Example:
      extract fetch SOURCE --query "TEXT" --since 2024-04-18 --max 50 --output papers
      extract fetch SOURCE --from addresses.txt --output pages
    """
    from ..collecting.fetch import fetch
    from ..collecting.sources import find_source
    from ..dataset.label_check import check_labels
    from ..fetch_source import FetchRequest
    from ..plugins import load

    day = since.date() if since else None
    request = FetchRequest(query, day, origin, service or "", through)
    found = find_source(source, plugin)
    done = fetch(found, request, output, limit, delay)
    if done.labelled:
        checked = check_labels(load(found.plugin), done.labelled, done.labels_file)
        for line in checked.lines(found.plugin, output):
            click.echo(printable(line), err=True)
    for failure in done.failures[:_SHOWN]:
        click.echo(printable(f"{failure.address}: {failure.reason}"), err=True)
    failed = f"{len(done.failures)} failed"
    if done.failures:
        failed += f", with reasons in {done.failures_file}"
    click.echo(f"{output}: {done.fetched} fetched, {done.there} already there, {failed}")
