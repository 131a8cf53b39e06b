"""Compile a schema to grammar rules, in llguidance's dialect of Lark.

Schemas with a verbatim field further in become rules here; every subtree without one goes to
llguidance's own compiler of JSON Schema (``bounded_schema``). A verbatim value is a run of whole
segments of the text (``grounding.segments``) that neither begins nor ends with white space, escaped
as in JSON. What neither of the two can enforce is refused.
"""

from __future__ import annotations

import json

from ..data import Schema
from ..text.grounding import segments
from .bounded_schema import MAX_ITEMS, bounded_schema
from .schema_node import ABOVE_VERBATIM, SchemaNode

_VERBATIM = frozenset(("$ref", "anyOf", "minLength", "type"))

# Characters as JSON writes them: those at which a span may begin or end, and white space.
_SPACES = "".join(c for c in map(chr, range(0x20, 0x3001)) if c.isspace())
_SPAN = rf"""
SPAN: "\"" (CHUNKS & (EDGE (INSIDE* EDGE)?)) "\""
EDGE: /[^\x00-\x1f"\\{_SPACES}]|\\["\\b]|\\u00(0[0-7ef]|1[0-9ab])/
INSIDE: EDGE | /[{_SPACES}]|\\[tnfr]|\\u00(0b|1[c-f])/
CHUNKS: %regex """


def refers_to_spans(rules: str) -> bool:
    """Say whether rules refer to spans of a text; they end where its segments have to follow."""
    return rules.endswith(_SPAN)


def whole_grammar(rules: str, text: str) -> str:
    """Return a complete grammar: the rules, with the segments of a text if they refer to spans."""
    if not refers_to_spans(rules):
        return rules
    escaped = segments(text)
    if len(json.dumps(text, ensure_ascii=False)) > len(text) + 2:
        escaped = [json.dumps(segment, ensure_ascii=False)[1:-1] for segment in escaped]
    return rules + json.dumps({"substring_chunks": escaped}, ensure_ascii=False)


def _verbatim_or_above(root: Schema) -> set[int]:
    """Return the ids of the schemas that are verbatim or contain one that is."""
    above: dict[int, set[int]] = {}
    waiting, verbatim = [SchemaNode(root, root)], []
    while waiting:
        node = waiting.pop()
        node.check_endless()
        if node.verbatim:
            verbatim.append(id(node.schema))
        for inner in node.inner():
            if id(inner.schema) not in above:
                waiting.append(inner)
            above.setdefault(id(inner.schema), set()).add(id(node.schema))
    found: set[int] = set()
    while verbatim:
        schema = verbatim.pop()
        if schema not in found:
            found.add(schema)
            verbatim += above.get(schema, ())
    return found


class LarkRules:
    """The rules of a schema, one for each schema that is verbatim or contains one that is.

    Attributes:
        text: the rules; empty if no answer is possible.
        subtrees: the schemas that llguidance compiles.
    """

    def __init__(self, schema: Schema, *, spans: bool = True) -> None:
        """Compile a schema.

        Args:
            schema: of a record.
            spans: whether the text has a span; without one, a verbatim field has no value.

        Raises:
            SchemaError: rules cannot express the schema, or it has no finite answer at all.
        """
        self.text = ""
        self.subtrees: list[SchemaNode] = []
        self._spans = spans
        self._verbatim = _verbatim_or_above(schema)
        self._finite: set[tuple[int, bool]] = set()
        self._names: dict[tuple[int, bool], str] = {}
        self._bodies: dict[str, str] = {}
        self._recursive: set[tuple[int, bool]] = set()
        self._lines: list[str] = []
        root = SchemaNode(schema, schema)
        if self._has_value(root):
            start = self._rule(root)
            end = _SPAN if spans and self._verbatim else ""
            self.text = "\n".join([f"start: {start}", *self._lines, end])
        elif spans:
            raise root.error("required", "needs a value that cannot be finite")

    def _has_value(self, node: SchemaNode, above: tuple[int, ...] = ()) -> bool:
        """Say whether a schema has a finite value, judged by its structure.

        Args:
            node: the schema.
            above: ids of the schemas that contain it.
        """
        if isinstance(node.schema, bool):
            return node.schema
        if id(node.schema) in above:
            return False
        if node.identity in self._finite:
            return True
        above = (*above, id(node.schema))
        options = [*node.branches("anyOf"), *node.branches("oneOf")]
        possible = (
            all(self._has_value(each, above) for each in [*node.target(), *node.branches("allOf")])
            and (not options or any(self._has_value(option, above) for option in options))
            and (not node.types or any(self._has_type(type_, node, above) for type_ in node.types))
        )
        if possible:  # if it is not, that may be due to the schemas above
            self._finite.add(node.identity)
        return possible

    def _has_type(self, type_: str, node: SchemaNode, above: tuple[int, ...] = ()) -> bool:
        """Say whether a schema has a finite value of a type."""
        if type_ == "string":
            return self._spans or not node.verbatim
        if type_ == "array":
            may_be_empty = not node.keywords.get("minItems") or "prefixItems" in node.keywords
            return may_be_empty or self._has_value(node.inside("items"), above)
        if type_ == "object":
            members = node.named("properties")
            required = set(node.keywords.get("required", ())) & members.keys()
            return all(self._has_value(members[key], above) for key in required)
        return True

    def _rule(self, node: SchemaNode) -> str:
        """Return the name of a schema's rule; equal rules are written once."""
        if node.identity in self._names:
            self._recursive.add(node.identity)
            return self._names[node.identity]
        name = self._names[node.identity] = f"r{len(self._names)}"
        if node.verbatim or id(node.schema) in self._verbatim:
            body = " | ".join(self._alternatives(node, name))
        else:
            body = f"%json {bounded_schema(node)}"
            self.subtrees.append(node)
        same = body if body.isidentifier() else self._bodies.setdefault(body, name)
        if same == name or node.identity in self._recursive:
            self._lines.append(f"{name}: {body}")
            return name
        self._names[node.identity] = same
        return same

    def _alternatives(self, node: SchemaNode, name: str) -> list[str]:
        if node.verbatim:
            _require_text(node)
            node.check_keywords(_VERBATIM, " in a verbatim field")
        else:
            node.check_keywords(ABOVE_VERBATIM, " where a verbatim field is further in")
        for alone in ("$ref", "anyOf", "oneOf"):
            beside = [k for k in node.keywords if k in (ABOVE_VERBATIM | _VERBATIM) - {alone}]
            if alone in node.keywords and beside:
                raise node.error(alone, f"is beside {beside[0]}; write that inside it")
        if "oneOf" in node.keywords and not node.is_exclusive():
            what = "has schemas that no required constant tells apart; give each one, or use anyOf"
            raise node.error("oneOf", what)
        options = [*node.target(), *node.branches("anyOf"), *node.branches("oneOf")]
        if options:
            return [self._rule(option) for option in options if self._has_value(option)]
        if not node.types:
            raise node.error("type", "is missing; say what type this is")
        return [
            self._typed(type_, node, name) for type_ in node.types if self._has_type(type_, node)
        ]

    def _typed(self, type_: str, node: SchemaNode, name: str) -> str:
        if type_ == "null":
            return '"null"'
        if node.verbatim:
            if node.keywords.get("minLength", 0) > 1:
                raise node.error("minLength", "is over 1 in a verbatim field; leave it out")
            return "SPAN"
        if type_ == "array":
            return self._array(node)
        if type_ == "object":
            return self._object(node, name)
        raise node.error("type", f"has {type_} beside others; tell them apart with anyOf")

    def _array(self, node: SchemaNode) -> str:
        items = node.inside("items")
        low = node.keywords.get("minItems", 0)
        high = node.keywords.get("maxItems", max(MAX_ITEMS, low))
        if low > high:
            raise node.error("minItems", "is over maxItems")
        if high == 0 or not self._has_value(items):
            return '"[" "]"'
        item = self._rule(items)
        several = f'{item} ("," {item}){{{max(low - 1, 0)},{high - 1}}}' if high > 1 else item
        return f'"[" {several} "]"' if low else f'"[" ({several})? "]"'

    def _object(self, node: SchemaNode, name: str) -> str:
        """Return the rule of an object; its optional members may each be left out.

        Punctuation and keys are separate terminals, as in llguidance's own rules. Only so can the
        parser distinguish objects of both types as late as where they differ.
        """
        if node.keywords.get("additionalProperties", False) is not False:
            raise node.error("additionalProperties", "is not false, where keys have to be known")
        node.check_closed()
        required = node.keywords.get("required", ())
        members = [
            (f'{_key(key)} ":" {self._rule(member)}', key in required)
            for key, member in node.named("properties").items()
            if self._has_value(member)
        ]
        lead = next((i for i, (_text, needed) in enumerate(members) if needed), len(members))
        # First what follows from the first required member on. Then, backwards, the optional
        # members before it: each may begin the object, or follow another.
        rest = " ".join(
            f'"," {text}' if needed else f'("," {text})?' for text, needed in members[lead:]
        )
        starts = [rest.removeprefix('"," ')] if rest else []
        for number in reversed(range(lead)):
            member, after = f"{name}m{number}", f"{name}a{number}"
            starts.append(f"{member} {rest}")
            self._lines.append(f"{member}: {members[number][0]}")
            if number:
                self._lines.append(f'{after}: ("," {member})? {rest}')
                rest = after
        if not starts:
            return '"{" "}"'
        return f'"{{" ({" | ".join(starts)}){"?" if lead == len(members) else ""} "}}"'


def _require_text(node: SchemaNode) -> None:
    """Refuse a verbatim schema of what is no string.

    Raises:
        SchemaError: names the type, and where the annotation belongs.
    """
    for type_ in node.types:
        if type_ == "array":
            raise node.error("x-source", "is 'verbatim' at a list; give it to the list's items")
        if type_ not in ("string", "null"):
            raise node.error("x-source", f"is 'verbatim' and the type {type_}; make it string")


def _key(key: str) -> str:
    """Return a member's key, in JSON, as a string literal of Lark."""
    written = json.dumps(json.dumps(key, ensure_ascii=False), ensure_ascii=False)
    return written.replace("\x7f", r"\u007f")  # which Lark wants escaped, unlike JSON
