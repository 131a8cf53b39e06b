"""Read the scores of a run of several domains, of one split for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from ..errors import RunError
from ..progress import say
from ..runs.folder import Run
from ..runs.joint_job import domain_runs
from .as_json import report_object
from .comparison import Comparison, compare
from .scored_run import ScoredRun, read_scored_run

Scored = Mapping[str, tuple[ScoredRun, Comparison | None]]
"""The scores of each domain, by its plugin's name, and the comparison with another run if any."""


def read_domains(run: Run, name: str | None = None, against: Path | None = None) -> Scored:
    """Read the scores of each domain of a run; those that have none are left out, which is said.

    Args:
        run: the run of several domains.
        name: key of the scores in metrics.json; None for "test" where all domains have that, or
            else "validation", or else what any has.
        against: another run of these domains, or None.

    Raises:
        RunError: no domain has such scores, the other run lacks a domain, or see
            ``read_scored_run`` and ``compare``.
    """
    domains = {each.folder.name: each for each in domain_runs(run)}
    for each in domains.values():
        each.require_complete()
    stored = {key: each.metrics() for key, each in domains.items()}
    name = name or _shared_name(run, stored)
    if not any(name in scores for scores in stored.values()):
        raise RunError(
            f"{run.folder}: no domain has scores of {name!r}; make them by extract evaluate, or "
            f"choose by --split"
        )
    others = Run.open(against, joint=True).domains() if against else []
    found: dict[str, tuple[ScoredRun, Comparison | None]] = {}
    for key, each in domains.items():
        if name not in stored[key]:
            say(f"{key}: has no scores of {name!r}")
            continue
        comparison = None
        scored = read_scored_run(each.folder, name=name)
        if against is not None:
            if key not in others:
                known = ", ".join(others) or "one domain alone"
                raise RunError(
                    f"{against}: was trained on {known}; name a run of several domains with {key} "
                    f"among them, or compare the run of one: extract report {each.folder}"
                )
            comparison = compare(scored, read_scored_run(against / key, name=name))
        found[key] = scored, comparison
    return found


def _shared_name(run: Run, stored: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the split of whose scores all domains have some, or else one of them."""
    scored = [scores for scores in stored.values() if scores]
    for every in (all, any):
        for name in ("test", "validation"):
            if scored and every(name in scores for scores in scored):
                return name
    raise RunError(
        f"{run.folder}: no domain has scores of test or validation; make them by: "
        f"extract evaluate {run.folder} --split validation"
    )


def mean_score(summaries: Iterable[Mapping[str, Any]]) -> float:
    """Return the mean of the scores of domains, by what ``metrics.json`` holds of each."""
    return fmean(summary["score"] for summary in summaries)


def domains_object(scored: Scored) -> dict[str, Any]:
    """Return what ``extract report --json`` prints: the mean score, and the report of each."""
    return {
        "score": mean_score(each.summary for each, _comparison in scored.values()),
        "domains": {name: report_object(*each) for name, each in scored.items()},
    }


def page_names(file: Path, scored: Scored) -> dict[str, Path]:
    """Return the page of each domain, beside that of all: FILE-PLUGIN.html."""
    return {name: file.with_name(f"{file.stem}-{name}{file.suffix}") for name in scored}
