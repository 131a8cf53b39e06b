"""A schema within a schema: its keywords, what it contains, and errors that name it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from ..data import Schema
from ..errors import SchemaError
from ..schema.navigation import types_of
from ..schema.pointers import parse_pointer, pointer_of
from ..schema.records import canonical

_ANNOTATIONS = frozenset(
    "$anchor $comment $defs $id $schema $vocabulary contentEncoding contentMediaType contentSchema "
    "default definitions deprecated description discriminator example examples id readOnly title "
    "writeOnly".split()
)
_ENFORCED_LATER = frozenset({"uniqueItems"})
"""Keywords that no grammar expresses: repeated items are left out of the answer."""

ABOVE_VERBATIM = frozenset(
    "$ref additionalProperties anyOf items maxItems minItems oneOf properties required type".split()
)
"""Keywords that a schema with a verbatim field further in may have."""

ENFORCED = ABOVE_VERBATIM | frozenset(
    "allOf const enum exclusiveMaximum exclusiveMinimum format maxLength maxProperties maximum "
    "minLength minProperties minimum multipleOf pattern patternProperties "
    "prefixItems".split()
)
"""Keywords that llguidance enforces."""

SCHEMAS_BY_NAME = frozenset(("dependentSchemas", "patternProperties", "properties"))
"""Keywords whose value is an object of schemas."""

SAME_VALUE = ("allOf", "anyOf", "oneOf")
"""Keywords whose value is a list of schemas that describe the value itself."""

SINGLE_SCHEMA = frozenset(
    "additionalProperties contains else if items not propertyNames then unevaluatedItems "
    "unevaluatedProperties".split()
)
"""Keywords whose value is one schema."""


@dataclass(frozen=True)
class SchemaNode:
    """A schema within a schema.

    Attributes:
        root: the whole schema.
        schema: the schema itself.
        pointer: its JSON Pointer in the root.
        inherits_verbatim: whether a schema that describes the same value says that it is verbatim.
    """

    root: Schema
    schema: Mapping[str, Any] | bool
    pointer: str = ""
    inherits_verbatim: bool = False

    @property
    def keywords(self) -> Mapping[str, Any]:
        """The keywords of the schema; a boolean schema has none."""
        return {} if isinstance(self.schema, bool) else self.schema

    @property
    def verbatim(self) -> bool:
        """Whether the value has to be a span of the text."""
        return self.inherits_verbatim or self.keywords.get("x-source") == "verbatim"

    @property
    def identity(self) -> tuple[int, bool]:
        """A key that is equal for nodes with equal answers."""
        return id(self.schema), self.verbatim

    @property
    def types(self) -> tuple[str, ...]:
        """The types that the schema itself names."""
        return types_of({"type": self.keywords.get("type", ())})

    def inside(self, *path: str | int) -> SchemaNode:
        """Return a schema that describes a part of the value; true if there is none."""
        inner: Any = self.keywords
        for step in path:
            inner = inner.get(step, True) if isinstance(inner, Mapping) else inner[step]
        return SchemaNode(self.root, inner, self.pointer + pointer_of(path))

    def named(self, keyword: str) -> dict[str, SchemaNode]:
        """Return the schemas in a keyword's object."""
        return {name: self.inside(keyword, name) for name in self.keywords.get(keyword, ())}

    def listed(self, keyword: str) -> list[SchemaNode]:
        """Return the schemas in a keyword's list."""
        return [self.inside(keyword, i) for i in range(len(self.keywords.get(keyword, ())))]

    def branches(self, keyword: str) -> list[SchemaNode]:
        """Return the schemas in a keyword's list that describe the value itself."""
        return [replace(node, inherits_verbatim=self.verbatim) for node in self.listed(keyword)]

    def target(self) -> list[SchemaNode]:
        """Return the schema that ``$ref`` refers to, if there is a reference.

        Raises:
            SchemaError: there is no such schema.
        """
        if "$ref" not in self.keywords:
            return []
        reference = self.keywords["$ref"]
        if reference != "#" and not reference.startswith("#/"):
            raise self.error("$ref", f"is {reference!r}, which is not within the schema, as #/… is")
        path = parse_pointer(unquote(reference[1:]))
        target: Any = self.root
        try:
            for part in path:
                target = target[int(part) if isinstance(target, list) else part]
        except (KeyError, IndexError, ValueError, TypeError):
            target = None
        if not isinstance(target, dict | bool):
            raise self.error("$ref", f"is {reference!r}, where no schema is")
        return [SchemaNode(self.root, target, pointer_of(path), self.verbatim)]

    def same_value(self) -> list[SchemaNode]:
        """Return the other schemas that describe the value itself."""
        return [*self.target(), *(node for word in SAME_VALUE for node in self.branches(word))]

    def is_exclusive(self) -> bool:
        """Say whether a required constant of each schema in ``oneOf`` tells them apart.

        Then no value fits two of them, and ``anyOf`` means the same.
        """
        found = [branch.constants() for branch in self.branches("oneOf")]
        return any(
            all(key in constants for constants in found)
            and sum(len(constants[key]) for constants in found)
            == len(frozenset().union(*(constants[key] for constants in found)))
            for key in found[0]
        )

    def constants(self) -> dict[str, frozenset[str]]:
        """Return the required members that have one of a few values, with these as JSON."""
        target = self.target()
        if target:
            return target[0].constants()
        required = self.keywords.get("required", ())
        members = {k: node.keywords for k, node in self.named("properties").items()}
        values = {
            key: [member["const"]] if "const" in member else member.get("enum", ())
            for key, member in members.items()
            if key in required
        }
        return {key: frozenset(map(canonical, found)) for key, found in values.items() if found}

    def inner(self) -> Iterator[SchemaNode]:
        """Yield every schema directly within this one, or that it refers to."""
        yield from self.same_value()
        for keyword in self.keywords:
            if keyword in SCHEMAS_BY_NAME:
                yield from self.named(keyword).values()
            elif keyword == "prefixItems":
                yield from self.listed(keyword)
            elif keyword in SINGLE_SCHEMA:
                yield self.inside(keyword)

    def error(self, keyword: str, what: str) -> SchemaError:
        """Return an error about one of the schema's keywords."""
        return SchemaError(f"the schema at {self.pointer or '/'}: {keyword!r} {what}")

    def check_keywords(self, known: frozenset[str], where: str = "") -> None:
        """Refuse a keyword that is not enforced.

        Raises:
            SchemaError: names it.
        """
        for keyword in self.keywords:
            if keyword not in known | _ANNOTATIONS | _ENFORCED_LATER and not keyword.startswith(
                "x-"
            ):
                raise self.error(keyword, f"cannot be enforced{where}; leave it out")
        source = self.keywords.get("x-source", "inferred")
        if source not in ("verbatim", "inferred"):
            raise self.error("x-source", f"is {source!r}; it has to be 'verbatim' or 'inferred'")

    def check_closed(self) -> None:
        """Refuse a closed object that requires a key it does not have."""
        keys = self.keywords.get("properties", {}).keys()
        missing = set(self.keywords.get("required", ())) - keys
        if missing:
            raise self.error("required", f"names {min(missing)!r}, which is not in properties")

    def check_endless(self, above: tuple[int, ...] = ()) -> None:
        """Refuse a schema that refers to itself without describing a part of the value."""
        if id(self.schema) in above:
            raise self.error("$ref", "leads back here without going into the value")
        for other in self.same_value():
            if not isinstance(other.schema, bool):
                other.check_endless((*above, id(self.schema)))
