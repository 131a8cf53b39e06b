"""A plugin's JSON Schema at work: write, read and validate records, walk their leaves."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator

from .data import Record, Schema
from .files import check_json, parse_json

Leaf = str | int | float | bool | None


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


def resolve(
    schema: Mapping[str, Any] | bool, root: Mapping[str, Any], steps: int = 32
) -> Mapping[str, Any]:
    """Return a schema with what its ``$ref`` says, or its one branch beside null, laid under it.

    References are local (``#/$defs/…``). {} where nothing is said.
    """
    if not isinstance(schema, Mapping) or steps == 0:
        return {}
    inner: Any = None
    if "$ref" in schema:
        inner = _target(schema["$ref"], root)
    else:
        branches = [branch for branch in _branches(schema) if branch.get("type") != "null"]
        inner = branches[0] if len(branches) == 1 else None
    if inner is None:
        return schema
    own = {key: value for key, value in schema.items() if key != "$ref"}
    return {**resolve(inner, root, steps - 1), **own}


def _branches(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    branches = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return [branch for branch in branches if isinstance(branch, Mapping)]


def _target(reference: str, root: Mapping[str, Any]) -> Any:
    """Return what a local reference points to; True, which says nothing, for any other."""
    target: Any = root
    if reference != "#" and not reference.startswith("#/"):
        return True
    for part in parse_pointer(unquote(reference[1:])):
        try:
            target = target[int(part) if isinstance(target, list) else part]
        except (KeyError, IndexError, ValueError, TypeError):
            return True
    return target


def pointer_of(path: Any) -> str:
    """Return the JSON Pointer (RFC 6901) of a path of keys and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def parse_pointer(pointer: str) -> list[str]:
    """Return the parts of a JSON Pointer (RFC 6901), unescaped."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str, Leaf]]:
    """Yield (JSON Pointer, value) of every leaf, in document order; empty containers have none."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield pointer_of(path), value


def field_schema(pointer: str, schema: Schema) -> Mapping[str, Any]:
    """Return the schema of the value at ``pointer``; {} where the schema does not say."""
    here = resolve(schema, schema)
    for part in parse_pointer(pointer):
        is_item = "items" in here and part.isdigit()
        here = resolve(here["items"] if is_item else member(here, part), schema)
    return here


def member(schema: Mapping[str, Any], key: str) -> Any:
    """Return the schema of an object's member; {} where ``schema`` does not say."""
    return schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))


def is_verbatim(pointer: str, schema: Schema) -> bool:
    """Say whether the leaf at ``pointer`` can only hold what stands in the document."""
    return field_schema(pointer, schema).get("x-source") == "verbatim"


def field_of(pointer: str) -> str:
    """Return the field a pointer belongs to, without list indices.

    >>> field_of("/lines/3/price")
    'lines/price'
    """
    return "/".join(part for part in parse_pointer(pointer) if not part.isdigit())


def empty_record(schema: Schema) -> Record:
    """Return the record that says nothing: empty lists, nulls, empty objects for what is required.

    It is what a window without anything to find is trained on, and the null baseline.
    """
    return _empty_object(schema, schema)


def _empty_object(schema: Mapping[str, Any], root: Schema) -> Record:
    record: Record = {}
    schema = resolve(schema, root)
    for key, item in schema.get("properties", {}).items():
        item = resolve(item, root)
        kinds = kinds_of(item)
        if "array" in kinds and not item.get("minItems"):
            record[key] = []
        elif "null" in kinds:
            record[key] = None
        elif "object" in kinds and key in schema.get("required", ()):
            record[key] = _empty_object(item, root)
    return record  # a scalar that is not nullable is left out: nothing may be invented


def kinds_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the JSON types that a schema allows, those of its branches included."""
    kind = schema.get("type", ())
    kinds = (kind,) if isinstance(kind, str) else tuple(kind)
    if not kinds and None in schema.get("enum", ()):
        kinds = ("null",)
    return kinds + tuple(kind for branch in _branches(schema) for kind in kinds_of(branch))


def field_list(schema: Schema) -> str:
    """Return the fields of a schema in a line, short enough for a small model's prompt.

    >>> field_list({"properties": {"title": {"type": "string"}, "names": {"type": "array"}}})
    'title, names[]'
    """
    return _members(schema, schema, ())


def _members(schema: Mapping[str, Any], root: Schema, above: tuple[object, ...]) -> str:
    properties = resolve(schema, root).get("properties", {})
    if any(properties is outer for outer in above):
        return "…"  # an object that holds objects like itself
    inside = (*above, properties)
    return ", ".join(f"{key}{_shape(item, root, inside)}" for key, item in properties.items())


def _shape(schema: Mapping[str, Any], root: Schema, above: tuple[object, ...]) -> str:
    schema = resolve(schema, root)
    if "array" in kinds_of(schema):
        return "[]" + _shape(schema.get("items", {}), root, above)
    members = _members(schema, root, above)
    return f"{{{members}}}" if members else ""
