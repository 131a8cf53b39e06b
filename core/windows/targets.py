"""Build the training target of each window: the part of the gold record that the window holds.

A target holds nothing that the grammar of its window would refuse: verbatim leaves are spelt as in
the text, and keys are those that the schema names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..data import Example, Record, Schema
from ..schema.navigation import types_of
from ..schema.pointers import field_of, leaves, pointer_of
from ..schema.records import canonical, first_problem
from .alignment import Alignment, value_schemas
from .cutting import Window

APART = "its parts share no window"
"""Why an object is lost whose verbatim leaves occur in different windows."""


@dataclass(frozen=True)
class Gold:
    """A leaf or a list object of a gold record, and which targets hold it.

    Attributes:
        pointer: its JSON Pointer in the gold record.
        windows: numbers of the windows whose targets hold it.
        reason: why no target does; "" where one does.
        counted: whether it counts by itself: an object of a list does, the leaves in it do not.
        aligned: whether the targets spell it as the text does, not as the gold does.
    """

    pointer: str
    windows: frozenset[int]
    reason: str
    counted: bool = True
    aligned: bool = False


@dataclass(frozen=True)
class Targets:
    """The training targets of a document.

    Attributes:
        records: one a window; None where the remaining record breaks the schema.
        gold: every leaf and list object of the record that is not null.
    """

    records: list[Record | None]
    gold: list[Gold]


def targets(example: Example, windows: Sequence[Window], schema: Schema) -> Targets:
    """Cut an example's record into the parts that its windows hold.

    - A verbatim leaf goes to every window that holds one of its mentions, spelt as its first
      mention there. Without mentions, or if none of them is on word boundaries, its mentions are
      its occurrences in the text, in other case, white space or hyphenation too. A leaf that does
      not occur, or in several such spellings, goes nowhere.
    - An object of a list goes to every window that holds all its verbatim leaves, else to the first
      of those that hold most, its missing leaves null or left out where the schema allows that;
      otherwise it goes nowhere.
    - Other leaves go with their object, or to the first window.
    - Keys that the schema does not name go nowhere if no answer can hold them.
    """
    assert example.record is not None
    return _TargetBuilder(example, windows, schema).build()


_Part = tuple[Any, list[str]]
"""The part of a value that goes to a window, and the pointers of the gold that it holds."""

_NOTHING: _Part = (None, [])

_OPENING = {"allOf", "patternProperties"}
"""Keywords with which an object may hold other keys than its schema names."""


class _TargetBuilder:
    """Assigns the values of a record, aligned to the text, to windows."""

    def __init__(self, example: Example, windows: Sequence[Window], schema: Schema) -> None:
        self.record: Record = example.record or {}
        self.schema = schema
        self.schemas = value_schemas(self.record, schema, schema)
        self.alignment = Alignment(example, windows, self.schemas)
        self.windows = range(len(windows))
        self._nullable = {at for at, own in self.schemas.items() if "null" in types_of(own)}
        self._object_windows: dict[str, list[int]] = {}
        self._items_by_window: dict[str, dict[int, list[int]]] = {}

    def build(self) -> Targets:
        records: list[Record | None] = []
        holders: dict[str, set[int]] = {}
        for window in self.windows:
            record, held = self._object(self.record, "", window, inferred=window == 0)
            for pointer in held:
                holders.setdefault(pointer, set()).add(window)
            records.append(record if first_problem(record, self.schema) is None else None)
        gold: list[Gold] = []
        self._list_gold(self.record, "", holders, gold)
        return Targets(records, gold)

    def _is_valid(self, value: Any, pointer: str) -> bool:
        return first_problem(value, self.schema, self.schemas[pointer]) is None

    def _keys(self, value: Record, pointer: str) -> list[str]:
        """Return the keys of an object that an answer can have, in the order of the schema."""
        schema = self.schemas[pointer]
        named = schema.get("properties", {})
        others = [key for key in value if key not in named]
        return [*(key for key in named if key in value), *([] if _is_closed(schema) else others)]

    def _value(self, value: Any, pointer: str, window: int, *, inferred: bool) -> _Part:
        """Return the part of a value that goes to a window.

        Args:
            value: a value of the gold record.
            pointer: its JSON Pointer.
            window: number of the window.
            inferred: whether leaves that need not occur in the text go there.
        """
        if isinstance(value, dict):
            return self._nested_object(value, pointer, window, inferred=inferred)
        if isinstance(value, list):
            return self._items(value, pointer, window, inferred=inferred)
        if pointer in self.alignment.by_window:
            spans = self.alignment.by_window[pointer].get(window)
            return (self.alignment.text[slice(*spans[0])], [pointer]) if spans else _NOTHING
        return (value, [pointer]) if inferred else _NOTHING

    def _object(self, value: Record, pointer: str, window: int, *, inferred: bool) -> _Part:
        """Keep a key that holds something in the window, was null in the gold, or may be null."""
        result, held = {}, []
        for key in self._keys(value, pointer):
            item, here = value[key], pointer + pointer_of([key])
            part, inside = self._value(item, here, window, inferred=inferred)
            if part is not None or item is None or here in self._nullable:
                result[key] = part
                held += inside
        return result, held

    def _nested_object(self, value: Record, pointer: str, window: int, *, inferred: bool) -> _Part:
        """Cut an object that is the value of a key; nothing where the rest of it is not valid."""
        by_window = self.alignment.verbatim_in(value, pointer).values()
        if any(by_window):
            inferred = any(window in spans for spans in by_window)
        result, held = self._object(value, pointer, window, inferred=inferred)
        is_emptied = not held and pointer in self._nullable and _holds_values(value)
        return _NOTHING if is_emptied or not self._is_valid(result, pointer) else (result, held)

    def _items(self, items: list[Any], pointer: str, window: int, *, inferred: bool) -> _Part:
        """Cut a list: its items in order of occurrence, each spelling once."""
        kept: list[tuple[tuple[int, ...], Any]] = []
        held = []
        for position in self._candidates(items, pointer).get(window, []):
            item, here = items[position], f"{pointer}/{position}"
            is_object = isinstance(item, dict)
            if is_object:
                part, inside = self._object(item, here, window, inferred=True)
                held.append(here)
            else:
                part, inside = self._value(item, here, window, inferred=inferred)
            if inside or is_object or (inferred and not _holds_values(item)):
                by_window = self.alignment.verbatim_in(item, here).values()
                starts = [spans[window][0] for spans in by_window if window in spans]
                kept.append((min(starts, default=(position,)), part))
                held += inside
        kept.sort(key=lambda pair: pair[0])
        distinct: dict[str, Any] = {}
        for _start, part in kept:
            distinct.setdefault(canonical(part).casefold(), part)
        return list(distinct.values()), held

    def _candidates(self, items: list[Any], pointer: str) -> dict[int, list[int]]:
        """Return which items of a list may go to each window, by position.

        Computed once for all windows: to look at every item for every window takes quadratic time.
        """
        if pointer not in self._items_by_window:
            found = self._items_by_window[pointer] = {}
            for position, item in enumerate(items):
                here = f"{pointer}/{position}"
                windows: Iterable[int] = self.windows
                if isinstance(item, dict):
                    windows = self._windows_of(item, here)
                elif here in self.alignment.by_window:
                    windows = self.alignment.by_window[here]
                for window in windows:
                    found.setdefault(window, []).append(position)
        return self._items_by_window[pointer]

    def _windows_of(self, item: Record, pointer: str) -> list[int]:
        """Return the windows that an object of a list goes to."""
        if pointer not in self._object_windows:
            self._object_windows[pointer] = self._assign(item, pointer)
        return self._object_windows[pointer]

    def _assign(self, item: Record, pointer: str) -> list[int]:
        # An object without verbatim leaves goes where most of its strings occur.
        found = self.alignment.verbatim_in(item, pointer)
        by_window = (found or self.alignment.strings_in(item, pointer)).values()
        held = Counter(window for spans in by_window for window in spans)
        valid = [
            window
            for window in sorted(held) or [0]
            if self._is_valid(self._object(item, pointer, window, inferred=True)[0], pointer)
        ]
        most = max((held[window] for window in valid), default=0)
        best = [window for window in valid if held[window] == most]
        is_torn = most < sum(map(bool, by_window))
        return best[:1] if is_torn else best

    def _list_gold(
        self,
        value: Any,
        pointer: str,
        holders: Mapping[str, set[int]],
        gold: list[Gold],
        *,
        is_item: bool = False,
        counted: bool = True,
    ) -> None:
        """List the leaves and the list objects of a value, with the windows that hold each."""
        is_listed = is_item if isinstance(value, dict) else not isinstance(value, list | None)
        if is_listed:
            windows = frozenset(holders.get(pointer, ()))
            reason = "" if windows else self._loss_reason(value, pointer)
            leaf = self.alignment.leaves.get(pointer)
            is_respelled = bool(leaf and leaf.respelled and windows)
            gold.append(Gold(pointer, windows, reason, counted, is_respelled))
            if not windows:
                return  # what is lost with an object is listed with it
            counted = False
        if isinstance(value, dict):
            possible = self._keys(value, pointer)
            for key, inner in value.items():
                here = pointer + pointer_of([key])
                if key in possible:
                    self._list_gold(inner, here, holders, gold, counted=counted)
                elif _holds_values(inner):
                    gold.append(Gold(here, frozenset(), "the schema does not name it", counted))
        elif isinstance(value, list):
            for position, inner in enumerate(value):
                here = f"{pointer}/{position}"
                self._list_gold(inner, here, holders, gold, is_item=True, counted=counted)

    def _loss_reason(self, value: Any, pointer: str) -> str:
        """Return why no target holds a leaf or an object of a list."""
        found = self.alignment.verbatim_in(value, pointer)
        is_object = isinstance(value, dict)
        for here, spans in found.items():
            if not spans:
                reason = self.alignment.leaves[here].reason or "cut by a window's border"
                return f"its {field_of(here[len(pointer) :])}: {reason}" if is_object else reason
        if not is_object or self._windows_of(value, pointer):
            return "the object that it belongs to is whole in no window"
        if set(self.windows).intersection(*found.values()):
            return "breaks the schema as its mentions read"
        return APART


def _holds_values(value: Any) -> bool:
    return any(leaf is not None for _pointer, leaf in leaves(value))


def _is_closed(schema: Mapping[str, Any]) -> bool:
    """Return whether answers hold no other keys than a schema names, as in its grammar."""
    is_open = schema.get("additionalProperties", False) is not False
    return "properties" in schema and not is_open and not schema.keys() & _OPENING
