"""What each window is trained to answer: records cut as their documents are.

A target holds nothing that the grammar of its window could not write: verbatim leaves as they
stand in the text, and no keys but those that the schema names.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..data import Example, Mentions, Record, Schema, Span
from ..errors import shortened
from ..schema.navigation import kinds_of, member, resolve
from ..schema.pointers import field_of, leaves, pointer_of
from ..schema.records import canonical, first_problem
from ..text.grounding import align, readings, stands
from .cutting import Window


@dataclass(frozen=True)
class Gold:
    """A leaf or an object of a gold record, and what became of it.

    pointer: its place in the gold record.
    windows: numbers of the windows whose targets hold it.
    reason: why none does; "" where one does.
    counted: whether it counts by itself: an object of a list does, the leaves in it do not.
    aligned: whether the targets write it as the text does, not as the gold does.
    """

    pointer: str
    windows: frozenset[int]
    reason: str
    counted: bool = True
    aligned: bool = False


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
    first mention in that window. Where no mentions are given, or none can be written, its mentions
    are where the text holds it, be it in other case, white space or hyphenation; a leaf that the
    text does not hold, or in several such ways, goes nowhere. An object of a list goes to every
    window that holds all its verbatim leaves, else to the one that holds most, its missing leaves
    null or left out where the schema allows; if it does not, the object goes nowhere. Inferred
    leaves go with their object, or to the first window. What the schema does not name goes nowhere
    if no answer can hold it.
    """
    assert example.record is not None
    return _Cutter(example, windows, schema).run()


_Cut = tuple[Any, list[str]]
"""What of a value goes to a window, and the pointers of the gold that it holds."""


_ByWindow = Mapping[int, Sequence[Span]]
"""The spans of a leaf that stand whole in a window, by its number; only windows that hold one."""


_SHOWN = 3
"""How many readings of an ambiguous leaf are told."""


@dataclass(frozen=True)
class _Standing:
    """Where a verbatim leaf stands in the document.

    aligned: whether the text writes it in another way than the gold.
    reason: why there are no spans.
    """

    spans: Sequence[Span]
    aligned: bool = False
    reason: str = ""


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
        self._nullable: set[str] = set()
        self._standings: dict[str, _Standing] = {}
        self._found: dict[str, _ByWindow] = {}
        self._homes_of: dict[str, list[int]] = {}
        self._items_in: dict[str, dict[int, list[int]]] = {}
        self._describe(self.record, "", schema)

    def run(self) -> Targets:
        records: list[Record | None] = []
        for number in self.numbers:
            record, held = self._object(self.record, "", number, inferred=number == 0)
            for pointer in held:
                self.holders.setdefault(pointer, set()).add(number)
            records.append(record if first_problem(record, self.schema) is None else None)
        gold: list[Gold] = []
        self._account(self.record, "", gold)
        return Targets(records, gold)

    def _describe(self, value: Any, pointer: str, schema: Mapping[str, Any]) -> None:
        """Note the schema of a value and of all that is in it."""
        self._fields[pointer] = here = _fitting(value, schema, self.schema)
        if "null" in kinds_of(here):
            self._nullable.add(pointer)
        if isinstance(value, dict):
            for key, inner in value.items():
                self._describe(inner, pointer + pointer_of([key]), member(here, key))
        elif isinstance(value, list):
            for position, inner in enumerate(value):
                self._describe(inner, f"{pointer}/{position}", here.get("items", {}))

    def _spans(self, pointer: str, value: str) -> _ByWindow:
        """Return, by window, the spans of a verbatim leaf that stand whole in it."""
        if pointer not in self._found:
            inside: dict[int, list[Span]] = {}
            for start, end in self._standing(pointer, value).spans:
                for number in range(bisect_left(self.ends, end), bisect_right(self.starts, start)):
                    inside.setdefault(number, []).append((start, end))
            self._found[pointer] = inside
        return self._found[pointer]

    def _standing(self, pointer: str, value: str) -> _Standing:
        if pointer not in self._standings:
            mentions = self.mentions.get(pointer, ())
            self._standings[pointer] = _standing(self.text, value, mentions)
        return self._standings[pointer]

    def _is_verbatim(self, pointer: str, value: Any) -> bool:
        return isinstance(value, str) and self._fields[pointer].get("x-source") == "verbatim"

    def _is_valid(self, value: Any, pointer: str) -> bool:
        return first_problem(value, self.schema, self._fields[pointer]) is None

    def _keys(self, value: Record, pointer: str) -> list[str]:
        """Return the keys of an object that an answer can have, in the order of the schema."""
        schema = self._fields[pointer]
        named = schema.get("properties", {})
        others = [key for key in value if key not in named]
        return [*(key for key in named if key in value), *([] if _is_closed(schema) else others)]

    def _value(self, value: Any, pointer: str, number: int, *, inferred: bool) -> _Cut:
        """Return what of ``value`` goes to window ``number``; None for nothing.

        inferred: whether leaves that need not stand in the text go there.
        """
        if isinstance(value, dict):
            return self._member(value, pointer, number, inferred=inferred)
        if isinstance(value, list):
            return self._items(value, pointer, number, inferred=inferred)
        if self._is_verbatim(pointer, value):
            spans = self._spans(pointer, value).get(number)
            return (self.text[slice(*spans[0])], [pointer]) if spans else (None, [])
        return (value, [pointer]) if inferred else (None, [])

    def _object(self, value: Record, pointer: str, number: int, *, inferred: bool) -> _Cut:
        """A key stays where it holds something, was null in the gold, or may be null."""
        result, held = {}, []
        for key in self._keys(value, pointer):
            item, here = value[key], pointer + pointer_of([key])
            part, inside = self._value(item, here, number, inferred=inferred)
            if part is not None or item is None or here in self._nullable:
                result[key] = part
                held += inside
        return result, held

    def _member(self, value: Record, pointer: str, number: int, *, inferred: bool) -> _Cut:
        """An object that is a value of a key: None where nothing valid is left of it."""
        parts = self.parts(value, pointer)
        if any(parts.values()):
            inferred = any(number in spans for spans in parts.values())
        result, held = self._object(value, pointer, number, inferred=inferred)
        emptied = not held and pointer in self._nullable and _says_something(value)
        return (None, []) if emptied or not self._is_valid(result, pointer) else (result, held)

    def _items(self, items: list[Any], pointer: str, number: int, *, inferred: bool) -> _Cut:
        """The items in order of occurrence; what reads the same stands there once."""
        kept: list[tuple[tuple[int, ...], Any]] = []
        held = []
        for position in self._items_of(items, pointer, number):
            item, here = items[position], f"{pointer}/{position}"
            is_object = isinstance(item, dict)
            if is_object:
                part, inside = self._object(item, here, number, inferred=True)
                held.append(here)
            else:
                part, inside = self._value(item, here, number, inferred=inferred)
            if inside or is_object or (inferred and not _says_something(item)):
                parts = self.parts(item, here).values()
                places = [spans[number][0] for spans in parts if number in spans]
                kept.append((min(places, default=(position,)), part))
                held += inside
        kept.sort(key=lambda pair: pair[0])
        distinct: dict[str, Any] = {}
        for _place, part in kept:
            distinct.setdefault(canonical(part).casefold(), part)
        return list(distinct.values()), held

    def _items_of(self, items: list[Any], pointer: str, number: int) -> list[int]:
        """Return the places of the items of a list that may go to a window, in order.

        Looking at every item again for every window would take quadratic time.
        """
        if pointer not in self._items_in:
            found: dict[int, list[int]] = {}
            for position, item in enumerate(items):
                here = f"{pointer}/{position}"
                if isinstance(item, dict):
                    numbers: Iterable[int] = self._homes(item, here)
                elif self._is_verbatim(here, item):
                    numbers = self._spans(here, item)
                else:
                    numbers = self.numbers
                for holder in numbers:
                    found.setdefault(holder, []).append(position)
            self._items_in[pointer] = found
        return self._items_in[pointer].get(number, [])

    def parts(self, value: Any, pointer: str) -> dict[str, _ByWindow]:
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
        # An object that need not stand in the text goes where most of what it says does stand.
        parts = (self.parts(item, pointer) or self._strings(item, pointer)).values()
        held = Counter(number for spans in parts for number in spans)
        standing = sorted(held) or [0]
        homes = [
            number
            for number in standing
            if self._is_valid(self._object(item, pointer, number, inferred=True)[0], pointer)
        ]
        most = max((held[number] for number in homes), default=0)
        homes = [number for number in homes if held[number] == most]
        is_torn = most < sum(map(bool, parts))
        return homes[:1] if is_torn else homes

    def _strings(self, value: Any, pointer: str) -> dict[str, _ByWindow]:
        """Return the spans by window of every string in a value, verbatim or not."""
        return {
            pointer + inner: self._spans(pointer + inner, leaf)
            for inner, leaf in leaves(value)
            if isinstance(leaf, str)
        }

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
            aligned = self._is_verbatim(pointer, value) and self._standing(pointer, value).aligned
            gold.append(Gold(pointer, holders, reason, counted, aligned and bool(holders)))
            if not holders:
                return  # what is lost with an object is listed with it
            counted = False
        if isinstance(value, dict):
            possible = self._keys(value, pointer)
            for key, inner in value.items():
                here = pointer + pointer_of([key])
                if key in possible:
                    self._account(inner, here, gold, counted=counted)
                elif _says_something(inner):
                    gold.append(Gold(here, frozenset(), "the schema does not name it", counted))
        elif isinstance(value, list):
            for position, inner in enumerate(value):
                self._account(inner, f"{pointer}/{position}", gold, is_item=True, counted=counted)

    def _why(self, value: Any, pointer: str) -> str:
        """Return the reason why a leaf or an object of a list stands in no target."""
        parts = self.parts(value, pointer)
        is_object = isinstance(value, dict)
        for inner, leaf in leaves(value):
            if not parts.get(pointer + inner, True):
                standing = self._standing(pointer + inner, str(leaf))
                reason = standing.reason or "cut by a window's border"
                return f"its {field_of(inner)}: {reason}" if is_object else reason
        if not is_object or self._homes(value, pointer):
            return "the object that it belongs to is whole in no window"
        if set(self.numbers).intersection(*parts.values()):
            return "breaks the schema as its mentions read"
        return "its parts share no window"


def _says_something(value: Any) -> bool:
    return any(leaf is not None for _pointer, leaf in leaves(value))


def _fitting(value: Any, schema: Mapping[str, Any] | bool, root: Schema) -> Mapping[str, Any]:
    """Return what a schema says about a value: of several branches the first that it fits."""
    here = resolve(schema, root)
    for branch in (*here.get("anyOf", ()), *here.get("oneOf", ())):
        if first_problem(value, root, branch) is None:
            return {**_fitting(value, branch, root), **here}
    return here


def _is_closed(schema: Mapping[str, Any]) -> bool:
    """Say whether answers hold no keys but those that a schema names; see ``grammar``."""
    is_open = schema.get("additionalProperties", False) is not False
    return "properties" in schema and not is_open and not schema.keys() & _OPENING


_OPENING = {"allOf", "patternProperties"}


def _standing(text: str, value: str, mentions: Sequence[Span]) -> _Standing:
    trimmed = (_trimmed(text, span) for span in mentions)
    if spans := sorted(span for span in trimmed if stands(text, span)):
        return _Standing(spans)
    found = align(text, value)
    if found:
        return _Standing(found, aligned=text[slice(*found[0])] != value)
    if found is None:
        return _nearest(text, value, readings(text, value))
    is_cut = mentions or (value.strip() and value in text)
    return _Standing((), reason="not on word borders" if is_cut else "not in the text")


def _nearest(text: str, value: str, spans: Sequence[Span]) -> _Standing:
    """Choose among readings that differ: those that differ from the value by layout alone, if any.

    A title stands again where the page is cited, in other case or with its lines broken elsewhere.
    """
    meant = [span for span in spans if _on_a_line(text[slice(*span)]) == _on_a_line(value)] or spans
    different = list(dict.fromkeys(text[slice(*span)] for span in meant))
    if len(set(map(_on_a_line, different))) == 1:
        return _Standing(meant, aligned=True)
    listing = ", ".join(map(shortened, different[:_SHOWN]))
    more = ", …" if len(different) > _SHOWN else ""
    return _Standing((), reason=f"several readings in the text: {listing}{more}")


def _on_a_line(reading: str) -> str:
    """Return a reading without what the breaking of lines may change: white space and hyphens."""
    return "".join(reading.replace("-", "").split())


def _trimmed(text: str, span: Span) -> Span:
    """Return a span without the white space at its ends."""
    value = text[slice(*span)]
    start = span[0] + len(value) - len(value.lstrip())
    return start, start + len(value.strip())
