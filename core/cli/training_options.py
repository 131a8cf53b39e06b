"""Options that describe a training, and the training job that they come to."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..data import DEFAULT_RATIO, FLAGS
from ..dataset.teachers import ACCEPTS, accepted_licence
from .chosen_settings import chosen_settings
from .options import Command, map_option, require_data_for, with_option

if TYPE_CHECKING:
    from ..plugins import Plugin
    from ..recipes import Preset
    from ..runs.job import TrainingJob
    from ..runs.joint_job import JointJob
    from ..settings import Resolved

_ACCEPT_LICENCE = click.option(
    ACCEPTS,
    "accepted_licences",
    multiple=True,
    metavar="ID",
    help="Train although the licence of a model that labelled the data refuses it, has a duty that "
    "goes with the model, leaves it to your judgement, or does not go with the model's name: you "
    "have read it (docs/label.md). Recorded in run.json.",
)

_ACCEPTANCE_HELP = {
    "leaks": "Accept splits that share documents.",
    "duplicate-ids": "Accept repeated ids; only the first row of each is read.",
    "unlearnable": "Accept that over 5 % of the gold values are not learned.",
}


@dataclass(frozen=True)
class TrainingOptions:
    """What the options of ``training_options`` were set to.

    Attributes:
        plugins: names of the plugins; () only where the option is not required.
        sources: the data: one path for one plugin, or ``NAME=PATH`` for some of several.
        preset: name or file of the preset; None for the recipe that follows the model.
        model: short for the setting ``model``; None if not given.
        max_length: short for the setting ``max_length``; None if not given.
        assignments: ``KEY=VALUE`` of each ``--set``.
        wrappers: names of wrapper plugins.
        split_ratio: percent for train, validation and test; None for the default.
        mapping: ``SOURCE=FIELD`` of each ``--map``.
        accepted: names of the data issues that the user accepts.
    """

    plugins: tuple[str, ...]
    sources: tuple[str, ...]
    preset: str | None
    model: str | None
    max_length: int | None
    assignments: tuple[str, ...]
    wrappers: tuple[str, ...]
    split_ratio: str | None
    mapping: tuple[str, ...]
    accepted: frozenset[str]

    @property
    def data(self) -> Path | None:
        """The path of one plugin's data, which may be given as ``NAME=PATH``, too.

        None for its bundled sample.

        Raises:
            click.UsageError: several are given.
        """
        if len(self.sources) > 1:
            raise click.UsageError("give one --data: a file or folder; several files in a folder")
        if not self.sources:
            return None
        given = Path(self.sources[0])
        name, _equals, path = self.sources[0].partition("=")
        return Path(path) if path and (name,) == self.plugins and not given.exists() else given

    def require_one_plugin(self) -> str:
        """Return the name of the plugin.

        Raises:
            click.UsageError: there are several.
        """
        if len(self.plugins) > 1:
            raise click.UsageError("give one plugin: a data set has one domain")
        return self.plugins[0]

    def job(self, *, auto_batch: bool = False) -> TrainingJob:
        """Load the plugin, resolve the settings and return the training job.

        Raises:
            PluginError: the plugin or a wrapper is not installed or is broken.
            InputError: the split ratio is none.
            SettingsError: a setting is unknown or wrong, or ``max_length`` exceeds the model; or
                a mapping is given without data, or has an unknown field.
        """
        from ..model.fitting import choose_preset, fit_to_model, say_recipe
        from ..plugins import load
        from ..settings import resolve
        from ..source_names import parse_names

        require_data_for(self.mapping, self.data)
        plugin = load(self.plugins[0], self.wrappers, parse_names(self.mapping))
        chosen = self._chosen()
        preset = choose_preset(self.preset, chosen)
        settings = resolve(preset, plugin.name, plugin.settings(preset.name), chosen)
        settings = fit_to_model(settings)
        say_recipe(preset, settings)
        job = self._job(plugin, self.data, preset, settings)
        return replace(job, auto_batch=auto_batch)

    def joint_job(self) -> JointJob:
        """Return the job of several plugins, which are trained together; see ``job``.

        Raises:
            click.UsageError: a plugin is named twice, data is of none of them, or an option is for
                one plugin alone.
        """
        from ..model.fitting import choose_preset, fit_to_model, say_recipe
        from ..plugins import load
        from ..runs.joint_job import JointJob, joint_settings

        sources = self._sources()
        plugins = [load(name, self.wrappers) for name in self.plugins]
        chosen = self._chosen()
        preset = choose_preset(self.preset, chosen)
        joint = JointJob.of(
            [
                self._job(
                    plugin,
                    sources.get(plugin.name),
                    preset,
                    fit_to_model(joint_settings(preset, plugin, chosen)),
                )
                for plugin in plugins
            ]
        )
        for job in joint.jobs:
            say_recipe(preset, job.settings, job.name)
        return joint

    def _job(
        self, plugin: Plugin, source: Path | None, preset: Preset, settings: Resolved
    ) -> TrainingJob:
        from ..dataset.splits import parse_ratio
        from ..runs.job import TrainingJob

        ratio = parse_ratio(self.split_ratio) if self.split_ratio else DEFAULT_RATIO
        return TrainingJob(plugin, source, preset.name, settings, self.accepted, ratio=ratio)

    def _chosen(self) -> dict[str, object]:
        """Return what the user set, by name."""
        return chosen_settings(self.assignments, model=self.model, max_length=self.max_length)

    def _sources(self) -> dict[str, Path]:
        """Return the data of several plugins by their names."""
        if len({*self.plugins}) < len(self.plugins):
            raise click.UsageError("a plugin is named twice; give each once")
        if self.mapping:
            raise click.UsageError(
                "--map is for one plugin: train each by itself, or write its rows in its own fields"
            )
        found: dict[str, Path] = {}
        for given in self.sources:
            name, _equals, path = given.partition("=")
            if not path or name not in self.plugins or name in found:
                raise click.UsageError(
                    f"--data {given}: with several plugins write NAME=PATH, once for each of "
                    f"{', '.join(self.plugins)} whose data is not its bundled sample"
                )
            found[name] = Path(path)
        return found


def training_options(*issues: str, plugin_required: bool = True) -> Callable[[Command], Command]:
    """Add the options that describe a training; the command gets them as one ``TrainingOptions``.

    Args:
        issues: names of the data issues for which there is an option that accepts them.
        plugin_required: whether ``--plugin`` has to be given.
    """
    options = [
        click.option(
            "--plugin",
            "plugins",
            multiple=True,
            required=plugin_required,
            metavar="NAME",
            help="The plugin; extract plugins lists them. A training may have several, in one "
            "adapter (docs/several-domains.md).",
        ),
        click.option(
            "--data",
            "sources",
            multiple=True,
            metavar="PATH",
            help="A file or folder that the plugin reads, or JSONL with id, text and record; of "
            "several plugins NAME=PATH. Default: the plugin's bundled sample.",
        ),
        click.option(
            "--preset",
            metavar="NAME",
            help="A shipped preset (docs/models.md), such as smollm2-135m or qwen3-4b, or a YAML "
            "file. Default: embedded, or with --model the recipe for a model of its size.",
        ),
        click.option(
            "--model",
            metavar="MODEL",
            help="A model of the Hugging Face hub, a folder, a GGUF file, or smollm2-135m; "
            "short for --set model=….",
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
        click.option(
            "--split-ratio",
            metavar="A/B[/C]",
            help="Percent of the documents for train/validation[/test], such as 80/20 or "
            "70/15/15, where the data has no official splits. Default: 80/10/10.",
        ),
        map_option,
        with_option,
        *(click.option(FLAGS[name], is_flag=True, help=_ACCEPTANCE_HELP[name]) for name in issues),
        _ACCEPT_LICENCE,
    ]
    keys = {name: FLAGS[name].removeprefix("--").replace("-", "_") for name in issues}

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def with_collected(**given: Any) -> Any:
            accepted = {name for name, key in keys.items() if given.pop(key)}
            accepted |= {accepted_licence(each) for each in given.pop("accepted_licences")}
            fields = set(TrainingOptions.__dataclass_fields__) & given.keys()
            collected = {name: given.pop(name) for name in fields}
            return command(TrainingOptions(**collected, accepted=frozenset(accepted)), **given)

        decorated: Command = with_collected
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return add


@dataclass(frozen=True)
class ParallelOptions:
    """What the options of ``parallel_options`` were set to.

    Attributes:
        parallel: short for the setting ``parallel``; None if not given.
        offload: short for the setting ``offload``; None if not given.
    """

    parallel: str | None
    offload: str | None

    def applied(self, options: TrainingOptions) -> TrainingOptions:
        """Return options of a training with these settings, as if ``--set`` had set them."""
        named = {"parallel": self.parallel, "offload": self.offload}
        chosen = tuple(f"{name}={value}" for name, value in named.items() if value)
        return replace(options, assignments=(*options.assignments, *chosen))


def parallel_options(command: Command) -> Command:
    """Add the options of how several processes share a training, as one ``ParallelOptions``."""

    @functools.wraps(command)
    def with_collected(*arguments: Any, **given: Any) -> Any:
        collected = {each.name: given.pop(each.name) for each in fields(ParallelOptions)}
        return command(*arguments, shared=ParallelOptions(**collected), **given)

    decorated: Command = with_collected
    for option in (
        click.option(
            "--offload",
            type=click.Choice(["none", "optimizer", "params"]),
            help="What is kept in main memory between its uses; short for --set offload=….",
        ),
        click.option(
            "--parallel",
            type=click.Choice(["auto", "ddp", "fsdp", "zero2", "zero3"]),
            help="What several processes divide among them: nothing but the rows (ddp), the "
            "weights as well (fsdp, zero3), or all but the weights (zero2); short for "
            "--set parallel=…. Default: ddp where a whole copy fits, otherwise fsdp.",
        ),
    ):
        decorated = option(decorated)
    return decorated
