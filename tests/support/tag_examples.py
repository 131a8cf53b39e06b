"""A text, its schema and what tags may say of it."""

from __future__ import annotations

import re

import numpy as np

from fieldsmith.data import Schema
from fieldsmith.tagging.decoder import Opinion, Spot

TEXT = "Zinc oxide, iron-based salts and ZINC OXIDE: a study of salts."
SCHEMA: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "title": {"type": ["string", "null"], "x-source": "verbatim"},
        "names": {
            "type": ["array", "null"],
            "maxItems": 3,
            "items": {"type": "string", "x-source": "verbatim"},
        },
        "pairs": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"drug": {"type": "string", "x-source": "verbatim"}},
            },
        },
    },
}


def told(values: list[tuple[str, float]]) -> Opinion:
    """Return the opinion of tags that find these values, each word a token."""
    words = [(match.start(), match.end()) for match in re.finditer(r"[\w-]+", TEXT)]
    begins, inside = np.zeros(len(words)), np.zeros(len(words))
    spots = []
    for value, sure in values:
        span = TEXT.index(value), TEXT.index(value) + len(value)
        first, *rest = [n for n, word in enumerate(words) if span[0] <= word[0] < span[1]]
        begins[first], inside[rest] = sure, sure
        spots.append(Spot(span, sure))
    opinion = Opinion([word[0] for word in words], [word[1] for word in words], begins, inside)
    opinion.spots = spots
    return opinion
