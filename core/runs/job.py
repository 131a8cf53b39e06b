"""What a training was started with; run.json stores it, so that the training can be resumed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ..data import DEFAULT_RATIO, Ratio
from ..errors import RunError, SettingsError
from ..model.prompts import PromptFormat
from ..plugins import Plugin, load
from ..settings import Resolved
from ..task import Task
from .folder import Run
from .paths import GivenPaths


@dataclass(frozen=True)
class TrainingJob:
    """Inputs of a training.

    Attributes:
        plugin: the domain, with its wrappers.
        source: the data; None for the plugin's bundled sample.
        preset: name of the preset.
        settings: the settings with the origin of each.
        accepted: names of the data issues that the user accepts, such as "leaks".
        ratio: percent of the documents for train, validation and test, where the data has no
            official splits.
        auto_batch: whether to continue with a smaller batch where memory is exhausted.
        processes: how many processes it was begun with, which decides the rows of a step.
        paths: how run.json names source and model, which are absolute in a job that runs.
    """

    plugin: Plugin
    source: Path | None
    preset: str
    settings: Resolved
    accepted: frozenset[str] = frozenset()
    auto_batch: bool = False
    ratio: Ratio = DEFAULT_RATIO
    processes: int = 1
    paths: GivenPaths = field(default_factory=GivenPaths)

    @property
    def name(self) -> str:
        """The plugin's name, by which a run folder is called."""
        return self.plugin.name

    @property
    def jobs(self) -> tuple[TrainingJob, ...]:
        """The job of each domain: this one."""
        return (self,)

    @property
    def source_name(self) -> str:
        """The source as messages name it."""
        return str(self.source or f"{self.plugin.name}'s sample")

    def task(self, prompts: PromptFormat) -> Task:
        """Return what the model is trained for, as a tokenizer writes its prompts."""
        return Task(self.plugin, self.settings.values, prompts)

    def pinned(self) -> TrainingJob:
        """Return the job with the commit of a hub model as the setting ``revision``.

        Raises:
            SettingsError: see ``model.location.pinned``.
        """
        from ..model.location import pinned

        asked, values = self.settings.values, pinned(self.settings.values)
        if values == asked:
            return self
        origin = f"{asked.revision or 'main'} of the hub"
        return replace(
            self, settings=Resolved(values, {**self.settings.origins, "revision": origin})
        )

    def located(self, folder: Path) -> TrainingJob:
        """Return the job with absolute paths, named as the user gave them.

        So a resumed training reads from the same paths as an unbroken one, and stores the same.

        Args:
            folder: the run folder.
        """
        source, model = self.source, self.settings.values.model
        given = [str(source)] if source else []
        if os.path.exists(model) or model.lower().endswith(".gguf"):
            given.append(model)
            values = replace(self.settings.values, model=os.path.abspath(model))
        else:
            values = self.settings.values
        if config := values.deepspeed_config:
            given.append(config)
            values = replace(values, deepspeed_config=os.path.abspath(config))
        return replace(
            self,
            source=Path(os.path.abspath(source)) if source else None,
            settings=Resolved(values, self.settings.origins),
            paths=GivenPaths.of(given, folder),
        )

    @staticmethod
    def from_run(run: Run) -> TrainingJob:
        """Return the job of an earlier training.

        Raises:
            PluginError: its plugin is not installed.
            RunError: run.json is damaged, its data or model is gone, or the model runs code that
                the user does not trust.
        """
        run.require_trust()
        run.require_model()
        info = run.info()
        data, source, settings = info["data"], run.source(), run.settings()
        names = {settings.values.model: info["settings"]["model"]["value"]}
        names |= {str(source): data["source"]} if source else {}
        if config := settings.values.deepspeed_config:
            names[config] = info["settings"]["deepspeed_config"]["value"]
        return TrainingJob(
            plugin_of(run),
            source,
            info["preset"],
            settings,
            frozenset(info.get("accepted", ())) | ({"leaks"} if data["allow_leaks"] else set()),
            bool(info.get("auto_batch", False)),
            ratio_of(data),
            int(info.get("processes", info.get("device", {}).get("processes", 1))),
            GivenPaths(names, info.get("paths", {})),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the entries of run.json that ``from_run`` reads."""
        settings = self.settings.as_json()
        for name in ("model", "deepspeed_config"):
            settings[name]["value"] = self.paths.named(settings[name]["value"])
        return {
            "plugin": {
                "name": self.plugin.name,
                "distribution": self.plugin.distribution,
                "version": self.plugin.version,
                "wrappers": list(self.plugin.wrappers),
            },
            "preset": self.preset,
            "settings": settings,
            "data": {
                "source": self.paths.named(str(self.source)) if self.source else None,
                "names": self.plugin.names.as_json(),
                "allow_leaks": "leaks" in self.accepted,
                "split_ratio": list(self.ratio),
            },
            "accepted": sorted(self.accepted),
            "auto_batch": self.auto_batch,
            "processes": self.processes,
            "paths": dict(self.paths.from_run),
        }


def ratio_of(data: Mapping[str, Any]) -> Ratio:
    """Return the split ratio of the entry ``data`` of a run.json; older ones have none.

    Raises:
        RunError: it is none.
    """
    train, validation, test = data.get("split_ratio", DEFAULT_RATIO)
    if train < 1 or train + validation + test != 100:
        raise RunError(
            f"run.json: data.split_ratio: {train}, {validation} and {test} are not 100 percent"
        )
    return train, validation, test


def plugin_of(run: Run) -> Plugin:
    """Load the plugin that a run was trained for, with the names of its data (``--map``).

    Raises:
        PluginError: it is not installed any more.
        RunError: its schema lacks a field that the names are for.
    """
    info = run.info()
    stored: Mapping[str, Any] = info["plugin"]
    try:
        plugin = load(stored["name"], tuple(stored["wrappers"]), info["data"].get("names"))
    except SettingsError as error:
        raise RunError(f"{run.folder}: run.json: data.names: {error}") from error
    return replace(plugin, names=plugin.names.of_run())


def default_folder(plugin: str) -> Path:
    """Return ``runs/PLUGIN-DATE-TIME``, which is not there yet."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = Path("runs") / f"{plugin}-{stamp}"
    number = 2
    while folder.exists():
        folder = Path("runs") / f"{plugin}-{stamp}-{number}"
        number += 1
    return folder
