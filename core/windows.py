"""What the model reads at once: documents cut into windows, records cut and merged with them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sentencex

from .data import Document, Example, Mentions, Record, Schema, Span
from .grounding import occurrences
from .prompts import PromptFormat
from .schema import (
    canonical,
    empty_record,
    field_schema,
    first_problem,
    in_schema_order,
    is_verbatim,
    kinds_of,
    leaves,
    member,
    pointer_of,
    resolve,
)
from .settings import Settings


@dataclass(frozen=True)
class Window:
    """A part of a document that the model reads at once.

    document: the window as a document of its own, for the prompt; id and meta are the whole's.
    start: offset of its first character in the whole document, in code points.
    """

    document: Document
    start: int

    @property
    def end(self) -> int:
        """Offset after its last character in the whole document."""
        return self.start + len(self.document.text)


def cut(document: Document, settings: Settings, prompts: PromptFormat) -> list[Window]:
    """Cut a document into the windows that ``settings.window`` asks for; at least one.

    Every character that is not white space stands in at least one window, and both the starts
    and the ends of the windows rise. Under "sentences" a sentence of more than ``window_size``
    tokens is cut like a document under "tokens".
    """
    text = document.text
    spans = [(0, len(text))]
    if settings.window == "sentences":
        spans = _sentences(text) or spans
    if settings.window != "document":
        spans = [part for span in spans for part in _token_spans(text, span, settings, prompts)]
    return [Window(Document(document.id, text[a:b], document.meta), a) for a, b in spans]


def _sentences(text: str) -> list[Span]:
    """Return the spans of the sentences, white space around them left out."""
    spans, at = [], 0
    for sentence in sentencex.segment("en", text):
        inside = sentence.strip()
        if inside:
            start = text.index(inside, at)
            at = start + len(inside)
            spans.append((start, at))
    return spans


def _token_spans(text: str, span: Span, settings: Settings, prompts: PromptFormat) -> list[Span]:
    """Cut a span into runs of at most ``window_size`` tokens that overlap, at word borders."""
    start, end = span
    size, overlap = settings.window_size, settings.window_overlap
    tokens = [(start + a, start + b) for a, b in prompts.offsets(text[start:end])]
    if len(tokens) <= size or not text[start:end].strip():
        return [span]
    spans: list[Span] = []
    here = reached = _skip_space(text, start, end)
    while here < end:
        last = bisect_left(tokens, (here, 0)) + size
        guess = tokens[last - 1][1] if last < len(tokens) else end
        stop = _fitting(text, (here, guess), end, size, prompts)
        if stop <= reached:  # nothing but overlap: go on behind it
            here = _skip_space(text, reached, end)
            continue
        spans.append((here, stop))
        reached = stop
        first = max(bisect_left(tokens, (stop, 0)) - overlap, 0)
        again = _word_start(text, tokens[first][0], here) if overlap else stop
        here = again if here < again < stop else _skip_space(text, stop, end)
    return spans


def _fitting(text: str, span: Span, end: int, size: int, prompts: PromptFormat) -> int:
    """Move the end of a span back to a word's end, and so far that it has ``size`` tokens at most.

    The tokens of a part of a text are not those of the whole: they have to be counted again. One
    character may be more tokens than ``size``; it stays.
    """
    start, stop = span
    while True:
        stop = _word_end(text, stop, start, end)
        offsets = prompts.offsets(text[start:stop])
        if len(offsets) <= size or stop == start + 1:
            return stop
        stop = max(start + 1, min(stop - 1, start + offsets[size - 1][1]))


_LONGEST_WORD = 64
"""Characters that a border is moved to spare a word; text without white space is cut anywhere."""


def _skip_space(text: str, at: int, end: int) -> int:
    while at < end and text[at].isspace():
        at += 1
    return at


def _word_start(text: str, at: int, lowest: int) -> int:
    """Move an offset over white space, or back to where its word begins."""
    here = at = _skip_space(text, at, len(text))
    while here > max(lowest, at - _LONGEST_WORD) and not text[here - 1].isspace():
        here -= 1
    return here if here == lowest or text[here - 1].isspace() else at


def _word_end(text: str, at: int, lowest: int, end: int) -> int:
    """Move an offset back to where a word ends; above ``lowest``, whatever stands there."""
    here = at
    while here > max(lowest + 1, at - _LONGEST_WORD) and here < end and not text[here].isspace():
        here -= 1
    here = here if here == end or text[here].isspace() else at
    while here > lowest + 1 and text[here - 1].isspace():
        here -= 1
    return here


# --- Records cut with the windows, for training ------------------------------------------------


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


# --- Records of windows merged, for prediction --------------------------------------------------


@dataclass(frozen=True)
class Merged:
    """The record of a whole document, from those of its windows.

    spans: JSON Pointer -> offsets in the whole document, for leaves that stand in it.
    confidence: JSON Pointer -> probability, where the windows gave one.
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
    by case-folded text, objects by ``x-key``); a scalar is the most confident one that is not
    null. An item that stands in no window follows the one before it.
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
        spans = occurrences(window.document.text, self.value)
        return next(((window.start + a, window.start + b) for a, b in spans), None)


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
        return " ".join(item.casefold().split())
    if isinstance(item, dict):
        keys = schema.get("x-key", ())
        if all(item.get(key) is None for key in keys):  # no key to go by
            keys = sorted(item)
        return tuple((key, _identity(item.get(key), {})) for key in keys)
    if isinstance(item, list):
        return tuple(_identity(part, {}) for part in item)
    return (type(item).__name__, item)
