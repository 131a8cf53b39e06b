"""The option ``--max-length`` of the commands that train or look ahead to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..errors import SettingsError

if TYPE_CHECKING:
    from ..settings import Resolved

max_length_option = click.option(
    "--max-length",
    type=click.IntRange(1),
    metavar="N",
    help="Tokens of prompt and answer, up to what the model was made for; "
    "short for --set max_length=….",
)


def require_positions(settings: Resolved) -> None:
    """Refuse a ``max_length`` that the user set beyond the positions of the base model.

    Raises:
        SettingsError: it is larger, or the model's config cannot be read.
    """
    if settings.origins["max_length"] != "user":
        return
    from ..model.loading import quieten

    quieten()
    from ..model.loading import read_config

    values = settings.values
    most = getattr(read_config(values), "max_position_embeddings", None)
    if most is not None and values.max_length > most:
        raise SettingsError(
            f"max_length {values.max_length}: the model {values.model} was made for {most} tokens; "
            f"set {most} or less, or cut documents into windows (--set window=tokens)"
        )
