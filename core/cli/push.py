"""``extract push``: upload a run's model to the Hugging Face hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .domains import require_own_run
from .options import PATH, json_option, trust_option
from .terminal import console, printable, table

if TYPE_CHECKING:
    from ..exporting.hub_files import Upload


@click.command()
@click.argument("run", type=PATH)
@click.option(
    "--repo",
    "repository",
    metavar="[OWNER/]NAME",
    help="The repository. Default: BASE-PLUGIN-YYYYMMDD_HHMMSS in your own namespace, with the "
    "time (UTC) at which the weights were written.",
)
@click.option(
    "--merged",
    type=PATH,
    metavar="PATH",
    help="Push the folder that extract merge made of RUN, or a GGUF file in it, in place of the "
    "adapter.",
)
@click.option("--public", is_flag=True, help="Let everybody see it. Default: private.")
@click.option("--dry-run", is_flag=True, help="List what would be pushed; needs no network.")
@trust_option
@json_option
def command(
    run: Path,
    repository: str | None,
    merged: Path | None,
    public: bool,
    dry_run: bool,
    trusted: bool,
    as_json: bool,
) -> None:
    """Upload the model of RUN to the Hugging Face hub, with a card made of the run.

    Weights, tokenizer, template, schema, grammar, hashes, the base model's licence and the card
    are pushed, as one commit; no data, predictions, logs or paths. Endpoint and access token are
    those of the hub's client (HF_ENDPOINT, HF_TOKEN, hf auth login).

    \b
    Example:
      extract push runs/first --dry-run
      extract push runs/first --repo me/medical
      extract push runs/first --merged models/first --public
      extract push runs/first --merged models/first/model-q8_0.gguf
    """
    from huggingface_hub import get_token

    from ..exporting.hub_files import collect
    from ..exporting.push import push, require_name
    from ..model.library_output import quieten
    from ..runs.folder import Run

    quieten()
    require_own_run(run)
    if repository is not None:
        require_name(repository)
    name = repository.rpartition("/")[2] if repository else None
    upload = collect(Run.open(run, trusted=trusted), merged, name, get_token())
    made = None if dry_run else push(upload, repository, public=public)
    where = made.repository if made else repository or upload.name
    if as_json:
        result = {
            "repository": where,
            "url": made.url if made else None,
            "commit": made.commit if made else None,
            "private": not public,
            "files": [
                {"path": path, "size": size, "sha256": upload.hashes[path]}
                for path, size in upload.sizes().items()
            ],
            "total": sum(upload.sizes().values()),
        }
        click.echo(json.dumps(result, ensure_ascii=False))
    else:
        _print_files(upload)
        click.echo(f"{printable(where)}: {'public' if public else 'private'}")
    if made is not None:
        click.echo(made.url, err=as_json)
    else:
        click.echo("dry run: nothing was uploaded", err=as_json)


def _print_files(upload: Upload) -> None:
    """Print the files with their sizes, and the sum of these."""
    sizes = upload.sizes()
    made = table("", "file", "bytes")
    for name, size in [*sizes.items(), ("total", sum(sizes.values()))]:
        made.add_row(printable(name), f"{size:,}")
    console().print(made)
