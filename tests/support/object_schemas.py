"""Schemas of objects and lists, and windows cut by hand."""

from __future__ import annotations

from typing import Any

from fieldsmith import Document, Schema
from fieldsmith.windows.cutting import Window

NAME = {"type": "string", "x-source": "verbatim"}
MAYBE = {"type": ["string", "null"], "x-source": "verbatim"}
TEXT = {"type": "string"}


def an_object(properties: dict[str, Any], *required: str, **more: Any) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
        **more,
    }


def a_list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


DRUGS: Schema = an_object(
    {
        "drugs": a_list(NAME),
        "harms": a_list(an_object({"drug": NAME, "harm": NAME}, "drug", "harm")),
    }
)


def windows_at(text: str, *parts: str) -> list[Window]:
    """Return windows of the given parts of a text, in order."""
    found, at = [], 0
    for part in parts:
        at = text.index(part, at)
        found.append(Window(Document("one", part), at))
    return found
