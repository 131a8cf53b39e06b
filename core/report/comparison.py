"""Compare two runs on the same documents: differences of scores, and what changed in a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..data import Counts
from ..errors import RunError
from ..scoring.metrics import Interval, paired_difference
from .display import shown
from .scored_run import DocumentResult, ScoredRun


@dataclass(frozen=True)
class ScoreDifference:
    """A score of both runs, their difference (ours minus theirs) with its interval and p-value."""

    name: str
    ours: float
    theirs: float
    difference: Interval
    p_value: float


class ValueChange(NamedTuple):
    """What happened to a value, such as ``("names", "Ada", "no longer found")``."""

    field: str
    value: str
    what: str


@dataclass(frozen=True)
class DocumentDifference:
    """A document in both runs: its F1, and the values that are better and worse in ours."""

    id: str
    ours: float
    theirs: float
    better: tuple[ValueChange, ...]
    worse: tuple[ValueChange, ...]

    @property
    def difference(self) -> float:
        """Ours minus theirs, rounded so that equal scores summed in another order are equal."""
        return round(self.ours - self.theirs, 12)

    @property
    def direction(self) -> str:
        """Whether our F1 is "better", "worse" or the "same"."""
        return "same" if self.difference == 0 else "better" if self.difference > 0 else "worse"


@dataclass(frozen=True)
class Comparison:
    """A run against another: the score, its parts, and each document in the order of our run."""

    other: ScoredRun
    score: ScoreDifference
    fields: tuple[ScoreDifference, ...]
    documents: tuple[DocumentDifference, ...]

    def changed(self, direction: str) -> list[DocumentDifference]:
        """Return the documents that are "better" or "worse", the largest difference first."""
        found = [document for document in self.documents if document.direction == direction]
        return sorted(found, key=lambda document: -abs(document.difference))


def compare(ours: ScoredRun, theirs: ScoredRun) -> Comparison:
    """Compare two runs by paired bootstrap over documents.

    Raises:
        RunError: they were scored on other documents or by another plugin, or the data that the
            metric needs is not available.
    """
    for scored in (ours, theirs):
        if not scored.documents:
            raise RunError(f"{scored.run.folder}: cannot be compared: {scored.missing[0]}")
    by_key = {document.key: document for document in theirs.documents}
    keys = {document.key for document in ours.documents}
    if ours.plugin.name != theirs.plugin.name or by_key.keys() != keys:
        raise RunError(
            f"{theirs.run.folder}: scored on other documents than {ours.run.folder} "
            f"({len(by_key.keys() & keys)} of {len(by_key)} and {len(keys)} are the same); score "
            f"both on the same: extract evaluate RUN --data PATH"
        )
    pairs = [(document, by_key[document.key]) for document in ours.documents]
    sides = tuple(
        _Side(scored, [_counts(scored, document) for document in documents])
        for scored, documents in zip((ours, theirs), zip(*pairs, strict=True), strict=True)
    )
    names = dict.fromkeys(name for counts in sides[0].counts for name in counts)
    common = [name for name in names if all(f"{name}/f1" in side.metrics for side in sides)]
    return Comparison(
        theirs,
        _score_difference("score", ours.names, "score", sides),
        tuple(_score_difference(name, (name,), f"{name}/f1", sides) for name in common),
        tuple(
            DocumentDifference(
                mine.id,
                ours.f1(mine) or 0.0,
                theirs.f1(its) or 0.0,
                tuple(_gains(mine, its)),
                tuple(_losses(mine, its)),
            )
            for mine, its in pairs
        ),
    )


class _Side(NamedTuple):
    scored: ScoredRun
    counts: list[dict[str, Counts]]

    @property
    def metrics(self) -> Mapping[str, Mapping[str, float]]:
        metrics: Mapping[str, Mapping[str, float]] = self.scored.summary["metrics"]
        return metrics


def _counts(scored: ScoredRun, document: DocumentResult) -> dict[str, Counts]:
    if document.counts is None:
        raise RunError(
            f"{scored.run.folder}: cannot be compared, because the data that the metric reads is "
            f"not available; give its path by --data"
        )
    return document.counts


def _score_difference(
    name: str, names: Sequence[str], key: str, sides: Sequence[_Side]
) -> ScoreDifference:
    difference, p_value = paired_difference(sides[0].counts, sides[1].counts, names)
    ours, theirs = (side.metrics[key]["value"] for side in sides)
    return ScoreDifference(name, ours, theirs, difference, p_value)


def _gains(mine: DocumentResult, its: DocumentResult) -> Iterator[ValueChange]:
    """Yield what is right in the first alone, and what is an error in the second alone."""
    before, now = set(_right(its)), list(_right(mine))
    yield from (ValueChange(*found, "found") for found in now if found not in before)
    kept = {*_errors(mine), *now}
    yield from (
        ValueChange(*error, "no longer answered") for error in _errors(its) if error not in kept
    )


def _losses(mine: DocumentResult, its: DocumentResult) -> Iterator[ValueChange]:
    words = {"found": "no longer found", "no longer answered": "answered in error"}
    for change in _gains(its, mine):
        yield change._replace(what=words[change.what])


def _right(document: DocumentResult) -> Iterator[tuple[str, str]]:
    """Yield field and value of each gold value that was found."""
    for case in document.cases:
        if case.kind == "right":
            yield case.field, shown(document.gold, case.gold[0])


def _errors(document: DocumentResult) -> Iterator[tuple[str, str]]:
    """Yield field and value of each predicted value that is not right."""
    for case in document.cases:
        if case.kind != "right" and document.record is not None:
            for pointer in case.predicted:
                yield case.field, shown(document.record, pointer)
