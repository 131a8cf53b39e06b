"""Records of a JSON Schema: write them as JSON, read and validate them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jsonschema.exceptions import ValidationError

from ..data import Record, Schema
from ..files import check_json, parse_json
from .formats import FORMAT_CHECKER
from .navigation import property_schema, resolve
from .patterns import BoundedValidator
from .pointers import pointer_of


class InvalidRecordError(ValueError):
    """A text is not JSON, or not valid against the schema; the message names the JSON Pointer."""


def canonical(value: object) -> str:
    """Return canonical JSON, equal for equal values: sorted keys, no white space."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def write_record(record: Record, schema: Schema) -> str:
    """Write a record as compact JSON with its keys in the schema's order.

    Models are trained on this form and generate it: no white space, no exponents, whole numbers
    without a fraction. Keys that the schema does not name come last, in their own order.
    """
    return write_value(_in_schema_order(record, schema, schema))


def write_value(value: Any) -> str:
    """Write a value as ``write_record`` does, its keys in their own order."""
    if isinstance(value, dict):
        members = (f"{write_value(key)}:{write_value(item)}" for key, item in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write_value, value)) + "]"
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _in_schema_order(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """Return ``value`` with the keys of every object in the order of ``properties``."""
    schema = resolve(schema, root)
    if isinstance(value, dict):
        ordered = {key: value[key] for key in schema.get("properties", {}) if key in value} | value
        return {
            key: _in_schema_order(item, property_schema(schema, key), root)
            for key, item in ordered.items()
        }
    if isinstance(value, list):
        return [_in_schema_order(item, schema.get("items", {}), root) for item in value]
    return value


def read_record(text: str, schema: Schema) -> Record:
    """Parse a generated text strictly and validate it as a record.

    Raises:
        InvalidRecordError: not JSON, a key twice in one object, a number that JSON does not have,
            half a surrogate pair, too deeply nested, or not valid against ``schema``.
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
    """Return the JSON Pointer and the message of the first validation error, or None.

    Args:
        value: the record, or a part of it.
        schema: the root, to which references lead.
        part: the subschema that ``value`` is validated against, if not the root.
    """
    validator = _validator(canonical(schema))
    errors = (validator if part is None else validator.evolve(schema=part)).iter_errors(value)
    error = min(errors, key=lambda error: (list(map(str, error.path)), error.message), default=None)
    if error is None:
        return None
    error = _innermost(error)
    message = error.message  # begins with the value, however long, and ends with what is wrong
    message = message if len(message) <= 200 else f"{message[:99]}…{message[-100:]}"
    return pointer_of(error.absolute_path), message.replace("\n", " ")


def _innermost(error: ValidationError) -> ValidationError:
    """Return why no schema of an ``anyOf`` or ``oneOf`` allows a value.

    Of several schemas, that counts which the value was meant for: its constants are right, and its
    first error is furthest inside. A value that may be null has one other schema, whose error says
    what was wanted.
    """
    while error.context:
        branches: dict[Any, list[ValidationError]] = {}
        for inner in error.context:
            branches.setdefault(inner.schema_path[0], []).append(inner)
        firsts = [
            min(found, key=lambda inner: list(map(str, inner.path))) for found in branches.values()
        ]
        wanted = [inner for inner in firsts if inner.validator_value != "null"] or firsts
        error = max(wanted, key=lambda e: (e.validator not in ("const", "enum"), len(e.path)))
    return error


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    return BoundedValidator(json.loads(schema), format_checker=FORMAT_CHECKER)
