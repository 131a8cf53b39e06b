"""What the model reads at once: documents cut into windows, records cut and merged with them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sentencex

from .data import Document, Example, Mentions, Record, Schema, Span
from .grounding import occurrences
from .prompts import PromptFormat
from .schema import (
    empty_record,
    field_of,
    field_schema,
    first_problem,
    in_schema_order,
    is_verbatim,
    kinds_of,
    leaves,
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
    """Cut a document into the windows that ``settings.window`` asks for.

    Every character that is not white space stands in at least one window.
    """
    text = document.text
    if settings.window == "document":
        spans = [(0, len(text))]
    elif settings.window == "sentences":
        spans = [
            span
            for sentence in _sentences(text)
            for span in _token_spans(text, sentence, settings, prompts)
        ]
    else:
        spans = _token_spans(text, (0, len(text)), settings, prompts)
    return [Window(Document(document.id, text[a:b], document.meta), a) for a, b in spans]


def _sentences(text: str) -> list[Span]:
    """Return the spans of the sentences, white space around them left out."""
    spans, at = [], 0
    for sentence in sentencex.segment("en", text):
        inside = sentence.strip()
        if inside:
            start = at + sentence.index(inside[0])
            spans.append((start, start + len(inside)))
        at += len(sentence)
    return spans


def _token_spans(text: str, span: Span, settings: Settings, prompts: PromptFormat) -> list[Span]:
    """Cut a span into runs of at most ``window_size`` tokens that overlap, at word borders."""
    start, end = span
    offsets = prompts.offsets(text[start:end])
    size = settings.window_size
    if len(offsets) <= size:
        return [span]
    overlap = settings.window_overlap
    spans, first = [], 0
    while True:
        last = min(first + size, len(offsets))
        a, b = start + offsets[first][0], start + offsets[last - 1][1]
        if last == len(offsets):
            spans.append((_word_start(text, a, start), end))
            return spans
        b = _word_end(text, b, a)
        a = _word_start(text, a, start)
        spans.append((a, b))
        following = bisect_left(offsets, (b - start, 0))
        first = max(following - overlap, first + 1)


def _word_start(text: str, at: int, lowest: int) -> int:
    """Move an offset back to where its word begins, at most 64 characters."""
    here = at
    while here > max(lowest, at - 64) and not text[here - 1].isspace():
        here -= 1
    return here if here == lowest or text[here - 1].isspace() else at


def _word_end(text: str, at: int, lowest: int) -> int:
    """Move an offset back to a word's end, at most 64 characters."""
    here = at
    while here > max(lowest + 1, at - 64) and not (here == len(text) or text[here].isspace()):
        here -= 1
    return here if here == len(text) or text[here].isspace() else at


# --- Records cut with the windows, for training ------------------------------------------------


@dataclass(frozen=True)
class Lost:
    """A leaf or object of the gold that no window's target holds.

    pointer: its place in the gold record.
    reason: "not in the text", "cut by a window's border" or "its parts share no window".
    """

    pointer: str
    reason: str


@dataclass
class Targets:
    """What each window of a document is trained to answer.

    records: one a window, None where what remains breaks the schema.
    lost: what stands in no target, and why.
    gold, learned: number of gold leaves and objects by field, and how many a target holds.
    """

    records: list[Record | None]
    lost: list[Lost] = field(default_factory=list)
    gold: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    learned: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def targets(example: Example, windows: Sequence[Window], schema: Schema) -> Targets:
    """Cut an example's record into what stands in each window.

    A verbatim leaf goes to every window that holds one of its mentions, and reads there as its
    first mention in that window. An object of a list goes to every window that holds all its
    verbatim leaves, else to the one that holds most, its missing leaves null where the schema
    allows. Inferred leaves go with their object, or to the first window.
    """
    assert example.record is not None
    return _Cutter(example, windows, schema).run()


class _Cutter:
    def __init__(self, example: Example, windows: Sequence[Window], schema: Schema) -> None:
        self.record: Record = example.record or {}
        self.windows = windows
        self.schema = schema
        self.text = example.document.text
        self.mentions: Mentions = example.mentions
        self.starts = [window.start for window in windows]
        self.ends = [window.end for window in windows]
        self.result = Targets([])
        self._found: dict[str, list[list[Span]]] = {}

    def run(self) -> Targets:
        for index in range(len(self.windows)):
            value = self._value(self.record, (), index, inferred=index == 0)
            record = in_schema_order(value, self.schema, self.schema)
            valid = first_problem(record, self.schema) is None
            self.result.records.append(record if valid else None)
        self._account()
        return self.result

    def _spans(self, pointer: str, value: str) -> list[list[Span]]:
        """Return, by window, the spans of a verbatim leaf that stand whole in it."""
        if pointer not in self._found:
            known = self.mentions.get(pointer)
            spans = list(known) if known else list(occurrences(self.text, value))
            inside: list[list[Span]] = [[] for _ in self.windows]
            for span in sorted(spans):
                for index in range(
                    bisect_left(self.ends, span[1]), bisect_right(self.starts, span[0])
                ):
                    inside[index].append(span)
            self._found[pointer] = inside
        return self._found[pointer]

    def _first(self, path: tuple[str | int, ...], value: str, index: int) -> Span | None:
        spans = self._spans(pointer_of(path), value)[index]
        return spans[0] if spans else None

    def _verbatim(self, path: tuple[str | int, ...], value: Any) -> bool:
        return isinstance(value, str) and is_verbatim(pointer_of(path), self.schema)

    def _value(self, value: Any, path: tuple[str | int, ...], index: int, *, inferred: bool) -> Any:
        """Return what of ``value`` goes to window ``index``; None for a leaf that does not.

        inferred: whether leaves that need not stand in the text go there.
        """
        if isinstance(value, dict):
            result = {}
            for key, item in value.items():
                part = self._value(item, (*path, key), index, inferred=inferred)
                if self._keeps(part, item, (*path, key)):
                    result[key] = part
            return result
        if isinstance(value, list):
            return self._items(value, path, index, inferred=inferred)
        if self._verbatim(path, value):
            span = self._first(path, value, index)
            return None if span is None else self.text[span[0] : span[1]]
        return value if inferred else None

    def _keeps(self, cut: Any, whole: Any, path: tuple[str | int, ...]) -> bool:
        """A key stays where it holds something, was null in the gold, or may be null."""
        if cut is not None or whole is None:
            return True
        return "null" in kinds_of(field_schema(pointer_of(path), self.schema))

    def _items(
        self, items: list[Any], path: tuple[str | int, ...], index: int, *, inferred: bool
    ) -> list[Any]:
        kept: list[tuple[tuple[int, ...], Any]] = []
        seen: set[str] = set()
        for number, item in enumerate(items):
            here = (*path, number)
            if self._verbatim(here, item):
                span = self._first(here, item, index)
                if span is not None:
                    text = self.text[span[0] : span[1]]
                    if text.casefold() not in seen:
                        seen.add(text.casefold())
                        kept.append((span, text))
            elif isinstance(item, dict):
                where = self._homes(item, here)
                if index in where:
                    order = min(self._places(item, here, index), default=(number,))
                    kept.append((order, self._value(item, here, index, inferred=True)))
            elif inferred:
                kept.append(((number,), self._value(item, here, index, inferred=True)))
        return [item for _order, item in sorted(kept, key=lambda pair: pair[0])]

    def _parts(self, item: Any, path: tuple[str | int, ...]) -> list[tuple[str, str]]:
        return [
            (pointer_of(path) + pointer, leaf)
            for pointer, leaf in leaves(item)
            if isinstance(leaf, str) and is_verbatim(pointer_of(path) + pointer, self.schema)
        ]

    def _places(self, item: Any, path: tuple[str | int, ...], index: int) -> list[Span]:
        found = [self._spans(pointer, leaf)[index] for pointer, leaf in self._parts(item, path)]
        return [spans[0] for spans in found if spans]

    def _homes(self, item: dict[str, Any], path: tuple[str | int, ...]) -> list[int]:
        """Return the windows that an object of a list goes to."""
        parts = self._parts(item, path)
        if not parts:
            return [0]
        held = [
            sum(bool(self._spans(pointer, leaf)[index]) for pointer, leaf in parts)
            for index in range(len(self.windows))
        ]
        matched = sum(any(self._spans(pointer, leaf)) for pointer, leaf in parts)
        best = max(held)
        homes = [0] if best == 0 else [i for i, n in enumerate(held) if n == best]
        if best < matched:
            homes = homes[:1]  # torn apart: one window has to do
        item_schema = resolve(field_schema(pointer_of(path), self.schema), self.schema)
        whole = {"$defs": self.schema.get("$defs", {}), **item_schema}
        return [
            i
            for i in homes
            if first_problem(self._value(item, path, i, inferred=True), whole) is None
        ]

    def _account(self) -> None:
        """Count what the targets hold, and list what they do not."""
        self._account_for(self.record, ())

    def _account_for(self, value: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                self._account_for(item, (*path, key))
        elif isinstance(value, list):
            for number, item in enumerate(value):
                if isinstance(item, dict):
                    self._account_object(item, (*path, number))
                else:
                    self._account_for(item, (*path, number))
        elif value is not None:
            self._account_leaf(value, path)

    def _account_leaf(self, value: Any, path: tuple[str | int, ...]) -> None:
        pointer = pointer_of(path)
        self.result.gold[field_of(pointer)] += 1
        records = self.result.records
        if not self._verbatim(path, value):
            homes = [0] if records and records[0] is not None else []
        else:
            spans = self._spans(pointer, value)
            homes = [i for i, inside in enumerate(spans) if inside and records[i] is not None]
            if not any(spans):
                self.result.lost.append(Lost(pointer, self._reason(pointer, value)))
        self.result.learned[field_of(pointer)] += bool(homes)

    def _account_object(self, item: dict[str, Any], path: tuple[str | int, ...]) -> None:
        pointer, name = pointer_of(path), field_of(pointer_of(path))
        self.result.gold[name] += 1
        homes = [i for i in self._homes(item, path) if self.result.records[i] is not None]
        if homes:
            self.result.learned[name] += 1
        parts = self._parts(item, path)
        missing = [p for p, leaf in parts if not any(self._spans(p, leaf))]
        self.result.lost += [Lost(p, self._reason(p, dict(parts)[p])) for p in missing]
        if not homes and not missing:
            self.result.lost.append(Lost(pointer, "its parts share no window"))

    def _reason(self, pointer: str, value: str) -> str:
        stands = bool(self.mentions.get(pointer)) or any(
            True for _ in occurrences(self.text, value)
        )
        return "cut by a window's border" if stands else "not in the text"


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
    null.
    """
    merger = _Merger(schema)
    record = merger.run([(answer.record, answer, "") for answer in answers], schema, "")
    if not isinstance(record, dict) or not answers:
        record = empty_record(schema)
    return Merged(record, merger.spans, merger.confidence)


_Part = tuple[Any, Answer, str]
"""A value, the answer it is from, and its pointer there."""


class _Merger:
    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.spans: dict[str, Span] = {}
        self.confidence: dict[str, float] = {}

    def run(self, parts: list[_Part], schema: Mapping[str, Any], pointer: str) -> Any:
        schema = resolve(schema, self.schema)
        parts = [part for part in parts if part[0] is not None]
        if not parts:
            return None
        if isinstance(parts[0][0], dict):
            return self._object([p for p in parts if isinstance(p[0], dict)], schema, pointer)
        if isinstance(parts[0][0], list):
            return self._list([p for p in parts if isinstance(p[0], list)], schema, pointer)
        best = max(parts, key=lambda part: part[1].confidence.get(part[2], 0.0))
        return self._leaf(best, pointer)

    def _leaf(self, part: _Part, pointer: str) -> Any:
        value, answer, place = part
        if place in answer.confidence:
            self.confidence[pointer] = answer.confidence[place]
        if isinstance(value, str):
            span = next(occurrences(answer.window.document.text, value), None)
            if span is not None:
                start = answer.window.start
                self.spans[pointer] = (span[0] + start, span[1] + start)
        return value

    def _object(self, parts: list[_Part], schema: Mapping[str, Any], pointer: str) -> Any:
        properties = schema.get("properties", {})
        keys = dict.fromkeys([k for k in properties if any(k in p[0] for p in parts)])
        keys |= dict.fromkeys(k for p in parts for k in p[0])
        result = {}
        for key in keys:
            step = pointer_of([key])
            inside = [(v[key], answer, place + step) for v, answer, place in parts if key in v]
            result[key] = self.run(inside, properties.get(key, {}), pointer + step)
        return result

    def _list(self, parts: list[_Part], schema: Mapping[str, Any], pointer: str) -> list[Any]:
        item_schema = resolve(schema.get("items", {}), self.schema)
        groups: dict[Any, list[_Part]] = {}
        for items, answer, place in parts:
            for number, item in enumerate(items):
                key = _identity(item, item_schema)
                groups.setdefault(key, []).append((item, answer, f"{place}/{number}"))
        return [
            self.run(group, item_schema, f"{pointer}/{number}")
            for number, group in enumerate(groups.values())
        ]


def _identity(item: Any, schema: Mapping[str, Any]) -> Any:
    """Return what is equal for two items that are the same thing."""
    if isinstance(item, str):
        return " ".join(item.casefold().split())
    if isinstance(item, dict):
        keys = schema.get("x-key", list(item))
        return tuple((key, _identity(item.get(key), {})) for key in keys)
    if isinstance(item, list):
        return tuple(_identity(part, {}) for part in item)
    return (type(item).__name__, item)
