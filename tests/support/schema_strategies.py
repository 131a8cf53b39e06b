"""Any schema of records, and values that are valid under it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from fieldsmith.schema.records import write_record

Domain = tuple[dict[str, Any], dict[str, Any]]
"""A schema and a record of it."""

KEYS = ["a", "b", 'q"\\', "é/~", ""]


@st.composite
def fields(draw: st.DrawFn, depth: int, *, closable: bool) -> tuple[dict[str, Any], Any]:
    """Draw a schema and a value of it; closable: whatever is in it can be left out or be null."""
    kinds = ["string", "integer", "number", "boolean", "enum"]
    kind = draw(st.sampled_from([*kinds, "array", "array", "object", "object"] if depth else kinds))
    schema: dict[str, Any]
    value: Any
    if kind == "array":
        items, _value = draw(fields(depth - 1, closable=closable))
        least = 0 if closable else draw(st.integers(0, 2))
        schema = {"type": "array", "items": items, "minItems": least}
        value = [draw(values_of(items)) for _ in range(draw(st.integers(least, 3)))]
        return schema, value
    if kind == "object":
        schema = draw(objects(depth, closable=closable))
        return schema, draw(values_of(schema))
    if kind == "enum":
        schema = {"enum": ["x", "xy", None] if closable or draw(st.booleans()) else ["x", 1]}
    else:
        schema = {"type": [kind, "null"] if closable or draw(st.booleans()) else kind}
        if kind == "string":
            schema |= draw(st.sampled_from([{}, {"x-source": "verbatim"}, {"minLength": 1}]))
    return schema, draw(values_of(schema))


@st.composite
def objects(draw: st.DrawFn, depth: int = 3, *, closable: bool) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=4))
    inner = {name: draw(fields(depth - 1, closable=closable))[0] for name in names}
    required = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    schema = {"type": "object", "properties": inner, "required": required}
    return schema | {"additionalProperties": False}


def values_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    strings = st.text('ab"\\\n\u2028😀é,:{}[]1', min_size=1, max_size=4)
    strategies: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
        "null": st.none,
        "boolean": st.booleans,
        "integer": lambda: st.integers(-200, 200),
        "number": lambda: st.integers(-20, 20) | st.floats(-100, 100, width=16),
        "string": lambda: strings,
        "array": lambda: st.lists(
            values_of(schema["items"]), min_size=schema["minItems"], max_size=3
        ),
        "object": lambda: st.fixed_dictionaries(
            {k: values_of(p) for k, p in schema["properties"].items() if k in schema["required"]},
            optional={
                k: values_of(p)
                for k, p in schema["properties"].items()
                if k not in schema["required"]
            },
        ),
    }
    return st.one_of([strategies[kind]() for kind in kinds])


@st.composite
def domains(draw: st.DrawFn, *, closable: bool) -> Domain:
    schema = draw(objects(closable=closable))
    record = draw(values_of(schema))
    return schema, json.loads(write_record(record, schema))


def schema_of(part: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": ["a"], "properties": {"a": part}}
