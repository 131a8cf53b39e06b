"""Close the objects of a schema: no keys but those that it names."""

from __future__ import annotations

import copy
from typing import Any

from ..data import Schema
from .navigation import iter_subschemas

_OTHERS = ("$ref", "allOf", "anyOf", "oneOf", "not", "if")
"""Keywords with which other schemas describe the same value, and may name further keys."""


def closed(schema: Schema) -> Schema:
    """Return a schema whose objects allow no keys but those that they name, unless they say so.

    JSON Schema allows any other key where ``additionalProperties`` is missing, as it is in what
    pydantic and most authors write. A model would have to invent these keys.

    >>> closed({"type": "object", "properties": {}})
    {'type': 'object', 'properties': {}, 'additionalProperties': False}
    """
    made = copy.deepcopy(schema)
    for pointer, part in iter_subschemas(made):
        if "/allOf/" not in pointer and isinstance(part, dict) and _names_its_keys(part):
            part["additionalProperties"] = False
    return made


def _names_its_keys(part: dict[str, Any]) -> bool:
    says = {"additionalProperties", "patternProperties", "unevaluatedProperties", *_OTHERS}
    return "properties" in part and not part.keys() & says
