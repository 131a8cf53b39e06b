"""One answer that is being generated: what the grammar forces, drafts, and the model's choices."""

from __future__ import annotations

import codecs
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from ..errors import GrammarError
from ..model.attention import PromptAttention
from ..model.forward import ForwardInput, NextTokens
from .finishing import kept_back, restart
from .grammar import Grammar
from .json_state import JsonState
from .llguidance_adapter import Matcher, Vocabulary
from .speculation import Draft, Drafter, NgramTable


@dataclass(frozen=True)
class Prompt:
    """What an answer is generated for.

    Attributes:
        ids: the tokens of the prompt, at least one.
        grammar: constrains the answer; None allows any text.
    """

    ids: Sequence[int]
    grammar: Grammar | None


@dataclass(frozen=True)
class Generated:
    """A generated answer.

    Attributes:
        ids: its tokens without the stop token.
        text: the tokens decoded, without an incomplete character at the end.
        ends: for each token, the offset in ``text`` after it, in code points.
        logprobs: for each token, the natural logarithm of its probability in the model's whole
            distribution. That is its probability under the grammar times the probability of all
            that the grammar allows; 0 where the grammar forced it.
        finished: whether the answer ended within the limit.
        shortened: whether something of it was dropped or left out so that it did.
    """

    ids: tuple[int, ...]
    text: str
    ends: tuple[int, ...]
    logprobs: tuple[float, ...]
    finished: bool
    shortened: bool = False


@dataclass
class DecodingStats:
    """Counts and times of generation; sums over all calls of ``generate`` that were given it.

    Attributes:
        steps: forward passes, those over prompts included.
        tokens: tokens of answers.
        forced: those of them that needed no forward pass.
        drafted: tokens of drafts.
        accepted: those of them that the model generated too.
        masks: token masks that were computed.
        model_seconds: time in the model.
        grammar_seconds: time in following grammars.
        compile_seconds: time in compiling grammars, in another thread.
        total_seconds: time altogether.
    """

    steps: int = 0
    tokens: int = 0
    forced: int = 0
    drafted: int = 0
    accepted: int = 0
    masks: int = 0
    model_seconds: float = 0.0
    grammar_seconds: float = 0.0
    compile_seconds: float = 0.0
    total_seconds: float = 0.0

    @contextmanager
    def timed(
        self, name: Literal["model_seconds", "grammar_seconds", "total_seconds"]
    ) -> Iterator[None]:
        """Add the duration of a block to one of the times."""
        began = time.perf_counter()
        yield
        setattr(self, name, getattr(self, name) + time.perf_counter() - began)


@dataclass(frozen=True)
class SequenceOptions:
    """What all answers of one call of ``generate`` have in common.

    Attributes:
        stops: the tokens that end an answer.
        limit: tokens of an answer, at most.
        attention: which tokens of a prompt attend to each other.
        speculate: False makes a forward pass and a mask for each token.
        vocabulary: decodes answers without a grammar.
        ngrams: counts for drafts.
        stats: counts and times.
    """

    stops: frozenset[int]
    limit: int
    attention: PromptAttention
    speculate: bool
    vocabulary: Vocabulary | None
    ngrams: NgramTable
    stats: DecodingStats


def decoded(tokens: Iterable[int], vocabulary: Vocabulary) -> tuple[str, list[int]]:
    """Return the text of tokens without an incomplete character at its end, and where each ends."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text, ends = "", []
    for token in tokens:
        text += decoder.decode(vocabulary.bytes_of(token))
        ends.append(len(text))
    return text, ends


class _DraftPosition:
    """Where an answer is in the draft that the model verifies.

    Attributes:
        tokens: of the draft, in the order in which the model reads them.
        branches: as in ``ForwardInput``.
        at: how many of ``tokens`` were read when the model predicts the answer's next token; None
            once the answer has left the draft.
    """

    def __init__(self, draft: Draft | None = None) -> None:
        self.tokens: list[int] = []
        self.branches: list[tuple[int, int]] = []
        self.at: int | None = None
        self._next: dict[tuple[int, int], int] = {}
        self._chain = 0
        if draft is not None:
            self.at = 0
            self._chain = len(draft.chain)
            self.branches = [(at, len(branch)) for at, branch in draft.branches]
            for at, part in [(0, draft.chain), *draft.branches]:
                for token, _ in part:
                    self.tokens.append(token)
                    self._next[at, token] = at = len(self.tokens)

    def follow(self, token: int) -> bool:
        """Advance by a token of the answer.

        Returns:
            Whether the cache holds the token in its slot. For tokens of branches it does not.
        """
        if self.at is not None:
            self.at = self._next.get((self.at, token))
        return self.at is not None and self.at <= self._chain


class AnswerSequence:
    """An answer that is being generated.

    Attributes:
        number: index of its prompt.
        cached: how many tokens of prompt and answer are in the KV cache.
        pending: the tokens after these that the model has not read yet.
        written: tokens of the answer.
        done: whether it is complete or has reached the limit.
    """

    def __init__(
        self,
        number: int,
        prompt: Prompt,
        matcher: Matcher | None,
        options: SequenceOptions,
        cached: int,
    ) -> None:
        """Begin an answer with what its grammar forces.

        Args:
            number: index of the prompt.
            prompt: what is answered.
            matcher: of the prompt's grammar, if there is one.
            options: of all answers.
            cached: how many tokens of the prompt are in the KV cache.
        """
        vocabulary = prompt.grammar.vocabulary if prompt.grammar else options.vocabulary
        if vocabulary is None:
            raise ValueError("an answer without a grammar needs a vocabulary")
        self.number = number
        self._prompt = prompt
        self._limit = options.limit - kept_back(prompt.grammar, options.limit)
        self._rest = ""  # the beginning of the answer that was last gone on from
        self.cached = cached
        self.pending = list(prompt.ids[cached:])
        self.written: list[int] = []
        self.done = False
        self._finished = False
        self._logprobs: list[float] = []
        self._options = options
        self._stats = options.stats
        self._vocabulary = vocabulary
        self._matcher = matcher
        self._repeats = prompt.grammar is not None and not prompt.grammar.grammars.end_repeats
        self._bidirectional = options.attention.bidirectional(len(prompt.ids))
        self._state = JsonState()
        self._position = _DraftPosition()
        self._drafter = None
        if prompt.grammar and matcher and options.speculate:
            text = prompt.grammar.text
            self._drafter = Drafter(self._state, text, vocabulary, options.ngrams)
            self._write_forced(matcher)

    @property
    def room(self) -> int:
        """How many tokens may be drafted; the model predicts one more after them."""
        return max(0, self._limit - len(self.written) - 1)

    def draft(self) -> Draft:
        """Return a draft of how the answer continues."""
        return self._drafter.draft() if self._drafter else Draft([])

    def forward_input(self, draft: Draft) -> ForwardInput:
        """Return what the model reads next: pending tokens and a draft."""
        position = self._position = _DraftPosition(draft)
        self._stats.drafted += len(position.tokens)
        return ForwardInput(
            self.cached,
            [*self.pending, *position.tokens],
            predicted=1 + len(position.tokens),
            branches=position.branches,
            bidirectional=self._bidirectional,
        )

    def extend(self, predicted: NextTokens) -> None:
        """Continue the answer as far as the model has predicted it.

        Args:
            predicted: for the last pending token and each token of the draft.
        """
        self.cached += len(self.pending)
        self.pending.clear()
        self._follow(predicted)
        if self.done and not self._finished:
            self._finish()

    def _follow(self, predicted: NextTokens) -> None:
        while not self.done and self._position.at is not None:
            at = self._position.at
            if self._matcher is None:
                self._append(predicted.tokens[at], predicted.logprobs[at])
                continue
            token, logprob = self._choose(self._matcher, predicted, at)
            ending = self._advance(self._matcher, token)
            if ending is None:
                self._append(token, logprob)
            else:
                self._append_forced(ending)
            if self._drafter:
                self._write_forced(self._matcher)

    def result(self) -> Generated:
        """Return the answer with its tokens decoded."""
        text, ends = decoded(self.written, self._vocabulary)
        return Generated(
            tuple(self.written),
            text,
            tuple(ends),
            tuple(self._logprobs),
            self._finished,
            shortened=bool(self._rest),
        )

    def _finish(self) -> None:
        """Go on with the values that the answer still needs, if room was kept back for them."""
        grammar = self._prompt.grammar
        if grammar is None or self._limit == self._options.limit:
            return
        text, _ends = decoded(self.written, self._vocabulary)
        found = restart(
            grammar,
            self.written,
            text,
            before=self._rest,
            may_close_string=self._state.may_close_string,
            limit=self._options.limit,
        )
        if found is None:
            return
        matcher = grammar.matcher()
        if matcher.accepted(found.tokens) < len(found.tokens):
            return
        matcher.consume(found.tokens)
        self._rest, self._limit = found.text, found.limit
        self._write_again(found.tokens, found.kept, matcher)

    def _write_again(self, tokens: list[int], kept: int, matcher: Matcher) -> None:
        """Make some tokens the answer so far; of these, some are those that were written."""
        ids = [*self._prompt.ids, *tokens]
        self.cached = min(self.cached, len(self._prompt.ids) + kept, len(ids) - 1)
        self.pending = ids[self.cached :]
        self.written = tokens
        self.done = False
        self._logprobs = [*self._logprobs[:kept], *[0.0] * (len(tokens) - kept)]
        self._stats.forced += len(tokens) - kept
        self._matcher = matcher
        self._position = _DraftPosition()
        self._state = JsonState()
        text = self._prompt.grammar.text if self._drafter and self._prompt.grammar else None
        if text is not None:
            self._drafter = Drafter(self._state, text, self._vocabulary, self._options.ngrams)
        for token in tokens:
            data = self._vocabulary.bytes_of(token)
            self._state.write(data, repeats=True)
            if self._drafter is not None:
                self._drafter.add(token, data)
        if self._drafter is not None:
            self._write_forced(matcher)

    def _choose(self, matcher: Matcher, predicted: NextTokens, at: int) -> tuple[int, float]:
        """Return the most probable token that the grammar allows, and its log-probability."""
        token, logprob = predicted.tokens[at], predicted.logprobs[at]
        with self._stats.timed("grammar_seconds"):
            if not self._options.speculate or not matcher.allows(token):
                self._stats.masks += 1
                allowed = matcher.allowed()
                if not allowed.any():
                    raise GrammarError("the grammar failed: it allows no token")
                token, logprob = predicted.best(at, allowed)
                if not self._options.speculate and matcher.forced():
                    logprob = 0.0
        return token, logprob

    def _advance(self, matcher: Matcher, token: int) -> list[int] | None:
        """Advance the state by a token, unless a list repeats an item and ends by that.

        Returns:
            The tokens that end the list instead, by which the state has advanced.
        """
        data = self._vocabulary.bytes_of(token)
        done = self._state.write(data, repeats=self._repeats)
        while done < len(data):  # in front of a comma
            ending = self._vocabulary.tokenize(data[:done] + b"]")
            if matcher.accepted(ending) == len(ending):
                self._state.write(b"]")
                return ending
            self._state.write(data[done : done + 1], repeats=True)
            done += 1 + self._state.write(data[done + 1 :])
        return None

    def _write_forced(self, matcher: Matcher) -> None:
        """Append what the grammar forces."""
        if self.done:
            return
        with self._stats.timed("grammar_seconds"):
            forced = matcher.forced()
        for token in forced:
            self._state.write(self._vocabulary.bytes_of(token), repeats=True)
            self._append_forced([token])

    def _append_forced(self, tokens: Sequence[int]) -> None:
        """Append tokens by which the state has advanced, without asking the model."""
        for token in tokens[: self._limit - len(self.written)]:
            self._append(token, 0.0)
            self._stats.forced += 1

    def _append(self, token: int, logprob: float) -> None:
        """Append a token by which the state has advanced."""
        if self._matcher is None and token in self._options.stops:
            self._finished = self.done = True
            return
        self.written.append(token)
        self._logprobs.append(logprob)
        if self._matcher is not None:
            with self._stats.timed("grammar_seconds"):
                self._matcher.consume([token])
                self._finished = self._matcher.ended
        if self._drafter is not None:
            self._drafter.add(token, self._vocabulary.bytes_of(token))
        self.done = self._finished or len(self.written) == self._limit
        if self._position.follow(token):
            self.cached += 1
        else:
            self.pending.append(token)
        self._stats.accepted += self._position.at is not None
