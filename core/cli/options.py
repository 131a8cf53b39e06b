"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..errors import SettingsError

Command = Callable[..., Any]

PATH = click.Path(path_type=Path)
"""Type of an option or argument that is a path."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

with_option = click.option(
    "--with",
    "wrappers",
    multiple=True,
    metavar="NAME",
    help="Wrap the plugin's hooks by this wrapper plugin.",
)

map_option = click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="SOURCE=FIELD",
    help="Read what the data calls SOURCE (a column, a key of a row, a type of annotations or "
    "relations) as a FIELD of the schema, or as id, text, split or url; repeatable: "
    "--map headline=title --map ChemicalEntity=chemicals.",
)

min_confidence_option = click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Drop values below this confidence where the schema allows it (0 keeps all). "
    "Default: the threshold that scored best on validation.",
)

trust_option = click.option(
    "--trust-remote-code",
    "trusted",
    is_flag=True,
    help="Run code of the base model's repository, which can do anything: only if you trust it.",
)


processes_option = click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Let N processes of this machine answer, each with a GPU of its own or, without GPUs, "
    "with its share of the CPU's cores; the output is the same. Default: 1.",
)

unconstrained_option = click.option(
    "--unconstrained",
    is_flag=True,
    help="Let the model generate any text; for comparison only, the results are marked.",
)

again_option = click.option(
    "--again",
    metavar="REASON",
    help="Score documents that this run was scored on before, for a reason that is recorded "
    "(docs/test-set.md). Those of validation need none.",
)


def command_line() -> str:
    """Return the command line as a run records it."""
    from ..runs.commands import recorded_command

    return recorded_command(click.get_current_context().find_root().obj.arguments)


def require_data_for(mapping: tuple[str, ...], data: Path | None) -> None:
    """Refuse names for a source where none is given.

    Raises:
        SettingsError: ``--map`` without data.
    """
    if mapping and data is None:
        raise SettingsError("--map is for the files of --data; leave it out, or name them")
