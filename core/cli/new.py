"""``extract new``: create the project of a new plugin."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option(
    "--from",
    "source",
    metavar="ROWS|MODEL",
    help="Where the schema comes from: labelled rows (JSONL, CSV, TSV, parquet, a JSON list), each "
    "a text with a record or a key for each field, which become the sample; or a pydantic model, "
    "as model.py:Model or package.module:Model.",
)
def command(name: str, source: str | None) -> None:
    """Create the project of a new plugin in a folder called NAME, ready to install.

    It has a schema, a plugin module with the hooks, a sample, tests that run the checks of extract
    check, a README and a CI file. Its own tests pass from the start.

    A model's file is imported, which runs its code, because you name it here; no other file is. It
    is copied into the project as model.py. If it needs files beside it, schema.json is written
    instead. The sample is made up.

    \b
    Example:
      extract new job_adverts
      extract new job_adverts --from adverts.jsonl
      extract new job_adverts --from model.py:Advert
    """
    from ..authoring.model_source import is_model
    from ..authoring.scaffold import create

    if source is None or is_model(source):
        folder = create(name, model=source)
    else:
        folder = create(name, Path(source))
    click.echo(f"Next: pip install -e {folder}, then extract check {name}; see {folder}/README.md")
    click.echo(str(folder))
