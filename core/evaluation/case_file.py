"""Read cases: texts with what a run must find in them and what it must not, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from ..data import Schema
from ..errors import InputError, did_you_mean, shortened
from ..files.plain_yaml import read_yaml
from ..schema.navigation import property_schema, resolve, types_of
from ..text.grounding import ground

_KEYS = ("name", "text", "must", "must_not", "empty", "reason")


@dataclass(frozen=True)
class Case:
    """A text with what is expected of its record.

    Attributes:
        name: of the case.
        text: the text.
        reason: why it matters.
        must: by field, values that have to be found.
        must_not: by field, values that may not be found.
        empty: fields in which nothing may be found.
    """

    name: str
    text: str
    reason: str
    must: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    must_not: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    empty: Sequence[str] = ()


def read_cases(path: Path, schema: Schema) -> list[Case]:
    """Read the cases of a YAML file; its form is in docs/cases.md.

    Args:
        path: the file.
        schema: of a record.

    Raises:
        InputError: it is no such file; names file, case and field, and says what to do.
    """
    return checked_cases(read_yaml(path), str(path), schema)


def checked_cases(rows: object, path: str, schema: Schema) -> list[Case]:
    """Return the cases that a file holds; see ``read_cases``.

    Args:
        rows: the content of the file.
        path: the file, for messages.
        schema: of a record.
    """
    if not isinstance(rows, list) or not rows:
        raise InputError(
            f"{path}: a list of cases is wanted: - name: …, with text, reason, and must, must_not "
            f"or empty (docs/cases.md)"
        )
    cases = [
        _case(row, f"{path}: case {number}", schema) for number, row in enumerate(rows, start=1)
    ]
    names = [case.name for case in cases]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: two cases are called {name!r}; give each its own name")
    return cases


def _case(row: object, where: str, schema: Schema) -> Case:
    if not isinstance(row, dict):
        raise InputError(f"{where}: a mapping is wanted, not {shortened(row)}")
    for key in row:
        if key not in _KEYS:
            raise InputError(f"{where}: unknown key {key!r}; {did_you_mean(str(key), _KEYS)}")
    for key in ("name", "text", "reason"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            given = f"not {shortened(row[key])}" if key in row else "which is missing"
            raise InputError(f"{where}: {key}: a text is wanted, {given}")
    where = f"{where} ({row['name']})"
    empty = row.get("empty", [])
    if not isinstance(empty, list) or not all(isinstance(name, str) for name in empty):
        raise InputError(f"{where}: empty: a list of fields is wanted, not {shortened(empty)}")
    for name in empty:
        _require_field(name, f"{where}: empty", schema)
    expected = {
        key: dict(_expected(row.get(key, {}), f"{where}: {key}", schema))
        for key in ("must", "must_not")
    }
    if not (empty or expected["must"] or expected["must_not"]):
        raise InputError(f"{where}: it expects nothing; add must, must_not or empty")
    if twice := sorted(set(empty) & expected["must"].keys()):
        raise InputError(f"{where}: {twice[0]}: is in must and in empty; keep one")
    _require_in_text(expected["must"], row["text"], where, schema)
    return Case(row["name"], row["text"], row["reason"].strip(), empty=empty, **expected)


def _expected(given: object, where: str, schema: Schema) -> Iterator[tuple[str, list[Any]]]:
    """Yield each field with the values that are given for it."""
    if not isinstance(given, dict):
        raise InputError(f"{where}: field: [values] is wanted, not {shortened(given)}")
    for name, values in given.items():
        part = _require_field(name, where, schema)
        listed = values if isinstance(values, list) else [values]
        if not listed or None in listed:
            raise InputError(
                f"{where}: {name}: a value is wanted; for nothing write empty: [{name}]"
            )
        wanted = resolve(part.get("items", {}), schema) if "array" in types_of(part) else part
        for value in listed:
            _check_value(value, wanted, f"{where}: {name}", schema)
        yield name, listed


def _require_field(name: object, where: str, schema: Schema) -> Mapping[str, Any]:
    known = schema.get("properties", {})
    if name not in known:
        raise InputError(f"{where}: unknown field {name!r}; {did_you_mean(str(name), known)}")
    return resolve(known[name], schema)


def _check_value(value: object, part: Mapping[str, Any], where: str, schema: Schema) -> None:
    """Check that a field can hold a value; of an object some keys may be given."""
    if isinstance(value, dict) and "object" in types_of(part):
        for key, inner in value.items():
            if key not in part.get("properties", {}) and not part.get("additionalProperties"):
                known = part.get("properties", {})
                raise InputError(f"{where}: unknown key {key!r}; {did_you_mean(str(key), known)}")
            _check_value(inner, resolve(property_schema(part, key), schema), where, schema)
        return
    if isinstance(value, list) and "array" in types_of(part):
        for inner in value:
            _check_value(inner, resolve(part.get("items", {}), schema), where, schema)
        return
    if not isinstance(value, str | int | float | bool | dict | list | None):
        raise InputError(f"{where}: {value} is read as a date or as bytes; put it in quotes")
    definitions = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    fault = next(Draft202012Validator({**part, **definitions}).iter_errors(value), None)
    if fault is not None:
        message = " ".join(fault.message.split())
        line = message if len(message) <= 200 else f"{shortened(value)} is not allowed here"
        raise InputError(f"{where}: {line}; what the schema does not allow is never found")


def _require_in_text(
    must: Mapping[str, Sequence[Any]], text: str, where: str, schema: Schema
) -> None:
    """Refuse what can never be found: a verbatim field holds nothing but what the text says."""
    for name, values in must.items():
        part = resolve(schema["properties"][name], schema)
        if "array" in types_of(part):
            part = resolve(part.get("items", {}), schema)
        for value in values:
            for leaf in _verbatim(value, part, schema):
                status = ground({"leaf": leaf}, text)["/leaf"].status
                if status not in ("verbatim", "normalised"):
                    raise InputError(
                        f"{where}: must: {name}: {shortened(leaf)} is not in the text, and the "
                        f"field holds nothing else; write it as the text has it"
                    )


def _verbatim(value: object, part: Mapping[str, Any], schema: Schema) -> Iterator[str]:
    """Yield the strings of a value that have to be copied from the text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _verbatim(inner, resolve(property_schema(part, key), schema), schema)
    elif isinstance(value, list):
        for inner in value:
            yield from _verbatim(inner, resolve(part.get("items", {}), schema), schema)
    elif isinstance(value, str) and part.get("x-source") == "verbatim":
        yield value
