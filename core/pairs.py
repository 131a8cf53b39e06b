"""Relations between windows: which values share none, and the windows that hold both ends.

What one window cannot hold is asked for in a second pass, from the two windows around its ends.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .data import Document, Record, Schema
from .grounding import readings
from .normal_forms import normalise
from .schema import kinds_of, pointer_of, resolve
from .windows import Window

BETWEEN = "\n\n"
"""Stands between two windows that are read as one, where the text between them is left out."""

_MOST = 4
"""Joined windows for each window of a document, at most: the nearest ends come first."""

Joint = tuple[int, int]
"""The numbers of two windows, in order."""


@dataclass(frozen=True)
class Relation:
    """A list of objects that join the values of two other lists of the record.

    field: the key of the list.
    ends: key of the object -> key of the list whose values stand there.
    """

    field: str
    ends: Mapping[str, str]


def relations(schema: Schema) -> list[Relation]:
    """Return the relations of a schema.

    They are lists of objects whose ``x-key`` names two verbatim strings, each called as a list of
    verbatim strings is, in the singular: "chemical" beside "chemicals".
    """
    properties = schema.get("properties", {})
    named = {key for key in properties if _is_verbatim(_items(properties[key], schema), schema)}
    found = []
    for field, listed in properties.items():
        item = _items(listed, schema)
        keys = item.get("x-key", ())
        members = item.get("properties", {})
        ends = {key: _plural(key, named) for key in keys if _is_verbatim(members.get(key), schema)}
        if len(keys) == len(ends) == 2 and all(ends.values()):
            found.append(Relation(field, ends))
    return found


def _items(listed: Any, schema: Schema) -> Mapping[str, Any]:
    field = resolve(listed, schema)
    return resolve(field.get("items", {}), schema) if "array" in kinds_of(field) else {}


def _is_verbatim(field: Any, schema: Schema) -> bool:
    here = resolve(field or {}, schema)
    return "string" in kinds_of(here) and here.get("x-source") == "verbatim"


def _plural(key: str, names: Iterable[str]) -> str:
    """Return the name of the list whose values a key holds; "" where there is none."""
    forms = (f"{key}s", f"{key}es", f"{key.removesuffix('y')}ies", key)
    return next((form for form in forms if form in names), "")


def nearest(one: Iterable[int], other: Iterable[int]) -> Joint | None:
    """Return the two windows nearest to each other that hold two values between them.

    one, other: the windows of each. None where a window holds both, or none holds one of them.
    """
    held, rest = set(one), sorted(set(other))
    if not rest or held.intersection(rest):
        return None
    best: Joint | None = None
    for number in sorted(held):
        at = bisect_left(rest, number)
        for beside in rest[max(at - 1, 0) : at + 1]:
            if best is None or abs(number - beside) < best[1] - best[0]:
                best = min(number, beside), max(number, beside)
    return best


def joined(document: Document, windows: Sequence[Window], joint: Joint) -> Window:
    """Return two windows of a document as one; neighbours keep what stands between them."""
    first, second = parts = tuple(windows[number] for number in joint)
    if document.text[first.end : second.start].strip():
        text = first.document.text + BETWEEN + second.document.text
    else:
        text = document.text[first.start : second.end]
    return Window(replace(document, text=text), first.start, parts)


def holders(document: Document, windows: Sequence[Window], value: str) -> list[int]:
    """Return the numbers of the windows in which a value stands, in any spelling; rising."""
    starts, ends = ([window.start for window in windows], [window.end for window in windows])
    return sorted(
        {
            number
            for start, end in readings(document.text, value)
            for number in range(bisect_left(ends, end), bisect_right(starts, start))
        }
    )


@dataclass(frozen=True)
class Apart:
    """The values of a document's record that no window holds together.

    pairs: (field, value at one end, value at the other, both without regard to case and white
        space) -> the windows nearest to each other that hold them between them.
    """

    pairs: Mapping[tuple[str, str, str], Joint]

    @staticmethod
    def of(document: Document, windows: Sequence[Window], record: Record, schema: Schema) -> Apart:
        """Find the pairs that the relations of a schema could join."""
        known: dict[str, list[int]] = {}
        pairs: dict[tuple[str, str, str], Joint] = {}
        for relation in relations(schema):
            ones, others = (
                [value for value in record.get(name) or [] if isinstance(value, str)]
                for name in relation.ends.values()
            )
            for value in (*ones, *others):
                if value not in known:
                    known[value] = holders(document, windows, value)
            for one in ones:
                for other in others:
                    if joint := nearest(known[one], known[other]):
                        pairs[relation.field, _alike(one), _alike(other)] = joint
        return Apart(pairs)

    def joints(self, windows: int) -> list[Joint]:
        """Return which windows to join, the nearest first; see ``_MOST``.

        windows: how many the document has.
        """
        return ordered(self.pairs.values())[: _MOST * windows]

    def among(self, record: Record, schema: Schema) -> tuple[Record, dict[str, str]]:
        """Return what of an answer joins such pairs.

        Returns:
            The relations alone, and the JSON Pointers of their leaves: before -> now.
        """
        kept: Record = {}
        moved: dict[str, str] = {}
        for relation in relations(schema):
            items = kept.setdefault(relation.field, [])
            for position, item in enumerate(record.get(relation.field) or []):
                one, other = (item.get(key) for key in relation.ends)
                if (relation.field, _alike(one), _alike(other)) in self.pairs:
                    for key in item:
                        before = pointer_of([relation.field, position, key])
                        moved[before] = pointer_of([relation.field, len(items), key])
                    items.append(item)
        return kept, moved


def _alike(value: Any) -> str:
    return normalise(value, ["spaces", "casefold"]) if isinstance(value, str) else ""


def ordered(joints: Iterable[Joint]) -> list[Joint]:
    """Return joints without repeats, the nearest first, then in the order of the text."""
    return sorted(set(joints), key=lambda joint: (joint[1] - joint[0], joint))
