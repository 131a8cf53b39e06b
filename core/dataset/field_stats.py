"""Statistics of gold records by field: how often filled, how long, how varied."""

from __future__ import annotations

import hashlib
import statistics
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..data import Record, Schema
from ..schema.navigation import iter_fields
from ..schema.pointers import field_of, leaves
from ..schema.records import canonical

DOMINANT = 0.2
"""A value with a larger share of a field's leaves than this is listed as dominant."""

_SHOWN = 60
"""Characters of a value that are kept; longer values are compared by their hash."""


@dataclass
class _Field:
    """Statistics of one field; ``last`` is the number of the last document that fills it."""

    documents: int = 0
    last: int = -1
    lengths: array[int] = field(default_factory=lambda: array("L"))
    values: Counter[str] = field(default_factory=Counter)

    def add(self, value: Any, document: int) -> None:
        self.documents += self.last != document
        self.last = document
        text = value if isinstance(value, str) else canonical(value)
        self.lengths.append(len(text))
        self.values[_key(text)] += 1

    def as_json(self, documents: int, annotated: int) -> dict[str, Any]:
        count = len(self.lengths)
        return {
            "annotated": annotated,
            "documents": self.documents,
            "empty": annotated - self.documents,
            "absent": documents - annotated,
            "filled": round(self.documents / documents, 4) if documents else 0.0,
            "leaves": count,
            "distinct": len(self.values),
            "characters": {
                "median": statistics.median_low(self.lengths) if count else 0,
                "longest": max(self.lengths, default=0),
            },
            "dominant": [
                {"value": value.partition("\0")[0], "share": round(times / count, 4)}
                for value, times in self.values.most_common(3)
                if times > 1 and times / count > DOMINANT
            ],
        }


class FieldStatistics:
    """Counts the leaves of records by field: the schema's fields first, in its order."""

    def __init__(self, schema: Schema) -> None:
        self.documents = 0
        self._annotated: Counter[str] = Counter()
        self._fields = {
            name: _Field()
            for name, part in iter_fields(schema)
            if name and "items" not in part and not part.get("properties")
        }

    def add(self, record: Record) -> None:
        """Count the leaves of a record; null does not fill a field."""
        for pointer, value in leaves(record):
            if value is not None:
                self._fields.setdefault(field_of(pointer), _Field()).add(value, self.documents)
        self._annotated.update(record.keys())
        self.documents += 1

    def as_json(self) -> dict[str, dict[str, Any]]:
        """Return the statistics by field.

        "annotated" counts the documents whose record has the key, even if null or empty; of these
        "documents" fill it, "empty" do not, and in "absent" ones it is not annotated.
        """
        return {
            name: counts.as_json(self.documents, self._annotated[name.partition("/")[0]])
            for name, counts in self._fields.items()
        }


def _key(text: str) -> str:
    if len(text) <= _SHOWN:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{text[:_SHOWN]}…\0{digest}"
