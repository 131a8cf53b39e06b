"""``extract new``: create the project of a new plugin."""

from __future__ import annotations

from pathlib import Path

import click

from .options import PATH


@click.command()
@click.argument("name")
@click.option(
    "--from",
    "records",
    type=PATH,
    metavar="JSONL",
    help="Infer the schema from records, one per line: id, text, record. They become the sample.",
)
def command(name: str, records: Path | None) -> None:
    """Create the project of a new plugin in a folder called NAME, ready to install.

    It has a schema, a plugin module with the hooks, a sample, tests that run the checks of extract
    check, a README and a CI file. Its own tests pass from the start.

    \b
    Example:
      extract new job_adverts
      extract new job_adverts --from adverts.jsonl
    """
    from ..authoring.scaffold import create

    folder = create(name, records)
    click.echo(f"Next: pip install -e {folder}, then extract check {name}; see {folder}/README.md")
    click.echo(str(folder))
