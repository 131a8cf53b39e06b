"""Filters on a predicted record: duplicate list items, values of low confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from ..data import Record, Schema
from ..schema.navigation import property_schema, resolve, types_of
from ..schema.pointers import leaves, pointer_of
from ..schema.records import canonical, first_problem

T = TypeVar("T")

_NOTHING = object()
"""No value at all, where None is a value."""


class Filtered(NamedTuple):
    """A record without some of its values.

    Attributes:
        record: what remains.
        left_out: how many items or leaves it lost.
        pointers: JSON Pointer of each leaf that it kept, before -> now: the items after one that
            was left out have moved up.
    """

    record: Record
    left_out: int
    pointers: dict[str, str]

    def moved(self, values: Mapping[str, T]) -> dict[str, T]:
        """Return the values of the leaves that are left, by their new pointers."""
        return {self.pointers[old]: value for old, value in values.items() if old in self.pointers}


@dataclass(frozen=True)
class _Part:
    """What remains of a value.

    Attributes:
        value: the value, or _NOTHING.
        origins: the same shape, with the pointer that each leaf had in its place.
        lost: how many items or leaves are gone.
    """

    value: Any
    origins: Any
    lost: int = 0

    def filtered(self) -> Filtered:
        moved = {str(was): now for now, was in leaves(self.origins) if was is not None}
        return Filtered(self.value, self.lost, moved)


def without_repeats(record: Record) -> Filtered:
    """Leave out each list item that is equal to one before it, in every list.

    Items are equal if their canonical JSON is; upper and lower case differ, and so do 1 and 1.0.
    A list may end up with fewer items than ``minItems``.
    """
    return _distinct(record, _pointers(record)).filtered()


def _distinct(value: Any, origins: Any) -> _Part:
    if isinstance(value, dict):
        return _object_of({key: _distinct(item, origins[key]) for key, item in value.items()})
    if not isinstance(value, list):
        return _Part(value, origins)
    kept: dict[str, _Part] = {}
    lost = 0
    for item, origin in zip(value, origins, strict=True):
        part = _distinct(item, origin)
        lost += part.lost + (kept.setdefault(canonical(part.value), part) is not part)
    return _list_of(list(kept.values()), lost)


def without_unsure(
    record: Record, confidence: Mapping[str, float], threshold: float, schema: Schema
) -> Filtered:
    """Leave out the leaves whose confidence is below a threshold, as far as the schema allows.

    An item leaves its list; a value becomes null if that is allowed, else its key is left out if
    that is allowed, else the object that needs it goes as a whole and counts as one. Where the
    schema would refuse what remains (a list with too few items), all of it stays. Leaves without a
    confidence stay.

    Args:
        record: valid against ``schema``, and so is the result.
        confidence: JSON Pointer of a leaf -> confidence in [0, 1].
        threshold: in [0, 1].
        schema: the schema of a record.
    """
    keep = _ConfidenceFilter(confidence, threshold, schema)
    return keep.part(record, _pointers(record), schema, may_go=False).filtered()


@dataclass(frozen=True)
class _ConfidenceFilter:
    confidence: Mapping[str, float]
    threshold: float
    root: Schema

    def part(self, value: Any, origins: Any, schema: Any, *, may_go: bool) -> _Part:
        """Return what remains of a value; _NOTHING, if it may go, where nothing can."""
        schema = resolve(schema, self.root)
        if not isinstance(value, dict | list):
            is_unsure = value is not None and self.confidence.get(origins, 1.0) < self.threshold
            return _Part(_NOTHING, None, 1) if is_unsure and may_go else _Part(value, origins)
        if isinstance(value, dict):
            part = self._object(value, origins, schema, may_go=may_go)
        else:
            part = self._list(value, origins, schema)
        is_valid = part.value is _NOTHING or first_problem(part.value, self.root, schema) is None
        return part if is_valid else _Part(value, origins)

    def _object(
        self, value: Record, origins: Any, schema: Mapping[str, Any], *, may_go: bool
    ) -> _Part:
        parts = {}
        for key, item in value.items():
            inner = property_schema(schema, key)
            nullable = "null" in types_of(resolve(inner, self.root))
            optional = key not in schema.get("required", ())
            part = self.part(item, origins[key], inner, may_go=nullable or optional or may_go)
            if part.value is _NOTHING and not nullable and not optional:
                return _Part(_NOTHING, None, 1)
            parts[key] = (
                _Part(None, None, part.lost) if part.value is _NOTHING and nullable else part
            )
        return _object_of(parts)

    def _list(self, value: list[Any], origins: Any, schema: Mapping[str, Any]) -> _Part:
        items = schema.get("items", {})
        parts = [
            self.part(item, origin, items, may_go=True)
            for item, origin in zip(value, origins, strict=True)
        ]
        kept = [part for part in parts if part.value is not _NOTHING and not _is_emptied(part)]
        return _list_of(kept, sum(part.lost for part in parts))


def _is_emptied(part: _Part) -> bool:
    return part.lost > 0 and all(leaf is None for _pointer, leaf in leaves(part.value))


def _list_of(parts: list[_Part], lost: int) -> _Part:
    return _Part([part.value for part in parts], [part.origins for part in parts], lost)


def _object_of(parts: Mapping[str, _Part]) -> _Part:
    kept = {key: part for key, part in parts.items() if part.value is not _NOTHING}
    return _Part(
        {key: part.value for key, part in kept.items()},
        {key: part.origins for key, part in kept.items()},
        sum(part.lost for part in parts.values()),
    )


def _pointers(value: Any, path: tuple[str | int, ...] = ()) -> Any:
    """Return the same shape with each leaf's JSON Pointer in its place."""
    if isinstance(value, dict):
        return {key: _pointers(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_pointers(item, (*path, index)) for index, item in enumerate(value)]
    return pointer_of(path)
