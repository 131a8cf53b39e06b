"""Validate ``pattern`` and ``patternProperties`` within a bound of time.

Python's own regular expressions take time that grows exponentially with the text for some patterns,
such as ``(a+)+$``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import regex
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

_SECONDS = 1.0
"""How long a pattern may be searched for in one value."""


def _pattern(
    _validator: Any, pattern: str, value: object, _schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not isinstance(value, str):
        return
    try:
        if not regex.search(pattern, value, timeout=_SECONDS):
            yield ValidationError(f"{value!r} does not match {pattern!r}")
    except TimeoutError:
        yield _endless(pattern)


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], value: object, _schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not isinstance(value, dict):
        return
    for pattern, schema in patterns.items():
        for key, inner in value.items():
            try:
                found = regex.search(pattern, key, timeout=_SECONDS)
            except TimeoutError:
                yield _endless(pattern)
                return
            if found:
                yield from validator.descend(inner, schema, path=key, schema_path=pattern)


def _additional_properties(
    validator: Any, allowed: Any, value: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    patterns = schema.get("patternProperties", {})
    if not patterns or not isinstance(value, dict):
        yield from _ADDITIONAL(validator, allowed, value, schema)
        return
    named = schema.get("properties", {})
    try:
        others = [
            key
            for key in value
            if key not in named
            and not any(regex.search(pattern, key, timeout=_SECONDS) for pattern in patterns)
        ]
    except TimeoutError:
        return  # of which patternProperties tells
    for key in others:
        yield from validator.descend(value[key], allowed, path=key)


_ADDITIONAL: Any = Draft202012Validator.VALIDATORS["additionalProperties"]
"""The keyword as jsonschema has it, which searches for the patterns without a bound."""


def _endless(pattern: str) -> ValidationError:
    return ValidationError(
        f"the pattern {pattern!r} takes longer than {_SECONDS:g} s; write it without nested repeats"
    )


BoundedValidator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    },
)
"""JSON Schema (2020-12), its patterns searched for within a bound of time."""
