"""Bound the lists of answers by those of the training data.

A model that repeats an item may go on with it until the length limit. Our own decoder can end such
a list; other engines enforce a grammar and no more. With a bound, lists end in all of them alike.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ..data import Record, Schema
from ..schema.pointers import parse_pointer
from .schema_node import SchemaNode

_FLOOR = 16
"""No list is bounded by fewer items than this; a sample may hold short lists alone."""


def measure_lists(record: Record, schema: Schema, longest: dict[str, int]) -> None:
    """Raise the length of the longest list of each array schema to what a record has.

    Args:
        record: valid against the schema.
        schema: the root.
        longest: JSON Pointer of an array schema -> items of its longest list; is changed.
    """
    _measure(record, SchemaNode(schema, schema), longest)


def _measure(value: Any, node: SchemaNode, longest: dict[str, int]) -> None:
    if not isinstance(value, dict | list) or isinstance(node.schema, bool):
        return
    for same in node.same_value():
        _measure(value, same, longest)
    if isinstance(value, list) and "items" in node.keywords:
        longest[node.pointer] = max(longest.get(node.pointer, 0), len(value))
        for item in value:
            _measure(item, node.inside("items"), longest)
    elif isinstance(value, dict):
        for key in node.keywords.get("properties", {}).keys() & value.keys():
            _measure(value[key], node.inside("properties", key), longest)


def bound_lists(schema: Schema, longest: Mapping[str, int]) -> Schema:
    """Return a schema whose lists have at most twice the items of the longest in training.

    Args:
        schema: the root.
        longest: what ``measure_lists`` found; array schemas that it lacks stay as they are.
    """
    bounded = copy.deepcopy(schema)
    for pointer, length in longest.items():
        part: Any = bounded
        for step in parse_pointer(pointer):
            part = part[int(step) if isinstance(part, list) else step]
        bound = max(_FLOOR, 2 * length)
        part["maxItems"] = min(part.get("maxItems", bound), bound)
    return bounded
