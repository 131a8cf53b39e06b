"""``extract new``: a plugin's project of its own."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option(
    "--from",
    "records",
    type=click.Path(path_type=Path),
    metavar="JSONL",
    help="Draft the schema from records, one a line: id, text, record. They become the sample.",
)
def command(name: str, records: Path | None) -> None:
    """Write the project of a new plugin into a folder called NAME, ready to install.

    It has a schema, a plugin module with the hooks, a sample, tests that run the checks of extract
    check, a README and a CI file, and passes its own tests as it is.

    \b
    Example:
      extract new job_adverts
      extract new job_adverts --from adverts.jsonl
    """
    from ..authoring.scaffold import create

    folder = create(name, records)
    click.echo(f"Next: pip install -e {folder}, then extract check {name}; see {folder}/README.md")
    click.echo(str(folder))
