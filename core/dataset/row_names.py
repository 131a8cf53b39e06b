"""Give the keys of rows the names that the record's schema has for them (``--map``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..schema.pointers import parse_pointer, pointer_of


class Joined(list[Any]):
    """The values of several keys, or cells of several columns, for one list."""


def renamed_row(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a row with its keys renamed, and those of what a task of Label Studio shows.

    A key that is named takes the place of one that has the field's name already. What is for one
    list is ``Joined``.
    """
    if not names:
        return dict(row)
    found = _renamed(row, names)
    data = row.get("data")
    if isinstance(data, dict) and "annotations" in row:
        found["data"] = _renamed(data, names)
    return found


def renamed_record(row: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a row whose record has its keys renamed, and the pointers of its mentions."""
    record, mentions = row.get("record"), row.get("mentions")
    if not names or not isinstance(record, dict):
        return row
    renamed = _renamed(record, names)
    for field, value in renamed.items():
        if isinstance(value, Joined):
            renamed[field] = [item for each in value for item in _items(each)]
    found: dict[str, Any] = {"record": renamed}
    if isinstance(mentions, dict):
        found["mentions"] = _renamed_pointers(mentions, record, names)
    return row | found


def identity_of(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return id and text of a row, by their own names or those that stand for them."""
    found = {key: row.get(key) for key in ("id", "text")}
    return found | {names[key]: row[key] for key in row if names.get(key) in found}


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {
        field: Joined(values[key] for key in keys) if len(keys) > 1 else values[keys[0]]
        for field, keys in _sources(values, names).items()
    }


def _renamed_pointers(
    mentions: Mapping[str, Any], record: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, Any]:
    """Return the mentions by the pointers that their values have once they are renamed."""
    places: dict[str, tuple[str, int]] = {}
    for field, keys in _sources(record, names).items():
        before = 0
        for key in keys:
            places[key] = field, before
            before += len(_items(record[key])) if len(keys) > 1 else 0
    found: dict[str, Any] = {}
    for pointer, spans in mentions.items():
        key, *inside = parse_pointer(pointer) or [""]
        if key not in record:
            found[pointer] = spans  # reported by the check of the mentions
        elif key in places:
            field, before = places[key]
            if inside and inside[0].isdecimal() and before:
                inside[0] = str(int(inside[0]) + before)
            found[pointer_of([field, *inside])] = spans
    return found


def _sources(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the keys of each field, in the order of the values; of a list all, else one."""
    lists = getattr(names, "lists", None)
    found: dict[str, list[str]] = {}
    for key, value in values.items():
        field = names.get(key, key)
        keys = found.setdefault(field, [])
        if field in lists if lists is not None else isinstance(value, list):
            keys.append(key)
        elif not keys or key in names:
            found[field] = [key]
    return found


def _items(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]
