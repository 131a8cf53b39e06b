"""Documents and rejects as JSON: to hash them, and to hand them to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from ..data import Document, PageWord, Reject


def row_as_json(row: Document | Reject) -> dict[str, Any]:
    """Return a row as an object of JSON; a reject without its document, which is not predicted on.

    Words are in it where there are some, so that a text without pages is what it always was.
    """
    if isinstance(row, Reject):
        return asdict(replace(row, document=None))
    found: dict[str, Any] = {"id": row.id, "text": row.text, "meta": dict(row.meta)}
    return found | ({"words": [list(word) for word in row.words]} if row.words else {})


def row_of_json(row: Mapping[str, Any]) -> Document | Reject:
    """Return the row that ``row_as_json`` was given."""
    if "place" in row:
        return Reject(**row)
    words = [PageWord(*word) for word in row.get("words", ())]
    return Document(row["id"], row["text"], row["meta"], words)
