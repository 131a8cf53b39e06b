"""What leaves a record: items that repeat others, leaves that the model is not sure of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from ..data import Record, Schema
from ..schema.navigation import property_schema, resolve, types_of
from ..schema.pointers import leaves, pointer_of
from ..schema.records import canonical, first_problem

T = TypeVar("T")

_NOTHING = object()
"""Stands for no value at all, where None is one."""


class Filtered(NamedTuple):
    """A record without some of what it held.

    left_out: how many items or leaves it lost.
    pointers: JSON Pointer of each leaf that it kept, before -> now: what follows an item that was
        left out has moved up.
    """

    record: Record
    left_out: int
    pointers: dict[str, str]

    def moved(self, values: Mapping[str, T]) -> dict[str, T]:
        """Return what was known of the leaves that are left, by the pointers that they have now."""
        return {self.pointers[old]: value for old, value in values.items() if old in self.pointers}


_Part = tuple[Any, Any, int]
"""What remains of a value, the pointers that its leaves had in its shape, and what it lost."""


def without_repeats(record: Record) -> Filtered:
    """Leave out each item of a list that is equal to one before it, in every list.

    Items are equal if their canonical JSON is; upper and lower case differ, and so do 1 and 1.0.
    Of a list that needs some number of items (``minItems``), fewer may remain.
    """
    value, origins, count = _distinct(record, _pointers(record))
    return _reduced(value, origins, count)


def _distinct(value: Any, origins: Any) -> _Part:
    if isinstance(value, dict):
        parts = {key: _distinct(item, origins[key]) for key, item in value.items()}
        return _object_of(parts)
    if not isinstance(value, list):
        return value, origins, 0
    kept: dict[str, _Part] = {}
    count = 0
    for item, origin in zip(value, origins, strict=True):
        part = _distinct(item, origin)
        count += part[2] + (kept.setdefault(canonical(part[0]), part) is not part)
    return [part[0] for part in kept.values()], [part[1] for part in kept.values()], count


def without_unsure(
    record: Record, confidence: Mapping[str, float], threshold: float, schema: Schema
) -> Filtered:
    """Leave out the leaves whose confidence is under a threshold, as far as the schema allows.

    An item leaves its list; a value becomes null where it may be, else its key is left out where
    that may be, else the object that needs it goes in its place, and counts as one. Where the
    schema would not have what remains (a list with too few items), all of it stays. Leaves without
    a confidence stay.

    record: valid against ``schema``, and so is what is returned.
    confidence: JSON Pointer of a leaf -> from 0 to 1.
    """
    value, origins, count = _Doubt(confidence, threshold, schema).part(
        record, _pointers(record), schema, may_go=False
    )
    return _reduced(value, origins, count)


class _Doubt(NamedTuple):
    confidence: Mapping[str, float]
    threshold: float
    root: Schema

    def part(self, value: Any, origins: Any, schema: Any, *, may_go: bool) -> _Part:
        """Return what remains of a value; _NOTHING, if it may go, where nothing can."""
        schema = resolve(schema, self.root)
        if not isinstance(value, dict | list):
            is_unsure = value is not None and self.confidence.get(origins, 1.0) < self.threshold
            return (_NOTHING, None, 1) if is_unsure and may_go else (value, origins, 0)
        if isinstance(value, dict):
            part = self._object(value, origins, schema, may_go=may_go)
        else:
            part = self._list(value, origins, schema)
        is_valid = part[0] is _NOTHING or first_problem(part[0], self.root, schema) is None
        return part if is_valid else (value, origins, 0)

    def _object(
        self, value: Record, origins: Any, schema: Mapping[str, Any], *, may_go: bool
    ) -> _Part:
        parts = {}
        for key, item in value.items():
            inner = property_schema(schema, key)
            nullable = "null" in types_of(resolve(inner, self.root))
            optional = key not in schema.get("required", ())
            part = self.part(item, origins[key], inner, may_go=nullable or optional or may_go)
            if part[0] is _NOTHING and not nullable and not optional:
                return _NOTHING, None, 1
            parts[key] = (None, None, part[2]) if part[0] is _NOTHING and nullable else part
        return _object_of(parts)

    def _list(self, value: list[Any], origins: Any, schema: Mapping[str, Any]) -> _Part:
        items = schema.get("items", {})
        parts = [
            self.part(item, origin, items, may_go=True)
            for item, origin in zip(value, origins, strict=True)
        ]
        kept = [part for part in parts if part[0] is not _NOTHING and not _is_emptied(part)]
        return [part[0] for part in kept], [part[1] for part in kept], sum(p[2] for p in parts)


def _is_emptied(part: _Part) -> bool:
    return part[2] > 0 and all(leaf is None for _pointer, leaf in leaves(part[0]))


def _object_of(parts: Mapping[str, _Part]) -> _Part:
    kept = {key: part for key, part in parts.items() if part[0] is not _NOTHING}
    return (
        {key: part[0] for key, part in kept.items()},
        {key: part[1] for key, part in kept.items()},
        sum(part[2] for part in parts.values()),
    )


def _pointers(value: Any, path: tuple[str | int, ...] = ()) -> Any:
    """Return the same shape with each leaf's JSON Pointer in its place."""
    if isinstance(value, dict):
        return {key: _pointers(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_pointers(item, (*path, index)) for index, item in enumerate(value)]
    return pointer_of(path)


def _reduced(record: Record, origins: Any, count: int) -> Filtered:
    moved = {str(was): now for now, was in leaves(origins) if was is not None}
    return Filtered(record, count, moved)
