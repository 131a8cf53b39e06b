"""Find the parts of a JSON Schema that describe a field, or walk through all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from ..data import Record, Schema
from .pointers import parse_pointer, pointer_of

_NAMED = ("properties", "patternProperties", "$defs", "definitions")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not")
"""Keywords that hold subschemas: by name, in a list, or a single one."""


def iter_subschemas(schema: Any, path: tuple[object, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield the JSON Pointer and the value of a schema and of each subschema, depth first.

    References are not followed. ``additionalProperties: false`` and other single booleans are not
    yielded: they say whether there may be more.
    """
    yield pointer_of(path), schema
    if not isinstance(schema, Mapping):
        return
    for keyword, inner in schema.items():
        if keyword in _SINGLE and isinstance(inner, Mapping):
            yield from iter_subschemas(inner, (*path, keyword))
        elif keyword in _NAMED and isinstance(inner, Mapping):
            for name, part in inner.items():
                yield from iter_subschemas(part, (*path, keyword, name))
        elif keyword in _LISTED and isinstance(inner, list):
            for number, part in enumerate(inner):
                yield from iter_subschemas(part, (*path, keyword, number))


def iter_fields(
    schema: Schema, levels: int = 32, *, recursive: bool = False
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the name and the resolved schema of each field, in the order of the schema.

    Names are those of ``field_of``: the items of a list have the name of the list, and the root
    has "". References are followed.

    Args:
        schema: the root.
        levels: how many properties and items deep to go.
        recursive: whether to go on into an object that is inside an object of the same schema.
    """

    def walk(
        part: Any, name: str, levels: int, above: tuple[object, ...]
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        here = resolve(part, schema)
        yield name, here
        properties = here.get("properties", {})
        is_inside_itself = any(properties is outer for outer in above)
        if not levels or (is_inside_itself and not recursive):
            return
        if "items" in here:
            yield from walk(here["items"], name, levels - 1, above)
        for key, inner in properties.items():
            field = f"{name}/{key}" if name else key
            yield from walk(inner, field, levels - 1, (*above, properties))

    return walk(schema, "", levels, ())


def resolve(
    schema: Mapping[str, Any] | bool, root: Mapping[str, Any], steps: int = 32
) -> Mapping[str, Any]:
    """Return a schema with its ``$ref``, or its one branch that is not null, merged into it.

    The schema's own keywords win. References are local (``#/$defs/…``); one that leads nowhere
    gives {}.
    """
    if not isinstance(schema, Mapping) or steps == 0:
        return {}
    inner: Any = None
    if "$ref" in schema:
        inner = _target(schema["$ref"], root)
    else:
        branches = [branch for branch in branches_of(schema) if branch.get("type") != "null"]
        inner = branches[0] if len(branches) == 1 else None
    if inner is None:
        return schema
    own = {key: value for key, value in schema.items() if key != "$ref"}
    return {**resolve(inner, root, steps - 1), **own}


def branches_of(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the schemas of a union (``anyOf`` and ``oneOf``)."""
    branches = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return [branch for branch in branches if isinstance(branch, Mapping)]


def _target(reference: str, root: Mapping[str, Any]) -> Any:
    """Return the target of a local reference; True, a schema without keywords, for any other."""
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
    """Return the schema of the value at a JSON Pointer of a record; {} if there is none."""
    here = resolve(schema, schema)
    for part in parse_pointer(pointer):
        is_item = "items" in here and part.isdigit()
        here = resolve(here["items"] if is_item else property_schema(here, part), schema)
    return here


def property_schema(schema: Mapping[str, Any], key: str) -> Any:
    """Return the schema of a property of an object; {} if there is none."""
    return schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))


def is_verbatim(pointer: str, schema: Schema) -> bool:
    """Return whether the leaf at ``pointer`` has to be copied from the document."""
    return field_schema(pointer, schema).get("x-source") == "verbatim"


def empty_record(schema: Schema) -> Record:
    """Return the record without values: empty lists, nulls, and the objects that are required.

    It is the answer for a window that has no values, and the null baseline of evaluation.
    """
    return _empty_object(schema, schema)


def _empty_object(schema: Mapping[str, Any], root: Schema) -> Record:
    record: Record = {}
    schema = resolve(schema, root)
    for key, part in schema.get("properties", {}).items():
        part = resolve(part, root)
        types = types_of(part)
        if "array" in types and not part.get("minItems"):
            record[key] = []
        elif "null" in types:
            record[key] = None
        elif "object" in types and key in schema.get("required", ()):
            record[key] = _empty_object(part, root)
    return record  # a scalar that is not nullable is left out: no value may be invented


def types_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the JSON types that a schema allows, those of its branches included."""
    named = schema.get("type", ())
    types = (named,) if isinstance(named, str) else tuple(named)
    if not types and None in schema.get("enum", ()):
        types = ("null",)
    return types + tuple(name for branch in branches_of(schema) for name in types_of(branch))


def field_list(schema: Schema) -> str:
    """Return the fields of a schema in one line, short enough for a small model's prompt.

    >>> field_list({"properties": {"title": {"type": "string"}, "names": {"type": "array"}}})
    'title, names[]'
    """
    return _list_properties(schema, schema, ())


def _list_properties(part: Any, root: Schema, above: tuple[object, ...]) -> str:
    properties = resolve(part, root).get("properties", {})
    if any(properties is outer for outer in above):
        return "…"  # an object inside an object of the same schema
    within = (*above, properties)
    return ", ".join(key + _shape(inner, root, within) for key, inner in properties.items())


def _shape(part: Any, root: Schema, above: tuple[object, ...]) -> str:
    part = resolve(part, root)
    if "array" in types_of(part):
        return "[]" + _shape(part.get("items", {}), root, above)
    inside = _list_properties(part, root, above)
    return f"{{{inside}}}" if inside else ""
