"""An answer that was cut off: the record that comes of what is whole of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..data import Record, Schema
from ..schema.navigation import property_schema, resolve, types_of
from ..schema.records import first_problem, read_record, write_record

_DECODER = json.JSONDecoder()
_NOTHING = object()
"""Stands for no value at all, where None is one."""


def complete_record(text: str, schema: Schema) -> Record | None:
    """Return the record of an answer that was cut off, from what is whole of it.

    The leaf that the cut goes through is dropped, and so is a number at the very end, which might
    have gone on. What is open is closed: required keys that were not reached are null or empty ([],
    {}, or "" where the string need not stand in the document). An object or a list that cannot be
    closed so is dropped with what it holds. Every other leaf stays, at the same JSON Pointer.

    Returns:
        A valid record, its keys in the schema's order; None where none comes of the text, or the
        text is not the beginning of a JSON object.
    """
    try:
        value = _Beginning(text).closed(schema)
        return None if value is _NOTHING else read_record(write_record(value, schema), schema)
    except ValueError:
        return None


def schema_requiring(keys: Iterable[str], schema: Schema) -> Schema:
    """Return a schema under which a record has these keys of its root, be they null or empty lists.

    A schema leaves keys optional for gold that does not annotate them, and a model passes over one
    now and then, with all that stands in the text for it. Where a key could be neither null nor an
    empty list it stays as optional as it was: nothing has to be invented.
    """
    required = list(schema.get("required", ()))
    asked = set(keys) - set(required)
    for key in filter(asked.__contains__, schema.get("properties", {})):
        closed = complete_record("{", {**schema, "required": [key]}) or {}
        if closed.get(key, "") in (None, []):
            required.append(key)
    return {**schema, "required": required} if required else schema


class _CutOffError(Exception):
    """The text ends here."""


_UNFINISHED = re.compile(
    r"""(?:
    "[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[^"\\\x00-\x1f]*)*(?:\\(?:u[\da-fA-F]{0,3})?)?
    |-?(?:(?:0|[1-9]\d*)(?:\.\d*|(?:\.\d+)?(?:[eE][-+]?\d*)?))?
    |t|tr|tru|f|fa|fal|fals|n|nu|nul
    )\Z""",
    re.VERBOSE | re.ASCII,
)
_DEEPEST = 64


class _Beginning:
    """The beginning of a JSON text, read strictly as far as it goes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        # Each container that is open, and its key or index in the one before.
        self.open: list[tuple[str | int, Any]] = []

    def closed(self, schema: Schema) -> Any:
        """Return the value with all that is open closed.

        Raises:
            ValueError: the text is not the beginning of JSON.
        """
        try:
            value = self._value("")
        except _CutOffError:
            return self._close(schema)
        if _skip(self.text, self.at) < len(self.text):
            raise ValueError("more than one value")
        return value

    def _close(self, root: Schema) -> Any:
        """Close what is open, from the inside out; each goes into the one before if it is valid."""
        if not self.open and self.at < len(self.text):
            raise ValueError("the beginning of a scalar")
        opened = self.open or [("", {})]
        schemas = [_alternatives([root], root)]
        for step, _container in opened[1:]:
            inner = [_inside(schema, step) for schema in schemas[-1]]
            schemas.append(_alternatives(inner, root))
        value: Any = _NOTHING
        below: str | int = ""
        for (step, container), alternatives in zip(opened[::-1], schemas[::-1], strict=True):
            if value is not _NOTHING:
                _put(container, below, value)
            value, below = _completed(container, alternatives, root), step
        return value

    def _value(self, step: str | int) -> Any:
        if self._next() not in "{[":
            return self._scalar()
        if len(self.open) == _DEEPEST:
            raise ValueError(f"nested deeper than {_DEEPEST} levels")
        container: dict[str, Any] | list[Any] = {} if self.text[self.at] == "{" else []
        self.open.append((step, container))
        self.at += 1
        if isinstance(container, dict):
            self._members(container)
        else:
            self._items(container)
        self.open.pop()
        return container

    def _members(self, members: dict[str, Any]) -> None:
        if self._next() == "}":
            self.at += 1
            return
        more = True
        while more:
            if self._next() != '"':
                raise ValueError("a key is no string")
            key = self._scalar()
            if key in members or self._next() != ":":
                raise ValueError("a key comes twice or has no colon")
            self.at += 1
            members[key] = self._value(key)
            more = self._more("}")

    def _items(self, items: list[Any]) -> None:
        if self._next() == "]":
            self.at += 1
            return
        more = True
        while more:
            items.append(self._value(len(items)))
            more = self._more("]")

    def _more(self, closing: str) -> bool:
        character = self._next()
        if character not in (",", closing):
            raise ValueError("a comma is missing")
        self.at += 1
        return character == ","

    def _scalar(self) -> Any:
        if _UNFINISHED.match(self.text, self.at):
            raise _CutOffError
        value, self.at = _DECODER.raw_decode(self.text, self.at)
        return value

    def _next(self) -> str:
        self.at = _skip(self.text, self.at)
        if self.at == len(self.text):
            raise _CutOffError
        return self.text[self.at]


def _inside(schema: Mapping[str, Any], step: str | int) -> Any:
    return schema.get("items", {}) if isinstance(step, int) else property_schema(schema, step)


def _put(container: Any, step: str | int, value: Any) -> None:
    if isinstance(container, list):
        container.append(value)
    else:
        container[step] = value


def _alternatives(schemas: Iterable[Any], root: Schema, steps: int = 8) -> list[Mapping[str, Any]]:
    """Return schemas with what they refer to, each followed by its branches."""
    found: list[Mapping[str, Any]] = []
    for schema in schemas if steps else ():
        whole = resolve(schema, root)
        branches = [*whole.get("anyOf", ()), *whole.get("oneOf", ())]
        found += [whole, *_alternatives(branches, root, steps - 1)]
    return found


def _completed(
    value: Any, alternatives: Sequence[Mapping[str, Any]], root: Schema, steps: int = 32
) -> Any:
    """Return an object or list that ends here, with what it still needs, or _NOTHING."""
    for schema in alternatives:
        whole = value
        if isinstance(value, dict):
            missing = [key for key in schema.get("required", ()) if key not in value]
            whole = value | {
                key: _empty(property_schema(schema, key), root, steps) for key in missing
            }
            if any(item is _NOTHING for item in whole.values()):
                continue
        if first_problem(whole, root, schema) is None:
            return whole
    return _NOTHING


def _empty(schema: Any, root: Schema, steps: int) -> Any:
    """Return the value that says nothing and is valid, or _NOTHING."""
    verbatim = resolve(schema, root).get("x-source") == "verbatim"
    for option in _alternatives([schema], root) if steps else ():
        for value in _empty_values(option, root, steps, verbatim=verbatim):
            if value is not _NOTHING and first_problem(value, root, option) is None:
                return value
    return _NOTHING


def _empty_values(
    schema: Mapping[str, Any], root: Schema, steps: int, *, verbatim: bool
) -> Iterator[Any]:
    kinds = types_of(schema)
    if "array" in kinds:
        yield []
    yield None
    if "object" in kinds:
        yield _completed({}, [schema], root, steps - 1)
    if "string" in kinds and not verbatim and schema.get("x-source") != "verbatim":
        yield ""


def _skip(text: str, at: int) -> int:
    """Return the offset after white space."""
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at
