"""Compare two runs on the same documents: differences of scores, and what changed in a document."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..data import Counts, Record, Schema
from ..errors import RunError
from ..schema.navigation import field_schema
from ..schema.pointers import value_at
from ..scoring.equality import score_of, value_key
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
                tuple(_gains(mine, its, ours.plugin.schema)),
                tuple(_losses(mine, its, ours.plugin.schema)),
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


def _gains(mine: DocumentResult, its: DocumentResult, schema: Schema) -> Iterator[ValueChange]:
    """Yield what is right in the first alone, and what is an error in the second alone."""
    before, now = dict(_right(its, schema)), list(_right(mine, schema))
    yield from (ValueChange(*found, "found") for key, found in now if key not in before)
    kept = dict([*_errors(mine, schema), *now])
    for key, error in _errors(its, schema):
        if key not in kept:
            yield ValueChange(*error, "no longer answered")


def _losses(mine: DocumentResult, its: DocumentResult, schema: Schema) -> Iterator[ValueChange]:
    words = {"found": "no longer found", "no longer answered": "answered in error"}
    for change in _gains(its, mine, schema):
        yield change._replace(what=words[change.what])


_Found = tuple[Hashable, tuple[str, str]]
"""A key that is equal for equal values of a field; field and value as they are shown."""


def _right(document: DocumentResult, schema: Schema) -> Iterator[_Found]:
    """Yield each gold value that was found."""
    for case in document.cases:
        if case.kind == "right":
            yield _found(case.field, document.gold, case.gold[0], schema)


def _errors(document: DocumentResult, schema: Schema) -> Iterator[_Found]:
    """Yield each predicted value that is not right."""
    for case in document.cases:
        if case.kind != "right" and document.record is not None:
            for pointer in case.predicted:
                yield _found(case.field, document.record, pointer, schema)


def _found(field: str, record: Record, pointer: str, schema: Schema) -> _Found:
    score = score_of(pointer, schema)
    key = value_key(value_at(pointer, record), field_schema(pointer, schema), schema, score)
    return (field, key), (field, shown(record, pointer))
