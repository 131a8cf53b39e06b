"""Make one record of several samples: the values on which most of them agree.

The share of samples that agree on a value is its confidence. A sample that gave no record agrees on
nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from ..data import Record, Schema
from ..schema.navigation import property_schema, resolve
from ..schema.pointers import field_of, leaves, pointer_of
from ..schema.records import first_problem
from ..scoring.equality import value_key
from ..windows.merging import item_identity


class Consensus(NamedTuple):
    """One record of several.

    Attributes:
        record: valid against the schema.
        confidence: JSON Pointer of a leaf that is not null -> share of the samples that agree.
    """

    record: Record
    confidence: dict[str, float]


def agreed(records: Sequence[Record], samples: int, schema: Schema) -> Consensus:
    """Return the record on which samples agree.

    An item of a list, or an optional key, is kept if more than half of the samples that have the
    list or the object have it. Of different values of a leaf the most frequent is kept, and of
    equally frequent ones that of the first sample. Items of lists are the same as in the merging of
    windows: by ``x-key``, or else by their values. Where the schema refuses that record, the
    sample that agrees most with the others is kept instead.

    Args:
        records: of the samples that have one, at least one; valid against the schema.
        samples: how many were asked for.
        schema: of a record.
    """
    if len(records) > 1:
        vote = _Vote(schema, samples)
        record = vote.value(records, schema, "")
        if first_problem(record, schema) is None:
            return Consensus(record, vote.confidence)
    return _closest(records, samples)


def _closest(records: Sequence[Record], samples: int) -> Consensus:
    """Return the sample whose leaves the others have most."""
    held = [{_leaf_key(pointer, leaf) for pointer, leaf in leaves(each)} for each in records]
    counts = Counter(key for keys in held for key in keys)
    shares = [sum(counts[key] for key in keys) / max(1, len(keys)) for keys in held]
    record = records[shares.index(max(shares))]
    confidence = {
        pointer: counts[_leaf_key(pointer, leaf)] / samples
        for pointer, leaf in leaves(record)
        if leaf is not None
    }
    return Consensus(record, confidence)


def _leaf_key(pointer: str, leaf: object) -> Hashable:
    return field_of(pointer), type(leaf), leaf


class _Vote:
    """Votes on values; collects the confidence of the leaves that it keeps."""

    def __init__(self, schema: Schema, samples: int) -> None:
        self.schema, self.samples = schema, samples
        self.confidence: dict[str, float] = {}

    def value(self, values: Sequence[Any], part: Mapping[str, Any] | bool, pointer: str) -> Any:
        """Return the value on which samples agree.

        Args:
            values: one a sample.
            part: their schema.
            pointer: where the value goes.
        """
        part = resolve(part, self.schema)
        kind = Counter(map(_kind, values)).most_common(1)[0][0]  # of equal ones the first
        values = [value for value in values if _kind(value) is kind]
        if kind is dict:
            return self._object(values, part, pointer)
        if kind is list:
            return self._list(values, part, pointer)
        keys = [value_key(value, part, self.schema) for value in values]
        key, votes = Counter(keys).most_common(1)[0]
        chosen = values[keys.index(key)]
        if chosen is not None:
            self.confidence[pointer] = votes / self.samples
        return chosen

    def _object(
        self, values: Sequence[Record], part: Mapping[str, Any], pointer: str
    ) -> dict[str, Any]:
        found = {}
        for key in dict.fromkeys(key for value in values for key in value):
            held = [value[key] for value in values if key in value]
            if key in part.get("required", ()) or 2 * len(held) > len(values):
                below = pointer + pointer_of([key])
                found[key] = self.value(held, property_schema(part, key), below)
        return found

    def _list(
        self, values: Sequence[list[Any]], part: Mapping[str, Any], pointer: str
    ) -> list[Any]:
        items = part.get("items", {})
        item_schema = resolve(items, self.schema)
        groups: dict[Hashable, dict[int, Any]] = {}
        for number, value in enumerate(values):
            for item in value:
                group = groups.setdefault(item_identity(item, item_schema), {})
                group.setdefault(number, item)
        kept = [list(group.values()) for group in groups.values() if 2 * len(group) > len(values)]
        return [
            self._item(group, items, f"{pointer}/{number}") for number, group in enumerate(kept)
        ]

    def _item(self, group: Sequence[Any], items: Mapping[str, Any] | bool, pointer: str) -> Any:
        if isinstance(group[0], dict | list):
            return self.value(group, items, pointer)
        self.confidence[pointer] = len(group) / self.samples  # the same, in whatever spelling
        return Counter(group).most_common(1)[0][0]


def _kind(value: object) -> type:
    return type(value) if isinstance(value, dict | list) else object
