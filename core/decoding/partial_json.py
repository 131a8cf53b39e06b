"""Repair truncated JSON: build a valid record of its complete part, or say how it goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..data import Record, Schema
from ..schema.navigation import property_schema, resolve, types_of
from ..schema.records import first_problem, read_record, write_record, write_value
from .bounded_schema import FORMATS

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
    null or empty: [], {}, or "" where the string is neither verbatim nor of a known format. An
    object or a list that cannot be completed so is dropped with its contents. All other leaves keep
    their JSON Pointer.

    Returns:
        A valid record, its keys in the schema's order. None if no valid record can be made of the
        text, or if it is not the beginning of a JSON object.
    """
    try:
        value = _PartialParser(text).completed(schema)
        return None if value is _NO_VALUE else read_record(write_record(value, schema), schema)
    except ValueError:
        return None


def beginning_of_rest(text: str, schema: Schema) -> str | None:
    """Return how a truncated answer has to begin, so that the rest of it is as short as can be.

    The leaf at which the text ends is dropped, and so is the outermost open object or list that may
    be. Open objects and lists are closed as in ``complete_record``, up to the first value that can
    be neither null nor empty, with which the answer continues.

    Returns:
        The beginning of an answer in which a value is missing. None if nothing is missing, or if
        the text is not the beginning of a JSON object.
    """
    if complete_record(text, schema) is not None:
        return None
    parser = _PartialParser(text)
    try:
        parser.whole()
    except _TruncatedError:
        return parser.beginning_of_rest(schema)
    except ValueError:
        return None
    return None


def keys_of(text: str) -> set[str]:
    """Return the keys at the root of a truncated answer, the one whose value is missing included.

    >>> sorted(keys_of('{"a":1,"b":{"c":2},"d":'))
    ['a', 'b', 'd']
    """
    parser = _PartialParser(text)
    try:
        parser.whole()
    except _TruncatedError:
        found = set(parser.open[0][1]) if parser.open else set()
        rest = text[parser.ends[0] :] if parser.ends else ""
        key = re.match(r'\s*,?\s*("(?:[^"\\]|\\.)*")\s*:', rest)
        return found | ({json.loads(key[1])} if key else set())
    except ValueError:
        pass
    return set()


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
        self.ends: list[int] = []  # where its last complete member ends in the text

    def completed(self, schema: Schema) -> Any:
        """Return the value of the text, completed if it is truncated.

        Raises:
            ValueError: the text is not the beginning of JSON.
        """
        try:
            return self.whole()
        except _TruncatedError:
            return self._close(schema)

    def whole(self) -> Any:
        """Return the value of the text.

        Raises:
            ValueError: the text is not the beginning of JSON.
            _TruncatedError: it is no more than that.
        """
        value = self._value("")
        if skip_space(self.text, self.at) < len(self.text):
            raise ValueError("more than one value")
        return value

    def beginning_of_rest(self, root: Schema) -> str | None:
        """Return the text up to where a value is missing that has to be generated, or None."""
        if not self.open:
            self.text, self.open, self.ends = "{", [("", {})], [1]
        schemas = self._schemas(self.open, root)
        whole = len(self.open)
        kept = next((at for at in range(1, whole) if self._may_drop(at, schemas)), whole)
        text, value = self.text[: self.ends[kept - 1]], _NO_VALUE
        below: str | int = ""
        levels = zip(self.open[:kept], schemas[:kept], strict=True)
        for (step, container), alternatives in reversed(list(levels)):
            if value is not _NO_VALUE:
                _put(container, below, value)
            fitting = _fitting(container, alternatives, root)
            text, is_closed = _closed(text, container, fitting, root)
            if not is_closed:
                return text
            value, below = container, step
        return None

    def _may_drop(self, at: int, schemas: Sequence[Sequence[Mapping[str, Any]]]) -> bool:
        """Say whether an open container may be left out of the one that holds it."""
        step, (_, outer) = self.open[at][0], self.open[at - 1]
        return any(
            len(outer) >= schema.get("minItems", 0)
            if isinstance(outer, list)
            else step not in schema.get("required", ())
            for schema in schemas[at - 1]
            if schema.get("required") or "properties" in schema or "items" in schema
        )

    def _schemas(
        self, opened: Sequence[tuple[str | int, Any]], root: Schema
    ) -> list[list[Mapping[str, Any]]]:
        """Return what may describe each open container, from the outermost on."""
        schemas = [_alternatives([root], root)]
        for step, _container in opened[1:]:
            inner = [_inside(schema, step) for schema in schemas[-1]]
            schemas.append(_alternatives(inner, root))
        return schemas

    def _close(self, root: Schema) -> Any:
        """Close open containers from the inside out; a valid one goes into the one before it."""
        if not self.open and self.at < len(self.text):
            raise ValueError("the beginning of a scalar")
        opened = self.open or [("", {})]
        schemas = self._schemas(opened, root)
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
        self.ends.append(self.at)
        closing = "}" if isinstance(container, dict) else "]"
        if self._next() == closing:
            self.at += 1
        else:
            self._members(container, closing)
        self.open.pop()
        self.ends.pop()
        return container

    def _members(self, container: dict[str, Any] | list[Any], closing: str) -> None:
        """Parse the items of a list, or the members of an object, up to its end."""
        more = True
        while more:
            key = self._key(container) if isinstance(container, dict) else len(container)
            _put(container, key, self._value(key))
            self.ends[-1] = self.at
            more = self._more(closing)

    def _key(self, members: dict[str, Any]) -> str:
        if self._next() != '"':
            raise ValueError("a key is no string")
        key: str = self._scalar()
        if key in members and len(self.open) > 1:
            raise _TruncatedError  # a model repeats itself in a map; what follows is dropped
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


def _fitting(
    value: Any, alternatives: Sequence[Mapping[str, Any]], root: Schema
) -> Mapping[str, Any]:
    """Return the first schema that describes the members which a container has so far."""
    kinds = ("prefixItems", "items") if isinstance(value, list) else ("properties",)
    described = [schema for schema in alternatives if any(kind in schema for kind in kinds)]
    for schema in described:
        members = {kind: schema[kind] for kind in kinds if kind in schema}
        if first_problem(value, root, members) is None:
            return schema
    return (described or alternatives)[0]


def _closed(text: str, value: Any, schema: Mapping[str, Any], root: Schema) -> tuple[str, bool]:
    """Return a text with its innermost open container closed, and whether it is.

    Members that are missing become null or empty; the text ends in front of the first one that
    cannot, which is not closed.

    Args:
        text: the beginning of an answer, after a member of the container.
        value: the members that the container has; those that are added come into it.
        schema: describes it.
        root: the whole schema.
    """
    if isinstance(value, list):
        missing = len(value) < schema.get("minItems", 0)
        return (text + ("," if value else ""), False) if missing else (text + "]", True)
    required = schema.get("required", ())
    for key in [key for key in schema.get("properties", ()) if key in required]:
        if key in value:
            continue
        text += ("," if value else "") + write_value(key) + ":"
        empty = _empty(property_schema(schema, key), root, 32)
        if empty is _NO_VALUE:
            return text, False
        text += write_value(empty)
        value[key] = empty
    return text + "}", True


def _empty(schema: Any, root: Schema, steps: int) -> Any:
    """Return a valid value that is null or empty, or _NO_VALUE."""
    options = _alternatives([schema], root) if steps else []
    # Pydantic describes a decimal number as a number or a string, and "" is none.
    filled = resolve(schema, root).get("x-source") == "verbatim" or any(
        "type" in option and {"number", "integer", "boolean"} & {*types_of(option)}
        for option in options
    )
    for option in options:
        for value in _empty_values(option, root, steps, filled=filled):
            if value is not _NO_VALUE and first_problem(value, root, option) is None:
                return value
    return _NO_VALUE


def _empty_values(
    schema: Mapping[str, Any], root: Schema, steps: int, *, filled: bool
) -> Iterator[Any]:
    types = types_of(schema)
    if "array" in types:
        yield []
    yield None
    if "object" in types:
        yield _completed({}, [schema], root, steps - 1)
    filled = filled or schema.get("x-source") == "verbatim"
    if "string" in types and not filled and schema.get("format") not in FORMATS:  # "" is no date
        yield ""
