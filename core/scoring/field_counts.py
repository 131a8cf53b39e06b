"""A metric for any schema: each field is counted by its ``x-score``.

Plugins call it whose domain has no published metric of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import add
from typing import Any

from ..data import Counts, Example, Prediction, Record, Schema
from ..schema.navigation import property_schema, resolve, types_of
from ..schema.pointers import field_of, pointer_of
from ..schema.records import canonical
from ..text.normalization import fold, normalised
from .equality import is_same, key_fields, object_key, value_key
from .matching import matched


def field_counts(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    """Count one document field by field; a field inside an object is named ``outer/inner``.

    - a filled leaf is right or wrong, a list is a set of leaves, matched one to one. Values are
      compared by their type (``equality``), and strings by ``exact``, ``casefold`` (ignores case
      and white space) or ``levenshtein`` (a similarity of 0.8 or more), if that is given.
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
    score = schema.get("x-score")
    if score == "none":
        return
    if "object" in types:
        yield from _object_counts(gold or {}, predicted or {}, schema, root, f"{name}/")
        if isinstance(schema.get("additionalProperties"), Mapping):
            yield name, _map_counts(gold or {}, predicted or {}, schema, root)
    elif "array" in types and "object" in types_of(item):
        yield from _pair_counts(name, gold or [], predicted or [], item, root)
    elif "array" in types:
        yield name, _list_counts(gold or [], predicted or [], item, root, score)
    elif score == "text":
        yield name, _word_counts(gold, predicted)
    else:
        ours, theirs = ([] if value is None else [value] for value in (gold, predicted))
        yield name, _list_counts(ours, theirs, schema, root, score)


def _list_counts(
    gold: Sequence[Any],
    predicted: Sequence[Any],
    schema: Mapping[str, Any],
    root: Schema,
    score: str | None,
) -> Counts:
    """Count two lists of leaves; equal leaves of a list count once."""
    score = schema.get("x-score", score)
    if score != "levenshtein":  # sets need no matching, which takes quadratic time
        wanted, found = (
            {value_key(leaf, schema, root, score) for leaf in side} for side in (gold, predicted)
        )
        return _set_counts(wanted, found)
    ours, theirs = (
        list({_written(leaf, schema, root): leaf for leaf in side}.values())
        for side in (gold, predicted)
    )
    right = matched(ours, theirs, lambda a, b: is_same(a, b, schema, root, score))
    return Counts(float(right), float(len(theirs)), float(len(ours)))


def _written(leaf: Any, schema: Mapping[str, Any], root: Schema) -> Hashable:
    """Return a key of a leaf that tells strings apart as they are written."""
    return leaf if isinstance(leaf, str) else value_key(leaf, schema, root)


def _set_counts(gold: AbstractSet[Hashable], predicted: AbstractSet[Hashable]) -> Counts:
    return Counts(float(len(gold & predicted)), float(len(predicted)), float(len(gold)))


def _map_counts(gold: Record, predicted: Record, schema: Mapping[str, Any], root: Schema) -> Counts:
    """Count the values under keys that a schema does not name, each with its key."""
    ours, theirs = (set(_map_items(found, schema, root)) for found in (gold, predicted))
    return _set_counts(ours, theirs)


def _map_items(
    found: Record, schema: Mapping[str, Any], root: Schema
) -> Iterator[tuple[str, Hashable]]:
    """Yield each value under a key that a schema does not name, with its keys."""
    score = schema.get("x-score")
    named = schema.get("properties", {})
    others = {key: value for key, value in found.items() if key not in named}
    for path, leaf, part in _leaves_with_schema(others, schema, root):
        if leaf is not None and part.get("x-score") != "none":
            name = field_of(pointer_of(path))
            yield name if score == "exact" else fold(name), value_key(leaf, part, root, score)


def _leaves_with_schema(
    value: Any, schema: Mapping[str, Any], root: Schema, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any, Mapping[str, Any]]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            part = resolve(property_schema(schema, key), root)
            yield from _leaves_with_schema(inner, part, root, (*path, key))
    elif isinstance(value, list):
        item = resolve(schema.get("items", {}), root)
        for number, inner in enumerate(value):
            yield from _leaves_with_schema(inner, item, root, (*path, number))
    else:
        yield path, value, schema


def _word_counts(gold: Any, predicted: Any) -> Counts:
    ours, theirs = (Counter(fold(_text(leaf)).split()) for leaf in (gold, predicted))
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
    keys = key_fields(schema)
    ours, theirs = (
        {object_key(found, schema, root): found for found in objects}
        for objects in (gold, predicted)
    )
    pairs = [(ours[key], theirs[key]) for key in ours if key in theirs]
    yield name, Counts(float(len(pairs)), float(len(theirs)), float(len(ours)))
    others = {"properties": {key: part for key, part in properties.items() if key not in keys}}
    totals = {  # without a pair, too: what is counted does not depend on the prediction
        field: Counts(0.0, 0.0, 0.0)
        for found in ours.values()
        for field, _counts in _object_counts(found, {}, others, root, f"{name}/")
    }
    for pair in pairs:
        for field, counts in _object_counts(*pair, others, root, f"{name}/"):
            totals[field] = Counts(*map(add, totals[field], counts))
    yield from totals.items()


def _text(leaf: Any) -> str:
    return "" if leaf is None else leaf if isinstance(leaf, str) else canonical(leaf)
