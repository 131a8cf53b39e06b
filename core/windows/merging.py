"""Merge the records of a document's windows into one record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..data import Record, Schema, Span
from ..schema.navigation import empty_record, is_verbatim, property_schema, resolve
from ..schema.pointers import leaves, pointer_of
from ..scoring.equality import value_key
from ..text.equivalents import Equivalents, equivalents
from ..text.grounding import occurrences
from ..text.normalization import normalise
from .cutting import Window


@dataclass(frozen=True)
class WindowRecord:
    """A window's valid record, with the confidence of its leaves by JSON Pointer."""

    window: Window
    record: Record
    confidence: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def equivalents(self) -> Equivalents:
        """Where the window states numbers, dates and times of the record in other notations."""
        return equivalents(self.window.document.text, (leaf for _, leaf in leaves(self.record)))


@dataclass(frozen=True)
class Merged:
    """The record of a whole document.

    Attributes:
        record: the merged record; the schema may still refuse it, such as for too many items.
        spans: JSON Pointer -> offsets in the whole document, for strings that occur in it.
        confidence: JSON Pointer -> confidence in (0, 1], for leaves that have one in a window.
        equivalents: JSON Pointer -> offsets in the whole document, for numbers, dates and times
            that a window they were read in states in another notation.
    """

    record: Record
    spans: dict[str, Span]
    confidence: dict[str, float]
    equivalents: dict[str, Span] = field(default_factory=dict)


def merge(records: Sequence[WindowRecord], schema: Schema, *, as_written: bool = False) -> Merged:
    """Merge the records of a document's windows, given in the order of the windows.

    A list holds the items of all windows in order of occurrence, without duplicates: strings are
    compared by their case-folded normal form, objects by the letters and digits of their ``x-key``.
    An item that occurs in no window follows the one before it. Of several scalars that are not null
    the one of the highest confidence is kept.

    Args:
        records: one a window.
        schema: the schema of a record.
        as_written: whether lists keep their order and their items, for a document of one window.
    """
    if not records:
        return Merged(empty_record(schema), {}, {})
    merger = _Merger(schema, as_written=as_written)
    record = merger.merge([_Part(each.record, each, "") for each in records], schema, "")
    return Merged(record, merger.spans, merger.confidence, merger.equivalents)


@dataclass(frozen=True)
class _Part:
    """A value in the record of a window, and its pointer there."""

    value: Any
    source: WindowRecord
    pointer: str

    def inside(self, step: str | int) -> _Part:
        return _Part(self.value[step], self.source, self.pointer + pointer_of([step]))

    @property
    def confidence(self) -> float | None:
        return self.source.confidence.get(self.pointer)

    def span(self) -> Span | None:
        """Return the first occurrence of a string in its window, in offsets of the document."""
        if not isinstance(self.value, str):
            return None
        window = self.source.window
        for start, end in occurrences(window.document.text, self.value):
            return window.start + start, window.start + end
        return None

    def equivalent(self) -> Span | None:
        """Return the first statement of a number, date or time, in offsets of the document."""
        if isinstance(self.value, bool):
            return None
        for start, end in self.source.equivalents.get(self.value, ()):
            return self.source.window.start + start, self.source.window.start + end
        return None

    def starts(self, schema: Schema) -> list[int]:
        """Return where the verbatim leaves of the value start in the document."""
        if isinstance(self.value, dict | list):
            steps = self.value if isinstance(self.value, dict) else range(len(self.value))
            return [start for step in steps for start in self.inside(step).starts(schema)]
        span = self.span() if is_verbatim(self.pointer, schema) else None
        return [] if span is None else [span[0]]


class _Merger:
    """Merges values; collects the spans and the confidence of the leaves that it keeps."""

    def __init__(self, schema: Schema, *, as_written: bool) -> None:
        self.schema = schema
        self.as_written = as_written
        self.spans: dict[str, Span] = {}
        self.confidence: dict[str, float] = {}
        self.equivalents: dict[str, Span] = {}

    def merge(self, parts: list[_Part], schema: Mapping[str, Any], pointer: str) -> Any:
        parts = [part for part in parts if part.value is not None]
        if not parts:
            return None
        schema = resolve(schema, self.schema)
        kind = type(parts[0].value)
        alike = [part for part in parts if isinstance(part.value, kind)]
        if kind is dict:
            return self._object(alike, schema, pointer)
        if kind is list:
            return self._list(alike, schema, pointer)
        return self._leaf(max(parts, key=lambda part: part.confidence or 0.0), parts, pointer)

    def _leaf(self, chosen: _Part, parts: list[_Part], pointer: str) -> Any:
        """Keep one value, with its first span and the highest confidence of all values."""
        alike = [part for part in parts if part.value == chosen.value]
        if found := [span for part in alike if (span := part.span()) is not None]:
            self.spans[pointer] = min(found)
        elif stated := [span for part in alike if (span := part.equivalent()) is not None]:
            self.equivalents[pointer] = min(stated)
        if known := [part.confidence for part in parts if part.confidence is not None]:
            self.confidence[pointer] = max(known)
        return chosen.value

    def _object(self, parts: list[_Part], schema: Mapping[str, Any], pointer: str) -> Any:
        named = [key for key in schema.get("properties", {}) if any(key in p.value for p in parts)]
        keys = dict.fromkeys([*named, *(key for part in parts for key in part.value)])
        return {
            key: self.merge(
                [part.inside(key) for part in parts if key in part.value],
                property_schema(schema, key),
                pointer + pointer_of([key]),
            )
            for key in keys
        }

    def _list(self, parts: list[_Part], schema: Mapping[str, Any], pointer: str) -> list[Any]:
        item_schema = resolve(schema.get("items", {}), self.schema)
        if self.as_written:
            items = [part.inside(number) for part in parts for number in range(len(part.value))]
            return [
                self._item([item], item_schema, f"{pointer}/{number}")
                for number, item in enumerate(items)
            ]
        groups: dict[Any, list[tuple[int, _Part]]] = {}
        for part in parts:
            start = part.source.window.start
            for number in range(len(part.value)):
                item = part.inside(number)
                start = min(item.starts(self.schema), default=start)
                groups.setdefault(item_identity(item.value, item_schema), []).append((start, item))
        by_start = [sorted(group, key=_start) for group in groups.values()]
        by_start.sort(key=lambda group: _start(group[0]))
        return [
            self._item([item for _start, item in group], item_schema, f"{pointer}/{number}")
            for number, group in enumerate(by_start)
        ]

    def _item(self, parts: list[_Part], schema: Mapping[str, Any], pointer: str) -> Any:
        if isinstance(parts[0].value, str):  # spelt as at its first occurrence
            return self._leaf(parts[0], parts, pointer)
        return self.merge(parts, schema, pointer)


def _start(item: tuple[int, _Part]) -> int:
    return item[0]


def item_identity(item: Any, schema: Mapping[str, Any]) -> Any:
    """Return a value that is equal for two list items that mean the same thing."""
    if isinstance(item, str):
        return normalise(item, [*schema.get("x-normalise", ()), "spaces", "casefold"])
    if isinstance(item, dict):
        keys = schema.get("x-key", ())
        if any(item.get(key) is not None for key in keys):
            return tuple((key, _key_identity(item.get(key))) for key in keys)
        return tuple((key, item_identity(item[key], {})) for key in sorted(item))
    if isinstance(item, list):
        return tuple(item_identity(part, {}) for part in item)
    return value_key(item, {}, {})


def _key_identity(key: Any) -> Any:
    """Return the letters and digits of a key, which all of its spellings share."""
    if not isinstance(key, str):
        return item_identity(key, {})
    return normalise(key, ["nfkc", "casefold", "punctuation"]) or item_identity(key, {})
