"""An answer of a server under a grammar: it is followed, and finished as our decoder finishes one.

A server takes no grammar for the rest of an answer. So what our decoder writes after the limit
(``decoding.finishing``) is asked for as our decoder chooses it: some tokens without a grammar, as
far as the grammar allows them, and where it does not allow the first, the best of those it allows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..decoding.finishing import kept_back, restart
from ..decoding.json_state import JsonState
from ..decoding.sequence import decoded
from ..errors import GrammarError

if TYPE_CHECKING:
    from ..decoding.grammar import Grammar
    from ..decoding.llguidance_adapter import Matcher

_DRAFT = 16
"""Tokens that are asked for at once without a grammar."""


class AnswerError(Exception):
    """A server's answer is none that its grammar allows."""


class Written(NamedTuple):
    """What a server wrote.

    Attributes:
        tokens: of the answer, without the end token.
        logprobs: natural logarithm of each token's probability in the model's whole distribution.
        finished: whether the answer ended within the limit.
    """

    tokens: list[int]
    logprobs: list[float]
    finished: bool


Ask = Callable[[Sequence[int], str | None, int], Written]
"""Asks a server: the tokens of a prompt, a grammar or None, and tokens of the answer at most."""


class ServerAnswer:
    """An answer of a server under a grammar.

    Attributes:
        tokens: of the answer so far.
        logprobs: of these, as the server said.
        certain: for each token, whether the model was not asked for it.
        shortened: whether something of it was dropped or left out so that it ends.
    """

    def __init__(self, prompt: Sequence[int], grammar: Grammar, ask: Ask) -> None:
        """Begin an empty answer.

        Args:
            prompt: its tokens.
            grammar: of the answer.
            ask: asks the server.
        """
        self.tokens: list[int] = []
        self.logprobs: list[float] = []
        self.certain: list[bool] = []
        self._prompt, self._grammar, self._ask = prompt, grammar, ask
        self._matcher: Matcher = grammar.matcher()
        self._rest = ""  # the beginning of the answer that was last gone on from

    @property
    def finished(self) -> bool:
        """Whether the answer is complete."""
        return self._matcher.ended

    @property
    def shortened(self) -> bool:
        """Whether something was dropped or left out so that it ends."""
        return bool(self._rest)

    def write(self, limit: int) -> None:
        """Ask for the whole answer.

        Args:
            limit: tokens of the answer, at most.

        Raises:
            AnswerError: it breaks the grammar, or ends where it may not.
        """
        first = limit - kept_back(self._grammar, limit)
        written = self._ask(self._prompt, self._grammar.lark, first)
        try:
            for token, logprob in zip(written.tokens, written.logprobs, strict=True):
                self._append(token, logprob)
        except GrammarError as error:
            raise AnswerError(f"the answer breaks its grammar: {error}") from error
        if written.finished and not self._matcher.may_end:
            raise AnswerError("the answer ends too early for its grammar")
        reached: int | None = first
        while not (written.finished or self.finished or reached == limit):
            reached = self._restart(limit)
            if reached is None:
                return
            self._go_on(reached)

    def _append(self, token: int, logprob: float) -> None:
        forced = bool(self._matcher.forced())
        self._matcher.consume([token])
        self.tokens.append(token)
        self.logprobs.append(logprob)
        self.certain.append(forced)

    def _go_on(self, limit: int) -> None:
        """Write the most probable tokens that the grammar allows, up to a limit."""
        while len(self.tokens) < limit and not self.finished:
            if forced := self._matcher.forced():
                self._append(forced[0], 0.0)
                continue
            ids = [*self._prompt, *self.tokens]
            draft = self._ask(ids, None, min(_DRAFT, limit - len(self.tokens)))
            if not self._follow(draft):
                best = self._ask(ids, _one_of(self._matcher), 1)
                if not self._follow(best):
                    raise AnswerError("the answer does not go on by what its grammar allows")

    def _follow(self, written: Written) -> bool:
        """Append the tokens that the grammar allows, up to the first other; say if there is one."""
        before = len(self.tokens)
        for token, logprob in zip(written.tokens, written.logprobs, strict=True):
            forced = self._matcher.forced()
            if self.finished or not self._matcher.allows(token) or token != (forced or [token])[0]:
                break
            self._append(token, logprob)
        return len(self.tokens) > before

    def _restart(self, limit: int) -> int | None:
        """Drop what keeps the answer from its end.

        Returns:
            The limit up to which it goes on; None if it cannot.
        """
        data = b"".join(map(self._grammar.vocabulary.bytes_of, self.tokens))
        state = JsonState()
        state.write(data, repeats=True)
        found = restart(
            self._grammar,
            self.tokens,
            decoded(self.tokens, self._grammar.vocabulary)[0],
            before=self._rest,
            may_close_string=state.may_close_string,
            limit=limit,
        )
        matcher = self._grammar.matcher()
        if found is None or matcher.accepted(found.tokens) < len(found.tokens):
            return None
        matcher.consume(found.tokens)
        added = len(found.tokens) - found.kept
        self._matcher, self._rest, self.tokens = matcher, found.text, found.tokens
        self.logprobs = [*self.logprobs[: found.kept], *[0.0] * added]
        self.certain = [*self.certain[: found.kept], *[True] * added]
        return found.limit


def _one_of(matcher: Matcher) -> str:
    """Return the grammar of the single tokens that may come next."""
    allowed = np.flatnonzero(matcher.allowed())
    parts = np.split(allowed, np.flatnonzero(np.diff(allowed) > 1) + 1)
    return f"start: <[{','.join(f'{part[0]}-{part[-1]}' for part in parts)}]>\n"
