"""The job of several domains that are trained together, in one adapter.

Each domain keeps the settings by which its documents are read, asked for and scored; what trains
the weights is the same for all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..files.reading import files_in
from ..plugins import Plugin
from ..recipes import Preset
from ..settings import (
    AdapterSettings,
    ModelSettings,
    ParallelSettings,
    Resolved,
    Settings,
    TrainingSettings,
    resolve,
)
from .file_schemas import DOMAIN_NAME, FORMAT, RUN
from .folder import Run
from .job import TrainingJob
from .paths import GivenPaths

_OWN = {"prompt", "eval_documents", "eval_batch_size", "score_documents"}
"""Settings of these groups that each domain has of its own."""

_SHARED = {
    each.name
    for group in (ModelSettings, AdapterSettings, TrainingSettings, ParallelSettings)
    for each in fields(group)
} - _OWN | {"merge"}
"""Settings of which a training has one value."""

_OF_LONGEST = {"attention", "batch_size"}
"""Shared settings that the domain with the longest rows decides: they are for its memory."""

_TAKEN = {
    "adapter", "checkpoints", "mlruns", "predictions", "tensorboard", "wandb",
    "run.json", "log.jsonl", "training.log",
}  # fmt: skip
"""Names of other folders in a run, and of files."""


@dataclass(frozen=True)
class JointJob:
    """Inputs of a training of several domains.

    Attributes:
        jobs: one for each domain, under the shared settings and its own.
        shared: the settings, preset and paths of the training as a whole; it has no data, and its
            plugin is the first one.
    """

    jobs: tuple[TrainingJob, ...]
    shared: TrainingJob

    @property
    def name(self) -> str:
        """The names of the plugins, by which a run folder is called."""
        return "+".join(job.name for job in self.jobs)

    @property
    def settings(self) -> Resolved:
        """The settings of the training as a whole."""
        return self.shared.settings

    @property
    def preset(self) -> str:
        """The name of the preset."""
        return self.shared.preset

    @staticmethod
    def of(jobs: Sequence[TrainingJob]) -> JointJob:
        """Return the job of several domains, each with the settings that ``joint_settings`` gave.

        Raises:
            InputError: a source cannot be read; found here, before that of another is read.
            SettingsError: a plugin is called like something else in a run, or as no folder can be.
        """
        for job in jobs:
            if job.name in _TAKEN or not re.match(DOMAIN_NAME, job.name):
                raise SettingsError(
                    f"--plugin {job.name}: cannot be trained together with others, because a run "
                    f"can have no folder of that name for it"
                )
            if job.source is not None:
                files_in(job.source)
        longest = max(jobs, key=_longest)
        values = longest.settings.values
        most = {
            name: max(getattr(job.settings.values, name) for job in jobs)
            for name in ("max_new_tokens", "eval_batch_size")
        }
        resolved = Resolved(replace(values, **most), longest.settings.origins)
        return JointJob(tuple(jobs), replace(longest, source=None, settings=resolved)).sharing(
            resolved
        )

    def sharing(self, resolved: Resolved) -> JointJob:
        """Return the job with settings of the training, which each domain takes over."""
        jobs = tuple(replace(job, settings=_overlaid(job.settings, resolved)) for job in self.jobs)
        return JointJob(jobs, replace(self.shared, settings=resolved))

    def pinned(self) -> JointJob:
        """Return the job with the commit of a hub model; see ``TrainingJob.pinned``."""
        return JointJob(tuple(job.pinned() for job in self.jobs), self.shared.pinned())

    def located(self, folder: Path) -> JointJob:
        """Return the job with absolute paths; see ``TrainingJob.located``."""
        jobs = tuple(job.located(folder / job.name) for job in self.jobs)
        return JointJob(jobs, self.shared.located(folder))

    def as_json(self) -> dict[str, Any]:
        """Return the entries of run.json that ``from_run`` reads."""
        whole = self.shared.as_json()
        names = ("preset", "settings", "auto_batch", "paths")
        return {
            "plugins": [job.name for job in self.jobs],
            **{name: whole[name] for name in names},
            "jobs": {job.name: job.as_json() for job in self.jobs},
        }

    @staticmethod
    def from_run(run: Run) -> JointJob:
        """Return the job of an earlier training; see ``TrainingJob.from_run`` for the errors."""
        info = run.info()
        jobs = tuple(TrainingJob.from_run(domain) for domain in domain_runs(run))
        settings = run.settings()
        names = {settings.values.model: info["settings"]["model"]["value"]}
        shared = replace(
            jobs[0],
            source=None,
            settings=settings,
            auto_batch=bool(info.get("auto_batch", False)),
            paths=GivenPaths(names, info.get("paths", {})),
        )
        return JointJob(jobs, shared)


def domain_runs(run: Run) -> list[Run]:
    """Return the runs of the domains of a joint run, whose folders are made if they are missing.

    Raises:
        RunError: one of them is damaged.
    """
    info = run.info()
    found = []
    for name in info["plugins"]:
        domain = Run(run.folder / name, run.trusted)
        if not domain.info_file.is_file():  # a kill may have come before
            domain.folder.mkdir(exist_ok=True)
            job = info["jobs"].get(name, {})
            known = {key: value for key, value in job.items() if key in RUN["properties"]}
            domain.update(**{**known, "format": FORMAT, "together": info["plugins"]})
        found.append(Run.open(domain.folder, trusted=run.trusted))
    return found


def runs_together(run: Run) -> tuple[list[Run], list[str]]:
    """Return the runs that have the weights of a run, and the domains whose runs are not there.

    Args:
        run: the run of one domain. If it was trained alone, or if it was copied without the runs of
            the other domains, it is the only one.

    Returns:
        The runs, the given one first, and the names of the plugins whose runs are not beside it.

    Raises:
        RunError: run.json of one of them is damaged.
    """
    info = run.info()
    together = info.get("together", [])
    runs, missing = [run], []
    for name in together:
        other = Run(run.folder.absolute().parent / name, run.trusted)
        if name == info["plugin"]["name"]:
            continue
        if other.info_file.is_file() and other.info().get("together") == together:
            runs.append(other)
        else:
            missing.append(name)
    return runs, missing


def joint_settings(preset: Preset, plugin: Plugin, chosen: Mapping[str, object]) -> Resolved:
    """Return the settings of one of several domains, apart from what it takes over from others.

    What trains the weights is as preset and user say, whatever the plugin would set for its domain
    alone, but for ``attention`` and ``batch_size``: rows of its length need them. A smaller batch
    takes as many more batches to a step, so that a step reads as many rows as under the preset.

    Args:
        preset: the preset.
        plugin: the domain.
        chosen: what the user set, by name.

    Raises:
        SettingsError: see ``resolve``.
    """
    asked = {
        name: value
        for name, value in plugin.settings(preset.name).items()
        if name not in _SHARED or name in _OF_LONGEST
    }
    found = resolve(preset, plugin.name, asked, chosen)
    origin = found.origins["batch_size"]
    if not origin.startswith("plugin ") or found.origins["accumulation"] == "user":
        return found
    asked.pop("batch_size")
    usual = resolve(preset, plugin.name, asked, chosen).values
    rows, batch = usual.batch_size * usual.accumulation, max(1, found.values.batch_size)
    return Resolved(
        replace(found.values, accumulation=max(1, rows // batch)),
        {**found.origins, "accumulation": origin},
    )


def _longest(job: TrainingJob) -> tuple[int, int]:
    values = job.settings.values
    return values.max_length, -values.batch_size


def _overlaid(own: Resolved, shared: Resolved) -> Resolved:
    """Return the settings of a domain with those that it shares."""
    values = {name: getattr(shared.values, name) for name in _SHARED}
    origins = {name: shared.origins[name] for name in _SHARED}
    return Resolved(replace(own.values, **values), {**own.origins, **origins})


def require_one_process(settings: Settings, processes: int) -> None:
    """Refuse to train several domains by several processes.

    Raises:
        SettingsError: the settings or the number of processes want it.
    """
    if processes > 1 or settings.parallel not in ("auto", "ddp") or settings.offload != "none":
        raise SettingsError(
            "several plugins are trained together by one process, on one device: leave out "
            "--parallel, --offload, --processes, --gpus and --nodes"
        )
