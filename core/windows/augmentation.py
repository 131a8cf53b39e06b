"""Windows in which values of other documents stand in the place of their own.

A model that is fine-tuned on few documents learns their names by heart. Where a name is replaced by
another one of its field, in the text and in the record, names are met in many contexts and contexts
with many names (mention replacement: Dai and Adel 2020, "An analysis of simple data augmentation
for named entity recognition").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from ..data import Document, Record, Schema, Span
from ..schema.navigation import is_verbatim
from ..schema.pointers import field_of, leaves, pointer_of
from ..text.grounding import ground, occurrences

_SHARE = 0.7
"""Of the values of a window, so many are replaced: some names are to be met with each other."""


def swapped(
    windows: Sequence[tuple[Document, Record]], schema: Schema, seed: int
) -> Iterator[tuple[Document, Record]]:
    """Yield each window with other values in it, in order; as it is where it holds none.

    windows: texts, and records whose verbatim leaves stand in them.
    seed: equal seeds give equal windows.
    """
    values = _values(windows, schema)
    random = Random(seed)
    for document, record in windows:
        chosen = _chosen(document.text, record, values, schema, random)
        text = _replaced(document.text, chosen)
        changed = _renamed(record, chosen, schema)
        # A name that has come to stand beside another one may no longer be a span of its own.
        whole = all(
            found.spans
            for pointer, found in ground(changed, text).items()
            if found.status != "absent" and is_verbatim(pointer, schema)
        )
        yield (replace(document, text=text), changed) if whole else (document, record)


def _values(
    windows: Iterable[tuple[Document, Record]], schema: Schema
) -> Mapping[str, Sequence[str]]:
    """Return the different verbatim values of each field."""
    found: dict[str, dict[str, None]] = {}
    for _document, record in windows:
        for pointer, value in _verbatim(record, schema):
            found.setdefault(field_of(pointer), {})[value] = None
    return {name: list(values) for name, values in found.items()}


def _verbatim(record: Record, schema: Schema) -> Iterator[tuple[str, str]]:
    for pointer, value in leaves(record):
        if isinstance(value, str) and is_verbatim(pointer, schema):
            yield pointer, value


def _chosen(
    text: str, record: Record, values: Mapping[str, Sequence[str]], schema: Schema, random: Random
) -> dict[str, str]:
    """Return what comes in the place of which value, wherever that stands."""
    chosen: dict[str, str] = {}
    seen: set[str] = set()
    for pointer, value in _verbatim(record, schema):
        if value in seen:
            continue
        seen.add(value)
        other = random.choice(values[field_of(pointer)])
        if random.random() < _SHARE and other not in text and other not in chosen.values():
            chosen[value] = other
    return chosen


def _replaced(text: str, chosen: Mapping[str, str]) -> str:
    """Return the text with each whole occurrence replaced; of two that overlap, the longer one."""
    places: list[tuple[Span, str]] = []
    for value in sorted(chosen, key=len, reverse=True):
        for span in occurrences(text, value):
            if all(span[1] <= other[0] or other[1] <= span[0] for other, _ in places):
                places.append((span, chosen[value]))
    for (start, end), other in sorted(places, reverse=True):
        text = text[:start] + other + text[end:]
    return text


def _renamed(record: Record, chosen: Mapping[str, str], schema: Schema) -> Record:
    def part(value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, dict):
            return {key: part(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [part(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, str) and is_verbatim(pointer_of(path), schema):
            return chosen.get(value, value)
        return value

    return {key: part(item, (key,)) for key, item in record.items()}
