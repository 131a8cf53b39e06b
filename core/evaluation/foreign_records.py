"""Read records that other systems wrote: what can be scored of each, and what was wrong with it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data import Record, Schema
from ..dataset.leaf_outcomes import general_reason
from ..dataset.row_names import renamed_record, renamed_row
from ..errors import InputError
from ..files import files_in, parse_json, read_jsonl
from ..schema.navigation import empty_record, property_schema, resolve
from ..schema.pointers import field_of, parse_pointer, value_at
from ..schema.records import first_problem

_MOST_FAULTS = 200
"""Items that are left out of one record; one with more is not read."""


@dataclass
class ForeignRecords:
    """The records of another system.

    Attributes:
        answers: the record of each document, or the reason why there is none.
        faults: how many records had a fault that they can be scored with, by kind.
    """

    answers: dict[str, Record | str] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)


def is_record_file(path: Path, names: Mapping[str, str]) -> bool:
    """Say whether a path is one file of JSONL with a record in one of its first rows."""
    if files_in(path) != [path] or path.suffix.lower() not in (".jsonl", ".ndjson"):
        return False
    rows = (row for number, row in read_jsonl(path) if number <= 100)
    return any("record" in renamed_row(row, names) for row in rows)


def read_records(path: Path, schema: Schema, names: Mapping[str, str]) -> ForeignRecords:
    """Read JSONL of ``id`` and ``record``, and leave out what a record may not have.

    Args:
        path: the file.
        schema: of a record.
        names: keys of the rows and records that stand for others.

    Raises:
        InputError: the file cannot be read, or an id comes twice.
    """
    found, first = ForeignRecords(), dict[str, int]()
    for number, given in read_jsonl(path):
        row = renamed_row(given, names)
        identifier, id_fault = _id_of(row)
        if id_fault:
            found.faults[id_fault] += 1
        if identifier is None:
            continue
        if identifier in first:
            earlier = first[identifier]
            raise InputError(f"{path}:{number}: the id {identifier!r} is already in line {earlier}")
        first[identifier] = number
        record, faults = _record_of(row, schema, names)
        found.answers[identifier] = record
        found.faults.update(dict.fromkeys(faults, 1))
    return found


def _id_of(row: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the id of a row as a text, and what is wrong with it."""
    given = row.get("id")
    if isinstance(given, str):
        return given, ""
    if isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given):
        whole = int(given) if float(given).is_integer() else given
        return str(whole), "the id is a number, read as a text"
    return None, "no id: the row cannot be matched with a document"


def _record_of(
    row: Mapping[str, Any], schema: Schema, names: Mapping[str, str]
) -> tuple[Record | str, list[str]]:
    """Return a row's record, or why there is none, and faults that it can be scored with."""
    record, faults = row.get("record"), []
    if isinstance(record, str):
        try:
            record = parse_json(record)
        except ValueError as error:
            return f"the record is a text that is not JSON: {error}", []
        faults.append("the record is JSON in a text")
    if record is None:
        return str(row.get("error") or "no record"), []
    if not isinstance(record, dict):
        return f"the record is no object: {str(record)[:60]}", []
    record = deepcopy(renamed_record({"record": record}, names)["record"])
    faults += dict.fromkeys(_drop_unknown(record, schema, schema, ""))
    problem, repaired = _repair(record, schema)
    return (
        (f"{problem[0] or 'the record'}: {problem[1]}", [])
        if problem
        else (record, faults + repaired)
    )


def _drop_unknown(value: Any, part: Any, root: Schema, name: str) -> Iterator[str]:
    """Drop the keys that a closed object does not name; yield each in words."""
    part = resolve(part, root)
    if isinstance(value, list):
        for item in value:
            yield from _drop_unknown(item, part.get("items", {}), root, name)
    if not isinstance(value, dict):
        return
    known = part.get("properties", {})
    for key in [*value]:
        if key not in known and part.get("additionalProperties") is False:
            del value[key]
            inside = f" in {name}" if name else ""
            yield f"the key {key!r}{inside} is not in the schema, and was left out"
        else:
            inner = f"{name}/{key}" if name else key
            yield from _drop_unknown(value[key], property_schema(part, key), root, inner)


def _repair(record: Record, schema: Schema) -> tuple[tuple[str, str] | None, list[str]]:
    """Fill required keys that are missing with nothing, and drop items of lists that are invalid.

    Returns:
        The problem that remains, and what was done.
    """
    done: dict[str, None] = {}
    empty = empty_record(schema)
    for key in schema.get("required", ()):
        if key not in record and key in empty:
            record[key] = deepcopy(empty[key])
            done[f"the key {key!r} is missing, and was read as empty"] = None
    for _ in range(_MOST_FAULTS):
        problem = first_problem(record, schema)
        if problem is None:
            return None, [*done]
        parent, number = _item_at(record, problem[0])
        if parent is None:
            return problem, []
        del parent[number]
        name = field_of(problem[0]).partition("/")[0]
        done[f"an item of {name} was left out: {general_reason(problem[1])}"] = None
    return first_problem(record, schema), [*done]


def _item_at(record: Record, pointer: str) -> tuple[list[Any] | None, int]:
    """Return the innermost list around a place, and the number of its item there."""
    path = parse_pointer(pointer)
    for depth in range(len(path) - 1, -1, -1):
        outer = "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in path[:depth])
        inside = value_at(outer, record) if depth else record
        if isinstance(inside, list) and path[depth].isdecimal():
            return inside, int(path[depth])
    return None, 0
