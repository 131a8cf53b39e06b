"""Align the verbatim leaves of a gold record to the document: where each occurs, or why not."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..data import Example, Schema, Span
from ..errors import shortened
from ..schema.navigation import property_schema, resolve
from ..schema.pointers import leaves, pointer_of
from ..schema.records import first_problem
from ..text.grounding import align, is_word_span, normalised_occurrences
from .cutting import Window

SpansByWindow = Mapping[int, Sequence[Span]]
"""The spans of a leaf that are whole in a window, by its number; only windows that have one."""

_LISTED = 3
"""How many spellings of an ambiguous leaf a message lists."""


@dataclass(frozen=True)
class AlignedLeaf:
    """Where a leaf occurs in the document.

    Attributes:
        spans: its occurrences, in offsets of the document.
        respelled: whether the text spells it in another way than the gold.
        reason: why there are no spans.
    """

    spans: Sequence[Span]
    respelled: bool = False
    reason: str = ""


class Alignment:
    """The verbatim leaves of a record, by JSON Pointer.

    Attributes:
        text: the document's.
        leaves: where each verbatim leaf occurs.
        by_window: in which windows it is whole.
    """

    def __init__(
        self,
        example: Example,
        windows: Sequence[Window],
        schemas: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.text = example.document.text
        self._mentions = example.mentions
        self._starts = [window.start for window in windows]
        self._ends = [window.end for window in windows]
        self.leaves = {
            pointer: self._align(pointer, leaf)
            for pointer, leaf in leaves(example.record)
            if isinstance(leaf, str) and schemas[pointer].get("x-source") == "verbatim"
        }
        self.by_window = {pointer: self._inside(leaf) for pointer, leaf in self.leaves.items()}

    def verbatim_in(self, value: Any, pointer: str) -> dict[str, SpansByWindow]:
        """Return the spans of every verbatim leaf in a value, by its pointer."""
        inside = (pointer + inner for inner, _leaf in leaves(value))
        return {here: self.by_window[here] for here in inside if here in self.by_window}

    def strings_in(self, value: Any, pointer: str) -> dict[str, SpansByWindow]:
        """Return the spans of every string in a value, verbatim or not."""
        return {
            pointer + inner: self._inside(self._align(pointer + inner, leaf))
            for inner, leaf in leaves(value)
            if isinstance(leaf, str)
        }

    def _align(self, pointer: str, value: str) -> AlignedLeaf:
        return align_leaf(self.text, value, self._mentions.get(pointer, ()))

    def _inside(self, leaf: AlignedLeaf) -> SpansByWindow:
        inside: dict[int, list[Span]] = {}
        for start, end in leaf.spans:
            for number in range(bisect_left(self._ends, end), bisect_right(self._starts, start)):
                inside.setdefault(number, []).append((start, end))
        return inside


def align_leaf(text: str, value: str, mentions: Sequence[Span]) -> AlignedLeaf:
    """Find the occurrences of a value: its mentions, or else what the text spells like it."""
    trimmed = (_trimmed(text, span) for span in mentions)
    if spans := sorted(span for span in trimmed if is_word_span(text, span)):
        return AlignedLeaf(spans)
    found = align(text, value)
    if found:
        return AlignedLeaf(found, respelled=text[slice(*found[0])] != value)
    if found is None:
        return _disambiguated(text, value, normalised_occurrences(text, value))
    is_cut = mentions or (value.strip() and value in text)
    return AlignedLeaf((), reason="not on word borders" if is_cut else "not in the text")


def _disambiguated(text: str, value: str, spans: Sequence[Span]) -> AlignedLeaf:
    """Choose among several spellings: those that differ from the value by layout alone, if any.

    A title occurs again where the page is cited, in other case or with its lines broken elsewhere.
    """
    alike = [
        span for span in spans if _without_layout(text[slice(*span)]) == _without_layout(value)
    ]
    chosen = alike or spans
    spellings = list(dict.fromkeys(text[slice(*span)] for span in chosen))
    if len(set(map(_without_layout, spellings))) == 1:
        return AlignedLeaf(chosen, respelled=True)
    listing = ", ".join(map(shortened, spellings[:_LISTED]))
    more = ", …" if len(spellings) > _LISTED else ""
    return AlignedLeaf((), reason=f"several readings in the text: {listing}{more}")


def _without_layout(spelling: str) -> str:
    """Return a spelling without what line breaks change: white space and hyphens."""
    return "".join(spelling.replace("-", "").split())


def _trimmed(text: str, span: Span) -> Span:
    """Return a span without the white space at its ends."""
    value = text[slice(*span)]
    start = span[0] + len(value) - len(value.lstrip())
    return start, start + len(value.strip())


def value_schemas(
    value: Any, schema: Mapping[str, Any] | bool, root: Schema, pointer: str = ""
) -> dict[str, Mapping[str, Any]]:
    """Return the schema of a value and of every value in it, by JSON Pointer."""
    here = _matching_schema(value, schema, root)
    found = {pointer: here}
    if isinstance(value, dict):
        for key, inner in value.items():
            below = pointer + pointer_of([key])
            found |= value_schemas(inner, property_schema(here, key), root, below)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found |= value_schemas(inner, here.get("items", {}), root, f"{pointer}/{index}")
    return found


def _matching_schema(
    value: Any, schema: Mapping[str, Any] | bool, root: Schema
) -> Mapping[str, Any]:
    """Return what a schema says about a value: of several branches the first that accepts it."""
    here = resolve(schema, root)
    for branch in (*here.get("anyOf", ()), *here.get("oneOf", ())):
        if first_problem(value, root, branch) is None:
            return {**_matching_schema(value, branch, root), **here}
    return here
