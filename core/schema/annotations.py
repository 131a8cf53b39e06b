"""The annotations of a schema that the core reads: what they may say, checked at load.

Other tools ignore them, and so would we ignore a misspelt one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..data import Schema
from ..errors import did_you_mean
from .pointers import pointer_of

SOURCES = ("verbatim", "inferred")
"""Values of ``x-source``."""

SCORES = ("exact", "casefold", "levenshtein", "set", "text", "none")
"""Values of ``x-score``; "set" of a list is "casefold" of its items."""

STEPS = ("nfkc", "dehyphenate", "spaces", "casefold", "punctuation")
"""Steps of ``x-normalise``."""

ANNOTATIONS = ("x-source", "x-score", "x-normalise", "x-key")
"""The annotations that the core reads."""


def annotation_problem(schema: Schema) -> str | None:
    """Say what is wrong with the first annotation that the core cannot read; None if all are right.

    Unknown names that begin with ``x-`` are other people's, unless they are nearly one of ours.
    """
    return next(_problems(schema, ()), None)


def _problems(schema: Any, path: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    where = pointer_of(path) or "the root"
    yield from (f"{where}: {problem}" for problem in _own_problems(schema))
    for key, inner in schema.items():
        if key in ("properties", "$defs", "patternProperties") and isinstance(inner, Mapping):
            for name, part in inner.items():
                yield from _problems(part, (*path, key, name))
        elif key in ("items", "additionalProperties", "not"):
            yield from _problems(inner, (*path, key))
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(inner, list):
            for number, part in enumerate(inner):
                yield from _problems(part, (*path, key, str(number)))


def _own_problems(schema: Mapping[str, Any]) -> Iterator[str]:
    for name in schema:
        spelling = str(name).replace("_", "-").casefold().replace("normalize", "normalise")
        if name not in ANNOTATIONS and spelling in ANNOTATIONS:
            yield f"there is no annotation {name!r}; {did_you_mean(spelling, ANNOTATIONS)}"
    source, score = schema.get("x-source", SOURCES[0]), schema.get("x-score", SCORES[0])
    if source not in SOURCES:
        yield f"x-source is {source!r}; {did_you_mean(str(source), SOURCES)}"
    if score not in SCORES:
        yield f"x-score is {score!r}; {did_you_mean(str(score), SCORES)}"
    steps, keys = schema.get("x-normalise", []), schema.get("x-key", [])
    if not isinstance(steps, list):
        yield "x-normalise is a list of steps, such as ['dehyphenate', 'spaces']"
    else:
        yield from (
            f"x-normalise has no step {step!r}; {did_you_mean(str(step), STEPS)}"
            for step in steps
            if step not in STEPS
        )
    if not isinstance(keys, list) or any(key not in schema.get("properties", {}) for key in keys):
        yield f"x-key is {keys!r}; it is a list of properties of that object"
