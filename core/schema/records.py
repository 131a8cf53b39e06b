"""A plugin's JSON Schema at work: write, read and validate records, walk their leaves."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator

from ..data import Record, Schema
from ..files import check_json, parse_json
from .navigation import member, resolve
from .pointers import pointer_of


class InvalidRecordError(ValueError):
    """A text is not JSON, or not a record of the schema; the message names the place in it."""


def canonical(value: object) -> str:
    """Return ``value`` as JSON that is the same for equal values: sorted keys, no white space."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def write_record(record: Record, schema: Schema) -> str:
    """Write a record as compact JSON with its keys in the schema's order.

    This is the one form that is trained, generated and read: no white space, no exponents, no
    fraction of zero. Keys that the schema does not name follow in their own order.
    """
    return _compact(in_schema_order(record, schema, schema))


def _compact(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_compact(k)}:{_compact(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_compact, value)) + "]"
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def in_schema_order(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """Return ``value`` with the keys of every object in the order of ``properties``."""
    schema = resolve(schema, root)
    if isinstance(value, dict):
        properties: Mapping[str, Any] = schema.get("properties", {})
        keys = [key for key in properties if key in value]
        keys += [key for key in value if key not in properties]
        return {key: in_schema_order(value[key], member(schema, key), root) for key in keys}
    if isinstance(value, list):
        return [in_schema_order(item, schema.get("items", {}), root) for item in value]
    return value


def read_record(text: str, schema: Schema) -> Record:
    """Read a generated text as a record, strictly.

    Raises:
        InvalidRecordError: not JSON, a key twice in one object, a number that JSON does not have,
            half a surrogate pair, too deep, or not valid against ``schema``.
    """
    try:
        record = parse_json(text)
        check_json(record)
    except ValueError as error:
        raise InvalidRecordError(f"not JSON: {error}") from error
    problem = first_problem(record, schema)
    if problem:
        pointer, message = problem
        raise InvalidRecordError(f"{pointer or 'the record'}: {message}")
    assert isinstance(record, dict)  # the root of a plugin's schema is an object
    return record


def first_problem(
    value: object, schema: Schema, part: Mapping[str, Any] | None = None
) -> tuple[str, str] | None:
    """Return (JSON Pointer, message) of the first thing that makes a record invalid, or None.

    part: a schema within ``schema`` that ``value`` is held against instead.
    """
    validator = _validator(canonical(schema))
    errors = (validator if part is None else validator.evolve(schema=part)).iter_errors(value)
    error = min(errors, key=lambda error: (list(map(str, error.path)), error.message), default=None)
    if error is None:
        return None
    message = error.message  # opens with the value, however long, and ends in what is wrong
    message = message if len(message) <= 200 else f"{message[:99]}…{message[-100:]}"
    return pointer_of(error.absolute_path), message.replace("\n", " ")


@lru_cache(maxsize=64)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))
