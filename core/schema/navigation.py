"""Find the part of a JSON Schema that describes a field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from ..data import Record, Schema
from .pointers import parse_pointer


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
