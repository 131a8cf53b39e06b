"""Two runs on the same documents: what got better and what got worse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..data import Counts
from ..errors import RunError
from ..scoring.metrics import Interval, paired_difference
from .display import shown
from .scored_run import Reviewed, Scored


@dataclass(frozen=True)
class Difference:
    """A score of both runs, ours minus theirs with its interval, and the p-value."""

    name: str
    ours: float
    theirs: float
    difference: Interval
    p_value: float


@dataclass(frozen=True)
class Change:
    """A document in both runs.

    ours, theirs: its F1.
    better, worse: (field, value, what happened), such as ``("diseases", "rash", "now found")``.
    """

    id: str
    ours: float
    theirs: float
    better: tuple[tuple[str, str, str], ...]
    worse: tuple[tuple[str, str, str], ...]

    @property
    def difference(self) -> float:
        """Ours minus theirs; equal scores that were added in another order are equal."""
        return round(self.ours - self.theirs, 12)


@dataclass(frozen=True)
class Comparison:
    """A run against another: the score, its parts, and each document in the order of ours."""

    other: Scored
    score: Difference
    fields: tuple[Difference, ...]
    documents: tuple[Change, ...]

    def better(self) -> list[Change]:
        """Return the documents with a higher F1 than in the other run, the most gained first."""
        found = [change for change in self.documents if change.difference > 0]
        return sorted(found, key=lambda change: -change.difference)

    def worse(self) -> list[Change]:
        """Return the documents with a lower F1 than in the other run, the most lost first."""
        found = [change for change in self.documents if change.difference < 0]
        return sorted(found, key=lambda change: change.difference)


def compare(ours: Scored, theirs: Scored) -> Comparison:
    """Compare two runs by paired bootstrap over documents.

    Raises:
        RunError: they were scored on other documents or by another plugin, or the data that the
            metric needs is not at hand.
    """
    before = {(document.id, str(document.gold)) for document in theirs.documents}
    now = {(document.id, str(document.gold)) for document in ours.documents}
    if ours.plugin.name != theirs.plugin.name or before != now:
        raise RunError(
            f"{theirs.run.folder}: scored on other documents than {ours.run.folder} "
            f"({len(before & now)} of {len(before)} and {len(now)} are the same); score both on "
            f"the same: extract evaluate RUN --data PATH"
        )
    by_key = {(document.id, str(document.gold)): document for document in theirs.documents}
    pairs = [(document, by_key[document.id, str(document.gold)]) for document in ours.documents]
    counts = tuple(
        [_counts(scored, document) for document in documents]
        for scored, documents in zip((ours, theirs), zip(*pairs, strict=True), strict=True)
    )
    seen = dict.fromkeys(name for row in counts[0] for name in row)
    both = [
        name for name in seen if all(f"{name}/f1" in s.summary["metrics"] for s in (ours, theirs))
    ]
    return Comparison(
        theirs,
        _difference("score", ours.names, "score", ours, theirs, counts),
        tuple(_difference(name, (name,), f"{name}/f1", ours, theirs, counts) for name in both),
        tuple(_change(ours, theirs, *pair) for pair in pairs),
    )


def _counts(scored: Scored, document: Reviewed) -> dict[str, Counts]:
    if document.counts is None:
        raise RunError(
            f"{scored.run.folder}: cannot be compared, because the data that the metric reads is "
            f"not at hand; name it by --data"
        )
    return document.counts


def _difference(
    name: str,
    names: Sequence[str],
    key: str,
    ours: Scored,
    theirs: Scored,
    counts: Sequence[Sequence[dict[str, Counts]]],
) -> Difference:
    difference, p_value = paired_difference(counts[0], counts[1], names)
    here, there = (scored.summary["metrics"][key]["value"] for scored in (ours, theirs))
    return Difference(name, here, there, difference, p_value)


def _change(ours: Scored, theirs: Scored, mine: Reviewed, its: Reviewed) -> Change:
    scores = (ours.f1(mine) or 0.0, theirs.f1(its) or 0.0)
    return Change(mine.id, *scores, tuple(_gains(mine, its)), tuple(_losses(mine, its)))


def _gains(mine: Reviewed, its: Reviewed) -> Iterator[tuple[str, str, str]]:
    """Yield what is right in the first and not in the second, or wrong in the second alone."""
    before, now = set(_right(its)), set(_right(mine))
    yield from ((*found, "found") for found in _right(mine) if found not in before)
    faults = {*_faults(mine), *now}
    yield from ((*fault, "no longer answered") for fault in _faults(its) if fault not in faults)


def _losses(mine: Reviewed, its: Reviewed) -> Iterator[tuple[str, str, str]]:
    words = {"found": "no longer found", "no longer answered": "answered in error"}
    for field, value, what in _gains(its, mine):
        yield field, value, words[what]


def _right(document: Reviewed) -> Iterator[tuple[str, str]]:
    """Yield the field and the value of each gold answer that was given."""
    for case in document.cases:
        if case.kind == "right":
            yield case.field, shown(document.gold, case.gold[0])


def _faults(document: Reviewed) -> Iterator[tuple[str, str]]:
    """Yield the field and the value of each predicted answer that is not right."""
    for case in document.cases:
        if case.kind != "right" and document.record is not None:
            for pointer in case.predicted:
                yield case.field, shown(document.record, pointer)
