"""Change one value of a record as its schema has it, and say what is wrong with the result."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..data import Grounding, Record, Schema, Span
from ..schema.navigation import empty_record, field_schema, is_verbatim, resolve, types_of
from ..schema.pointers import parse_pointer, pointer_of, value_at
from ..schema.records import first_problem
from ..text.grounding import ground


@dataclass(frozen=True)
class CheckedRecord:
    """A record, and what a reviewer has to know of it.

    Attributes:
        record: the record.
        spans: JSON Pointer of a leaf -> all its occurrences in the document.
        absent: JSON Pointers of fields that an object of the record may have and has not.
        problem: why the record cannot be accepted as it is; "" if it can.
    """

    record: Record
    spans: Mapping[str, tuple[Span, ...]]
    absent: tuple[str, ...]
    problem: str


def checked(record: Record, text: str, schema: Schema) -> CheckedRecord:
    """Check a record against the schema and the document.

    Args:
        record: the record.
        text: of the document.
        schema: of the plugin.
    """
    grounding = ground(record, text)
    spans = {pointer: each.spans for pointer, each in grounding.items() if each.spans}
    absent = tuple(_absent(record, schema, schema, ()))
    return CheckedRecord(record, spans, absent, _problem(record, grounding, schema))


def _problem(record: Record, grounding: Mapping[str, Grounding], schema: Schema) -> str:
    if found := first_problem(record, schema):
        pointer, message = found
        return f"{pointer or 'the record'}: {message}"
    for pointer, each in grounding.items():
        is_elsewhere = each.status not in ("verbatim", "absent") and is_verbatim(pointer, schema)
        if is_elsewhere and isinstance(value_at(pointer, record), str):
            return f"{pointer}: does not stand in the document as it is; mark it in the text"
    return ""


def _absent(
    value: Any, part: Mapping[str, Any], root: Schema, path: tuple[str | int, ...]
) -> Iterator[str]:
    part = resolve(part, root)
    if isinstance(value, dict):
        for key, inner in part.get("properties", {}).items():
            if key in value:
                yield from _absent(value[key], inner, root, (*path, key))
            else:
                yield pointer_of((*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _absent(item, part.get("items", {}), root, (*path, index))


def with_value(record: Record, pointer: str, value: str, schema: Schema) -> Record:
    """Return a record with a value set that a person wrote or marked.

    Args:
        record: is not changed.
        pointer: JSON Pointer of the value; of an object's field that is absent, too.
        value: a string as it is; for a field of another type, JSON.
        schema: of the plugin.

    Raises:
        ValueError: the field takes no string and the value is no JSON, or nothing is there.
    """
    changed = copy.deepcopy(record)
    parent, key = _parent(changed, pointer)
    part = field_schema(pointer, schema)
    if "array" in types_of(part):
        parent[key] = [_item(value, part, schema)]
    else:
        parent[key] = _read(value, part)
    return changed


def with_item(record: Record, pointer: str, value: str, schema: Schema) -> Record:
    """Return a record with an item added to a list.

    Args:
        record: is not changed.
        pointer: JSON Pointer of the list; it may be absent or null.
        value: of the item; of an item that is an object, of its first field for strings. "" for
            an object without values.
        schema: of the plugin.

    Raises:
        ValueError: see ``with_value``.
    """
    changed = copy.deepcopy(record)
    parent, key = _parent(changed, pointer)
    part = field_schema(pointer, schema)
    if "array" not in types_of(part):
        raise ValueError(f"{pointer}: is no list")
    present = parent.get(key) if isinstance(parent, dict) else parent[key]
    parent[key] = [*(present or []), _item(value, part, schema)]
    return changed


def without_value(record: Record, pointer: str, schema: Schema) -> Record:
    """Return a record without a value: an item leaves its list, a field becomes null or absent.

    Raises:
        ValueError: nothing is there.
    """
    changed = copy.deepcopy(record)
    parent, key = _parent(changed, pointer)
    part = field_schema(pointer, schema)
    if isinstance(parent, list):
        del parent[key]
    elif "null" in types_of(part) and parent.get(key) is not None:
        parent[key] = None
    else:
        parent.pop(key, None)
    return changed


def _parent(record: Record, pointer: str) -> tuple[Any, Any]:
    """Return what holds the value at a pointer, and its key or index there."""
    *path, last = parse_pointer(pointer) or [""]
    try:
        parent = value_at(pointer_of(path), record)
        if isinstance(parent, list):
            index = int(last)
            parent[index]
            return parent, index
    except (KeyError, IndexError, ValueError, TypeError):
        parent = None
    if not isinstance(parent, dict) or not last:
        raise ValueError(f"{pointer}: is not in the record")
    return parent, last


def _item(value: str, part: Mapping[str, Any], schema: Schema) -> Any:
    item = resolve(part.get("items", {}), schema)
    if "object" not in types_of(item):
        return _read(value, item)
    made = empty_record({**item, "$defs": schema.get("$defs", {})})
    if value:
        strings = (
            key
            for key, inner in item.get("properties", {}).items()
            if "string" in types_of(resolve(inner, schema))
        )
        made[next(strings)] = value
    return made


def _read(value: str, part: Mapping[str, Any]) -> Any:
    types = types_of(part)
    if "string" in types or not types:
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"{value!r}: a value of type {' or '.join(types)} is wanted") from error
