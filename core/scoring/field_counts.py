"""A metric for any schema: each field is counted as its ``x-score`` says.

It is what a plugin calls that has no published metric of its own to follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..data import Counts, Example, Prediction, Record, Schema
from ..schema.navigation import kinds_of, member, resolve
from ..schema.records import canonical
from ..text.normalization import normalise, normalised
from .matching import MATCHINGS, matched

NOTHING: Counts = (0.0, 0.0, 0.0)


def _folded(text: str) -> str:
    return normalise(text, ["spaces", "casefold"])


_SAME: Mapping[str, Callable[[str, str], bool]] = {
    "exact": lambda gold, predicted: gold == predicted,
    "casefold": lambda gold, predicted: _folded(gold) == _folded(predicted),
    "levenshtein": MATCHINGS["levenshtein"],
}


def field_counts(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    """Count one document field by field, by the pointer of the field without its first stroke.

    - ``exact``, ``casefold`` (the default: case and white space make no difference) and
      ``levenshtein`` (a similarity of 0.8 or more): a filled leaf is right or wrong; a list is a
      set of leaves, matched one to one.
    - ``text``: words in common, as the F1 of reading comprehension counts them (Rajpurkar et al.
      2016, "SQuAD", section 6.1).
    - ``none``: not counted.
    - a list of objects: an object is right if the fields of ``x-key`` are, or all fields where
      there is no key. The other fields are counted by themselves on the objects that match.
    - an object: its members, as ``outer/inner``.

    Both sides are normalised by ``x-normalise`` first. A field whose key the gold record lacks is
    not annotated, and not counted. A prediction without a record has answered nothing.
    """
    gold = normalised(example.record or {}, schema)
    predicted = normalised(prediction.record or {}, schema)
    return dict(_members(gold, predicted, schema, schema, ""))


def _members(
    gold: Record, predicted: Record, schema: Mapping[str, Any], root: Schema, above: str
) -> Iterator[tuple[str, Counts]]:
    for key in resolve(schema, root).get("properties", {}):
        if key in gold:
            name, inner = above + key, resolve(member(resolve(schema, root), key), root)
            yield from _field(name, gold[key], predicted.get(key), inner, root)


def _field(
    name: str, gold: Any, predicted: Any, schema: Mapping[str, Any], root: Schema
) -> Iterator[tuple[str, Counts]]:
    kinds = kinds_of(schema)
    item = resolve(schema.get("items", {}), root)
    if schema.get("x-score") == "none":
        return
    if "object" in kinds:
        yield from _members(gold or {}, predicted or {}, schema, root, f"{name}/")
    elif "array" in kinds and "object" in kinds_of(item):
        yield from _objects(name, gold or [], predicted or [], item, root)
    elif "array" in kinds:
        how = item.get("x-score", schema.get("x-score", "casefold"))
        yield name, _list_counts(gold or [], predicted or [], how)
    else:
        yield name, _leaf_counts(gold, predicted, schema.get("x-score", "casefold"))


def _leaf_counts(gold: Any, predicted: Any, how: str) -> Counts:
    if how == "text":
        return _word_counts(gold, predicted)
    ours, theirs = ([] if value is None else [value] for value in (gold, predicted))
    return _list_counts(ours, theirs, how)


def _list_counts(gold: Sequence[Any], predicted: Sequence[Any], how: str) -> Counts:
    """Count two lists of leaves; what is written twice counts once."""
    same = _SAME.get(how, _SAME["casefold"])
    ours, theirs = (list(dict.fromkeys(map(_written, items))) for items in (gold, predicted))
    if how in ("casefold", "set"):  # sets need no matching, which takes the square of their size
        ours, theirs = (list(dict.fromkeys(map(_folded, items))) for items in (ours, theirs))
        right = len(set(ours) & set(theirs))
    else:
        right = matched(ours, theirs, same)
    return float(right), float(len(theirs)), float(len(ours))


def _written(leaf: Any) -> str:
    return leaf if isinstance(leaf, str) else canonical(leaf)


def _word_counts(gold: str | None, predicted: str | None) -> Counts:
    ours, theirs = (Counter(_folded(text or "").split()) for text in (gold, predicted))
    return float((ours & theirs).total()), float(theirs.total()), float(ours.total())


def _objects(
    name: str,
    gold: Sequence[Record],
    predicted: Sequence[Record],
    schema: Mapping[str, Any],
    root: Schema,
) -> Iterator[tuple[str, Counts]]:
    """Pair objects by their key, the first with the first, and count what stands beside it."""
    keys = list(schema.get("x-key") or schema.get("properties", ()))
    ours, theirs = (
        {canonical([_folded_value(found.get(key)) for key in keys]): found for found in objects}
        for objects in (gold, predicted)
    )
    pairs = [identity for identity in ours if identity in theirs]
    yield name, (float(len(pairs)), float(len(theirs)), float(len(ours)))
    totals: dict[str, Counts] = {}
    beside = {key: inner for key, inner in schema.get("properties", {}).items() if key not in keys}
    for identity in pairs:
        part = {"properties": beside}
        for inner, counts in _members(ours[identity], theirs[identity], part, root, f"{name}/"):
            before = totals.get(inner, NOTHING)
            totals[inner] = (before[0] + counts[0], before[1] + counts[1], before[2] + counts[2])
    yield from totals.items()


def _folded_value(value: Any) -> Any:
    return _folded(value) if isinstance(value, str) else value
