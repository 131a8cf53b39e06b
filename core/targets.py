"""What each window is trained to answer: records cut as their documents are."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .data import Example, Mentions, Record, Schema, Span
from .grounding import occurrences
from .schema import (
    canonical,
    field_schema,
    first_problem,
    in_schema_order,
    kinds_of,
    leaves,
    pointer_of,
)
from .windows import Window


@dataclass(frozen=True)
class Gold:
    """A leaf or an object of a gold record, and what became of it.

    pointer: its place in the gold record.
    windows: numbers of the windows whose targets hold it.
    reason: why none does; "" where one does.
    counted: whether it counts by itself: an object of a list does, the leaves in it do not.
    """

    pointer: str
    windows: frozenset[int]
    reason: str
    counted: bool = True


@dataclass(frozen=True)
class Targets:
    """What each window of a document is trained to answer.

    records: one a window, None where what remains breaks the schema.
    gold: every leaf and object of the record that is not null.
    """

    records: list[Record | None]
    gold: list[Gold]


def targets(example: Example, windows: Sequence[Window], schema: Schema) -> Targets:
    """Cut an example's record into what stands in each window.

    A verbatim leaf goes to every window that holds one of its mentions, and reads there as its
    first mention in that window. An object of a list goes to every window that holds all its
    verbatim leaves, else to the one that holds most, its missing leaves null or left out where
    the schema allows; if it does not, the object goes nowhere. Inferred leaves go with their
    object, or to the first window.
    """
    assert example.record is not None
    return _Cutter(example, windows, schema).run()


_Cut = tuple[Any, list[str]]
"""What of a value goes to a window, and the pointers of the gold that it holds."""


class _Cutter:
    def __init__(self, example: Example, windows: Sequence[Window], schema: Schema) -> None:
        self.record: Record = example.record or {}
        self.schema = schema
        self.text = example.document.text
        self.mentions: Mentions = example.mentions
        self.numbers = range(len(windows))
        self.starts = [window.start for window in windows]
        self.ends = [window.end for window in windows]
        self.holders: dict[str, set[int]] = {}
        self._fields: dict[str, Mapping[str, Any]] = {}
        self._found: dict[str, list[list[Span]]] = {}
        self._homes_of: dict[str, list[int]] = {}

    def run(self) -> Targets:
        records: list[Record | None] = []
        for number in self.numbers:
            value, held = self._object(self.record, "", number, inferred=number == 0)
            for pointer in held:
                self.holders.setdefault(pointer, set()).add(number)
            record = in_schema_order(value, self.schema, self.schema)
            records.append(record if first_problem(record, self.schema) is None else None)
        gold: list[Gold] = []
        self._account(self.record, "", gold)
        return Targets(records, gold)

    def _spans(self, pointer: str, value: str) -> list[list[Span]]:
        """Return, by window, the spans of a verbatim leaf that stand whole in it."""
        if pointer not in self._found:
            inside: list[list[Span]] = [[] for _ in self.numbers]
            for start, end in sorted(self._everywhere(pointer, value)):
                for number in range(bisect_left(self.ends, end), bisect_right(self.starts, start)):
                    inside[number].append((start, end))
            self._found[pointer] = inside
        return self._found[pointer]

    def _everywhere(self, pointer: str, value: str) -> list[Span]:
        return list(self.mentions.get(pointer) or occurrences(self.text, value))

    def _field(self, pointer: str) -> Mapping[str, Any]:
        if pointer not in self._fields:
            self._fields[pointer] = field_schema(pointer, self.schema)
        return self._fields[pointer]

    def _is_verbatim(self, pointer: str, value: Any) -> bool:
        return isinstance(value, str) and self._field(pointer).get("x-source") == "verbatim"

    def _is_nullable(self, pointer: str) -> bool:
        return "null" in kinds_of(self._field(pointer))

    def _is_valid(self, value: Any, pointer: str) -> bool:
        return first_problem(value, self.schema, self._field(pointer)) is None

    def _value(self, value: Any, pointer: str, number: int, *, inferred: bool) -> _Cut:
        """Return what of ``value`` goes to window ``number``; None for nothing.

        inferred: whether leaves that need not stand in the text go there.
        """
        if isinstance(value, dict):
            return self._member(value, pointer, number, inferred=inferred)
        if isinstance(value, list):
            return self._items(value, pointer, number, inferred=inferred)
        if self._is_verbatim(pointer, value):
            spans = self._spans(pointer, value)[number]
            return (self.text[slice(*spans[0])], [pointer]) if spans else (None, [])
        return (value, [pointer]) if inferred else (None, [])

    def _object(self, value: Record, pointer: str, number: int, *, inferred: bool) -> _Cut:
        """A key stays where it holds something, was null in the gold, or may be null."""
        result, held = {}, []
        for key, item in value.items():
            here = pointer + pointer_of([key])
            part, inside = self._value(item, here, number, inferred=inferred)
            if part is not None or item is None or self._is_nullable(here):
                result[key] = part
                held += inside
        return result, held

    def _member(self, value: Record, pointer: str, number: int, *, inferred: bool) -> _Cut:
        """An object that is a value of a key: None where nothing valid is left of it."""
        parts = self._parts(value, pointer)
        if any(any(spans) for spans in parts.values()):
            inferred = any(spans[number] for spans in parts.values())
        result, held = self._object(value, pointer, number, inferred=inferred)
        emptied = not held and self._is_nullable(pointer) and _says_something(value)
        return (None, []) if emptied or not self._is_valid(result, pointer) else (result, held)

    def _items(self, items: list[Any], pointer: str, number: int, *, inferred: bool) -> _Cut:
        """The items in order of occurrence; what reads the same stands there once."""
        kept: list[tuple[tuple[int, ...], Any]] = []
        held = []
        for position, item in enumerate(items):
            here = f"{pointer}/{position}"
            is_object = isinstance(item, dict)
            if is_object and number not in self._homes(item, here):
                continue
            if is_object:
                part, inside = self._object(item, here, number, inferred=True)
                held.append(here)
            else:
                part, inside = self._value(item, here, number, inferred=inferred)
            if inside or is_object or (inferred and not _says_something(item)):
                places = [
                    spans[number][0] for spans in self._parts(item, here).values() if spans[number]
                ]
                kept.append((min(places, default=(position,)), part))
                held += inside
        kept.sort(key=lambda pair: pair[0])
        distinct: dict[str, Any] = {}
        for _place, part in kept:
            distinct.setdefault(canonical(part).casefold(), part)
        return list(distinct.values()), held

    def _parts(self, value: Any, pointer: str) -> dict[str, list[list[Span]]]:
        """Return the spans by window of every verbatim leaf in a value, by its pointer."""
        return {
            pointer + inner: self._spans(pointer + inner, leaf)
            for inner, leaf in leaves(value)
            if isinstance(leaf, str) and self._is_verbatim(pointer + inner, leaf)
        }

    def _homes(self, item: Record, pointer: str) -> list[int]:
        """Return the windows that an object of a list goes to."""
        if pointer not in self._homes_of:
            self._homes_of[pointer] = self._find_homes(item, pointer)
        return self._homes_of[pointer]

    def _find_homes(self, item: Record, pointer: str) -> list[int]:
        parts = self._parts(item, pointer).values()
        held = [sum(bool(spans[number]) for spans in parts) for number in self.numbers]
        standing = [number for number in self.numbers if held[number]] or [0]
        homes = [
            number
            for number in standing
            if self._is_valid(self._object(item, pointer, number, inferred=True)[0], pointer)
        ]
        most = max((held[number] for number in homes), default=0)
        homes = [number for number in homes if held[number] == most]
        is_torn = most < sum(any(spans) for spans in parts)
        return homes[:1] if is_torn else homes

    def _account(
        self,
        value: Any,
        pointer: str,
        gold: list[Gold],
        *,
        is_item: bool = False,
        counted: bool = True,
    ) -> None:
        """List the leaves of a value, and the objects of its lists, and what became of them."""
        is_thing = is_item if isinstance(value, dict) else not isinstance(value, list | None)
        holders = frozenset(self.holders.get(pointer, ()))
        if is_thing:
            reason = "" if holders else self._why(value, pointer)
            gold.append(Gold(pointer, holders, reason, counted))
            if not holders:
                return  # what is lost with an object is listed with it
            counted = False
        if isinstance(value, dict):
            for key, inner in value.items():
                self._account(inner, pointer + pointer_of([key]), gold, counted=counted)
        elif isinstance(value, list):
            for position, inner in enumerate(value):
                self._account(inner, f"{pointer}/{position}", gold, is_item=True, counted=counted)

    def _why(self, value: Any, pointer: str) -> str:
        """Return the reason why a leaf or an object of a list stands in no target."""
        parts = self._parts(value, pointer)
        is_object = isinstance(value, dict)
        for inner, leaf in leaves(value):
            if not any(parts.get(pointer + inner, [True])):
                stands = bool(self._everywhere(pointer + inner, str(leaf)))
                reason = "cut by a window's border" if stands else "not in the text"
                return f"a part is {reason}" if is_object else reason
        if not is_object or self._homes(value, pointer):
            return "the object that it belongs to is whole in no window"
        if any(all(spans[number] for spans in parts.values()) for number in self.numbers):
            return "breaks the schema as its mentions read"
        return "its parts share no window"


def _says_something(value: Any) -> bool:
    return any(leaf is not None for _pointer, leaf in leaves(value))
