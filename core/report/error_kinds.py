"""Classify each value of a record: right, wrong, split, merged, missing or invented.

The classes are those of the Message Understanding Conferences, which align a response with a key:
correct, incorrect, missing and spurious (Chinchor and Sundheim 1993, "MUC-5 Evaluation Metrics").
Where values are spans, an incorrect one may still overlap the gold, as in SemEval 2013 task 9
(Segura-Bedmar, Martínez and Herrero-Zazo 2013, section 4); several values that overlap the same one
are distinguished here as split and merged.

A value is a filled leaf, an item of a list of leaves, or an object of a list by its ``x-key``;
equal values of a list count once. Those of a map are compared key by key, and belong to its field.
Each value is used once, in this order:

- ``right``: the gold has it, by its type and the field's ``x-score``; of a text, all of it.
- ``split``: two or more predictions that overlap one span of a gold value, and not each other.
- ``merged``: one prediction, one span of which overlaps two or more gold values that do not overlap
  each other.
- ``wrong``: a scalar with another value; in a list, a value that overlaps a gold value, contains
  its words or is contained in them, or has a Levenshtein similarity of 0.8 or more to it; an object
  that shares a leaf of its key. Pairs are chosen so that the sum of similarities is largest.
- ``missing``: gold without a prediction. ``invented``: a prediction without gold.

So the gold values are right + wrong + split + missing + those that are merged, and the predicted
ones right + wrong + merged + invented + the pieces of what is split.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ..data import Record, Schema, Span
from ..schema.navigation import property_schema, resolve, types_of
from ..schema.pointers import pointer_of
from ..schema.records import canonical
from ..scoring.equality import is_same, key_fields, object_key, value_key
from ..scoring.matching import LEVENSHTEIN_THRESHOLD, best_pairs, levenshtein_similarity
from ..text.normalization import fold, normalised

Kind = Literal["right", "wrong", "split", "merged", "missing", "invented"]

KINDS: tuple[Kind, ...] = ("right", "wrong", "split", "merged", "missing", "invented")
ERRORS = KINDS[1:]

LeafSpans = Mapping[str, Sequence[Span]]
"""JSON Pointer of a leaf -> its occurrences in the text, left to right, without overlaps."""


@dataclass(frozen=True)
class Case:
    """Gold and predicted values that belong together, and their kind.

    Attributes:
        kind: what they are.
        field: as ``field_counts`` names it, such as ``lines/price``.
        gold: JSON Pointers into the gold record, of leaves or of a list's objects.
        predicted: likewise into the predicted record.
    """

    kind: Kind
    field: str
    gold: tuple[str, ...] = ()
    predicted: tuple[str, ...] = ()


def classify(
    gold: Record,
    predicted: Record | None,
    schema: Schema,
    gold_spans: LeafSpans | None = None,
    predicted_spans: LeafSpans | None = None,
) -> list[Case]:
    """Classify every value of a document, field by field.

    A field whose key the gold record lacks is not annotated and is skipped, as is one that is not
    scored (``x-score: none``).

    Args:
        gold: the gold record.
        predicted: the predicted one; None, where there is none, makes everything missing.
        schema: the schema of both.
        gold_spans: where leaves of the gold are in the text; without spans nothing overlaps, so
            that nothing is split or merged.
        predicted_spans: likewise for the prediction.
    """
    ours = _Value(normalised(gold, schema), (), gold_spans or {})
    theirs = _Value(normalised(predicted or {}, schema), (), predicted_spans or {})
    return list(_properties(ours, theirs, schema, "", schema))


@dataclass(frozen=True)
class _Value:
    """A part of a record, its path, and the spans of the record's leaves."""

    content: Any
    path: tuple[str | int, ...]
    leaf_spans: LeafSpans

    def child(self, key: str) -> _Value:
        return _Value((self.content or {}).get(key), (*self.path, key), self.leaf_spans)

    def items(self) -> list[_Value]:
        return [
            _Value(item, (*self.path, index), self.leaf_spans)
            for index, item in enumerate(self.content or [])
        ]

    @property
    def pointer(self) -> str:
        return pointer_of(self.path)

    @property
    def spans(self) -> Sequence[Span]:
        return self.leaf_spans.get(self.pointer, ())

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else canonical(self.content)


_Similarity = Callable[[_Value, _Value], float]


def _case(
    kind: Kind, field: str, gold: Sequence[_Value] = (), predicted: Sequence[_Value] = ()
) -> Case:
    pointers = (tuple(value.pointer for value in side) for side in (gold, predicted))
    return Case(kind, field, *pointers)


def _properties(
    gold: _Value, predicted: _Value, schema: Mapping[str, Any], prefix: str, root: Schema
) -> Iterator[Case]:
    here = resolve(schema, root)
    for key in here.get("properties", {}):
        if key in (gold.content or {}):
            inner = resolve(property_schema(here, key), root)
            sides = gold.child(key), predicted.child(key)
            yield from _field(*sides, inner, prefix + key, root)


def _field(
    gold: _Value, predicted: _Value, schema: Mapping[str, Any], name: str, root: Schema
) -> Iterator[Case]:
    if schema.get("x-score") == "none":
        return
    types = types_of(schema)
    item = resolve(schema.get("items", {}), root)
    how = schema.get("x-score")
    if "object" in types:
        yield from _properties(gold, predicted, schema, f"{name}/", root)
        yield from _map(gold, predicted, schema, name, root)
    elif "array" in types and "object" in types_of(item):
        yield from _objects(gold, predicted, item, name, root)
    elif "array" in types:
        yield from _list(gold, predicted, _Equality(item, root, item.get("x-score", how)), name)
    else:
        yield from _scalar(gold, predicted, _Equality(schema, root, how), name)


def _map(
    gold: _Value, predicted: _Value, schema: Mapping[str, Any], name: str, root: Schema
) -> Iterator[Case]:
    """Classify the values under keys that a schema does not name, key by key."""
    others, score = schema.get("additionalProperties"), schema.get("x-score")
    if not isinstance(others, Mapping):
        return
    part = ({"x-score": score} if score else {}) | dict(resolve(others, root))
    ours, theirs = (
        {
            key if score == "exact" else fold(key): key
            for key in side.content or {}
            if key not in schema.get("properties", {})
        }
        for side in (gold, predicted)
    )
    for key in dict.fromkeys([*ours, *theirs]):
        wanted = gold.child(ours.get(key, theirs.get(key, key)))
        found = predicted.child(theirs.get(key, ours.get(key, key)))
        yield from _field(wanted, found, part, name, root)


class _Equality(NamedTuple):
    """How the values of a field are compared: their schema, the whole schema, the ``x-score``."""

    schema: Mapping[str, Any]
    root: Schema
    score: str | None

    def is_same(self, gold: _Value, predicted: _Value) -> bool:
        return is_same(gold.content, predicted.content, *self)

    def key(self, value: _Value) -> Hashable:
        """Return a key that is equal for equal values, for similar ones as they are written."""
        is_written = self.score == "levenshtein" and isinstance(value.content, str)
        return value.content if is_written else value_key(value.content, *self)


def _scalar(gold: _Value, predicted: _Value, how: _Equality, name: str) -> Iterator[Case]:
    if gold.content is None and predicted.content is None:
        return
    if predicted.content is None:
        yield _case("missing", name, [gold])
    elif gold.content is None:
        yield _case("invented", name, [], [predicted])
    else:
        same = how.is_same(gold, predicted)
        yield _case("right" if same else "wrong", name, [gold], [predicted])


def _list(gold: _Value, predicted: _Value, how: _Equality, name: str) -> Iterator[Case]:
    ours, theirs = _distinct(gold, how.key), _distinct(predicted, how.key)
    for key in ours:
        if key in theirs:
            yield _case("right", name, [ours[key]], [theirs[key]])
    left = [value for key, value in ours.items() if key not in theirs]
    over = [value for key, value in theirs.items() if key not in ours]
    if how.score == "levenshtein":
        pairs = best_pairs(left, over, how.is_same, 1)
        for wanted, found in pairs:
            yield _case("right", name, [left[wanted]], [over[found]])
        left = _without(left, [left[wanted] for wanted, _ in pairs])
        over = _without(over, [over[found] for _, found in pairs])
    for whole in left:
        if len(pieces := _pieces(whole, over)) > 1:
            yield _case("split", name, [whole], pieces)
            left, over = _without(left, [whole]), _without(over, pieces)
    for whole in over:
        if len(pieces := _pieces(whole, left)) > 1:
            yield _case("merged", name, pieces, [whole])
            left, over = _without(left, pieces), _without(over, [whole])
    yield from _unequal(name, left, over, _similarity, LEVENSHTEIN_THRESHOLD)


def _objects(
    gold: _Value, predicted: _Value, schema: Mapping[str, Any], name: str, root: Schema
) -> Iterator[Case]:
    properties = schema.get("properties", {})
    keys = key_fields(schema)
    others = {"properties": {key: properties[key] for key in properties if key not in keys}}

    def key_of(value: _Value) -> tuple[Hashable, ...]:
        return object_key(value.content, schema, root)

    def shared_leaves(ours: _Value, theirs: _Value) -> float:
        leaves = (ours.content.get(key) for key in keys), (theirs.content.get(key) for key in keys)
        return sum(map(_is_shared, *leaves, key_of(ours), key_of(theirs)))

    ours, theirs = _distinct(gold, key_of), _distinct(predicted, key_of)
    for key in ours:
        if key in theirs:
            yield _case("right", name, [ours[key]], [theirs[key]])
            yield from _properties(ours[key], theirs[key], others, f"{name}/", root)
    left = [value for key, value in ours.items() if key not in theirs]
    over = [value for key, value in theirs.items() if key not in ours]
    yield from _unequal(name, left, over, shared_leaves, 1)


def _distinct(values: _Value, key: Callable[[_Value], Hashable]) -> dict[Hashable, _Value]:
    """Return the items of a list by their key; of items with equal keys the first."""
    found: dict[Hashable, _Value] = {}
    for value in values.items():
        found.setdefault(key(value), value)
    return found


def _without(values: Sequence[_Value], taken: Sequence[_Value]) -> list[_Value]:
    pointers = {value.pointer for value in taken}
    return [value for value in values if value.pointer not in pointers]


def _unequal(
    name: str,
    gold: Sequence[_Value],
    predicted: Sequence[_Value],
    similarity: _Similarity,
    threshold: float,
) -> Iterator[Case]:
    """Pair similar values as wrong; the rest is missing or invented."""
    pairs = best_pairs(gold, predicted, similarity, threshold)
    for wanted, found in pairs:
        yield _case("wrong", name, [gold[wanted]], [predicted[found]])
    for value in _without(gold, [gold[wanted] for wanted, _ in pairs]):
        yield _case("missing", name, [value])
    for value in _without(predicted, [predicted[found] for _, found in pairs]):
        yield _case("invented", name, [], [value])


def _is_shared(ours: Any, theirs: Any, our_key: Hashable, their_key: Hashable) -> bool:
    """Say whether two leaves of a key are equal, or nearly so."""
    if isinstance(ours, str) and isinstance(theirs, str):
        is_similar = levenshtein_similarity(fold(ours), fold(theirs)) >= LEVENSHTEIN_THRESHOLD
        return is_similar or our_key == their_key
    return ours is not None and our_key == their_key


def _similarity(gold: _Value, predicted: _Value) -> float:
    """Return the similarity of two values, over 1 if they overlap or one has the other's words."""
    ours, theirs = fold(gold.text), fold(predicted.text)
    inside, around = sorted((ours, theirs), key=len)
    overlaps = f" {inside} " in f" {around} " or any(
        next(_overlapping(span, predicted.spans), None) for span in gold.spans
    )
    return overlaps + levenshtein_similarity(ours, theirs)


def _pieces(whole: _Value, others: Sequence[_Value]) -> list[_Value]:
    """Return the most values that overlap one span of ``whole`` and do not overlap each other."""
    best: list[_Value] = []
    for place in whole.spans:
        found = sorted(
            (end, start, index)
            for index, other in enumerate(others)
            for start, end in _overlapping(place, other.spans)
        )
        chosen: list[int] = []
        free = 0
        # The one that ends first leaves the most room for others.
        for end, start, index in found:
            if start >= free and index not in chosen:
                chosen.append(index)
                free = end
        if len(chosen) > len(best):
            best = [others[index] for index in chosen]
    return best


def _overlapping(place: Span, spans: Sequence[Span]) -> Iterator[Span]:
    """Yield the spans that have a character in common with ``place``."""
    first = bisect_right(spans, place[0], key=lambda span: span[1])
    for span in spans[first:]:
        if span[0] >= place[1]:
            return
        yield span
