"""Make up documents and records that are valid against a schema, as the sample of a new plugin."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any

from ..data import Record, Schema
from ..decoding.grammar import Grammar, Grammars
from ..decoding.llguidance_adapter import Vocabulary
from ..errors import InputError
from ..schema.navigation import branches_of, resolve, types_of
from ..schema.pointers import leaves, parse_pointer
from ..schema.records import first_problem
from .embedded_prompts import embedded_prompts

_SPLITS = ("train", "train", "train", "validation", "test")
_COUNT = 10
_TRIES = 8
"""Random strings of a pattern, of which the shortest is taken."""

_WORDS = "amber birch cedar dune ember fjord grove harbour inlet juniper".split()
_Above = tuple[object, ...]

_NO_VALUE = object()
"""Stands for no value at all, since None is one."""

_OF_FORMAT = {
    "date": "2024-{month:02}-17",
    "date-time": "2024-{month:02}-17T09:30:00Z",
    "time": "09:{month:02}:00Z",
    "duration": "P{month}D",
    "email": "{word}{number}@example.org",
    "hostname": "{word}{number}.example.org",
    "ipv4": "192.0.2.{month}",
    "ipv6": "2001:db8::{month}",
    "uri": "https://example.org/{word}/{number}",
    "uuid": "00000000-0000-4000-8000-{number:012}",
}
"""A value of each format that is enforced, in which a number makes the difference."""


def made_up_rows(schema: Schema) -> Iterator[dict[str, Any]]:
    """Yield rows of the core's JSONL whose texts hold what their records say, a line each.

    Raises:
        InputError: no valid record was found; names what is wrong with the last one.
    """
    maker = _Maker(schema)
    for number in range(_COUNT):
        record = maker.record(number)
        lines = [f"Document {number + 1}", *_lines(record)]
        yield {
            "id": f"made-up-{number + 1:02}",
            "text": "\n".join(lines),
            "record": record,
            "split": _SPLITS[number % len(_SPLITS)],
        }


def _lines(record: Record) -> Iterator[str]:
    for pointer, leaf in leaves(record):
        name = next((part for part in parse_pointer(pointer)[::-1] if not part.isdigit()), "")
        if leaf is not None:
            yield f"{name}: {leaf}"


def _is_inside_itself(part: Mapping[str, Any], above: _Above) -> bool:
    # By content: the root is a copy of the definition that it refers to.
    return part.get("properties") in above


class _Maker:
    """Makes values of the parts of a schema, each time other ones."""

    def __init__(self, schema: Schema) -> None:
        self._root = schema
        self._turn = 0
        self._numbers = itertools.count(1)

    def record(self, turn: int) -> Record:
        """Return a record; in each turn other optional values are missing."""
        self._turn = turn
        made = self._value(self._root, ())
        problem = first_problem(made, self._root) if made is not _NO_VALUE else ("", "")
        if problem is not None:
            pointer, message = problem
            raise InputError(
                f"no sample could be made up{pointer and f', at {pointer}: '}{message}"
            )
        assert isinstance(made, dict)
        return made

    def _value(self, part: Any, above: _Above) -> Any:
        """Return a valid value of a part of the schema, or _NO_VALUE.

        Args:
            part: the part.
            above: the ``properties`` of the objects that hold the value.
        """
        here = resolve(part, self._root)
        for value in self._candidates(here, above):
            if value is not _NO_VALUE and first_problem(value, self._root, part) is None:
                return value
        return _NO_VALUE

    def _candidates(self, part: Mapping[str, Any], above: _Above) -> Iterator[Any]:
        types = types_of(part)
        number = next(self._numbers)
        may_be_null = "null" in types or None in part.get("enum", ())
        if may_be_null and (_is_inside_itself(part, above) or self._turn % 4 == 3):
            yield None
        if "const" in part:
            yield part["const"]
        yield from _rotated([each for each in part.get("enum", ()) if each is not None], number)
        branches = [each for each in branches_of(part) if each.get("type") != "null"]
        for branch in _rotated(branches, self._turn):
            yield self._value({**branch, **_beside(part)}, above)
        if "object" in types:
            yield self._object(part, above, with_others=not _is_inside_itself(part, above))
            yield self._object(part, above, with_others=False)
        if "array" in types:
            yield self._array(part, above)
        if "string" in types:
            yield from made_up_strings(part, number)
        if "integer" in types or "number" in types:
            yield from made_up_numbers(part, number, is_whole="number" not in types)
        if "boolean" in types:
            yield number % 2 == 0
        yield None

    def _object(self, part: Mapping[str, Any], above: _Above, *, with_others: bool) -> Any:
        properties, required = part.get("properties", {}), part.get("required", ())
        only_required = _is_inside_itself(part, above)
        within = (*above, properties) if properties else above
        made = {}
        for key, inner in properties.items():
            if key in required or not only_required:
                made[key] = self._value(inner, within)
            if made.get(key) is _NO_VALUE and key not in required:
                del made[key]
        others = part.get("additionalProperties")
        if isinstance(others, Mapping) and with_others:
            for key in _WORDS[: max(2, part.get("minProperties", 0))]:
                made[key] = self._value(others, within)
        return made if _NO_VALUE not in made.values() else _NO_VALUE

    def _array(self, part: Mapping[str, Any], above: _Above) -> Any:
        firsts, item = part.get("prefixItems", ()), part.get("items", {})
        least = part.get("minItems", 0)
        is_deep = _is_inside_itself(resolve(item, self._root), above)
        count = least if is_deep else max(least, self._turn % 3)
        count = min(count, part.get("maxItems", count))
        parts = [*firsts, *[item] * max(0, count - len(firsts))]
        made = [self._value(each, above) for each in parts]
        return made if _NO_VALUE not in made else _NO_VALUE


def made_up_strings(part: Mapping[str, Any], number: int) -> Iterator[str]:
    """Yield strings for a part of a schema, of which one is valid for most; others by each number.

    Args:
        part: the part.
        number: makes the difference.
    """
    word = _WORDS[number % len(_WORDS)]
    if part.get("format") in _OF_FORMAT:
        values = {"word": word, "number": number, "month": number % 12 + 1}
        yield _OF_FORMAT[part["format"]].format(**values)
    most = part.get("maxLength", 100)
    for text in (f"{word} {number}", f"{word}{number}"[-most:], str(number), word, word[:most]):
        yield text.ljust(part.get("minLength", 0), "x")
    if "pattern" in part:
        yield from _matching(part["pattern"], number)
    yield ""


def made_up_numbers(part: Mapping[str, Any], number: int, *, is_whole: bool) -> Iterator[float]:
    """Yield numbers for a part of a schema, as ``made_up_strings`` does."""
    low = max(part.get("minimum", -math.inf), part.get("exclusiveMinimum", -math.inf))
    high = min(part.get("maximum", math.inf), part.get("exclusiveMaximum", math.inf))
    step = part.get("multipleOf", 1 if is_whole else 0.5)
    first = math.ceil(low / step) if math.isfinite(low) else 0
    if math.isfinite(high):
        first = first if math.isfinite(low) else math.floor(high / step) - 40
        yield (first + number % max(1, math.floor(high / step) - first + 1)) * step
    yield (first + number) * step
    yield from (each * step for each in range(first, first + 3))
    if math.isfinite(low) and math.isfinite(high):
        yield (low + high) / 2


def _rotated(values: Sequence[Any], turn: int) -> list[Any]:
    """Return some values from another one on in each turn."""
    at = turn % len(values) if values else 0
    return [*values[at:], *values[:at]]


def _matching(pattern: str, seed: int) -> Iterator[str]:
    """Yield strings that a pattern allows, the shortest of some random ones first."""
    grammar, random = _grammar(pattern), Random(seed)
    found = {_walk(grammar, random) for _ in range(_TRIES)} - {None}
    yield from sorted(map(str, found), key=lambda text: (len(text), text))


@cache
def _grammar(pattern: str) -> Grammar:
    prompts = embedded_prompts()
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"value": {"type": "string", "pattern": pattern}},
        "required": ["value"],
    }
    return Grammars(schema, Vocabulary(prompts.plain, prompts.stops)).for_text("A text.")


def _walk(grammar: Grammar, random: Random) -> str | None:
    """Return the value of a random answer; None if it does not end soon."""
    matcher = grammar.matcher()
    written = b""
    for _ in range(100):
        if matcher.ended:
            value: str = json.loads(written)["value"]
            return value
        tokens = matcher.forced() or [random.choice(matcher.allowed().nonzero()[0].tolist())]
        written += b"".join(map(grammar.vocabulary.bytes_of, tokens))
        matcher.consume(tokens)
    return None


def _beside(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a union says of its value beside its branches."""
    return {key: value for key, value in part.items() if key not in ("anyOf", "oneOf")}
