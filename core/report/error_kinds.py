"""What kind of error each answer of a record is: wrong, split, merged, missing or invented.

The classes are those of the Message Understanding Conferences, which set a response beside a key:
correct, incorrect, missing and spurious (Chinchor and Sundheim 1993, "MUC-5 Evaluation Metrics").
Where answers are spans, an incorrect one may still touch what was sought, as in SemEval 2013 task 9
(Segura-Bedmar, Martínez and Herrero-Zazo 2013, section 4); several that touch the same are told
apart here as split and merged.

An answer is a filled leaf, an item of a list of leaves, or an object of a list by its ``x-key``;
answers of a list that say the same count once. In this order, each answer being used once:

- ``right``: the gold holds it, by the field's ``x-score``; of a text, all of it.
- ``split``: two or more predictions that touch one place of a gold answer, and not each other.
- ``merged``: one prediction, one place of which touches two or more gold answers that do not touch
  each other.
- ``wrong``: a scalar with another value; in a list, an answer that touches a gold answer, holds
  its words or lies in them, or has a Levenshtein similarity of 0.8 or more to it; of an object, one
  that has a leaf of its key in common with it. The pairs are chosen so that they are most alike.
- ``missing``: gold that no prediction answers. ``invented``: a prediction that answers no gold.

So the gold answers are right + wrong + split + missing + those that are merged, and the predicted
ones right + wrong + merged + invented + the pieces of what is split.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..data import Record, Schema, Span
from ..schema.navigation import kinds_of, member, resolve
from ..schema.pointers import pointer_of
from ..schema.records import canonical
from ..scoring.matching import LEVENSHTEIN_THRESHOLD, MATCHINGS, best_pairs, levenshtein_similarity
from ..text.normalization import normalise, normalised

Kind = Literal["right", "wrong", "split", "merged", "missing", "invented"]

KINDS: tuple[Kind, ...] = ("right", "wrong", "split", "merged", "missing", "invented")
ERRORS = KINDS[1:]

Places = Mapping[str, Sequence[Span]]
"""JSON Pointer of a leaf -> where it stands in the text, left to right, none over another."""


@dataclass(frozen=True)
class Case:
    """Answers that belong together, and what they are.

    field: as ``field_counts`` calls it, such as ``lines/price``.
    gold, predicted: JSON Pointers into the two records, of leaves or of a list's objects.
    """

    kind: Kind
    field: str
    gold: tuple[str, ...] = ()
    predicted: tuple[str, ...] = ()


def cases(
    gold: Record,
    predicted: Record | None,
    schema: Schema,
    gold_places: Places | None = None,
    predicted_places: Places | None = None,
) -> list[Case]:
    """Return what became of every answer of a document, field by field.

    A field whose key the gold record lacks is not annotated, and passed over, as is one that is
    not scored (``x-score: none``).

    predicted: None where there is no record: everything is missing.
    gold_places, predicted_places: where leaves stand in the text; without them nothing touches,
        so that nothing is split or merged.
    """
    walk = _Walk(schema, gold_places or {}, predicted_places or {})
    ours, theirs = normalised(gold, schema), normalised(predicted or {}, schema)
    return list(walk.members(ours, theirs, schema, "", ((), ())))


@dataclass(frozen=True)
class _Answer:
    """One answer: its pointer, its leaf or the leaves of its key, and its places in the text."""

    pointer: str
    value: Any
    places: Sequence[Span] = ()

    @property
    def words(self) -> str:
        return _folded(self.value if isinstance(self.value, str) else canonical(self.value))


_Path = tuple[str | int, ...]
_Sides = tuple[_Path, _Path]


@dataclass(frozen=True)
class _Walk:
    schema: Schema
    gold_places: Places
    predicted_places: Places

    def members(
        self, gold: Any, predicted: Any, schema: Mapping[str, Any], above: str, at: _Sides
    ) -> Iterator[Case]:
        here = resolve(schema, self.schema)
        for key in here.get("properties", {}):
            if key in gold:
                inner = resolve(member(here, key), self.schema)
                below = ((*at[0], key), (*at[1], key))
                yield from self._field(gold[key], predicted.get(key), inner, above + key, below)

    def _field(
        self, gold: Any, predicted: Any, schema: Mapping[str, Any], name: str, at: _Sides
    ) -> Iterator[Case]:
        kinds = kinds_of(schema)
        item = resolve(schema.get("items", {}), self.schema)
        how = item.get("x-score", schema.get("x-score", "casefold"))
        if schema.get("x-score") == "none":
            return
        if "object" in kinds:
            yield from self.members(gold or {}, predicted or {}, schema, f"{name}/", at)
        elif "array" in kinds and "object" in kinds_of(item):
            yield from self._objects(gold or [], predicted or [], item, name, at)
        elif "array" in kinds:
            ours = self._leaves(gold or [], self.gold_places, at[0], how)
            theirs = self._leaves(predicted or [], self.predicted_places, at[1], how)
            yield from _list_cases(name, ours, theirs, how)
        else:
            yield from _scalar_cases(name, gold, predicted, how, at)

    def _leaves(
        self, items: Sequence[Any], places: Places, at: _Path, how: str
    ) -> dict[str, _Answer]:
        """Return the answers of a list by the form in which equal ones are the same."""
        found: dict[str, _Answer] = {}
        for index, value in enumerate(items):
            pointer = pointer_of((*at, index))
            written = value if isinstance(value, str) else canonical(value)
            form = written if how in ("exact", "levenshtein") else _folded(written)
            found.setdefault(form, _Answer(pointer, written, places.get(pointer, ())))
        return found

    def _objects(
        self,
        gold: Sequence[Record],
        predicted: Sequence[Record],
        schema: Mapping[str, Any],
        name: str,
        at: _Sides,
    ) -> Iterator[Case]:
        properties = schema.get("properties", {})
        keys = list(schema.get("x-key") or properties)
        ours, theirs = (
            _by_key(objects, keys, path)
            for objects, path in zip((gold, predicted), at, strict=True)
        )
        beside = {"properties": {key: properties[key] for key in properties if key not in keys}}
        for identity in [identity for identity in ours if identity in theirs]:
            (index, wanted), (number, found) = ours.pop(identity), theirs.pop(identity)
            yield Case("right", name, (wanted.pointer,), (found.pointer,))
            below = ((*at[0], index), (*at[1], number))
            pair = gold[index], predicted[number]
            yield from self.members(*pair, beside, f"{name}/", below)
        left = [answer for _index, answer in ours.values()]
        over = [answer for _index, answer in theirs.values()]
        yield from _rest(name, left, over, _shared_keys, 1)


def _by_key(
    objects: Sequence[Record], keys: Sequence[str], at: _Path
) -> dict[str, tuple[int, _Answer]]:
    """Return the objects of a list by their key, with their index; the first of those alike."""
    found: dict[str, tuple[int, _Answer]] = {}
    for index, item in enumerate(objects):
        value = [_folded(leaf) if isinstance(leaf, str) else leaf for leaf in map(item.get, keys)]
        answer = _Answer(pointer_of((*at, index)), value)
        found.setdefault(canonical(value), (index, answer))
    return found


def _scalar_cases(name: str, gold: Any, predicted: Any, how: str, at: _Sides) -> Iterator[Case]:
    ours, theirs = (pointer_of(path) for path in at)
    if gold is None and predicted is None:
        return
    if predicted is None:
        yield Case("missing", name, (ours,))
    elif gold is None:
        yield Case("invented", name, (), (theirs,))
    else:
        kind: Kind = "right" if _is_same(gold, predicted, how) else "wrong"
        yield Case(kind, name, (ours,), (theirs,))


def _list_cases(
    name: str, gold: Mapping[str, _Answer], predicted: Mapping[str, _Answer], how: str
) -> Iterator[Case]:
    for form in gold:
        if form in predicted:
            yield Case("right", name, (gold[form].pointer,), (predicted[form].pointer,))
    left = [answer for form, answer in gold.items() if form not in predicted]
    over = [answer for form, answer in predicted.items() if form not in gold]
    if how == "levenshtein":
        pairs = best_pairs(left, over, lambda a, b: _is_same(a.value, b.value, how), 1)
        for wanted, found in pairs:
            yield Case("right", name, (left[wanted].pointer,), (over[found].pointer,))
        left = _without(left, [left[wanted] for wanted, _ in pairs])
        over = _without(over, [over[found] for _, found in pairs])
    for whole in left:
        pieces = _touching(whole, over)
        if len(pieces) > 1:
            yield Case("split", name, (whole.pointer,), tuple(piece.pointer for piece in pieces))
            left, over = _without(left, [whole]), _without(over, pieces)
    for whole in over:
        pieces = _touching(whole, left)
        if len(pieces) > 1:
            yield Case("merged", name, tuple(piece.pointer for piece in pieces), (whole.pointer,))
            left, over = _without(left, pieces), _without(over, [whole])
    yield from _rest(name, left, over, _likeness, LEVENSHTEIN_THRESHOLD)


def _without(answers: Sequence[_Answer], taken: Sequence[_Answer]) -> list[_Answer]:
    gone = {answer.pointer for answer in taken}
    return [answer for answer in answers if answer.pointer not in gone]


def _rest(
    name: str,
    gold: Sequence[_Answer],
    predicted: Sequence[_Answer],
    likeness: Callable[[_Answer, _Answer], float],
    threshold: float,
) -> Iterator[Case]:
    """Pair what is alike as wrong; what is left over is missing or invented."""
    pairs = best_pairs(gold, predicted, likeness, threshold)
    for wanted, found in pairs:
        yield Case("wrong", name, (gold[wanted].pointer,), (predicted[found].pointer,))
    answered, used = {wanted for wanted, _ in pairs}, {found for _, found in pairs}
    for index, answer in enumerate(gold):
        if index not in answered:
            yield Case("missing", name, (answer.pointer,))
    for index, answer in enumerate(predicted):
        if index not in used:
            yield Case("invented", name, (), (answer.pointer,))


def _is_same(gold: Any, predicted: Any, how: str) -> bool:
    if not (isinstance(gold, str) and isinstance(predicted, str)):
        return canonical(gold) == canonical(predicted)
    if how == "exact":
        return gold == predicted
    if how == "levenshtein":
        return MATCHINGS["levenshtein"](gold, predicted)
    return _folded(gold) == _folded(predicted)


def _folded(text: str) -> str:
    return normalise(text, ["spaces", "casefold"])


def _likeness(gold: _Answer, predicted: _Answer) -> float:
    """Return how alike two answers are; over 1 if they touch or one holds the other's words."""
    inside, around = sorted((gold.words, predicted.words), key=len)
    touches = f" {inside} " in f" {around} " or any(
        next(_over(span, predicted.places), None) for span in gold.places
    )
    return touches + levenshtein_similarity(gold.words, predicted.words)


def _shared_keys(gold: _Answer, predicted: _Answer) -> float:
    """Return how many leaves of their key two objects have in common, or nearly so."""
    pairs = zip(gold.value, predicted.value, strict=True)
    return sum(_is_shared(ours, theirs) for ours, theirs in pairs)


def _is_shared(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, str) and isinstance(theirs, str):
        return levenshtein_similarity(ours, theirs) >= LEVENSHTEIN_THRESHOLD
    return ours is not None and canonical(ours) == canonical(theirs)


def _touching(whole: _Answer, others: Sequence[_Answer]) -> list[_Answer]:
    """Return the most answers that touch one place of ``whole`` and do not touch each other."""
    best: list[_Answer] = []
    for place in whole.places:
        found = sorted(
            (span[1], span[0], index)
            for index, other in enumerate(others)
            for span in _over(place, other.places)
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


def _over(place: Span, spans: Sequence[Span]) -> Iterator[Span]:
    """Yield the spans that have a character in common with ``place``."""
    first = bisect_right(spans, place[0], key=lambda span: span[1])
    for span in spans[first:]:
        if span[0] >= place[1]:
            return
        yield span
