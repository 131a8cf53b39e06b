"""Go on with an answer at its length limit, so that it holds the values which it still needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .finish_cost import finish_tokens
from .grammar import Grammar
from .llguidance_adapter import Vocabulary
from .partial_json import beginning_of_rest, keys_of

_FEW = 16
"""Tokens of which none are kept back any more when an answer is finished."""


@dataclass(frozen=True)
class Restart:
    """From where an answer goes on.

    Attributes:
        text: its beginning, in which what was open is closed, up to a value that is missing.
        tokens: of this text.
        kept: how many of them were written already.
        limit: tokens up to which the model goes on.
    """

    text: str
    tokens: list[int]
    kept: int
    limit: int


def kept_back(grammar: Grammar | None, limit: int) -> int:
    """Return how many tokens of an answer are for finishing it.

    None if it can always be closed. Else what its required values are estimated to take, but a
    quarter of the answer at least and three quarters at most.
    """
    if grammar is None or not grammar.grammars.has_fixed_values:
        return 0
    return max(limit // 4, min(grammar.grammars.finish_tokens, limit * 3 // 4))


def restart(
    grammar: Grammar,
    written: Sequence[int],
    text: str,
    *,
    before: str,
    may_close_string: bool,
    limit: int,
) -> Restart | None:
    """Return from where an answer goes on that came to its limit; None if it does not.

    What is open is closed, and the model goes on in front of the first value that can be neither
    null nor empty. It gets the room that the keys after it are estimated not to need, but at most
    three quarters of what is left; if it comes to that limit as well, the rest of the room is for
    the values after it. A string without an end is ended there.

    Args:
        grammar: of the answer.
        written: its tokens.
        text: these as a text.
        before: the text from which it was last gone on; "" the first time.
        may_close_string: whether it ends within a string that may end here.
        limit: tokens of the whole answer.
    """
    rest = beginning_of_rest(text, grammar.grammars.schema)
    if rest == before:
        rest = text + '"' if may_close_string else None
    if rest is None:
        return None
    kept, added = _split(rest.encode(), written, grammar.vocabulary)
    tokens = [*written[:kept], *added]
    left = limit - len(tokens)
    if left < 1:
        return None
    return Restart(rest, tokens, kept, len(tokens) + _share(rest, left, grammar))


def _share(rest: str, left: int, grammar: Grammar) -> int:
    """Return how many of the tokens that are left are for the value that is missing."""
    if left < _FEW:
        return left
    schema, vocabulary = grammar.grammars.schema, grammar.vocabulary
    after = finish_tokens(schema, vocabulary, keys_of(rest))
    return left - (max(after, left // 4) if after + _FEW <= left else left // 4)


def _split(text: bytes, written: Sequence[int], vocabulary: Vocabulary) -> tuple[int, list[int]]:
    """Return how many written tokens begin a text, and the tokens of the rest of it."""
    kept = at = 0
    for token in written:
        data = vocabulary.bytes_of(token)
        if not text.startswith(data, at):
            break
        kept, at = kept + 1, at + len(data)
    return kept, vocabulary.tokenize(text[at:])
