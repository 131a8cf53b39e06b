"""Checks of a plugin's schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from ..errors import PluginError, SchemaError, did_you_mean
from ..schema.annotations import ANNOTATIONS
from ..schema.navigation import iter_subschemas, resolve, types_of
from .plugin_under_test import PluginUnderTest
from .registry import check

_TYPING = ("type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf", "prefixItems")
"""Keywords of which a schema needs one, so that it does not allow every value."""


@check
def check_schema_is_enforceable(tested: PluginUnderTest) -> str:
    """Its schema has only keywords that the grammar can enforce."""
    if isinstance(tested.loading, SchemaError):
        raise tested.loading
    return f"answers can be constrained to it: {', '.join(tested.fields) or 'no field'}"


@check
def check_schema_is_closed(tested: PluginUnderTest) -> str:
    """Each object, list and value of its schema has a type; so do keys it does not name.

    An object that names its keys and does not say whether there may be others is closed at load.
    """
    parts = iter_subschemas(tested.plugin.schema)
    values = [(place, part) for place, part in parts if "/allOf/" not in place]
    for place, part in values:
        if problem := _openness(part):
            raise PluginError(f"the schema at {place or '/'}: {problem}")
    return f"{len(values)} values, each with a type"


@check
def check_verbatim_may_be_absent(tested: PluginUnderTest) -> str:
    """No verbatim field is required: each may be null or left out, or is in a list."""
    schema = tested.plugin.schema
    required = list(_required_verbatim(schema, schema, ""))
    if required:
        raise PluginError(
            f"{', '.join(required)}: it is required, so that the model has to invent a value where "
            f"the document has none; let it be null, leave it out of required, or put it in a list"
        )
    return "no verbatim field is required"


@check
def check_annotations_are_known(tested: PluginUnderTest) -> str:
    """No annotation is a misspelling of one that the core reads (x-source, x-key, …)."""
    count = 0
    for place, part in iter_subschemas(tested.plugin.schema):
        for key in part if isinstance(part, dict) else ():
            near = get_close_matches(key, ANNOTATIONS, n=1, cutoff=0.8)
            if near and key not in ANNOTATIONS:
                raise PluginError(
                    f"the schema at {place or '/'}: {key!r} is not an annotation that is read; "
                    f"{did_you_mean(key, ANNOTATIONS)}"
                )
            count += key in ANNOTATIONS
    return f"{count} annotations"


def _openness(part: Any) -> str:
    """Say what a schema leaves open, and what to do; "" for nothing."""
    if not isinstance(part, dict) or not any(key in part for key in _TYPING):
        return "it allows any value; say its type"
    types = types_of({"type": part.get("type", ())})
    if "object" in types and part.get("additionalProperties", True) is True:
        return 'the object allows any other key; add "additionalProperties": false'
    if "array" in types and not part.keys() & {"items", "prefixItems"}:
        return 'the list allows anything; say what with "items"'
    return ""


def _required_verbatim(part: Any, root: Mapping[str, Any], pointer: str) -> Iterator[str]:
    """Yield the pointers of the verbatim fields that every record has."""
    here = resolve(part, root)
    if "null" in types_of(here):
        return
    if here.get("x-source") == "verbatim":
        yield pointer
    for key in here.get("required", ()):
        inner = here.get("properties", {}).get(key, {})
        yield from _required_verbatim(inner, root, f"{pointer}/{key}")
    if here.get("minItems"):
        yield from _required_verbatim(here.get("items", {}), root, f"{pointer}/0")
