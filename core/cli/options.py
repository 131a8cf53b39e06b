"""Options that several commands share, and the training job that they describe."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..data import FLAGS
from ..errors import SettingsError

if TYPE_CHECKING:
    from ..runs.job import TrainingJob
    from ..settings import Resolved

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

min_confidence_option = click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Drop values below this confidence where the schema allows it (0 keeps all). "
    "Default: the threshold that scored best on validation.",
)

unconstrained_option = click.option(
    "--unconstrained",
    is_flag=True,
    help="Let the model generate any text; for comparison only, the results are marked.",
)

_ACCEPTANCE_HELP = {
    "leaks": "Accept splits that share documents.",
    "duplicate-ids": "Accept repeated ids; only the first row of each is read.",
    "unlearnable": "Accept gold values that are not in the text.",
}


@dataclass(frozen=True)
class TrainingOptions:
    """What the options of ``training_options`` were set to.

    Attributes:
        plugin: name of the plugin; None only where the option is not required.
        data: path of the data; None for the plugin's bundled sample.
        preset: name or file of the preset.
        model: short for the setting ``model``; None if not given.
        max_length: short for the setting ``max_length``; None if not given.
        assignments: ``KEY=VALUE`` of each ``--set``.
        wrappers: names of wrapper plugins.
        accepted: names of the data issues that the user accepts.
    """

    plugin: str | None
    data: Path | None
    preset: str
    model: str | None
    max_length: int | None
    assignments: tuple[str, ...]
    wrappers: tuple[str, ...]
    accepted: frozenset[str]

    def job(self, *, auto_batch: bool = False) -> TrainingJob:
        """Load the plugin, resolve the settings and return the training job.

        Raises:
            PluginError: the plugin or a wrapper is not installed or is broken.
            SettingsError: a setting is unknown or wrong, or ``max_length`` exceeds the model.
        """
        from ..plugins import load
        from ..runs.job import TrainingJob
        from ..settings import parse_assignments, resolve

        assert self.plugin is not None
        plugin = load(self.plugin, self.wrappers)
        chosen = parse_assignments(self.assignments)
        chosen |= {"model": self.model} if self.model else {}
        chosen |= {"max_length": self.max_length} if self.max_length else {}
        model = chosen.get("model")
        if isinstance(model, str) and Path(model).is_dir():
            chosen["model"] = str(Path(model).resolve())  # found from any working directory
        settings = resolve(self.preset, self.plugin, plugin.settings(self.preset), chosen)
        _require_positions(settings)
        return TrainingJob(plugin, self.data, self.preset, settings, self.accepted, auto_batch)


def training_options(*issues: str, plugin_required: bool = True) -> Callable[[Command], Command]:
    """Add the options that describe a training; the command gets them as one ``TrainingOptions``.

    Args:
        issues: names of the data issues for which there is an option that accepts them.
        plugin_required: whether ``--plugin`` has to be given.
    """
    options = [
        click.option(
            "--plugin",
            required=plugin_required,
            metavar="NAME",
            help="The plugin; extract plugins lists them.",
        ),
        click.option(
            "--data",
            type=PATH,
            help="A file or folder that the plugin reads, or JSONL with id, text and record. "
            "Default: the plugin's bundled sample.",
        ),
        click.option(
            "--preset",
            default="embedded",
            show_default=True,
            metavar="NAME",
            help="embedded, llama-3.2-3b, llama-3.1-8b, llama-3.2-3b-30k, or a YAML file.",
        ),
        click.option(
            "--model",
            metavar="MODEL",
            help="A model of the Hugging Face hub or a folder; short for --set model=….",
        ),
        click.option(
            "--max-length",
            type=click.IntRange(1),
            metavar="N",
            help="Maximum tokens of prompt and answer, at most what the model supports; "
            "short for --set max_length=….",
        ),
        click.option(
            "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set one setting."
        ),
        with_option,
        *(click.option(FLAGS[name], is_flag=True, help=_ACCEPTANCE_HELP[name]) for name in issues),
    ]
    keys = {name: FLAGS[name].removeprefix("--").replace("-", "_") for name in issues}

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def with_collected(**given: Any) -> Any:
            accepted = frozenset(name for name, key in keys.items() if given.pop(key))
            fields = set(TrainingOptions.__dataclass_fields__) & given.keys()
            collected = {name: given.pop(name) for name in fields}
            return command(TrainingOptions(**collected, accepted=accepted), **given)

        decorated: Command = with_collected
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return add


def _require_positions(settings: Resolved) -> None:
    """Raise SettingsError if the user's ``max_length`` exceeds the positions of the base model."""
    if settings.origins["max_length"] != "user":
        return
    from ..model.loading import quieten, read_config

    quieten()
    values = settings.values
    positions = getattr(read_config(values), "max_position_embeddings", None)
    if positions is not None and values.max_length > positions:
        raise SettingsError(
            f"max_length {values.max_length}: the model {values.model} was made for {positions} "
            f"tokens; set {positions} or less, or cut documents into windows (--set window=tokens)"
        )
