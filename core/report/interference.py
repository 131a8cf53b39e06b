"""What training several domains together costs or gains each, against a training of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ..errors import RunError
from ..runs.folder import Run
from ..runs.paths import without_home
from .comparison import Comparison, ScoreDifference, compare
from .scored_run import read_scored_run

_SPLITS = ("test", "validation")
"""Which scores are compared by default: the first of these that both runs have."""


@dataclass(frozen=True)
class DomainInterference:
    """A domain that was trained together with others, and alone.

    Attributes:
        plugin: the domain.
        alone: the run of it alone.
        split: the scores that are compared.
        comparison: together against alone, on the same documents.
    """

    plugin: str
    alone: Path
    split: str
    comparison: Comparison


@dataclass(frozen=True)
class Interference:
    """A run of several domains against runs of single ones.

    Attributes:
        together: its folder.
        domains: those that were trained alone, too.
        missing: plugins of which no run alone was given.
    """

    together: Path
    domains: Sequence[DomainInterference]
    missing: Sequence[str]

    @property
    def means(self) -> tuple[float, float]:
        """The mean scores of these domains: together and alone."""
        scores = [each.comparison.score for each in self.domains]
        return fmean(each.ours for each in scores), fmean(each.theirs for each in scores)

    def as_json(self) -> dict[str, Any]:
        """Return what ``extract interference --json`` prints."""
        together, alone = self.means
        return {
            "together": without_home(str(self.together)),
            "domains": {each.plugin: _domain_object(each) for each in self.domains},
            "mean": {"together": together, "alone": alone, "difference": together - alone},
            "missing": list(self.missing),
        }


def interference(folders: Sequence[Path], split: str | None = None) -> Interference:
    """Compare a run of several domains with runs of single ones, by paired bootstrap.

    Args:
        folders: of one run of several domains, and of runs of some of these domains alone.
        split: which scores; None for those of test, or else of validation, that both runs have.

    Raises:
        RunError: they are not such runs, two are of one domain, they have no scores of the same
            documents, or no domain is left.
    """
    joint, alone = _sorted_out(folders)
    plugins = joint.domains()
    domains = []
    for plugin in plugins:
        if plugin not in alone:
            continue
        own = Run.open(joint.folder / plugin)
        name = split or _shared_split(own, alone[plugin])
        ours = read_scored_run(own.folder, name=name)
        theirs = read_scored_run(alone[plugin].folder, name=name)
        domains.append(
            DomainInterference(plugin, alone[plugin].folder, name, compare(ours, theirs))
        )
    return Interference(joint.folder, domains, [each for each in plugins if each not in alone])


def _sorted_out(folders: Sequence[Path]) -> tuple[Run, dict[str, Run]]:
    """Return the run of several domains, and the others by their plugin."""
    runs = [Run.open(folder, joint=True) for folder in folders]
    joint = [run for run in runs if run.domains()]
    if len(joint) != 1:
        found = ", ".join(str(run.folder) for run in joint) or "none"
        raise RunError(
            f"give one run of several domains, and runs of each alone; of several are: {found}"
        )
    alone: dict[str, Run] = {}
    for run in runs:
        if run is joint[0]:
            continue
        if "together" in run.info():
            raise RunError(
                f"{run.folder}: was trained together with others; give a run of it alone"
            )
        plugin = run.info()["plugin"]["name"]
        if plugin not in joint[0].domains():
            raise RunError(f"{run.folder}: is of {plugin}, which {joint[0].folder} is not")
        if plugin in alone:
            raise RunError(f"{alone[plugin].folder} and {run.folder}: both are of {plugin}")
        alone[plugin] = run
    if not alone:
        raise RunError(f"{joint[0].folder}: give a run of one of its domains alone, too")
    return joint[0], alone


def _shared_split(one: Run, other: Run) -> str:
    """Return the scores that both runs have."""
    have: Sequence[Mapping[str, Any]] = [run.metrics() for run in (one, other)]
    for name in _SPLITS:
        if all(name in each for each in have):
            return name
    raise RunError(
        f"{one.folder} and {other.folder}: have no scores of the same documents; score both: "
        f"extract evaluate RUN --split validation"
    )


def _domain_object(domain: DomainInterference) -> dict[str, Any]:
    comparison = domain.comparison
    return {
        "alone": without_home(str(domain.alone)),
        "split": domain.split,
        "documents": len(comparison.documents),
        "score": _difference_object(comparison.score),
        "fields": {row.name: _difference_object(row) for row in comparison.fields},
    }


def _difference_object(row: ScoreDifference) -> dict[str, Any]:
    difference = {**asdict(row.difference), "p_value": row.p_value}
    return {"together": row.ours, "alone": row.theirs, "difference": difference}
