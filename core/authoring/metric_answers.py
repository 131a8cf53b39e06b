"""Answers that a plugin's metric is tried on, and the metric's counts of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from ..data import Counts, Example, Prediction, Record, Schema
from ..errors import PluginError
from ..plugins import Plugin
from ..schema.navigation import branches_of, empty_record, property_schema, resolve, types_of
from ..schema.pointers import field_of, leaves
from ..schema.records import first_problem
from .failures import explained
from .sample_records import made_up_numbers, made_up_strings


def answers(schema: Schema) -> dict[str, Callable[[Example], Record | None]]:
    """Return functions that make the "gold", "wrong", "empty" or "none" answer to an example."""
    return {
        "gold": lambda example: example.record,
        "wrong": lambda example: wrong_record(example.record, schema),
        "empty": lambda _example: empty_record(schema),
        "none": lambda _example: None,
    }


def count_answer(plugin: Plugin, example: Example, record: Record | None) -> dict[str, Counts]:
    """Return the metric's counts of an answer.

    Raises:
        PluginError: it fails, changes its arguments, or counts differently the second time.
    """
    what = "an answer" if record is not None else "no answer (record None)"
    prediction = _prediction(example, record)
    before = deepcopy((example, prediction))
    with explained(
        f"it fails for {what} to document {example.document.id}",
        "any valid record, and None, has to be counted",
    ):
        counts = plugin.metric(example, prediction)
        again = plugin.metric(example, prediction)
    if (example, prediction) != before:
        raise PluginError("it changes the records that it is given; work on a copy")
    if counts != again:
        raise PluginError(
            f"document {example.document.id}: it counts {counts}, then {again}; it has to depend "
            f"on its arguments alone"
        )
    return counts


def count_without(plugin: Plugin, example: Example, key: str) -> dict[str, Counts]:
    """Return the counts of the full answer if the gold record lacks a key.

    Raises:
        PluginError: the metric fails.
    """
    assert example.record is not None
    rest = {name: value for name, value in example.record.items() if name != key}
    mentions = {
        pointer: spans
        for pointer, spans in example.mentions.items()
        if pointer.split("/")[1] != key
    }
    with explained(
        f"it fails where the gold record of document {example.document.id} lacks {key!r}",
        "an absent key is not annotated: skip what depends on it",
    ):
        bare = replace(example, record=rest, mentions=mentions)
        return plugin.metric(bare, _prediction(example, example.record))


def _prediction(example: Example, record: Record | None) -> Prediction:
    error = None if record is not None else "length: the answer was cut off"
    return Prediction(example.document, record=record, error=error, windows=(1, 1))


def wrong_record(record: Record | None, schema: Schema) -> Record | None:
    """Return a valid record that differs in every leaf for which there is another valid value."""
    wrong: Record | None = _wrong(record, schema, schema, itertools.count(1))
    return wrong


def unchangeable_fields(records: Iterable[Record | None], schema: Schema) -> set[str]:
    """Return the fields of which no leaf has another valid value, as a constant has none."""
    changed, kept = set[str](), set[str]()
    for record in records:
        wrong = dict(leaves(wrong_record(record, schema)))
        for pointer, leaf in leaves(record):
            if leaf is not None:
                (kept if wrong[pointer] == leaf else changed).add(field_of(pointer))
    return kept - changed


def _wrong(value: Any, part: Any, root: Schema, numbers: Iterator[int]) -> Any:
    here = _described(value, part, root)
    if isinstance(value, dict):
        return {
            key: _wrong(item, property_schema(here, key), root, numbers)
            for key, item in value.items()
        }
    if isinstance(value, list):
        firsts = here.get("prefixItems", ())
        parts = itertools.chain(firsts, itertools.repeat(here.get("items", {})))
        return [
            _wrong(item, inner, root, numbers) for item, inner in zip(value, parts, strict=False)
        ]
    if value is None:
        return None
    others = (
        other
        for other in _other_leaves(value, here, next(numbers))
        if other != value and first_problem(other, root, here) is None
    )
    return next(others, value)


def _described(value: Any, part: Any, root: Schema, steps: int = 16) -> Mapping[str, Any]:
    """Return what a schema says of a value: of a union, the first branch that allows it."""
    here = resolve(part, root)
    for branch in branches_of(here) if steps else ():
        if first_problem(value, root, branch) is None:
            own = {key: each for key, each in here.items() if key not in ("anyOf", "oneOf")}
            return {**own, **_described(value, branch, root, steps - 1)}
    return here


def _other_leaves(value: Any, part: Mapping[str, Any], number: int) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1000 + number, value + 1, value - 1, value / 2)
        yield from made_up_numbers(part, number, is_whole=isinstance(value, int))
    elif isinstance(value, str):
        yield from (
            f"quite another answer {number}",
            f"https://other.example/{number}",
            f"{1200 + number % 700}-01-01",
        )
        yield from made_up_strings(part, number)
    yield from (each for each in part.get("enum", ()) if each is not None)
    if "null" in types_of(part):
        yield None
