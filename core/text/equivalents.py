"""Find values that a text writes in another notation: numbers, dates and times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from decimal import Decimal

from ..data import Span
from ..schema.pointers import Leaf
from .date_forms import date_keys, dates_in
from .number_forms import numbers_in
from .typed_values import number_key

Equivalents = Mapping[Leaf, tuple[Span, ...]]
"""Number, date or time -> where a text states it, left to right, without overlaps."""


def equivalents(text: str, values: Iterable[Leaf]) -> Equivalents:
    """Return where a text states numbers, dates and times, in whatever notation.

    >>> equivalents("Paid €1,234.50 on 5 January 2024.", [1234.5, "2024-01-05"])
    {1234.5: ((6, 14),), '2024-01-05': ((18, 32),)}

    Other values are not sought: booleans, and strings that are no date or time of RFC 3339. Of a
    value that can be read in several ways each counts. The text is read once, whatever the number
    of values, and not at all if none can be found. The time is linear in its length.

    Args:
        text: the text.
        values: leaves of a record.
    """
    keys = {value: _keys(value) for value in values if not isinstance(value, bool)}
    sought = {key for own in keys.values() for key in own}
    if not sought:
        return {}
    spans: defaultdict[Hashable, set[Span]] = defaultdict(set)
    numbers = {key for key in sought if isinstance(key, Decimal)}
    for key, span in numbers_in(text, numbers) if numbers else ():
        spans[key].add(span)
    for key, span in dates_in(text, sought - numbers) if sought - numbers else ():
        spans[key].add(span)
    found = {
        value: _without_overlaps(span for key in own for span in spans[key])
        for value, own in keys.items()
    }
    return {value: places for value, places in found.items() if places}


def _keys(value: Leaf) -> list[Hashable]:
    if isinstance(value, str):
        return date_keys(value)
    key = None if value is None else number_key(value)
    return [key] if isinstance(key, Decimal) else []


def _without_overlaps(spans: Iterable[Span]) -> tuple[Span, ...]:
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return tuple(kept)
