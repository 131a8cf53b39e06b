"""Options of a prediction or an evaluation without a run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .chosen_settings import chosen_settings
from .options import PATH, Command, with_option

if TYPE_CHECKING:
    from ..extraction.zero_shot import ZeroShot

_FLAGS = {
    "model": "--model",
    "preset": "--preset",
    "assignments": "--set",
    "shots": "--shots",
    "shots_data": "--shots-data",
    "wrappers": "--with",
}
"""Options that only a command without a run takes, by the field that holds them."""


@dataclass(frozen=True)
class ZeroShotOptions:
    """What the options of ``zero_shot_options`` were set to; None or () where they were not.

    Attributes:
        plugin: name of the plugin.
        model: short for the setting ``model``.
        preset: name or file of the preset.
        assignments: ``KEY=VALUE`` of each ``--set``.
        shots: number of worked examples before each document.
        shots_data: path of the data that they come from.
        wrappers: names of wrapper plugins.
    """

    plugin: str | None
    model: str | None
    preset: str | None
    assignments: tuple[str, ...]
    shots: int | None
    shots_data: Path | None
    wrappers: tuple[str, ...]

    def given(self) -> list[str]:
        """Return the options that say there is no run, apart from ``--plugin``."""
        return [flag for name, flag in _FLAGS.items() if getattr(self, name) not in (None, ())]

    def require_complete(self) -> None:
        """Raise UsageError that says what is missing.

        Raises:
            click.UsageError: plugin or model is missing, or the number of shots.
        """
        if self.plugin is None:
            raise click.UsageError(
                f"--plugin is missing: {', '.join(self.given())} is for a model without a run, "
                f"which needs --plugin and --model"
            )
        names_model = any(each.partition("=")[0].strip() == "model" for each in self.assignments)
        if self.model is None and self.preset is None and not names_model:
            raise click.UsageError(
                "--model is missing: without a run, give --plugin and --model (or a --preset that "
                "names a model); with a run, leave out --plugin"
            )
        if self.shots_data is not None and self.shots is None:
            raise click.UsageError("--shots is missing: --shots-data needs to know how many")

    def load(self, mapping: tuple[str, ...] = ()) -> ZeroShot:
        """Load the plugin and resolve the settings.

        Args:
            mapping: ``SOURCE=FIELD`` of each ``--map``.

        Raises:
            PluginError: the plugin or a wrapper is not installed or is broken.
            SettingsError: a setting, the preset or the mapping is wrong, or the model has no
                config.
        """
        from ..extraction.zero_shot import ZeroShot
        from ..plugins import load
        from ..source_names import parse_names

        assert self.plugin is not None
        plugin = load(self.plugin, self.wrappers, parse_names(mapping))
        chosen = chosen_settings(self.assignments, model=self.model)
        return ZeroShot.of(
            plugin, self.preset, chosen, shots=self.shots or 0, shots_data=self.shots_data
        )


_OPTIONS = (
    click.option(
        "--plugin",
        metavar="NAME",
        help="Without a run: the plugin; extract plugins lists them. With a run of several "
        "domains: which of them.",
    ),
    click.option(
        "--model",
        metavar="MODEL",
        help="Without a run: a model of the Hugging Face hub, a folder or a file; short for "
        "--set model=….",
    ),
    click.option(
        "--preset",
        metavar="NAME",
        help="Without a run: take model and settings from this preset.",
    ),
    click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        help="Without a run: set one setting.",
    ),
    click.option(
        "--shots",
        type=click.IntRange(0),
        metavar="K",
        help="Without a run: show the model K labelled documents with their records before each "
        "document. Default: 0.",
    ),
)


def zero_shot_options(shots_data_help: str) -> Callable[[Command], Command]:
    """Add the options of a model without a run; the command gets them as one ``ZeroShotOptions``.

    Args:
        shots_data_help: says where shots come from by default.
    """
    options = [
        *_OPTIONS,
        click.option("--shots-data", type=PATH, help=shots_data_help),
        with_option,
    ]

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def with_collected(**given: Any) -> Any:
            collected = {each.name: given.pop(each.name) for each in fields(ZeroShotOptions)}
            return command(zero_shot=ZeroShotOptions(**collected), **given)

        decorated: Command = with_collected
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return add
