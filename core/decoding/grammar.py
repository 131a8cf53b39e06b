"""What every answer is held to: the grammar of a window, from a plugin's schema and its text.

An answer is compact JSON with its keys in the schema's order (``rules``); llguidance says token by
token what may come next. What an answer cannot be held to is refused when the plugin is checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import Schema
from ..errors import GrammarError, SchemaError, SettingsError
from ..text.grounding import chunks
from .partial_json import close_answer
from .schema_to_lark import ENFORCED, Place, Rules, Subtree, whole_grammar

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLParserLimits, LLTokenizer
    from transformers import PreTrainedTokenizerBase

_NO_ANSWER = "a field has to stand in the text, and nothing in the text can"
_PROBE = 'A "probe",\n5 µg.'


def check_schema(schema: Schema) -> None:
    """Check that answers can be held to a schema. Takes some milliseconds.

    schema: a valid JSON Schema (2020-12).

    Raises:
        SchemaError: names the JSON Pointer in the schema, the keyword, and what to do.
    """
    rules = Rules(schema)
    fault = _refusal(whole_grammar(rules.text, _PROBE))
    if fault:
        raise _culprit(rules, fault)


def closing_problem(schema: Schema) -> str | None:
    """Say why an answer that is cut off could not be closed into a valid record; None if it can."""
    if close_answer("{", schema) is not None:
        return None
    required = schema.get("required", ())
    open_keys = [k for k in required if close_answer("{", {**schema, "required": [k]}) is None]
    return (
        f"an answer cut off at the length limit could not be closed: "
        f"{', '.join(open_keys) or 'the record'} can be neither null nor empty; "
        f"allow null, leave it out of required, or make it a list"
    )


class Vocabulary:
    """A tokenizer as grammars see it.

    Attributes:
        size: number of tokens; those beyond, where logits are wider, are never allowed.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stops: Sequence[int]) -> None:
        """Prepare a tokenizer; about a second for one of 128,000 tokens.

        stops: the tokens that end generation.

        Raises:
            SettingsError: it is a slow tokenizer, or one that does not write bytes.
        """
        from llguidance import LLTokenizer

        if not tokenizer.is_fast:
            raise SettingsError(f"{tokenizer.name_or_path}: grammars want a fast tokenizer")
        definition = _without_control_strings(json.loads(tokenizer.backend_tokenizer.to_str()))
        try:
            self.sliced = LLTokenizer(
                json.dumps(definition), n_vocab=len(tokenizer), eos_token=list(stops)
            )
        except ValueError as error:
            raise SettingsError(
                f"{tokenizer.name_or_path}: no grammar can be held to this tokenizer: {error}"
            ) from error
        # Slices speed up the masks of free strings (a hundred times with 128,000 tokens) and slow
        # down the making of a grammar; spans have no use for them.
        self.plain: LLTokenizer = self.sliced.with_slices([])
        self.stops = frozenset(stops)
        self.size: int = self.plain.vocab_size

    def bytes_of(self, token: int) -> bytes:
        """Return what a token writes; nothing for control and added tokens."""
        if token >= self.size or self.plain.is_special_token(token):
            return b""
        return self.plain.decode_bytes([token])

    def tokenize(self, data: bytes) -> list[int]:
        """Return the tokens that the tokenizer gives for a text; control tokens stay text."""
        return self.plain.tokenize_bytes(data)


def _without_control_strings(definition: dict[str, Any]) -> dict[str, Any]:
    """Return a tokenizer's definition in which no answer's text reads as an added token.

    All of them count as control tokens, a "<think>" included, and each is renamed to what JSON
    has to escape, so that its name in a document stays text.
    """
    names = {token["content"]: f"\0{token['content']}" for token in definition["added_tokens"]}
    for token in definition["added_tokens"]:
        token |= {"content": names[token["content"]], "special": True, "normalized": False}
    model = definition["model"]
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {names.get(token, token): number for token, number in vocabulary.items()}
    else:
        model["vocab"] = [[names.get(token, token), score] for token, score in vocabulary]
    if model.get("unk_token"):
        model["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    return definition | {"padding": None, "post_processor": None, "truncation": None}


class Grammars:
    """The grammars of one schema for one vocabulary: all that does not depend on a text."""

    def __init__(self, schema: Schema, vocabulary: Vocabulary) -> None:
        """Prepare a schema.

        Raises:
            SchemaError: answers cannot be held to it.
        """
        rules = Rules(schema)
        self.schema = schema
        self.vocabulary = vocabulary
        self.rules = rules.text
        self.rules_of_nothing = Rules(schema, spans=False).text
        self.tokenizer = vocabulary.sliced if rules.subtrees else vocabulary.plain

    def of(self, text: str) -> Grammar:
        """Return the grammar of one window's text; nothing is compiled yet."""
        return Grammar(self, text)


@dataclass(frozen=True)
class Grammar:
    """What may be answered for one text."""

    grammars: Grammars
    text: str

    @property
    def vocabulary(self) -> Vocabulary:
        """Return the vocabulary in which answers are written."""
        return self.grammars.vocabulary

    @property
    def has_answer(self) -> bool:
        """Whether there is an answer: a text without a span has none where one is required."""
        return bool(self._rules)

    @cached_property
    def _rules(self) -> str:
        has_span = any(chunk == chunk.strip() for chunk in chunks(self.text))
        return self.grammars.rules if has_span else self.grammars.rules_of_nothing

    def matcher(self) -> Matcher:
        """Compile the grammar, one to two milliseconds for 1,500 characters; drops the GIL.

        Raises:
            GrammarError: it does not compile, or the text leaves no answer.
        """
        from llguidance import LLMatcher

        if not self.has_answer:
            raise GrammarError(_NO_ANSWER)
        try:
            grammar = whole_grammar(self._rules, self.text)
            grammar.encode()
        except UnicodeEncodeError as error:
            raise GrammarError(
                f"character {error.start} of the grammar is half a surrogate pair, which is no text"
            ) from error
        return Matcher(
            LLMatcher(self.grammars.tokenizer, grammar, log_level=0, limits=_limits()),
            self.vocabulary,
        )

    def refusal(self, ids: Sequence[int]) -> str | None:
        """Say why an answer's tokens, the end token left out, are no whole answer; None if so.

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
            return f"after {accepted[-40:]!r} it cannot go on with {refused[:40]!r}"
        return None if matcher.may_end else f"after {accepted[-40:]!r} it is not complete"


class Matcher:
    """Follows one answer; wraps llguidance, whose methods fail in silence.

    Every method raises GrammarError where the grammar failed.
    """

    def __init__(self, inner: LLMatcher, vocabulary: Vocabulary) -> None:
        self._inner = inner
        self._vocabulary = vocabulary
        self._mask = np.empty((vocabulary.size + 31) // 32, dtype=np.int32)
        self._forced: list[int] = []
        self._check()

    @property
    def ended(self) -> bool:
        """Whether the answer is complete and only a stop token can follow."""
        self._check()
        return self._inner.is_stopped()

    @property
    def may_end(self) -> bool:
        """Whether the answer is complete as it is, be it that more can follow."""
        self._check()
        return self._inner.is_stopped() or self._inner.is_accepting()

    def forced(self) -> list[int]:
        """Return the tokens that the grammar forces now, as the tokenizer would write them.

        As long as they are consumed, the rest of them stays forced.
        """
        if not self._forced:
            self._forced = self._inner.compute_ff_tokens()
            self._check()
        return list(self._forced)

    def allows(self, token: int) -> bool:
        """Say whether a token may come next."""
        if token in self._vocabulary.stops:
            return self.may_end
        return self.accepted([token]) == 1

    def accepted(self, tokens: Sequence[int]) -> int:
        """Return how many of the tokens, in their order, could be consumed now.

        A stop token counts where the answer may end.
        """
        known = self._vocabulary.size
        inside = next((i for i, token in enumerate(tokens) if token >= known), len(tokens))
        count = self._inner.validate_tokens(list(tokens[:inside]))
        self._check()
        return count

    def consume(self, tokens: Sequence[int]) -> None:
        """Advance by tokens.

        Raises:
            GrammarError: one of them is not allowed; the matcher is of no use after that.
        """
        self._inner.consume_tokens(list(tokens))
        self._check()
        # llguidance would cut the rest into tokens again, with no more than the last one in view.
        as_forced = self._forced[: len(tokens)] == list(tokens)
        self._forced = self._forced[len(tokens) :] if as_forced else []

    def allowed(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return for each token of the vocabulary whether it may come next.

        Where the grammar forces tokens, this is the first of them alone.
        """
        forced = self.forced()
        if forced:
            only = np.zeros(self._vocabulary.size, dtype=np.bool_)
            only[forced[0]] = True
            return only
        self._inner.unsafe_compute_mask_ptr(self._mask.ctypes.data, self._mask.nbytes)
        self._check()
        bits = np.unpackbits(
            self._mask.view(np.uint8), bitorder="little", count=self._vocabulary.size
        )
        return bits.view(np.bool_)

    def _check(self) -> None:
        if self._inner.is_error():
            raise GrammarError(f"the grammar failed: {_reason(self._inner.get_error())}")


def _limits() -> LLParserLimits:
    """Return limits that no sensible schema and no book of 3 million characters runs into."""
    from llguidance import LLParserLimits

    return LLParserLimits(
        initial_lexer_fuel=100_000_000,
        step_lexer_fuel=10_000_000,
        verbose_errors=False,  # a message would hold the whole grammar
    )


def _reason(message: str) -> str:
    """Return the line of one of llguidance's messages that says what is wrong."""
    lines = message.strip().splitlines()
    line = next((line for line in lines if line.startswith("error: ")), lines[0])
    return re.sub(r"^(error|at \d+\(\d+\): failed to compile JSON schema): ", "", line)


def _refusal(grammar: str) -> str:
    """Return what llguidance says against a grammar, warnings included; empty for nothing."""
    from llguidance import LLMatcher

    _failed, messages = LLMatcher.validate_grammar_with_warnings(grammar, limits=_limits())
    return _reason(messages[0]) if messages else ""


def _culprit(rules: Rules, fault: str) -> SchemaError:
    """Return the error that names the innermost schema that llguidance refuses, and its keyword."""

    def refused(place: Place) -> str:
        return _refusal(f"start: %json {Subtree(place).json()}")

    seen: set[int] = set()
    waiting = [(place, False) for place in rules.subtrees]
    while waiting:
        place, is_next = waiting.pop()
        if is_next and refused(place):
            words = [word for word in place.words if word in ENFORCED]
            for keyword in sorted(words, key=lambda word: word == "type"):
                rest = {key: value for key, value in place.words.items() if key != keyword}
                if not refused(replace(place, schema=rest)):
                    return place.fault(keyword, f"cannot be enforced: {refused(place)}")
            return place.fault("type", f"cannot be enforced: {refused(place)}")
        if id(place.schema) not in seen:
            seen.add(id(place.schema))
            waiting += [(place, True), *((inner, False) for inner in place.inner())]
    return SchemaError(f"the schema cannot be enforced: {fault}")
