"""What a schema may demand of an answer, so that one can be generated and checked in good time."""

from __future__ import annotations

from collections.abc import Mapping

from ..data import Schema
from .navigation import iter_subschemas

_MOST_DEMANDED = {
    "minItems": (1_000, "items"),
    "minProperties": (1_000, "keys"),
    "minLength": (10_000, "characters"),
}
"""Keywords that demand something, how much of it an answer can have, and what it is."""

_LONGEST_PATTERN = 2_000
"""Characters of a regular expression."""


def excess(schema: Schema) -> str | None:
    """Return what a schema demands that no answer can hold, with pointer and keyword, or None."""
    for pointer, part in iter_subschemas(schema):
        if not isinstance(part, Mapping):
            continue
        for keyword, (most, what) in _MOST_DEMANDED.items():
            if part.get(keyword, 0) > most:
                return (
                    f"{pointer or '/'}: {keyword!r} demands {part[keyword]:g} {what}, and an "
                    f"answer holds {most} at most; lower it or leave it out"
                )
        patterns = [("pattern", part.get("pattern", ""))]
        patterns += (("patternProperties", key) for key in part.get("patternProperties", ()))
        for keyword, pattern in patterns:
            if len(pattern) > _LONGEST_PATTERN:
                return (
                    f"{pointer or '/'}: {keyword!r} has {len(pattern)} characters, and "
                    f"{_LONGEST_PATTERN} are the most that is compiled; shorten it"
                )
    return None
