"""Repair truncated JSON: build a valid record from the complete part of an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..data import Record, Schema
from ..schema.navigation import property_schema, resolve, types_of
from ..schema.records import first_problem, read_record, write_record

DECODER = json.JSONDecoder()

_NO_VALUE = object()
"""Stands for no value at all, since None is one."""


def skip_space(text: str, at: int) -> int:
    """Return the offset of the first character from ``at`` on that is not white space of JSON."""
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def complete_record(text: str, schema: Schema) -> Record | None:
    """Return the record of a truncated answer.

    The leaf at which the text ends is dropped, even a number that looks complete, since it might
    have continued. Open objects and lists are closed. Required keys that were not reached become
    null or empty: [], {}, or "" where the string need not be verbatim. An object or a list that
    cannot be completed so is dropped with its contents. All other leaves keep their JSON Pointer.

    Returns:
        A valid record, its keys in the schema's order. None if no valid record can be made of the
        text, or if it is not the beginning of a JSON object.
    """
    try:
        value = _PartialParser(text).completed(schema)
        return None if value is _NO_VALUE else read_record(write_record(value, schema), schema)
    except ValueError:
        return None


def schema_requiring(keys: Iterable[str], schema: Schema) -> Schema:
    """Return a schema that requires some keys at the root.

    A schema leaves keys optional for gold that does not annotate them. A model sometimes skips such
    a key, with all values that the text has for it.

    Args:
        keys: those to require. A key that can be neither null nor an empty list stays optional:
            the model would have to invent a value.
        schema: of a record.
    """
    required = list(schema.get("required", ()))
    wanted = set(keys) - set(required)
    for key in filter(wanted.__contains__, schema.get("properties", {})):
        completed = complete_record("{", {**schema, "required": [key]}) or {}
        if completed.get(key, "") in (None, []):
            required.append(key)
    return {**schema, "required": required} if required else schema


class _TruncatedError(Exception):
    """The text ends here."""


_UNFINISHED = re.compile(
    r"""(?:
    "[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[^"\\\x00-\x1f]*)*(?:\\(?:u[\da-fA-F]{0,3})?)?
    |-?(?:(?:0|[1-9]\d*)(?:\.\d*|(?:\.\d+)?(?:[eE][-+]?\d*)?))?
    |t|tr|tru|f|fa|fal|fals|n|nu|nul
    )\Z""",
    re.VERBOSE | re.ASCII,
)
_MAX_DEPTH = 64


class _PartialParser:
    """Parses a JSON text strictly, as far as it goes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        # Each open container, with its key or index in the one before.
        self.open: list[tuple[str | int, Any]] = []

    def completed(self, schema: Schema) -> Any:
        """Return the value of the text, completed if it is truncated.

        Raises:
            ValueError: the text is not the beginning of JSON.
        """
        try:
            value = self._value("")
        except _TruncatedError:
            return self._close(schema)
        if skip_space(self.text, self.at) < len(self.text):
            raise ValueError("more than one value")
        return value

    def _close(self, root: Schema) -> Any:
        """Close open containers from the inside out; a valid one goes into the one before it."""
        if not self.open and self.at < len(self.text):
            raise ValueError("the beginning of a scalar")
        opened = self.open or [("", {})]
        schemas = [_alternatives([root], root)]
        for step, _container in opened[1:]:
            inner = [_inside(schema, step) for schema in schemas[-1]]
            schemas.append(_alternatives(inner, root))
        value: Any = _NO_VALUE
        below: str | int = ""
        for (step, container), alternatives in zip(opened[::-1], schemas[::-1], strict=True):
            if value is not _NO_VALUE:
                _put(container, below, value)
            value, below = _completed(container, alternatives, root), step
        return value

    def _value(self, step: str | int) -> Any:
        if self._next() not in "{[":
            return self._scalar()
        if len(self.open) == _MAX_DEPTH:
            raise ValueError(f"nested deeper than {_MAX_DEPTH} levels")
        container: dict[str, Any] | list[Any] = {} if self.text[self.at] == "{" else []
        self.open.append((step, container))
        self.at += 1
        closing = "}" if isinstance(container, dict) else "]"
        if self._next() == closing:
            self.at += 1
        else:
            self._members(container, closing)
        self.open.pop()
        return container

    def _members(self, container: dict[str, Any] | list[Any], closing: str) -> None:
        """Parse the items of a list, or the members of an object, up to its end."""
        more = True
        while more:
            key = self._key(container) if isinstance(container, dict) else len(container)
            _put(container, key, self._value(key))
            more = self._more(closing)

    def _key(self, members: dict[str, Any]) -> str:
        if self._next() != '"':
            raise ValueError("a key is no string")
        key: str = self._scalar()
        if key in members or self._next() != ":":
            raise ValueError("a key comes twice or has no colon")
        self.at += 1
        return key

    def _more(self, closing: str) -> bool:
        character = self._next()
        if character not in (",", closing):
            raise ValueError("a comma is missing")
        self.at += 1
        return character == ","

    def _scalar(self) -> Any:
        if _UNFINISHED.match(self.text, self.at):
            raise _TruncatedError
        value, self.at = DECODER.raw_decode(self.text, self.at)
        return value

    def _next(self) -> str:
        self.at = skip_space(self.text, self.at)
        if self.at == len(self.text):
            raise _TruncatedError
        return self.text[self.at]


def _inside(schema: Mapping[str, Any], step: str | int) -> Any:
    return schema.get("items", {}) if isinstance(step, int) else property_schema(schema, step)


def _put(container: Any, step: str | int, value: Any) -> None:
    if isinstance(container, list):
        container.append(value)
    else:
        container[step] = value


def _alternatives(schemas: Iterable[Any], root: Schema, steps: int = 8) -> list[Mapping[str, Any]]:
    """Return schemas with their references resolved, each followed by its branches."""
    found: list[Mapping[str, Any]] = []
    for schema in schemas if steps else ():
        whole = resolve(schema, root)
        branches = [*whole.get("anyOf", ()), *whole.get("oneOf", ())]
        found += [whole, *_alternatives(branches, root, steps - 1)]
    return found


def _completed(
    value: Any, alternatives: Sequence[Mapping[str, Any]], root: Schema, steps: int = 32
) -> Any:
    """Return an object or a list with its missing members, or _NO_VALUE."""
    for schema in alternatives:
        whole = value
        if isinstance(value, dict):
            missing = [key for key in schema.get("required", ()) if key not in value]
            whole = value | {
                key: _empty(property_schema(schema, key), root, steps) for key in missing
            }
            if any(item is _NO_VALUE for item in whole.values()):
                continue
        if first_problem(whole, root, schema) is None:
            return whole
    return _NO_VALUE


def _empty(schema: Any, root: Schema, steps: int) -> Any:
    """Return a valid value that is null or empty, or _NO_VALUE."""
    verbatim = resolve(schema, root).get("x-source") == "verbatim"
    for option in _alternatives([schema], root) if steps else ():
        for value in _empty_values(option, root, steps, verbatim=verbatim):
            if value is not _NO_VALUE and first_problem(value, root, option) is None:
                return value
    return _NO_VALUE


def _empty_values(
    schema: Mapping[str, Any], root: Schema, steps: int, *, verbatim: bool
) -> Iterator[Any]:
    types = types_of(schema)
    if "array" in types:
        yield []
    yield None
    if "object" in types:
        yield _completed({}, [schema], root, steps - 1)
    if "string" in types and not verbatim and schema.get("x-source") != "verbatim":
        yield ""
