"""Rewrite a subtree of a schema for llguidance's own compiler of JSON Schema.

For subtrees without a verbatim field. What has no bound gets one, so that every answer ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from .schema_node import ENFORCED, SAME_VALUE, SCHEMAS_BY_NAME, SINGLE_SCHEMA, SchemaNode

# A list's bound costs a tenth of a millisecond a grammar; a longer string would run llguidance out
# of states.
MAX_ITEMS = 1_000
MAX_LENGTH = 10_000  # characters of a string without a pattern or format
MAX_NUMBER = 10**15  # absolute; a bounded number is written without an exponent

FORMATS = {
    "date": 10, "date-time": 40, "duration": 32, "email": 254, "hostname": 253, "ipv4": 15,
    "ipv6": 45, "time": 24, "uri": 2_000, "uuid": 36,
}  # fmt: skip
"""Formats of strings that are enforced, with the characters of such a string, at most; other
formats are annotations. By its grammar alone, a duration or a fraction of a second has no end."""

_SHORT_NUMBERS = r"^[^0-9]*([0-9]{1,6}[^0-9]+)*$"
"""Pattern of durations: what has more digits is longer than any clock or library counts."""

_TYPES = ("null", "boolean", "number", "string", "array", "object")


def bounded_schema(node: SchemaNode) -> str:
    """Return a schema as JSON text that llguidance enforces completely.

    It has no annotations, and what it refers to is in its own ``$defs``. An object that names its
    properties is closed unless it says otherwise or other schemas describe it too.

    Raises:
        SchemaError: it has a keyword that llguidance ignores or does not know.
    """
    rewriter = _Rewriter()
    schema = rewriter.rewrite(node, shared=False)
    return json.dumps(
        {
            **(schema if isinstance(schema, dict) else {"anyOf": [schema]}),
            "$defs": rewriter.definitions,
            "x-guidance": {"whitespace_flexible": False},
        }
    )


class _Rewriter:
    """Rewrites schemas; ``shared`` says whether other schemas describe the same value."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}
        self._names: dict[tuple[int, bool], str] = {}

    def rewrite(self, node: SchemaNode, *, shared: bool) -> Any:
        node.check_keywords(ENFORCED)
        _check_values(node)
        schema = {key: value for key, value in node.keywords.items() if key in ENFORCED}
        if schema.get("format") not in FORMATS:  # JSON Schema lets a validator ignore others, too
            schema.pop("format", None)
        if node.schema is False:
            return False
        if not schema:
            return True if shared else self._any_value()
        others = schema.keys() & {"$ref", *SAME_VALUE}
        only_one = len(schema.keys() - {"type"}) == 1 and not schema.keys() & {"allOf", "oneOf"}
        shared = shared or bool(others and not only_one)
        schema = {key: self._keyword(node, key, shared=shared) for key in schema}
        if "oneOf" in schema and "anyOf" not in schema and node.is_exclusive():
            schema["anyOf"] = schema.pop("oneOf")
        bounded_elsewhere = "type" not in schema and (shared or others)
        if not schema.keys() & {"const", "enum"} and not bounded_elsewhere:
            types = node.types or _TYPES
            _bound(schema, types)
            if not shared:
                self._complete(schema, types, node)
        return schema

    def _keyword(self, node: SchemaNode, keyword: str, *, shared: bool) -> Any:
        """Return the value of a keyword with the schemas in it rewritten."""
        if keyword == "$ref":
            return self._reference(node.target()[0], shared=shared)
        if keyword in SAME_VALUE:
            return [self.rewrite(inner, shared=shared) for inner in node.listed(keyword)]
        if keyword == "prefixItems":
            return [self.rewrite(inner, shared=False) for inner in node.listed(keyword)]
        if keyword in SCHEMAS_BY_NAME:
            members = node.named(keyword).items()
            return {key: self.rewrite(inner, shared=False) for key, inner in members}
        if keyword in SINGLE_SCHEMA:
            return self.rewrite(node.inside(keyword), shared=False)
        return node.keywords[keyword]

    def _reference(self, target: SchemaNode, *, shared: bool) -> str:
        identity = id(target.schema), shared
        if identity not in self._names:
            name = self._names[identity] = f"d{len(self._names)}"
            self.definitions[name] = self.rewrite(target, shared=shared)
        return f"#/$defs/{self._names[identity]}"

    def _any_value(self) -> dict[str, Any]:
        """Return the schema of any value, within bounds."""
        reference = {"$ref": "#/$defs/any"}
        if "any" not in self.definitions:
            schema = {"type": list(_TYPES), "items": reference, "additionalProperties": reference}
            self.definitions["any"] = schema
            _bound(schema, _TYPES)
        return reference

    def _complete(self, schema: dict[str, Any], types: Sequence[str], node: SchemaNode) -> None:
        """Describe items and additional members where a schema does not."""
        if "array" in types:
            schema.setdefault("items", self._any_value())
        if "object" in types and "additionalProperties" not in schema:
            closed = "properties" in schema and "patternProperties" not in schema
            if closed:
                node.check_closed()
            schema["additionalProperties"] = False if closed else self._any_value()


def _bound(schema: dict[str, Any], types: Sequence[str]) -> None:
    """Add the bounds that a schema of some types lacks."""
    if "string" in types and "pattern" not in schema:
        longest = FORMATS.get(schema.get("format", ""), MAX_LENGTH)
        schema.setdefault("maxLength", max(longest, schema.get("minLength", 0)))
    if schema.get("format") == "duration":
        schema.setdefault("pattern", _SHORT_NUMBERS)
    if "array" in types:
        schema.setdefault("maxItems", max(MAX_ITEMS, schema.get("minItems", 0)))
    if "number" in types or "integer" in types:
        lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema]
        highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema]
        if not lows and min(highs, default=0) > -MAX_NUMBER:
            schema["minimum"] = -MAX_NUMBER
        if not highs and max(lows, default=0) < MAX_NUMBER:
            schema["maximum"] = MAX_NUMBER


def _check_values(node: SchemaNode) -> None:
    """Refuse values that llguidance accepts without enforcing them as jsonschema checks them."""
    keywords = node.keywords
    # jsonschema divides floats: for it, 0.07 is no multiple of 0.01.
    if not float(keywords.get("multipleOf", 1)).is_integer():
        raise node.error("multipleOf", "is no whole number; leave it out")
    patterns = [("patternProperties", pattern) for pattern in keywords.get("patternProperties", ())]
    for keyword, pattern in [*patterns, ("pattern", keywords.get("pattern", ""))]:
        try:
            re.compile(pattern)
        except re.error as error:
            raise node.error(
                keyword, f"is {pattern!r}, which Python cannot read: {error}"
            ) from error
