"""Adapter of llguidance: compile a grammar, and ask token by token what may come next.

The only module that imports llguidance. Its methods fail without an exception; those here raise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import GrammarError, SettingsError

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLParserLimits, LLTokenizer

    from ..model.plain_text import PlainTokenizer


class Vocabulary:
    """The tokens of a tokenizer, as bytes.

    Attributes:
        size: number of tokens. Logits may be wider; tokens from here on are never allowed.
        stops: the tokens that end generation.
        plain: the tokenizer for grammars whose strings are all copied from a text.
        sliced: the tokenizer for grammars with free strings. Their masks are computed faster (a
            hundred times with 128,000 tokens), grammars are compiled slower.
    """

    def __init__(self, tokenizer: PlainTokenizer, stops: Sequence[int]) -> None:
        """Convert a tokenizer; takes about a second for 128,000 tokens.

        Raises:
            SettingsError: llguidance does not support it.
        """
        from llguidance import LLTokenizer

        try:
            self.sliced = LLTokenizer(
                tokenizer.definition, n_vocab=tokenizer.size, eos_token=list(stops)
            )
        except ValueError as error:
            raise SettingsError(
                f"{tokenizer.name}: no grammar can be made for its tokenizer: {error}"
            ) from error
        self.plain: LLTokenizer = self.sliced.with_slices([])
        self.stops = frozenset(stops)
        self.size: int = self.plain.vocab_size

    def bytes_of(self, token: int) -> bytes:
        """Return the bytes of a token; none for control tokens and added ones."""
        if token >= self.size or self.plain.is_special_token(token):
            return b""
        return self.plain.decode_bytes([token])

    def tokenize(self, data: bytes) -> list[int]:
        """Return the tokens of a text, in which the names of control tokens are plain text."""
        return self.plain.tokenize_bytes(data)


class Matcher:
    """Follows one answer through its grammar.

    Every method raises GrammarError if the grammar failed.
    """

    def __init__(self, grammar: str, vocabulary: Vocabulary, *, free_strings: bool) -> None:
        """Compile a grammar; other threads run meanwhile.

        Args:
            grammar: in llguidance's dialect of Lark.
            vocabulary: the tokens of answers.
            free_strings: whether it has strings that are not copied from a text.
        """
        from llguidance import LLMatcher

        tokenizer = vocabulary.sliced if free_strings else vocabulary.plain
        self._inner: LLMatcher = LLMatcher(tokenizer, grammar, log_level=0, limits=_limits())
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
        """Whether the answer may end here (it may also continue)."""
        return self.ended or self._inner.is_accepting()

    def forced(self) -> list[int]:
        """Return the only tokens that may follow, as the tokenizer would cut them.

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
            GrammarError: one of them is not allowed; the matcher cannot be used after that.
        """
        self._inner.consume_tokens(list(tokens))
        self._check()
        # llguidance would tokenize the rest anew, considering no token but the last one.
        as_forced = self._forced[: len(tokens)] == list(tokens)
        self._forced = self._forced[len(tokens) :] if as_forced else []

    def allowed(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return for each token of the vocabulary whether it may come next.

        Where the grammar forces tokens, only the first of them may.
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


def grammar_problem(grammar: str) -> str:
    """Return the first error or warning of llguidance about a grammar; "" if there is none."""
    from llguidance import LLMatcher

    _failed, messages = LLMatcher.validate_grammar_with_warnings(grammar, limits=_limits())
    return _reason(messages[0]) if messages else ""


def _limits() -> LLParserLimits:
    """Return limits that no sensible schema and no book of 3 million characters exceeds."""
    from llguidance import LLParserLimits

    return LLParserLimits(
        initial_lexer_fuel=100_000_000,
        step_lexer_fuel=10_000_000,
        verbose_errors=False,  # a message would contain the whole grammar
    )


def _reason(message: str) -> str:
    """Return the line of an error message that says what is wrong."""
    lines = message.strip().splitlines()
    line = next((line for line in lines if line.startswith("error: ")), lines[0])
    return re.sub(r"^(error|at \d+\(\d+\): failed to compile JSON schema): ", "", line)
