"""Forms of rows that are not the core's own: tables, conversations, triples, spans with labels.

Each is turned into a row of ``id, text, record, mentions, split``. What a row does not annotate is
absent from its record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

from ..data import Schema
from ..files import parse_json
from ..plugins import Plugin
from ..schema.navigation import resolve, types_of
from ..source_names import RESERVED
from .row_chats import from_json, is_triple, of_conversation, of_triple, turns_of
from .row_names import Joined, renamed_record, renamed_row
from .row_spans import has_spans, is_task, of_spans

CORE_KEYS = frozenset(RESERVED)
"""Keys of the core's own rows."""

_NULLS = {"", "null", "none", "na", "n/a"}


def has_form(row: Mapping[str, Any]) -> bool:
    """Say whether a row is in one of the forms that the core reads."""
    return "text" in row or bool(turns_of(row)) or is_triple(row) or is_task(row)


def is_core_row(row: Mapping[str, Any]) -> bool:
    """Say whether a row is one of the core's own: a text, and a record or no key of others."""
    return "text" in row and ("record" in row or row.keys() <= CORE_KEYS)


def as_core_row(
    row: dict[str, Any], plugin: Plugin, labelled: Collection[str] = ()
) -> dict[str, Any]:
    """Return a row in the core's form.

    Args:
        row: in one of the forms.
        plugin: its schema names the fields, its prompt says what of a turn is the document.
        labelled: fields that spans of the file are labelled with, see ``labelled_fields``.

    Raises:
        ValueError: says what of the row cannot be read.
    """
    names, schema = plugin.names, plugin.schema
    given = renamed_row(row, names)
    found = renamed_record(_in_core_form(given, plugin, labelled), names)
    fields = {names[key] for key in row if key in names} - CORE_KEYS
    asked = {field: given[field] for field in given if field in fields}
    if asked:
        added = _of_columns(asked, schema).get("record", {})
        found = found | {"record": {**(found.get("record") or {}), **added}}
    return found


def _in_core_form(row: dict[str, Any], plugin: Plugin, labelled: Collection[str]) -> dict[str, Any]:
    if turns_of(row):
        return of_conversation(row, plugin)
    if is_triple(row):
        return of_triple(row, plugin)
    if has_spans(row):
        return of_spans(row, plugin, labelled)
    _require_tasks(row)
    if isinstance(row.get("record"), str):  # the cell of a table
        return row | {"record": parse_json(row["record"]) if row["record"].strip() else None}
    if is_core_row(row):
        return row
    return _of_columns(row, plugin.schema)


def _require_tasks(row: Mapping[str, Any]) -> None:
    """Refuse spans in an export of Label Studio that is not one of tasks.

    Raises:
        ValueError: says which export to take.
    """
    if "annotation_id" in row and any(map(_are_spans, row.values())):
        raise ValueError(
            "a row of Label Studio's export as JSON-MIN, CSV or TSV, which lacks the ids of the "
            "documents; export the project as JSON"
        )


def _are_spans(value: Any) -> bool:
    if isinstance(value, str) and value.startswith("[{"):
        with suppress(ValueError):
            value = parse_json(value)
    return isinstance(value, list) and any(
        isinstance(each, dict) and {"start", "end", "labels"} <= each.keys() for each in value
    )


# Tables: a column for each field


def _of_columns(row: dict[str, Any], schema: Schema) -> dict[str, Any]:
    fields = schema.get("properties", {})
    known = {key: value for key, value in row.items() if key in CORE_KEYS}
    record = {
        key: value
        for key, part in fields.items()
        if key in row and key not in CORE_KEYS
        for value in _values(row[key], resolve(part, schema), key)
    }
    return known | ({"record": record} if record.keys() & row.keys() else {})


def _values(cell: Any, part: Mapping[str, Any], name: str) -> Iterator[Any]:
    """Yield the value of a cell as the type of its field; none where an empty cell means none."""
    types = types_of(part)
    if isinstance(cell, Joined):
        lists = (value for each in cell for value in _values(each, part, name))
        yield [item for each in lists for item in (each if isinstance(each, list) else [each])]
    elif not isinstance(cell, str):
        yield cell
    elif "array" in types or "object" in types:
        if cell.strip():
            yield from_json(cell, name) if cell.lstrip()[0] in "[{" else [cell]
        elif "array" in types:
            yield []
    elif cell.strip().casefold() in _NULLS and "null" in types:
        yield None
    elif "string" in types or not types:
        if cell:
            yield cell
    elif cell.strip():
        yield from_json(cell.strip().lower(), name)
