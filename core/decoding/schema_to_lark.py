"""A schema as rules of a grammar, in llguidance's dialect of Lark.

Objects and arrays on the way to a verbatim leaf are rules written here; every subtree without one
goes to llguidance's own compiler of JSON Schema. A verbatim leaf is a run of whole chunks of the
text (``grounding.chunks``) that neither begins nor ends with white space, escaped as JSON escapes
it. What neither of the two can hold an answer to is refused.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from ..data import Schema
from ..errors import SchemaError
from ..schema.navigation import kinds_of
from ..schema.pointers import parse_pointer, pointer_of
from ..text.grounding import chunks

# Where a schema sets no bound, these let every answer end. A list's costs a tenth of a millisecond
# a grammar; a longer string would run llguidance out of states.
MAX_ITEMS = 1_000
MAX_LENGTH = 10_000  # characters of a string without a pattern or format
MAX_NUMBER = 10**15  # absolute; a bounded number is written without an exponent

Node = Mapping[str, Any] | bool
"""A schema within the schema."""

_ANNOTATIONS = frozenset(
    "$anchor $comment $defs $id $schema $vocabulary contentEncoding contentMediaType contentSchema "
    "default definitions deprecated description example examples id readOnly title "
    "writeOnly".split()
)
_WAY = frozenset(
    "$ref additionalProperties anyOf items maxItems minItems properties required type".split()
)
_VERBATIM = frozenset(("$ref", "anyOf", "minLength", "type"))
ENFORCED = _WAY | frozenset(
    "allOf const enum exclusiveMaximum exclusiveMinimum format maxLength maxProperties maximum "
    "minLength minProperties minimum multipleOf oneOf pattern patternProperties "
    "prefixItems".split()
)
_FORMATS = frozenset("date date-time duration email hostname ipv4 ipv6 time uri uuid".split())

_BY_NAME = frozenset(("dependentSchemas", "patternProperties", "properties"))
_BY_PLACE = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_SINGLE = frozenset(
    "additionalProperties contains else if items not propertyNames then unevaluatedItems "
    "unevaluatedProperties".split()
)
_TYPES = ("null", "boolean", "number", "string", "array", "object")

# Characters as JSON writes them, cut into those that may stand at a span's end and white space.
_SPACES = "".join(c for c in map(chr, range(0x20, 0x3001)) if c.isspace())
_SPAN = rf"""
SPAN: "\"" (CHUNKS & (EDGE (INSIDE* EDGE)?)) "\""
EDGE: /[^\x00-\x1f"\\{_SPACES}]|\\["\\b]|\\u00(0[0-7ef]|1[0-9ab])/
INSIDE: EDGE | /[{_SPACES}]|\\[tnfr]|\\u00(0b|1[c-f])/
CHUNKS: %regex """


def whole_grammar(rules: str, text: str) -> str:
    """Return the whole grammar: the rules, and the chunks of a text if they want any."""
    if not rules.endswith(_SPAN):
        return rules
    escaped = chunks(text)
    if len(json.dumps(text, ensure_ascii=False)) > len(text) + 2:
        escaped = [json.dumps(chunk, ensure_ascii=False)[1:-1] for chunk in escaped]
    return rules + json.dumps({"substring_chunks": escaped}, ensure_ascii=False)


@dataclass(frozen=True)
class Place:
    """A schema within the schema, and where it stands.

    told: whether a schema that this one is a part of says that the value is verbatim.
    """

    root: Schema
    schema: Node
    pointer: str = ""
    told: bool = False

    @property
    def words(self) -> Mapping[str, Any]:
        """Return the keywords of the schema; a boolean one has none."""
        return {} if isinstance(self.schema, bool) else self.schema

    @property
    def verbatim(self) -> bool:
        """Return whether the value has to stand in the text."""
        return self.told or self.words.get("x-source") == "verbatim"

    @property
    def identity(self) -> tuple[int, bool]:
        """Return what tells this place from another that says something else."""
        return id(self.schema), self.verbatim

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the types that the schema itself names."""
        return kinds_of({"type": self.words.get("type", ())})

    def inside(self, *path: str | int) -> Place:
        """Return a schema that describes a part of the value; true where there is none."""
        inner: Any = self.words
        for step in path:
            inner = inner.get(step, True) if isinstance(inner, Mapping) else inner[step]
        return Place(self.root, inner, self.pointer + pointer_of(path))

    def named(self, keyword: str) -> dict[str, Place]:
        """Return the schemas of an object of them."""
        return {name: self.inside(keyword, name) for name in self.words.get(keyword, ())}

    def listed(self, keyword: str) -> list[Place]:
        """Return the schemas of a list of them."""
        return [self.inside(keyword, i) for i in range(len(self.words.get(keyword, ())))]

    def branches(self, keyword: str) -> list[Place]:
        """Return the schemas of a list of them that describe the value itself."""
        return [replace(branch, told=self.verbatim) for branch in self.listed(keyword)]

    def target(self) -> list[Place]:
        """Return the schema that ``$ref`` refers to, if there is a reference.

        Raises:
            SchemaError: there is no such schema.
        """
        if "$ref" not in self.words:
            return []
        reference = self.words["$ref"]
        if reference != "#" and not reference.startswith("#/"):
            raise self.fault("$ref", f"is {reference!r}, which is not within the schema, as #/… is")
        path = parse_pointer(unquote(reference[1:]))
        target: Any = self.root
        try:
            for part in path:
                target = target[int(part) if isinstance(target, list) else part]
        except (KeyError, IndexError, ValueError, TypeError):
            target = None
        if not isinstance(target, dict | bool):
            raise self.fault("$ref", f"is {reference!r}, where no schema is")
        return [Place(self.root, target, pointer_of(path), self.verbatim)]

    def in_place(self) -> list[Place]:
        """Return the schemas that describe the value itself too."""
        lists = [self.branches(keyword) for keyword in ("allOf", "anyOf", "oneOf")]
        return [*self.target(), *itertools.chain(*lists)]

    def inner(self) -> Iterator[Place]:
        """Yield every schema directly within this one, or that it refers to."""
        yield from self.in_place()
        for keyword in self.words:
            if keyword in _BY_NAME:
                yield from self.named(keyword).values()
            elif keyword == "prefixItems":
                yield from self.listed(keyword)
            elif keyword in _SINGLE:
                yield self.inside(keyword)

    def fault(self, keyword: str, what: str) -> SchemaError:
        """Return the error that names a keyword at this place."""
        return SchemaError(f"the schema at {self.pointer or '/'}: {keyword!r} {what}")

    def check_keywords(self, known: frozenset[str], where: str = "") -> None:
        """Refuse a keyword that answers could not be held to."""
        for keyword in self.words:
            if keyword not in known | _ANNOTATIONS and not keyword.startswith("x-"):
                raise self.fault(keyword, f"cannot be enforced{where}; leave it out")
        source = self.words.get("x-source", "inferred")
        if source not in ("verbatim", "inferred"):
            raise self.fault("x-source", f"is {source!r}; it has to be 'verbatim' or 'inferred'")

    def check_closed(self) -> None:
        """Refuse a closed object that requires a key it does not have."""
        unknown = set(self.words.get("required", ())) - self.words.get("properties", {}).keys()
        if unknown:
            raise self.fault("required", f"names {min(unknown)!r}, which is not in properties")

    def check_endless(self, above: tuple[int, ...] = ()) -> None:
        """Refuse a schema that describes a value by saying that it is what it describes."""
        if id(self.schema) in above:
            raise self.fault("$ref", "leads back here without going into the value")
        for other in self.in_place():
            if not isinstance(other.schema, bool):
                other.check_endless((*above, id(self.schema)))


def _on_the_way(root: Schema) -> set[int]:
    """Return the ids of the schemas that are verbatim or hold one that is."""
    above: dict[int, set[int]] = {}
    waiting, verbatim = [Place(root, root)], []
    while waiting:
        place = waiting.pop()
        place.check_endless()
        if place.verbatim:
            verbatim.append(id(place.schema))
        for inner in place.inner():
            if id(inner.schema) not in above:
                waiting.append(inner)
            above.setdefault(id(inner.schema), set()).add(id(place.schema))
    found: set[int] = set()
    while verbatim:
        one = verbatim.pop()
        if one not in found:
            found.add(one)
            verbatim += above.get(one, ())
    return found


class Rules:
    """The rules of a schema, in Lark; each schema on the way to a verbatim leaf is one.

    Attributes:
        text: the rules; empty where no answer is possible without a span.
        subtrees: the schemas that llguidance compiles.
    """

    def __init__(self, schema: Schema, *, spans: bool = True) -> None:
        """Write the rules of a schema.

        spans: whether the text has a span; without one a verbatim leaf has no value.

        Raises:
            SchemaError: the schema says what rules cannot, or leaves no answer at all.
        """
        self.text = ""
        self.subtrees: list[Place] = []
        self._spans = spans
        self._way = _on_the_way(schema)
        self._finite: set[tuple[int, bool]] = set()
        self._names: dict[tuple[int, bool], str] = {}
        self._bodies: dict[str, str] = {}
        self._circular: set[tuple[int, bool]] = set()
        self._lines: list[str] = []
        root = Place(schema, schema)
        if self._possible(root):
            start = self._rule(root)
            end = _SPAN if spans and self._way else ""
            self.text = "\n".join([f"start: {start}", *self._lines, end])
        elif spans:
            raise root.fault("required", "asks for what no finite answer holds")

    def _own(self, place: Place) -> bool:
        """Say whether a schema becomes a rule here, and not llguidance's."""
        return place.verbatim or id(place.schema) in self._way

    def _possible(self, place: Place, above: tuple[int, ...] = ()) -> bool:
        """Say whether a schema has a finite value, as far as its structure goes.

        above: the schemas of what the value is a part of.
        """
        if isinstance(place.schema, bool):
            return place.schema
        if id(place.schema) in above:
            return False
        if place.identity in self._finite:
            return True
        above = (*above, id(place.schema))
        options = [*place.branches("anyOf"), *place.branches("oneOf")]
        possible = (
            all(self._possible(each, above) for each in [*place.target(), *place.branches("allOf")])
            and (not options or any(self._possible(option, above) for option in options))
            and (not place.kinds or any(self._has(kind, place, above) for kind in place.kinds))
        )
        if possible:  # where it is not, that may be because of what is above
            self._finite.add(place.identity)
        return possible

    def _has(self, kind: str, place: Place, above: tuple[int, ...] = ()) -> bool:
        """Say whether a schema has a finite value of a type."""
        if kind == "string":
            return self._spans or not place.verbatim
        if kind == "array":
            fixed = not place.words.get("minItems") or "prefixItems" in place.words
            return fixed or self._possible(place.inside("items"), above)
        if kind == "object":
            members = place.named("properties")
            required = set(place.words.get("required", ())) & members.keys()
            return all(self._possible(members[key], above) for key in required)
        return True

    def _rule(self, place: Place) -> str:
        """Return the name of the rule of a schema; write it if there is none that says the same."""
        if place.identity in self._names:
            self._circular.add(place.identity)
            return self._names[place.identity]
        name = self._names[place.identity] = f"r{len(self._names)}"
        if self._own(place):
            body = " | ".join(self._alternatives(place, name))
        else:
            body = f"%json {Subtree(place).json()}"
            self.subtrees.append(place)
        same = body if body.isidentifier() else self._bodies.setdefault(body, name)
        if same == name or place.identity in self._circular:
            self._lines.append(f"{name}: {body}")
            return name
        self._names[place.identity] = same
        return same

    def _alternatives(self, place: Place, name: str) -> list[str]:
        if place.verbatim:
            place.check_keywords(_VERBATIM, " in a verbatim field")
        else:
            place.check_keywords(_WAY, " where a verbatim field is further in")
        for alone in ("$ref", "anyOf"):
            beside = [word for word in place.words if word in (_WAY | _VERBATIM) - {alone}]
            if alone in place.words and beside:
                raise place.fault(alone, f"stands beside {beside[0]}; write that within it")
        options = [*place.target(), *place.branches("anyOf")]
        if options:
            return [self._rule(option) for option in options if self._possible(option)]
        if not place.kinds:
            raise place.fault("type", "is missing; say what type this is")
        return [self._typed(kind, place, name) for kind in place.kinds if self._has(kind, place)]

    def _typed(self, kind: str, place: Place, name: str) -> str:
        if kind == "null":
            return '"null"'
        if place.verbatim:
            if kind != "string":
                raise place.fault("x-source", f"is 'verbatim' and the type {kind}; make it string")
            if place.words.get("minLength", 0) > 1:
                raise place.fault("minLength", "is over 1 in a verbatim field; leave it out")
            return "SPAN"
        if kind == "array":
            return self._array(place)
        if kind == "object":
            return self._object(place, name)
        raise place.fault("type", f"has {kind} beside others; tell them apart with anyOf")

    def _array(self, place: Place) -> str:
        items = place.inside("items")
        low = place.words.get("minItems", 0)
        high = place.words.get("maxItems", max(MAX_ITEMS, low))
        if low > high:
            raise place.fault("minItems", "is over maxItems")
        if high == 0 or not self._possible(items):
            return '"[" "]"'
        item = self._rule(items)
        several = f'{item} ("," {item}){{{max(low - 1, 0)},{high - 1}}}' if high > 1 else item
        return f'"[" {several} "]"' if low else f'"[" ({several})? "]"'

    def _object(self, place: Place, name: str) -> str:
        """Return the rule of an object: any of its optional members, in their order.

        Punctuation and keys are apart, as in llguidance's own rules: only so are an object of
        ours and one of llguidance's told apart no sooner than they differ.
        """
        if place.words.get("additionalProperties", False) is not False:
            raise place.fault("additionalProperties", "is not false, where keys have to be known")
        place.check_closed()
        required = place.words.get("required", ())
        members = [
            (f'{_literal(key)} ":" {self._rule(member)}', key in required)
            for key, member in place.named("properties").items()
            if self._possible(member)
        ]
        lead = next((i for i, (_text, needed) in enumerate(members) if needed), len(members))
        # First what follows from the first required member on. Then, backwards, the optional
        # members before it: each may open the object, or follow another.
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


def _literal(key: str) -> str:
    """Return a key, as JSON writes it, as Lark writes a text."""
    written = json.dumps(json.dumps(key, ensure_ascii=False), ensure_ascii=False)
    return written.replace("\x7f", r"\u007f")  # which Lark wants escaped, unlike JSON


class Subtree:
    """A schema without a verbatim leaf, written anew for llguidance's compiler.

    It stands alone: what it refers to is in its own ``$defs``. Annotations are gone, and what has
    no bound gets one. An object that names its properties is closed unless it says otherwise or
    other schemas describe it too.
    """

    def __init__(self, place: Place) -> None:
        """Write a schema.

        Raises:
            SchemaError: it has a keyword that llguidance ignores or does not know.
        """
        self._definitions: dict[str, Any] = {}
        self._names: dict[tuple[int, bool], str] = {}
        self._schema = self._written(place, shared=False)

    def json(self) -> str:
        """Return the schema as text."""
        schema = self._schema if isinstance(self._schema, dict) else {"anyOf": [self._schema]}
        compact = {"x-guidance": {"whitespace_flexible": False}}
        return json.dumps({**schema, "$defs": self._definitions, **compact})

    def _written(self, place: Place, *, shared: bool) -> Any:
        """Return a schema as llguidance wants it.

        shared: whether other schemas describe the same value.
        """
        place.check_keywords(ENFORCED | {"uniqueItems"})
        _check_values(place)
        schema = {key: value for key, value in place.words.items() if key in ENFORCED}
        if place.schema is False:
            return False
        if not schema:
            return True if shared else self._anything()
        in_place = schema.keys() & {"$ref", "allOf", "anyOf", "oneOf"}
        alone = len(schema.keys() - {"type"}) == 1 and not schema.keys() & {"allOf", "oneOf"}
        shared = shared or bool(in_place and not alone)
        for keyword in schema:
            if keyword == "$ref":
                schema[keyword] = self._reference(place.target()[0], shared=shared)
            elif keyword in _BY_NAME:
                members = place.named(keyword).items()
                schema[keyword] = {key: self._written(m, shared=False) for key, m in members}
            elif keyword in _BY_PLACE:
                same = shared and keyword in in_place
                schema[keyword] = [self._written(p, shared=same) for p in place.listed(keyword)]
            elif keyword in _SINGLE:
                schema[keyword] = self._written(place.inside(keyword), shared=False)
        bounded_elsewhere = "type" not in schema and (shared or in_place)
        if not schema.keys() & {"const", "enum"} and not bounded_elsewhere:
            kinds = place.kinds or _TYPES
            _bound(schema, kinds)
            if not shared:
                self._say_what_else(schema, kinds, place)
        return schema

    def _reference(self, target: Place, *, shared: bool) -> str:
        identity = id(target.schema), shared
        if identity not in self._names:
            name = self._names[identity] = f"d{len(self._names)}"
            self._definitions[name] = self._written(target, shared=shared)
        return f"#/$defs/{self._names[identity]}"

    def _anything(self) -> dict[str, Any]:
        """Return the schema of any value, within bounds."""
        reference = {"$ref": "#/$defs/any"}
        if "any" not in self._definitions:
            schema = {"type": list(_TYPES), "items": reference, "additionalProperties": reference}
            self._definitions["any"] = schema
            _bound(schema, _TYPES)
        return reference

    def _say_what_else(self, schema: dict[str, Any], kinds: Sequence[str], place: Place) -> None:
        """Set what the items are, and the members without a name, where a schema is silent."""
        if "array" in kinds:
            schema.setdefault("items", self._anything())
        if "object" in kinds and "additionalProperties" not in schema:
            closed = "properties" in schema and "patternProperties" not in schema
            if closed:
                place.check_closed()
            schema["additionalProperties"] = False if closed else self._anything()


def _bound(schema: dict[str, Any], kinds: Sequence[str]) -> None:
    """Set the bounds that a schema of some types lacks."""
    if "string" in kinds and not schema.keys() & {"format", "pattern"}:
        schema.setdefault("maxLength", max(MAX_LENGTH, schema.get("minLength", 0)))
    if "array" in kinds:
        schema.setdefault("maxItems", max(MAX_ITEMS, schema.get("minItems", 0)))
    if "number" in kinds or "integer" in kinds:
        lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema]
        highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema]
        if not lows and min(highs, default=0) > -MAX_NUMBER:
            schema["minimum"] = -MAX_NUMBER
        if not highs and max(lows, default=0) < MAX_NUMBER:
            schema["maximum"] = MAX_NUMBER


def _check_values(place: Place) -> None:
    """Refuse what llguidance takes and does not enforce, or other than jsonschema checks it."""
    words = place.words
    if words.get("uniqueItems"):
        raise place.fault("uniqueItems", "cannot be enforced; leave it out")
    if words.get("format", "date") not in _FORMATS:
        raise place.fault("format", f"is unknown; known: {', '.join(sorted(_FORMATS))}")
    # jsonschema divides floats: it says that 0.07 is no multiple of 0.01.
    if not float(words.get("multipleOf", 1)).is_integer():
        raise place.fault("multipleOf", "is no whole number; leave it out")
    patterns = [("patternProperties", pattern) for pattern in words.get("patternProperties", ())]
    for keyword, pattern in [*patterns, ("pattern", words.get("pattern", ""))]:
        try:
            re.compile(pattern)
        except re.error as error:
            raise place.fault(
                keyword, f"is {pattern!r}, which Python cannot read: {error}"
            ) from error
