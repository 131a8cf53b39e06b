"""How far the confidence of leaves can be trusted: reliability, and coverage against precision.

A leaf of a prediction is right if the gold record makes the same claim:

- one in a list of scalars, that the list of its field holds this value (nested lists taken as one);
- one of an object in a list, that the list holds an object that agrees in all its leaves, those in
  further lists left out: a name is not right beside a wrong number;
- any other, that the value at its place is this one.

Strings are compared as ``metrics.set_counts`` compares them, but exactly where the field says
``"x-score": "exact"``. What the gold record does not annotate (a key that it does not have), nulls,
and fields that are not scored (``"x-score": "none"``) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..data import Record, Schema
from ..schema.navigation import field_schema
from ..schema.pointers import Leaf, field_of, leaves, parse_pointer, pointer_of

THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Judged:
    """A leaf of a prediction: its field, its confidence from 0 to 1, and whether it is right."""

    field: str
    confidence: float
    correct: bool


@dataclass(frozen=True)
class Bin:
    """The leaves with a confidence over ``low`` and up to ``high``; 0 is in the first bin.

    confidence: their mean confidence; correct: the share that is right; None where there is none.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    correct: float | None


@dataclass(frozen=True)
class Coverage:
    """What stays if leaves with a confidence under ``threshold`` are left out.

    coverage: the share of the leaves that stays; precision: the share of these that is right,
        None where none stays.
    """

    threshold: float
    coverage: float
    precision: float | None


def judged(
    gold: Record | None,
    predicted: Record | None,
    confidence: Mapping[str, float],
    schema: Schema,
) -> list[Judged]:
    """Judge the leaves of one document's record that have a confidence, in document order.

    gold: as loaded; None for an unlabelled document, of which nothing can be judged.
    confidence: JSON Pointer of a leaf -> from 0 to 1.
    """
    if gold is None or predicted is None:
        return []
    claims = _Claims(schema)
    true = {claim for _pointer, claim in claims.of(gold)}
    return [
        Judged(field_of(pointer), confidence[pointer], claim in true)
        for pointer, claim in claims.of(predicted)
        if pointer in confidence and _is_annotated(pointer, gold) and claims.is_scored(pointer)
    ]


def _is_annotated(pointer: str, gold: Any) -> bool:
    """Say whether a gold record has the keys on the way to a leaf, down to the first list."""
    for key in parse_pointer(pointer):
        if not isinstance(gold, dict):
            break
        if key not in gold:
            return False
        gold = gold[key]
    return True


class _Claims:
    """What the leaves of records say, so that two records that say the same are seen to."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._scores: dict[str, str | None] = {}

    def of(self, record: Record) -> Iterator[tuple[str, object]]:
        """Yield the JSON Pointer and the claim of every leaf that is not null."""
        return self._walk(record, (), None)

    def is_scored(self, pointer: str) -> bool:
        return self._score(pointer) != "none"

    def _walk(
        self, value: Any, path: tuple[str | int, ...], item: frozenset[object] | None
    ) -> Iterator[tuple[str, object]]:
        """Walk a value; item: what the object of a list says that it belongs to."""
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from self._walk(inner, (*path, key), item)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                here = (*path, index)
                yield from self._walk(inner, here, self._whole(inner, here))
        elif value is not None:
            pointer = pointer_of(path)
            field = field_of(pointer)
            yield pointer, (field, self._read(value, pointer) if item is None else item)

    def _whole(self, value: Any, path: tuple[str | int, ...]) -> frozenset[object] | None:
        """Return what an object of a list says outside of further lists; None for a scalar."""
        if not isinstance(value, dict):
            return None
        flat = _without_lists(value)
        return frozenset(
            (inner, self._read(leaf, pointer_of(path) + inner))
            for inner, leaf in leaves(flat)
            if leaf is not None and self.is_scored(pointer_of(path) + inner)
        )

    def _read(self, leaf: Leaf, pointer: str) -> tuple[str, object]:
        if isinstance(leaf, str):
            exact = self._score(pointer) == "exact"
            return "string", leaf if exact else " ".join(leaf.casefold().split())
        return "boolean" if isinstance(leaf, bool) else "number", leaf

    def _score(self, pointer: str) -> str | None:
        """Return how a leaf is scored: what its schema says, or the nearest one around it."""
        field = field_of(pointer)
        if field not in self._scores:
            ends = [at for at in range(1, len(pointer)) if pointer[at] == "/"] + [len(pointer)]
            around = [field_schema(pointer[:end], self.schema) for end in reversed(ends)]
            said = (schema["x-score"] for schema in around if "x-score" in schema)
            self._scores[field] = next(said, None)
        return self._scores[field]


def _without_lists(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_lists(inner) if isinstance(inner, dict) else inner
        for key, inner in value.items()
        if not isinstance(inner, list)
    }


def reliability(judgements: Sequence[Judged], bins: int = 10) -> list[Bin]:
    """Return how often leaves of like confidence are right, in bins of equal width, low to high.

    This is the reliability diagram of Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    edges = np.arange(bins + 1) / bins
    confidence = np.array([leaf.confidence for leaf in judgements], dtype=np.float64)
    correct = np.array([leaf.correct for leaf in judgements], dtype=np.float64)
    number = np.searchsorted(edges[1:-1], confidence, side="left")
    rows = []
    for index in range(bins):
        inside = number == index
        count = int(inside.sum())
        means = (confidence[inside].mean(), correct[inside].mean()) if count else (None, None)
        mean, share = (None if value is None else float(value) for value in means)
        rows.append(Bin(float(edges[index]), float(edges[index + 1]), count, mean, share))
    return rows


def expected_calibration_error(judgements: Sequence[Judged], bins: int = 10) -> float | None:
    """Return how far confidence is from the share that is right: 0 is perfect, 1 the worst.

    The mean over leaves of the distance in their bin (Guo et al. 2017, equation 3); None of none.
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
    judgements: Sequence[Judged], thresholds: Sequence[float] = THRESHOLDS
) -> list[Coverage]:
    """Return coverage and precision at each threshold; of no leaves, nothing.

    El-Yaniv and Wiener 2010, "On the Foundations of Noise-free Selective Classification".
    """
    rows = []
    for threshold in thresholds if judgements else ():
        kept = [leaf.correct for leaf in judgements if leaf.confidence >= threshold]
        precision = sum(kept) / len(kept) if kept else None
        rows.append(Coverage(threshold, len(kept) / len(judgements), precision))
    return rows


def calibration(judgements: Sequence[Judged]) -> dict[str, Any]:
    """Return all of it for the leaves of many documents, ready for JSON; by field, its error."""
    fields: dict[str, list[Judged]] = {}
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
