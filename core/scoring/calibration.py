"""Calibration of the confidence of leaves: reliability, and precision against coverage.

A leaf of a prediction is correct if the gold record states the same:

- one in a list of scalars: the list of its field contains the value (nested lists count as one);
- one of an object in a list: the list contains an object that agrees in all its leaves, without
  those in further lists: a name is not correct beside a wrong number;
- any other: the value at its place is the same.

Values are compared by their type (``equality``), and strings that are scored by their similarity
ignoring case and white space. Left out are leaves that the gold record does not annotate (it does
not have the key), nulls, and fields that are not scored (``"x-score": "none"``).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..data import Record, Schema
from ..schema.navigation import field_schema
from ..schema.pointers import Leaf, field_of, leaves, parse_pointer, pointer_of
from .equality import score_of, value_key

THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class JudgedLeaf:
    """A leaf of a prediction: its field, its confidence from 0 to 1, and whether it is correct."""

    field: str
    confidence: float
    correct: bool


@dataclass(frozen=True)
class Bin:
    """The leaves with a confidence over ``low`` and up to ``high``; 0 is in the first bin.

    Attributes:
        confidence: their mean confidence; None if there are none.
        correct: the share that is correct; None if there are none.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    correct: float | None


@dataclass(frozen=True)
class Coverage:
    """What remains if leaves with a confidence under ``threshold`` are dropped.

    Attributes:
        coverage: the share of the leaves that remains.
        precision: the share of these that is correct; None if none remains.
    """

    threshold: float
    coverage: float
    precision: float | None


def judge_leaves(
    gold: Record | None,
    predicted: Record | None,
    confidence: Mapping[str, float],
    schema: Schema,
) -> list[JudgedLeaf]:
    """Judge the leaves of one document's record that have a confidence, in document order.

    Args:
        gold: as loaded; None for an unlabelled document, whose leaves cannot be judged.
        predicted: the record of the prediction, if there is one.
        confidence: JSON Pointer of a leaf -> from 0 to 1.
        schema: of both records.
    """
    if gold is None or predicted is None:
        return []
    statements = _Statements(schema)
    true = {statement for _pointer, statement in statements.of_leaves(gold)}
    return [
        JudgedLeaf(field_of(pointer), confidence[pointer], statement in true)
        for pointer, statement in statements.of_leaves(predicted)
        if pointer in confidence and _is_annotated(pointer, gold) and statements.is_scored(pointer)
    ]


def _is_annotated(pointer: str, gold: Any) -> bool:
    """Return whether a gold record has the keys on the way to a leaf, down to the first list."""
    for key in parse_pointer(pointer):
        if not isinstance(gold, dict):
            break
        if key not in gold:
            return False
        gold = gold[key]
    return True


class _Statements:
    """Brings the leaves of records to a form that is equal if two records state the same."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._scores: dict[str, str | None] = {}
        self._schemas: dict[str, Mapping[str, Any]] = {}

    def of_leaves(
        self, value: Any, path: _Path = (), item: frozenset[object] | None = None
    ) -> Iterator[tuple[str, object]]:
        """Yield the JSON Pointer and the statement of every leaf that is not null.

        Args:
            value: a record, or the part of it at ``path``.
            path: keys and indices.
            item: the statement of the object in a list that the value belongs to.
        """
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from self.of_leaves(inner, (*path, key), item)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                here = (*path, index)
                whole = self._of_object(inner, here) if isinstance(inner, dict) else None
                yield from self.of_leaves(inner, here, whole)
        elif value is not None:
            pointer = pointer_of(path)
            statement = self._of_leaf(value, pointer) if item is None else item
            yield pointer, (field_of(pointer), statement)

    def is_scored(self, pointer: str) -> bool:
        return self._score(pointer) != "none"

    def _of_object(self, value: Record, path: _Path) -> frozenset[object]:
        """Return the statement of an object in a list, without its own lists."""
        start = pointer_of(path)
        return frozenset(
            (inner, self._of_leaf(leaf, start + inner))
            for inner, leaf in leaves(_without_lists(value))
            if leaf is not None and self.is_scored(start + inner)
        )

    def _of_leaf(self, leaf: Leaf, pointer: str) -> Hashable:
        field = field_of(pointer)
        if field not in self._schemas:
            self._schemas[field] = field_schema(pointer, self.schema)
        return value_key(leaf, self._schemas[field], self.schema, self._score(pointer))

    def _score(self, pointer: str) -> str | None:
        """Return the ``x-score`` of a leaf: of its schema, or the nearest one around it."""
        field = field_of(pointer)
        if field not in self._scores:
            self._scores[field] = score_of(pointer, self.schema)
        return self._scores[field]


def _without_lists(value: Record) -> Record:
    return {
        key: _without_lists(inner) if isinstance(inner, dict) else inner
        for key, inner in value.items()
        if not isinstance(inner, list)
    }


def reliability(judgements: Sequence[JudgedLeaf], bins: int = 10) -> list[Bin]:
    """Return how often leaves of similar confidence are correct, in bins of equal width.

    This is the reliability diagram of Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    edges = np.arange(bins + 1) / bins
    confidence = np.array([leaf.confidence for leaf in judgements], dtype=np.float64)
    correct = np.array([leaf.correct for leaf in judgements], dtype=np.float64)
    number = np.searchsorted(edges[1:-1], confidence, side="left")
    rows = []
    for index, (low, high) in enumerate(pairwise(edges.tolist())):
        inside = number == index
        count = int(inside.sum())
        mean = float(confidence[inside].mean()) if count else None
        share = float(correct[inside].mean()) if count else None
        rows.append(Bin(low, high, count, mean, share))
    return rows


def expected_calibration_error(judgements: Sequence[JudgedLeaf], bins: int = 10) -> float | None:
    """Return the mean distance of confidence from accuracy: 0 is perfect, 1 the worst.

    The mean over leaves of the distance in their bin (Guo et al. 2017, equation 3); None without
    leaves.
    """
    if not judgements:
        return None
    distances = (
        row.count * abs(row.correct - row.confidence)
        for row in reliability(judgements, bins)
        if row.correct is not None and row.confidence is not None
    )
    return sum(distances) / len(judgements)


def coverage(
    judgements: Sequence[JudgedLeaf], thresholds: Sequence[float] = THRESHOLDS
) -> list[Coverage]:
    """Return coverage and precision at each threshold; nothing without leaves.

    El-Yaniv and Wiener 2010, "On the Foundations of Noise-free Selective Classification".
    """
    rows = []
    for threshold in thresholds if judgements else ():
        kept = [leaf.correct for leaf in judgements if leaf.confidence >= threshold]
        precision = sum(kept) / len(kept) if kept else None
        rows.append(Coverage(threshold, len(kept) / len(judgements), precision))
    return rows


def calibration(judgements: Sequence[JudgedLeaf]) -> dict[str, Any]:
    """Return all of these for the leaves of many documents, and the error by field, as JSON."""
    fields: dict[str, list[JudgedLeaf]] = {}
    for leaf in judgements:
        fields.setdefault(leaf.field, []).append(leaf)
    return {
        "leaves": len(judgements),
        "ece": expected_calibration_error(judgements),
        "reliability": [asdict(row) for row in reliability(judgements)],
        "coverage": [asdict(row) for row in coverage(judgements)],
        "by_field": {
            field: {"leaves": len(inside), "ece": expected_calibration_error(inside)}
            for field, inside in fields.items()
        },
    }
