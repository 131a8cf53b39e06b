"""The grammar of an answer, made from the schema and the text of a window.

An answer is compact JSON with its keys in the schema's order. What generation cannot be constrained
to is refused when a plugin is checked.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..data import Schema
from ..errors import GrammarError, SchemaError
from ..schema.navigation import iter_subschemas
from ..text.grounding import segments
from .bounded_schema import bounded_schema
from .finish_cost import finish_tokens
from .llguidance_adapter import Matcher, Vocabulary, grammar_problem
from .partial_json import complete_record
from .schema_node import ENFORCED, SchemaNode
from .schema_to_lark import LarkRules, whole_grammar

_NO_ANSWER = "the schema requires a verbatim value, and the text has none"
_PROBE = 'A "probe",\n5 µg.'


def check_schema(schema: Schema) -> None:
    """Check that answers can be constrained to a schema; takes some milliseconds.

    Args:
        schema: a valid JSON Schema (2020-12).

    Raises:
        SchemaError: names the JSON Pointer in the schema, the keyword, and what to do.
    """
    rules = LarkRules(schema)
    problem = grammar_problem(whole_grammar(rules.text, _PROBE))
    if problem:
        raise _refused_keyword(rules, problem)


class Grammars:
    """The grammars of one schema: the part that does not depend on a text.

    Attributes:
        schema: the schema of an answer: that of a record, but for ``uniqueItems``.
        vocabulary: the tokens of answers.
        rules: the rules of a text with a span.
        rules_without_spans: the rules of a text without one.
        free_strings: whether answers have values that are not copied from the text.
        end_repeats: whether an item that equals the one before it ends its list, which no grammar
            can express.
        has_fixed_values: whether an answer needs values that can be neither null nor empty, so that
            one that is cut off has to be finished.
    """

    def __init__(self, schema: Schema, vocabulary: Vocabulary, *, end_repeats: bool = True) -> None:
        """Compile a schema to rules.

        Raises:
            SchemaError: answers cannot be constrained to it.
        """
        rules = LarkRules(schema)
        schema = _with_repeats(schema)
        self.schema = schema
        self.vocabulary = vocabulary
        self.rules = rules.text
        self.rules_without_spans = LarkRules(schema, spans=False).text
        self.free_strings = bool(rules.subtrees)
        self.end_repeats = end_repeats
        self.has_fixed_values = complete_record("{", schema) is None

    @cached_property
    def finish_tokens(self) -> int:
        """About how many tokens the required keys of a record take with their values."""
        return finish_tokens(self.schema, self.vocabulary)

    def for_text(self, text: str) -> Grammar:
        """Return the grammar of one window's text; it is compiled later, by ``matcher``."""
        return Grammar(self, text)


@dataclass(frozen=True)
class Grammar:
    """The grammar of the answers for one text."""

    grammars: Grammars
    text: str

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens of answers."""
        return self.grammars.vocabulary

    @property
    def has_answer(self) -> bool:
        """Whether there is an answer. A text without a span has none if a span is required."""
        return bool(self._rules)

    @cached_property
    def _rules(self) -> str:
        has_span = any(segment == segment.strip() for segment in segments(self.text))
        return self.grammars.rules if has_span else self.grammars.rules_without_spans

    @property
    def lark(self) -> str:
        """The grammar in llguidance's dialect of Lark, as other engines take it.

        Raises:
            GrammarError: the text allows no answer.
        """
        if not self.has_answer:
            raise GrammarError(_NO_ANSWER)
        grammar = whole_grammar(self._rules, self.text)
        try:
            grammar.encode()
        except UnicodeEncodeError as error:
            raise GrammarError(
                f"character {error.start} of the grammar is half a surrogate pair, which is no text"
            ) from error
        return grammar

    def matcher(self) -> Matcher:
        """Compile the grammar; one to two milliseconds for 1,500 characters, without the GIL.

        Raises:
            GrammarError: it does not compile, or the text allows no answer.
        """
        return Matcher(self.lark, self.vocabulary, free_strings=self.grammars.free_strings)

    def refusal(self, ids: Sequence[int]) -> str | None:
        """Say why the grammar does not accept an answer; None if it does.

        Args:
            ids: the tokens of the answer without the end token.

        Raises:
            GrammarError: the grammar does not compile.
        """
        if not self.has_answer:
            return _NO_ANSWER
        matcher = self.matcher()
        count = matcher.accepted(ids)
        matcher.consume(ids[:count])
        accepted, refused = (
            b"".join(map(self.vocabulary.bytes_of, part)).decode(errors="replace")
            for part in (ids[:count], ids[count:])
        )
        if count < len(ids):
            return f"after {accepted[-40:]!r} the grammar does not allow {refused[:40]!r}"
        return None if matcher.may_end else f"after {accepted[-40:]!r} it is not complete"


def _with_repeats(schema: Schema) -> Schema:
    """Return a schema whose lists may repeat items, as an answer does that has been generated."""
    made = copy.deepcopy(schema)
    for _pointer, part in iter_subschemas(made):
        if isinstance(part, dict):
            part.pop("uniqueItems", None)
    return made


def _refused_keyword(rules: LarkRules, problem: str) -> SchemaError:
    """Return an error that names the innermost schema that llguidance refuses, and its keyword."""

    def refused(node: SchemaNode) -> str:
        return grammar_problem(f"start: %json {bounded_schema(node)}")

    seen: set[int] = set()
    waiting = [(node, False) for node in rules.subtrees]
    while waiting:
        node, inner_done = waiting.pop()
        if inner_done and not isinstance(node.schema, bool) and refused(node):
            keywords = [word for word in node.keywords if word in ENFORCED]
            for keyword in sorted(keywords, key=lambda word: word == "type"):
                rest = {key: value for key, value in node.keywords.items() if key != keyword}
                if not refused(replace(node, schema=rest)):
                    return node.error(keyword, f"cannot be enforced: {refused(node)}")
            return node.error("type", f"cannot be enforced: {refused(node)}")
        if id(node.schema) not in seen:
            seen.add(id(node.schema))
            waiting += [(node, True), *((inner, False) for inner in node.inner())]
    return SchemaError(f"the schema cannot be enforced: {problem}")
