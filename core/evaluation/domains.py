"""Check each domain of a run before any of them is scored, so that none is used up by half."""

from __future__ import annotations

from ..data import SPLITS
from ..errors import InputError, RunError
from ..extraction.extractor import checked_task
from ..progress import say
from ..runs.folder import Run
from ..runs.joint_job import domain_runs
from ..runs.scorings import checked_reason
from .recording import AGAIN, scored_before
from .selection import select


def domains_to_score(
    run: Run, split: str | None = None, *, again: str | None = None, allow_leaks: bool = False
) -> dict[str, Run]:
    """Return the runs of the domains that have documents of a split, by the plugins' names.

    Checked in every domain before any is scored: whether each is complete, fits what is installed,
    and has data that is unchanged, not trained on and not scored before.

    Args:
        run: the run of several domains.
        split: of the runs' own data; None for "test".
        again: why documents are scored again; None if they may not have been scored before.
        allow_leaks: score documents that a run was trained on.

    Raises:
        InputError: no domain has such documents, data cannot be read, or the reason is none.
        LeakError: a domain was trained on some of its documents.
        RunError: a domain is not complete, does not fit what is installed, or was scored on some of
            its documents before, and there is no reason to score them again.
    """
    if again is not None:
        checked_reason(again)
    name = split or SPLITS[-1]
    domains = {each.folder.name: each for each in domain_runs(run)}
    for domain in domains.values():
        domain.require_complete()
    found = {key: domain for key, domain in domains.items() if name in domain.splits()}
    if not found:
        raise InputError(f"{run.folder}: there are no {name} documents to score")
    before = {}
    for key, domain in found.items():
        plugin = checked_task(domain).plugin
        chosen = select(domain, plugin, split=name, allow_leaks=allow_leaks)
        if again is None and (said := scored_before(domain, chosen, name)):
            before[key] = said
    if before:
        listed = "; ".join(f"{key}: {said}" for key, said in before.items())
        others = [f"--plugin {key}" for key in found if key not in before]
        alone = f"score alone what was not: {' or '.join(others)}; " if others else ""
        raise RunError(f"{run.folder}: no domain is scored now; {listed}; {alone}{AGAIN}")
    for key in domains:
        if key not in found:
            say(f"{key}: there are no {name} documents to score")
    return found
