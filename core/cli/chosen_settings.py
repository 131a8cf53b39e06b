"""The settings that a user chose by ``--set`` and by the short options of single settings."""

from __future__ import annotations

from collections.abc import Iterable

import click


def chosen_settings(assignments: Iterable[str], **short: object) -> dict[str, object]:
    """Return what the user set, by name.

    Args:
        assignments: ``KEY=VALUE`` of each ``--set``.
        short: values of options that are short for a setting, by its name; None if not given.

    Raises:
        click.UsageError: a short option is empty, or ``--set`` gives the same setting another
            value.
        SettingsError: an assignment is none.
    """
    from ..settings import parse_assignments

    chosen = parse_assignments(assignments)
    for name, value in short.items():
        option = f"--{name.replace('_', '-')}"
        if value == "":
            raise click.UsageError(f"{option} is empty: name one, or leave it out")
        if value is not None and chosen.setdefault(name, value) != value:
            raise click.UsageError(
                f"{option} {value} and --set {name}={chosen[name]} say different things: give one"
            )
    return chosen
