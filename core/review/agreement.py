"""How far two reviewers of the same documents agree, by field.

Two figures that say different things: Cohen's kappa (Cohen 1960, "A coefficient of agreement for
nominal scales") of what both did to each proposed value, kept or not, corrected for chance; and the
F1 of the values that both have in the end, which counts added values as well and takes no stand on
chance (Hripcsak and Rothschild 2005, "Agreement, the F-measure, and reliability").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data import Counts, Document, Example, Prediction, Record, Schema
from ..errors import InputError
from ..schema.navigation import field_schema
from ..schema.pointers import field_of, leaves
from ..schema.records import canonical
from ..scoring.equality import value_key
from ..scoring.field_counts import field_counts
from ..scoring.metrics import precision_recall_f1, total_counts
from .decisions import REVIEW, Review, reviewed_rows


@dataclass(frozen=True)
class FieldAgreement:
    """How far two reviewers agree on a field.

    Attributes:
        values: proposed values that both reviewed.
        agreed: those that both kept, or neither.
        kappa: Cohen's kappa; None where both did the same to every value, which has no variance.
        f1: of the values in the one's records against the other's; None where neither has any.
    """

    values: int
    agreed: int
    kappa: float | None
    f1: float | None


@dataclass(frozen=True)
class Agreement:
    """How far two reviewers agree.

    Attributes:
        documents: that both decided.
        alone: that only one of them decided.
        fields: by name.
        conflicts: a row for each document with another record, or rejected by one alone; they can
            be reviewed again.
    """

    documents: int
    alone: int
    fields: Mapping[str, FieldAgreement]
    conflicts: Sequence[Mapping[str, Any]]


def agreement(one: Path, other: Path, schema: Schema) -> Agreement:
    """Compare the reviews of two reviewers.

    Args:
        one: file of the first one.
        other: file of the second one.
        schema: of the records.

    Raises:
        InputError: a file cannot be read, or they have no document in common.
    """
    first, second = ({str(row["id"]): (row, review) for row, review in reviewed_rows(file)}
                     for file in (one, other))  # fmt: skip
    common = [name for name in first if name in second]
    if not common:
        raise InputError(f"{one}, {other}: no document was decided in both")
    pairs = [(first[name][0], first[name][1], second[name][1]) for name in common]
    return Agreement(
        len(common),
        len(first) + len(second) - 2 * len(common),
        _fields(pairs, schema),
        [_conflict(*pair) for pair in pairs if _differ(*pair[1:])],
    )


def cohens_kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Return Cohen's kappa of two judges; None where chance alone would have them agree always.

    Args:
        pairs: the judgements of both, item by item.

    >>> cohens_kappa([(True, True), (True, False), (False, False), (False, False)])
    0.5
    """
    if not pairs:
        return None
    seen = len(pairs)
    observed = sum(one == other for one, other in pairs) / seen
    first, second = (Counter(judged) for judged in zip(*pairs, strict=True))
    expected = sum(first[label] * second[label] for label in (True, False)) / seen**2
    return None if expected == 1 else round((observed - expected) / (1 - expected), 4)


def _fields(
    pairs: Sequence[tuple[Mapping[str, Any], Review, Review]], schema: Schema
) -> dict[str, FieldAgreement]:
    judged: dict[str, list[tuple[bool, bool]]] = {}
    counts: list[Mapping[str, Counts]] = []
    for row, one, other in pairs:
        kept = [_values(review.record, schema) for review in (one, other)]
        for name, value in _each(one.proposed or {}, schema):
            both = (value in kept[0].get(name, ()), value in kept[1].get(name, ()))
            judged.setdefault(name, []).append(both)
        document = Document(str(row["id"]), str(row.get("text", "")))
        example = Example(document, one.record or {})
        counts.append(field_counts(example, Prediction(document, record=other.record), schema))
    totals = total_counts(counts)
    names = dict.fromkeys([*judged, *totals])
    return {
        name: _field(judged.get(name, []), totals.get(name))
        for name in names
        if judged.get(name) or any(totals[name])
    }


def _field(judged: Sequence[tuple[bool, bool]], counts: Counts | None) -> FieldAgreement:
    agreed = sum(one == other for one, other in judged)
    f1 = round(precision_recall_f1(counts)[2], 4) if counts and any(counts) else None
    return FieldAgreement(len(judged), agreed, cohens_kappa(judged), f1)


def _values(record: Record | None, schema: Schema) -> dict[str, set[Hashable]]:
    found: dict[str, set[Hashable]] = {}
    for name, value in _each(record or {}, schema):
        found.setdefault(name, set()).add(value)
    return found


def _each(record: Record, schema: Schema) -> Iterator[tuple[str, Hashable]]:
    """Yield the field and the value of each leaf that is not null."""
    for pointer, leaf in leaves(record):
        if leaf is not None:
            yield field_of(pointer), value_key(leaf, field_schema(pointer, schema), schema)


def _differ(one: Review, other: Review) -> bool:
    if one.record is None or other.record is None:
        return one.record is not other.record
    return canonical(one.record) != canonical(other.record)


def _conflict(row: Mapping[str, Any], one: Review, other: Review) -> dict[str, Any]:
    kept = {key: value for key, value in row.items() if key not in ("mentions", REVIEW)}
    return kept | {
        "record": one.record or other.record,
        "reviews": [
            {"reviewer": each.reviewer, "decision": each.decision, "record": each.record}
            for each in (one, other)
        ],
    }
