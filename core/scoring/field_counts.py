"""A metric for any schema: each field is counted by its ``x-score``.

Plugins call it whose domain has no published metric of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import eq
from typing import Any

from ..data import Counts, Example, Prediction, Record, Schema
from ..schema.navigation import property_schema, resolve, types_of
from ..schema.pointers import field_of, leaves
from ..schema.records import canonical
from ..text.normalization import fold, normalised
from .matching import MATCHINGS, Matching, matched


def _equal_folded(gold: str, predicted: str) -> bool:
    return fold(gold) == fold(predicted)


COMPARISONS: Mapping[str, Matching] = {
    "exact": eq,
    "casefold": _equal_folded,
    "levenshtein": MATCHINGS["levenshtein"],
    "set": _equal_folded,
    "text": _equal_folded,
}
"""By ``x-score``: whether two values match. "text" compares lists so; strings by their words.

A field with "none" is not counted.
"""


def field_counts(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    """Count one document field by field; a field inside an object is named ``outer/inner``.

    - ``exact``, ``casefold`` (the default: ignores case and white space) and ``levenshtein`` (a
      similarity of 0.8 or more): a filled leaf is right or wrong; a list is a set of leaves,
      matched one to one.
    - ``text``: words in common, as the F1 of reading comprehension counts them (Rajpurkar et al.
      2016, "SQuAD", section 6.1).
    - ``none``: not counted.
    - a list of objects: an object is right if the fields of ``x-key`` are, or all fields without
      ``x-key``. The other fields are counted on the pairs of objects that match.
    - an object: its properties. If others are allowed (a map), these are counted under its own
      name, as a set of key and value.

    Both sides are normalised by ``x-normalise`` first. A field whose key the gold record lacks is
    not annotated, and not counted. A prediction without a record counts as one without values.
    """
    gold = normalised(example.record or {}, schema)
    predicted = normalised(prediction.record or {}, schema)
    return dict(_object_counts(gold, predicted, schema, schema, ""))


def _object_counts(
    gold: Record, predicted: Record, schema: Mapping[str, Any], root: Schema, prefix: str
) -> Iterator[tuple[str, Counts]]:
    schema = resolve(schema, root)
    for key in schema.get("properties", {}):
        if key in gold:
            inner = resolve(property_schema(schema, key), root)
            yield from _value_counts(prefix + key, gold[key], predicted.get(key), inner, root)


def _value_counts(
    name: str, gold: Any, predicted: Any, schema: Mapping[str, Any], root: Schema
) -> Iterator[tuple[str, Counts]]:
    types = types_of(schema)
    item = resolve(schema.get("items", {}), root)
    score = schema.get("x-score", "casefold")
    if score == "none":
        return
    if "object" in types:
        yield from _object_counts(gold or {}, predicted or {}, schema, root, f"{name}/")
        if isinstance(schema.get("additionalProperties"), Mapping):
            ours, theirs = (_map_items(found or {}, schema) for found in (gold, predicted))
            yield name, _list_counts(ours, theirs, "exact" if score == "exact" else "casefold")
    elif "array" in types and "object" in types_of(item):
        yield from _pair_counts(name, gold or [], predicted or [], item, root)
    elif "array" in types:
        yield name, _list_counts(gold or [], predicted or [], item.get("x-score", score))
    elif score == "text":
        yield name, _word_counts(gold, predicted)
    else:
        ours, theirs = ([] if value is None else [value] for value in (gold, predicted))
        yield name, _list_counts(ours, theirs, score)


def _list_counts(gold: Sequence[Any], predicted: Sequence[Any], score: str) -> Counts:
    """Count two lists of leaves; equal leaves of a list count once."""
    ours, theirs = (list(dict.fromkeys(map(_text, items))) for items in (gold, predicted))
    if score in ("casefold", "set"):  # sets need no matching, which takes quadratic time
        ours, theirs = (list(dict.fromkeys(map(fold, items))) for items in (ours, theirs))
        right = len(set(ours) & set(theirs))
    else:
        right = matched(ours, theirs, COMPARISONS.get(score, _equal_folded))
    return Counts(float(right), float(len(theirs)), float(len(ours)))


def _map_items(found: Record, schema: Mapping[str, Any]) -> list[str]:
    """Return each value under a key that a schema does not name, with its key."""
    others = {key: value for key, value in found.items() if key not in schema.get("properties", {})}
    return [
        f"{field_of(pointer)}: {_text(leaf)}"
        for pointer, leaf in leaves(others)
        if leaf is not None
    ]


def _text(leaf: Any) -> str:
    return leaf if isinstance(leaf, str) else canonical(leaf)


def _word_counts(gold: str | None, predicted: str | None) -> Counts:
    ours, theirs = (Counter(fold(text or "").split()) for text in (gold, predicted))
    return Counts(float((ours & theirs).total()), float(theirs.total()), float(ours.total()))


def _pair_counts(
    name: str,
    gold: Sequence[Record],
    predicted: Sequence[Record],
    schema: Mapping[str, Any],
    root: Schema,
) -> Iterator[tuple[str, Counts]]:
    """Pair the objects of two lists by their key, and count the other fields of the pairs."""
    properties = schema.get("properties", {})
    keys = list(schema.get("x-key") or properties)
    ours, theirs = (
        {canonical([_folded(found.get(key)) for key in keys]): found for found in objects}
        for objects in (gold, predicted)
    )
    pairs = [(ours[key], theirs[key]) for key in ours if key in theirs]
    yield name, Counts(float(len(pairs)), float(len(theirs)), float(len(ours)))
    totals: dict[str, Counts] = {}
    others = {"properties": {key: part for key, part in properties.items() if key not in keys}}
    for pair in pairs:
        for field, (right, found, wanted) in _object_counts(*pair, others, root, f"{name}/"):
            before = totals.get(field, Counts(0.0, 0.0, 0.0))
            totals[field] = Counts(before[0] + right, before[1] + found, before[2] + wanted)
    yield from totals.items()


def _folded(value: Any) -> Any:
    return fold(value) if isinstance(value, str) else value
