"""Records in which one field is right and all others stay: what a score could gain by a field.

The parts of a record that can be made right, by the name of their field:

- a scalar, or a list of scalars: the gold value takes the place of the predicted one;
- which objects a list holds: its objects are those of the gold, and one that the prediction has too
  keeps its other values;
- a property of the objects of a list that is not in their ``x-key``: it is made right in those that
  the gold has too.

An object that is in no list is taken apart into its properties. Objects of two lists are the same
by their ``x-key``; of the others, those are paired whose keys are most alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from ..data import Record, Schema
from ..schema.navigation import empty_record, property_schema, resolve, types_of
from ..schema.records import canonical
from .equality import key_fields, object_key
from .matching import best_pairs, levenshtein_similarity

_LEVELS = 8
"""So many objects deep a schema is taken apart; it may contain itself."""

_ALIKE = 0.5
"""The least similarity of two keys that are taken for one."""


@dataclass(frozen=True)
class RecordPart:
    """A part of a record that can be made right by itself.

    Attributes:
        path: the keys that lead to it.
        item: the schema of the objects that it lists; None for any other part.
        key: the property of these objects that is made right; "" for which objects there are.
    """

    path: tuple[str, ...]
    item: Mapping[str, Any] | None = None
    key: str = ""

    @property
    def name(self) -> str:
        """The name of the field."""
        return "/".join((*self.path, self.key) if self.key else self.path)


def record_parts(schema: Schema) -> list[RecordPart]:
    """Return the parts of a schema's records, in its order, but for fields that are not scored."""
    return list(_parts(resolve(schema, schema), schema, (), _LEVELS))


def _parts(
    part: Mapping[str, Any], root: Schema, path: tuple[str, ...], levels: int
) -> Iterator[RecordPart]:
    for name in part.get("properties", {}):
        inner = resolve(property_schema(part, name), root)
        item = resolve(inner.get("items", {}), root)
        here = (*path, name)
        if inner.get("x-score") == "none":
            continue
        if "object" in types_of(inner) and inner.get("properties") and levels:
            yield from _parts(inner, root, here, levels - 1)
        elif "array" in types_of(inner) and item.get("properties"):
            yield RecordPart(here, item)
            for key in item["properties"]:
                scored = resolve(property_schema(item, key), root).get("x-score") != "none"
                if key not in key_fields(item) and scored:
                    yield RecordPart(here, item, key)
        else:
            yield RecordPart(here)


def corrected(record: Record | None, gold: Record, part: RecordPart, schema: Schema) -> Record:
    """Return a copy of a record in which one part is that of the gold.

    Args:
        record: of the prediction; None for one without any value.
        gold: what the part is taken from; one that it does not annotate stays as it is.
        part: the part.
        schema: of both records.
    """
    made = deepcopy(empty_record(schema) if record is None else record)
    ours, theirs = made, gold
    for key in part.path[:-1]:
        if key not in theirs:
            return made
        if not (isinstance(theirs[key], dict) and isinstance(ours.get(key), dict)):
            ours[key] = deepcopy(theirs[key])  # there is no object to put a value into
            return made
        ours, theirs = ours[key], theirs[key]
    last = part.path[-1]
    if last in theirs:
        wanted, found = theirs[last], ours.get(last)
        if part.item is not None and isinstance(wanted, list):
            wanted = _right_objects(found or [], wanted, part, schema)
        ours[last] = deepcopy(wanted)
    return made


def _right_objects(
    found: Sequence[Record], wanted: Sequence[Record], part: RecordPart, schema: Schema
) -> list[Record]:
    assert part.item is not None
    keys = key_fields(part.item)
    pairs = _same_objects(found, wanted, part.item, schema)
    if not part.key:
        return [
            {**found[pairs[number]], **{key: one[key] for key in keys if key in one}}
            if number in pairs
            else _key_alone(one, keys, part.item, schema)
            for number, one in enumerate(wanted)
        ]
    made = [dict(one) for one in found]
    for number, at in pairs.items():
        if part.key in wanted[number]:
            made[at][part.key] = wanted[number][part.key]
    return made


def _key_alone(one: Record, keys: Sequence[str], item: Mapping[str, Any], schema: Schema) -> Record:
    """Return an object without values but for its key and those that it cannot be without."""
    # References in the schema of an object lead into the whole schema.
    empty = empty_record({**schema, **item})
    needed = {*keys, *item.get("required", ())} - (empty.keys() - set(keys))
    return {
        key: one[key] if key in needed else empty[key]
        for key in one
        if key in needed | empty.keys()
    }


def _same_objects(
    found: Sequence[Record], wanted: Sequence[Record], item: Mapping[str, Any], schema: Schema
) -> dict[int, int]:
    """Return, by the number of an object that is wanted, that of the same one that was found."""
    ours = {object_key(one, item, schema): number for number, one in enumerate(found)}
    theirs = {object_key(one, item, schema): number for number, one in enumerate(wanted)}
    pairs = {number: ours[key] for key, number in theirs.items() if key in ours}
    rest = [number for number in range(len(wanted)) if number not in pairs]
    free = [number for number in range(len(found)) if number not in set(pairs.values())]
    keys = key_fields(item)

    def alike(one: int, other: int) -> float:
        texts = (canonical([each.get(key) for key in keys]) for each in (wanted[one], found[other]))
        return levenshtein_similarity(*texts)

    return pairs | {rest[a]: free[b] for a, b in best_pairs(rest, free, alike, _ALIKE)}
