"""The options that accept data which a training would refuse, of the commands that look for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click

from ..dataset.issues import FLAGS

_HELP = {
    "leaks": "Accept splits that share documents.",
    "duplicate-ids": "Accept rows with the id of another; only the first is read.",
    "unlearnable": "Accept gold that stands in no text.",
}


def acceptance_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add an option for each of these findings; see ``accepted``."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for name in reversed(names):
            command = click.option(FLAGS[name], is_flag=True, help=_HELP[name])(command)
        return command

    return add


def accepted(options: Mapping[str, bool]) -> frozenset[str]:
    """Return the names of the findings that the options of a command accept.

    options: each of them by the name that click calls it.
    """
    return frozenset(
        name
        for name, flag in FLAGS.items()
        if options.get(flag.removeprefix("--").replace("-", "_"))
    )
