"""Data augmentation: copies of windows with values replaced by values from other documents.

A model that is fine-tuned on few documents memorises their names. Where a name is replaced by
another one of the same field, in the text and in the record, the model sees names in many contexts
and contexts with many names (mention replacement: Dai and Adel 2020, "An analysis of simple data
augmentation for named entity recognition").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from ..data import Document, Record, Schema, Span
from ..schema.navigation import is_verbatim
from ..schema.pointers import field_of, leaves, pointer_of
from ..text.grounding import ground_string, occurrences

_REPLACED_SHARE = 0.7
"""Share of a window's values that is replaced; the rest stays, so that old and new names mix."""


def augmented(
    windows: Sequence[tuple[Document, Record]], schema: Schema, seed: int
) -> Iterator[tuple[Document, Record]]:
    """Yield a copy of each window with other values, in order; unchanged where it has none.

    Args:
        windows: texts, and records whose verbatim leaves occur in them.
        schema: the schema of a record.
        seed: equal seeds give equal copies.
    """
    values = _values_by_field(windows, schema)
    random = Random(seed)
    for document, record in windows:
        replacements = _draw_replacements(document.text, record, values, schema, random)
        text = _replace_in_text(document.text, replacements)
        changed = _replace_in_record(record, replacements, schema)
        # A name may now be beside another one, so that it is no longer a whole word.
        values_now = {value for _field, value in _verbatim_values(changed, schema)}
        is_grounded = all(ground_string(value, text).spans for value in values_now)
        yield (replace(document, text=text), changed) if is_grounded else (document, record)


def _values_by_field(
    windows: Iterable[tuple[Document, Record]], schema: Schema
) -> Mapping[str, Sequence[str]]:
    """Return the distinct verbatim values of each field, in order of occurrence."""
    found: dict[str, dict[str, None]] = {}
    for _document, record in windows:
        for field, value in _verbatim_values(record, schema):
            found.setdefault(field, {})[value] = None
    return {field: list(values) for field, values in found.items()}


def _verbatim_values(record: Record, schema: Schema) -> Iterator[tuple[str, str]]:
    """Yield (field, value) of every verbatim string."""
    for pointer, value in leaves(record):
        if isinstance(value, str) and is_verbatim(pointer, schema):
            yield field_of(pointer), value


def _draw_replacements(
    text: str, record: Record, values: Mapping[str, Sequence[str]], schema: Schema, random: Random
) -> dict[str, str]:
    """Draw new values that do not occur in the text: old value -> new value."""
    replacements: dict[str, str] = {}
    seen: set[str] = set()
    for field, value in _verbatim_values(record, schema):
        if value in seen:
            continue
        seen.add(value)
        new = random.choice(values[field])
        is_drawn = random.random() < _REPLACED_SHARE
        if is_drawn and new not in text and new not in replacements.values():
            replacements[value] = new
    return replacements


def _replace_in_text(text: str, replacements: Mapping[str, str]) -> str:
    """Replace each whole occurrence; of two that overlap, the one of the longer value."""
    changes: list[tuple[Span, str]] = []
    for value in sorted(replacements, key=len, reverse=True):
        for span in occurrences(text, value):
            if all(span[1] <= other[0] or other[1] <= span[0] for other, _ in changes):
                changes.append((span, replacements[value]))
    for (start, end), new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _replace_in_record(record: Record, replacements: Mapping[str, str], schema: Schema) -> Record:
    """Replace the verbatim strings of a record."""

    def changed(value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, dict):
            return {key: changed(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [changed(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, str) and is_verbatim(pointer_of(path), schema):
            return replacements.get(value, value)
        return value

    return {key: changed(item, (key,)) for key, item in record.items()}
