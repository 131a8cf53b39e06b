"""Checks of a plugin's schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from ..decoding.grammar import closing_problem
from ..errors import PluginError, SchemaError, did_you_mean
from ..schema.annotations import ANNOTATIONS
from ..schema.navigation import iter_subschemas, resolve, types_of
from .plugin_under_test import PluginUnderTest


def check_schema_is_enforceable(subject: PluginUnderTest) -> str:
    """Its schema has no keyword that the grammar could not hold an answer to."""
    if isinstance(subject.loading, SchemaError):
        raise subject.loading
    return f"answers can be held to it: {', '.join(_fields(subject)) or 'no field'}"


def check_schema_is_closed(subject: PluginUnderTest) -> str:
    """Its schema leaves no object, list or value open: what is not named cannot be answered."""
    schema = subject.plugin.schema
    problems = [(place, what) for place, node in _values(schema) if (what := _openness(node))]
    if problems:
        place, what = problems[0]
        raise PluginError(f"the schema at {place or '/'}: {what}")
    return f"{sum(1 for _ in _values(schema))} values, each of a type that is said"


def check_schema_is_bounded(subject: PluginUnderTest) -> str:
    """An answer that is cut off at the length limit can be closed into a valid record."""
    problem = closing_problem(subject.plugin.schema)
    if problem is not None:
        raise PluginError(problem)
    return "an answer cut off at the length limit can be closed"


def check_verbatim_may_be_absent(subject: PluginUnderTest) -> str:
    """No verbatim field has to be filled: it may be null, left out, or is in a list."""
    schema = subject.plugin.schema
    forced = list(_forced(schema, schema, ""))
    if forced:
        raise PluginError(
            f"{', '.join(forced)}: has to be filled, so that something is invented where the "
            f"document says nothing; let it be null, leave it out of required, or put it in a list"
        )
    return "no verbatim field has to be filled where the document says nothing"


def check_annotations_are_known(subject: PluginUnderTest) -> str:
    """No annotation is nearly, and not quite, one that the core reads (x-source, x-key, …)."""
    count = 0
    for place, node in iter_subschemas(subject.plugin.schema):
        for key in node if isinstance(node, dict) else ():
            near = get_close_matches(key, ANNOTATIONS, n=1, cutoff=0.8)
            if near and key not in ANNOTATIONS:
                raise PluginError(
                    f"the schema at {place or '/'}: {key!r} is no annotation that is read; "
                    f"{did_you_mean(key, ANNOTATIONS)}"
                )
            count += key in ANNOTATIONS
    return f"{count} annotations"


def _fields(subject: PluginUnderTest) -> list[str]:
    return list(subject.plugin.schema.get("properties", ()))


def _values(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield the schemas that describe a value alone: no parts of an allOf."""
    return ((place, node) for place, node in iter_subschemas(schema) if "/allOf/" not in place)


_SAYING = ("type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf", "prefixItems")


def _openness(node: Any) -> str:
    """Say what a schema leaves open, and what to do; "" for nothing."""
    if not isinstance(node, dict) or not any(key in node for key in _SAYING):
        return "anything may stand here; say its type"
    kinds = types_of({"type": node.get("type", ())})
    if "object" in kinds and node.get("additionalProperties") is not False:
        return 'an object may hold keys that nobody named; add "additionalProperties": false'
    if "array" in kinds and not node.keys() & {"items", "prefixItems"}:
        return 'a list may hold anything; say what with "items"'
    return ""


def _forced(schema: Any, root: Mapping[str, Any], pointer: str) -> Iterator[str]:
    """Yield the pointers of the verbatim fields that every record holds."""
    here = resolve(schema, root)
    if "null" in types_of(here):
        return
    if here.get("x-source") == "verbatim":
        yield pointer
    for key in here.get("required", ()):
        yield from _forced(here.get("properties", {}).get(key, {}), root, f"{pointer}/{key}")
    if here.get("minItems"):
        yield from _forced(here.get("items", {}), root, f"{pointer}/0")
