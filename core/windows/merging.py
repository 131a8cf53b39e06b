"""The record of a whole document, merged from the answers of its windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data import Record, Schema, Span
from ..schema.navigation import empty_record, is_verbatim, member, resolve
from ..schema.pointers import pointer_of
from ..text.grounding import occurrences
from ..text.normalization import normalise
from .cutting import Window


@dataclass(frozen=True)
class Merged:
    """The record of a whole document, from those of its windows.

    spans: JSON Pointer -> offsets in the whole document, for leaves that stand in it.
    confidence: JSON Pointer -> how sure, in (0, 1], where the windows gave it.
    """

    record: Record
    spans: dict[str, Span]
    confidence: dict[str, float]


@dataclass(frozen=True)
class Answer:
    """A window's valid record and the confidence of its leaves, by JSON Pointer."""

    window: Window
    record: Record
    confidence: Mapping[str, float] = field(default_factory=dict)


def merge(answers: Sequence[Answer], schema: Schema) -> Merged:
    """Merge the records of a document's windows, in the order of the windows.

    Lists hold what the windows found, in order of occurrence, without repeats (strings compared
    by case-folded normal form, objects by the letters and digits of ``x-key``); a scalar is the
    most confident one that is not null. An item that stands in no window follows the one before it.
    """
    if not answers:
        return Merged(empty_record(schema), {}, {})
    merger = _Merger(schema)
    record = merger.run([_Part(answer.record, answer, "") for answer in answers], schema, "")
    return Merged(record, merger.spans, merger.confidence)


@dataclass(frozen=True)
class _Part:
    """A value, the answer it is from, and its pointer there."""

    value: Any
    answer: Answer
    pointer: str

    def inside(self, step: str | int) -> _Part:
        return _Part(self.value[step], self.answer, self.pointer + pointer_of([step]))

    @property
    def confidence(self) -> float:
        return self.answer.confidence.get(self.pointer, 0.0)

    def span(self) -> Span | None:
        """Where a string stands first in its window, in offsets of the whole document."""
        if not isinstance(self.value, str):
            return None
        window = self.answer.window
        for start, end in occurrences(window.document.text, self.value):
            return window.start + start, window.start + end
        return None


class _Merger:
    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.spans: dict[str, Span] = {}
        self.confidence: dict[str, float] = {}

    def run(self, parts: list[_Part], schema: Mapping[str, Any], pointer: str) -> Any:
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
        return self._leaf(max(parts, key=lambda part: part.confidence), parts, pointer)

    def _leaf(self, chosen: _Part, parts: list[_Part], pointer: str) -> Any:
        """Note where a leaf stands first, and how sure the surest window was that found it."""
        spans = [part.span() for part in parts if part.value == chosen.value]
        found = [span for span in spans if span is not None]
        if found:
            self.spans[pointer] = min(found)
        given = [p.answer.confidence[p.pointer] for p in parts if p.pointer in p.answer.confidence]
        if given:
            self.confidence[pointer] = max(given)
        return chosen.value

    def _object(self, parts: list[_Part], schema: Mapping[str, Any], pointer: str) -> Any:
        named = [key for key in schema.get("properties", {}) if any(key in p.value for p in parts)]
        keys = dict.fromkeys([*named, *(key for part in parts for key in part.value)])
        return {
            key: self.run(
                [part.inside(key) for part in parts if key in part.value],
                member(schema, key),
                pointer + pointer_of([key]),
            )
            for key in keys
        }

    def _list(self, parts: list[_Part], schema: Mapping[str, Any], pointer: str) -> list[Any]:
        item_schema = resolve(schema.get("items", {}), self.schema)
        groups: dict[Any, list[tuple[int, _Part]]] = {}
        for part in parts:
            place = part.answer.window.start
            for number in range(len(part.value)):
                item = part.inside(number)
                place = min(self._places(item), default=place)
                groups.setdefault(_identity(item.value, item_schema), []).append((place, item))
        ordered = sorted(
            (sorted(group, key=_place) for group in groups.values()),
            key=lambda group: _place(group[0]),
        )
        return [
            self._item([item for _place, item in group], item_schema, f"{pointer}/{number}")
            for number, group in enumerate(ordered)
        ]

    def _places(self, part: _Part) -> list[int]:
        """Return where the verbatim leaves of a value begin in the whole document."""
        if isinstance(part.value, dict | list):
            steps = part.value if isinstance(part.value, dict) else range(len(part.value))
            return [place for step in steps for place in self._places(part.inside(step))]
        span = part.span() if is_verbatim(part.pointer, self.schema) else None
        return [] if span is None else [span[0]]

    def _item(self, parts: list[_Part], schema: Mapping[str, Any], pointer: str) -> Any:
        if isinstance(parts[0].value, str):  # written as it stands first
            return self._leaf(parts[0], parts, pointer)
        return self.run(parts, schema, pointer)


def _place(placed: tuple[int, _Part]) -> int:
    return placed[0]


def _identity(item: Any, schema: Mapping[str, Any]) -> Any:
    """Return what is equal for two items that are the same thing."""
    if isinstance(item, str):
        return normalise(item, [*schema.get("x-normalise", ()), "spaces", "casefold"])
    if isinstance(item, dict):
        keys = schema.get("x-key", ())
        if any(item.get(key) is not None for key in keys):
            return tuple((key, _spelling(item.get(key))) for key in keys)
        return tuple((key, _identity(item[key], {})) for key in sorted(item))  # no key to go by
    if isinstance(item, list):
        return tuple(_identity(part, {}) for part in item)
    return (type(item).__name__, item)


def _spelling(key: Any) -> Any:
    """Return what is equal for the spellings of one key: letters and digits, if it has any."""
    if not isinstance(key, str):
        return _identity(key, {})
    return normalise(key, ["nfkc", "casefold", "punctuation"]) or _identity(key, {})
