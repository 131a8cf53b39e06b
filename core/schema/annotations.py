"""The vocabulary of schema annotations (``x-source``, ``x-score``, ``x-normalise``, ``x-key``).

JSON Schema ignores unknown keywords, and so a misspelt annotation too: it is found at load.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..data import Schema
from ..errors import did_you_mean
from .navigation import iter_subschemas

SOURCES = ("verbatim", "inferred")
"""Values of ``x-source``."""

SCORES = ("exact", "casefold", "levenshtein", "set", "text", "none")
"""Values of ``x-score``, implemented by ``scoring.equality`` and ``field_counts``."""

STEPS = ("nfkc", "dehyphenate", "spaces", "casefold", "punctuation")
"""Steps of ``x-normalise``, implemented by ``text.normalization``."""

ANNOTATIONS = ("x-source", "x-score", "x-normalise", "x-key")
"""The annotations that the core reads."""


def annotation_problem(schema: Schema) -> str | None:
    """Return what is wrong with the first annotation that the core cannot read, or None.

    Unknown keywords that begin with ``x-`` belong to other tools, unless one is nearly ours.
    """
    problems = (
        f"{pointer or 'the root'}: {problem}"
        for pointer, part in iter_subschemas(schema)
        if isinstance(part, Mapping)
        for problem in _problems(part)
    )
    return next(problems, None)


def _problems(schema: Mapping[str, Any]) -> Iterator[str]:
    for name in schema:
        spelling = str(name).replace("_", "-").casefold().replace("normalize", "normalise")
        if name not in ANNOTATIONS and spelling in ANNOTATIONS:
            yield f"there is no annotation {name!r}; {did_you_mean(spelling, ANNOTATIONS)}"
    for name, known in (("x-source", SOURCES), ("x-score", SCORES)):
        if (value := schema.get(name, known[0])) not in known:
            yield f"{name} is {value!r}; {did_you_mean(str(value), known)}"
    steps, keys = schema.get("x-normalise", []), schema.get("x-key", [])
    if not isinstance(steps, list):
        yield "x-normalise is a list of steps, such as ['dehyphenate', 'spaces']"
        steps = []
    for step in steps:
        if step not in STEPS:
            yield f"x-normalise has no step {step!r}; {did_you_mean(str(step), STEPS)}"
    if not isinstance(keys, list) or any(key not in schema.get("properties", {}) for key in keys):
        yield f"x-key is {keys!r}; it is a list of properties of that object"
