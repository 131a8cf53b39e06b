"""A text, its schema and tag probabilities over it."""

from __future__ import annotations

import re

import numpy as np

from fieldsmith.data import Schema
from fieldsmith.tagging.decoder import FieldTags, TaggedSpan

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


def tags_of(values: list[tuple[str, float]]) -> FieldTags:
    """Return tag probabilities that find these values, each word a token."""
    words = [(match.start(), match.end()) for match in re.finditer(r"[\w-]+", TEXT)]
    begins, inside = np.zeros(len(words)), np.zeros(len(words))
    spans = []
    for value, sure in values:
        span = TEXT.index(value), TEXT.index(value) + len(value)
        first, *rest = [n for n, word in enumerate(words) if span[0] <= word[0] < span[1]]
        begins[first], inside[rest] = sure, sure
        spans.append(TaggedSpan(span, sure))
    tags = FieldTags([word[0] for word in words], [word[1] for word in words], begins, inside)
    tags.values = spans
    return tags
