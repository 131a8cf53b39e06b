"""Prompts in, answers out: greedy generation under a grammar, in few model steps.

The answer is the one that the best allowed token at each place makes, one after another. What
makes it fast changes no token, but for ties within the rounding of the model's arithmetic:

- Tokens that the grammar forces are written without asking the model.
- Drafts (``drafts``) are read along, and kept as far as the model would have written the same.
- The model's own best token, if the grammar allows it, is the best allowed one; only otherwise
  is a mask computed. That is so seldom that it need not be hidden behind the model's work.
- What all prompts begin with is read once, unless it may look ahead.
- An answer that is complete makes room for the next.
"""

from __future__ import annotations

import codecs
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ..errors import GrammarError
from ..model.forward import Opinion, Passage, Reader, ready, rows_at_once
from .grammar import Grammar, Matcher, Vocabulary
from .json_state import Outline
from .speculation import Draft, Drafter, Habits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_SHARED = 8
"""Tokens that prompts must have in common to be worth a step of their own."""

_STEP_COST = {"cpu": 8, "other": 256}
"""What a model step costs beside its tokens, in tokens, by the kind of device.

That of a small model on a CPU, where it is measured; accelerators read many at once.
"""


@dataclass(frozen=True)
class Prompt:
    """What is asked.

    ids: the tokens of the prompt, at least one.
    grammar: what the answer is held to; None leaves it free.
    """

    ids: Sequence[int]
    grammar: Grammar | None


@dataclass(frozen=True)
class Generated:
    """What the model wrote after a prompt.

    ids: the tokens of the answer, the stop token left out.
    text: what they read as; where cut in the middle of a character, without that character.
    ends: for each token, the offset in ``text`` behind it, in code points.
    logprobs: for each token, the natural logarithm of its probability in the model's whole
        distribution, which is its probability under the grammar times the mass that the grammar
        left; 0 where the grammar forced it.
    finished: whether the answer came to its end within the limit.
    """

    ids: tuple[int, ...]
    text: str
    ends: tuple[int, ...]
    logprobs: tuple[float, ...]
    finished: bool


@dataclass
class Tally:
    """What generation took; sums over all calls that were given it.

    steps: calls of the model, those that read prompts among them.
    tokens: tokens of answers.
    forced: those of them that were written without asking the model.
    drafted, accepted: tokens that were guessed, and those that the model wrote too.
    masks: masks that had to be computed.
    in_model, in_grammars, total: seconds in the model, in following grammars, and altogether.
    compiling: seconds in which another thread made grammars.
    """

    steps: int = 0
    tokens: int = 0
    forced: int = 0
    drafted: int = 0
    accepted: int = 0
    masks: int = 0
    in_model: float = 0.0
    in_grammars: float = 0.0
    compiling: float = 0.0
    total: float = 0.0


def generate(
    model: PreTrainedModel,
    prompts: Sequence[Prompt],
    *,
    stops: Sequence[int],
    max_new_tokens: int,
    batch_size: int,
    vocabulary: Vocabulary | None = None,
    prefix_lm: bool = False,
    speculate: bool = True,
    tally: Tally | None = None,
    progress: Callable[[int], object] = lambda _count: None,
) -> list[Generated]:
    """Generate greedily after each prompt; results in the order of the prompts.

    Prompts of like length share a batch, so the result for a prompt depends on the others only
    through the rounding of batched arithmetic; equal calls give equal results.

    vocabulary: reads answers without a grammar; the others bring theirs along.
    prefix_lm: whether the tokens of a prompt see each other, as the model was trained.
    speculate: False takes a model step and a mask for each token, to compare with.
    progress: called with the number of prompts done since the last call.

    Raises:
        GrammarError: a grammar does not compile or fails.
        SettingsError: the model cannot be used so.
    """
    if not prompts:
        return []
    began = time.perf_counter()
    tally = Tally() if tally is None else tally
    with ready(model):
        call = _Call(
            model,
            vocabulary,
            stops=frozenset(stops),
            limit=max_new_tokens,
            batch_size=min(batch_size, len(prompts)),
            prefix_lm=prefix_lm,
            speculate=speculate,
            tally=tally,
        )
        results = call.run(prompts, progress)
    tally.total += time.perf_counter() - began
    return results


class _Row:
    """An answer that is being written.

    number: which prompt it answers.
    vocabulary: what its tokens read as.
    read: tokens of prompt and answer that the cache holds.
    pending: those that the model has not read yet.
    prefix: tokens at the beginning that see each other.
    """

    def __init__(
        self,
        number: int,
        prompt: Prompt,
        matcher: Matcher | None,
        vocabulary: Vocabulary,
        call: _Call,
    ) -> None:
        self.number = number
        self.vocabulary = vocabulary
        self.read = call.shared
        self.pending = list(prompt.ids[call.shared :])
        self.prefix = len(prompt.ids) if call.prefix_lm else 0
        self.written: list[int] = []
        self.logprobs: list[float] = []
        self.finished = self.done = False
        self._call = call
        self._matcher = matcher
        self._outline = Outline()
        self._drafter = None
        # The draft that is being read: what may follow each of its tokens, where in it the answer
        # stands (0 before it, None where it has left it), and how many of its tokens stand in the
        # cache at their positions.
        self._next: dict[tuple[int, int], int] = {}
        self._at: int | None = None
        self._in_place = 0
        if prompt.grammar and matcher and call.speculate:
            text = prompt.grammar.text
            self._drafter = Drafter(self._outline, text, vocabulary, call.habits)
            self._write_forced(matcher)

    @property
    def room(self) -> int:
        """Tokens that can be guessed at: behind them one more is asked for."""
        return max(0, self._call.limit - len(self.written) - 1)

    def guess(self) -> Draft:
        """Return how the answer may go on."""
        return self._drafter.guess() if self._drafter else Draft([])

    def passage(self, draft: Draft) -> Passage:
        """Return what to read next: what is pending, and a draft."""
        tokens = [token for token, _ in draft.chain]
        self._in_place = len(tokens)
        self._next = {(at, token): at + 1 for at, token in enumerate(tokens)}
        for at, run in draft.runs:
            for token, _ in run:
                tokens.append(token)
                self._next[at, token] = at = len(tokens)
        self._at = 0
        self._call.tally.drafted += len(tokens)
        branches = [(at, len(run)) for at, run in draft.runs]
        asked = 1 + len(tokens)
        return Passage(self.read, [*self.pending, *tokens], asked, branches, self.prefix)

    def take(self, opinion: Opinion) -> None:
        """Write what the model is for, as far as it was asked."""
        self.read += len(self.pending)
        self.pending.clear()
        while not self.done and self._at is not None:
            token, logprob = opinion.tokens[self._at], opinion.logprobs[self._at]
            if self._matcher is None:
                self._append(token, logprob)
                continue
            token, logprob = self._choose(self._matcher, opinion, self._at)
            closing = self._follow(self._matcher, token)
            if closing is None:
                self._append(token, logprob)
            else:
                self._append_forced(closing)
            if self._drafter:
                self._write_forced(self._matcher)

    def _choose(self, matcher: Matcher, opinion: Opinion, at: int) -> tuple[int, float]:
        """Return the best token that the grammar allows, and its logarithmic probability."""
        began = time.perf_counter()
        token, logprob = opinion.tokens[at], opinion.logprobs[at]
        if not self._call.speculate or not matcher.allows(token):
            self._call.tally.masks += 1
            allowed = matcher.allowed()
            if not allowed.any():
                raise GrammarError("the grammar failed: it allows no token")
            token, logprob = opinion.best(at, allowed)
            if not self._call.speculate and matcher.forced():
                logprob = 0.0
        self._call.tally.in_grammars += time.perf_counter() - began
        return token, logprob

    def _follow(self, matcher: Matcher, token: int) -> list[int] | None:
        """Let the outline follow a token; return the tokens that end a list that repeats itself."""
        data = self.vocabulary.bytes_of(token)
        done = self._outline.write(data)
        while done < len(data):  # before a comma
            closing = self.vocabulary.tokenize(data[:done] + b"]")
            if matcher.accepted(closing) == len(closing):
                self._outline.write(b"]")
                return closing
            self._outline.write(data[done : done + 1], repeats=True)
            done += 1 + self._outline.write(data[done + 1 :])
        return None

    def _write_forced(self, matcher: Matcher) -> None:
        """Write what the grammar forces."""
        if self.done:
            return
        began = time.perf_counter()
        forced = matcher.forced()
        self._call.tally.in_grammars += time.perf_counter() - began
        for token in forced:
            self._outline.write(self.vocabulary.bytes_of(token), repeats=True)
            self._append_forced([token])

    def _append_forced(self, tokens: Sequence[int]) -> None:
        """Append tokens that the outline has followed and that the model was not asked for."""
        for token in tokens[: self._call.limit - len(self.written)]:
            self._append(token, 0.0)
            self._call.tally.forced += 1

    def _append(self, token: int, logprob: float) -> None:
        """Append a token that the outline has followed."""
        if self._matcher is None and token in self._call.stops:
            self.finished = self.done = True
            return
        self.written.append(token)
        self.logprobs.append(logprob)
        if self._matcher is not None:
            began = time.perf_counter()
            self._matcher.consume([token])
            self.finished = self._matcher.ended
            self._call.tally.in_grammars += time.perf_counter() - began
        if self._drafter is not None:
            self._drafter.wrote(token, self.vocabulary.bytes_of(token))
        self.done = self.finished or len(self.written) == self._call.limit
        self._at = None if self._at is None else self._next.get((self._at, token))
        if self._at is not None:
            self._call.tally.accepted += 1
        if self._at is not None and self._at <= self._in_place:
            self.read += 1
        else:
            self.pending.append(token)


class _Call:
    """What the rows of one call of ``generate`` share."""

    def __init__(
        self,
        model: PreTrainedModel,
        vocabulary: Vocabulary | None,
        *,
        stops: frozenset[int],
        limit: int,
        batch_size: int,
        prefix_lm: bool,
        speculate: bool,
        tally: Tally,
    ) -> None:
        self.stops = stops
        self.limit = limit
        self.prefix_lm = prefix_lm
        self.speculate = speculate
        self.tally = tally
        self.habits = Habits()
        self.shared = 0  # tokens that all prompts begin with, and all rows of the cache
        self._vocabulary = vocabulary
        self._reader = Reader(model, batch_size)
        self._batch_size = batch_size
        self._step_cost = _STEP_COST["cpu" if model.device.type == "cpu" else "other"]

    def run(self, prompts: Sequence[Prompt], progress: Callable[[int], object]) -> list[Generated]:
        """Answer all prompts, those of like length together."""
        order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i].ids), i))
        self._read_what_is_shared([list(prompts[i].ids) for i in order])
        results: dict[int, Generated] = {}
        rows: list[_Row] = []
        begun = 0
        with closing(self._matchers([prompts[i] for i in order])) as matchers:
            waiting = zip(order, matchers, strict=True)
            while True:
                first = len(rows)
                free = self._batch_size - first
                if not rows or free >= max(1, self._batch_size // 4):
                    new = rows_at_once([len(prompts[i].ids) for i in order[begun : begun + free]])
                    rows += [self._row(i, prompts[i], m) for i, m in islice(waiting, new)]
                    begun += new
                if not rows:
                    break
                first = first if first < len(rows) else 0  # the new ones alone, if there are any
                self._step(first, rows[first:])
                done = self._take_out(rows)
                results |= {row.number: _generated(row) for row in done}
                self.tally.tokens += sum(len(row.written) for row in done)
                if done:
                    progress(len(done))
        return [results[i] for i in range(len(prompts))]

    def _row(self, number: int, prompt: Prompt, matcher: Matcher | None) -> _Row:
        vocabulary = prompt.grammar.vocabulary if prompt.grammar else self._vocabulary
        if vocabulary is None:
            raise ValueError("an answer without a grammar wants a vocabulary to be read with")
        return _Row(number, prompt, matcher, vocabulary, self)

    def _read_what_is_shared(self, prompts: list[list[int]]) -> None:
        """Read once what all prompts begin with; a prompt keeps a token to go on from.

        Where prompts are prefixes, even their first tokens differ by what follows.
        """
        if self.prefix_lm:
            return
        pairs = enumerate(zip(min(prompts), max(prompts), strict=False))
        common = next((i for i, (a, b) in pairs if a != b), len(min(prompts)))
        length = min(common, min(map(len, prompts)) - 1)
        if len(prompts) > 1 and length >= _SHARED:
            self._read(0, [Passage(0, prompts[0][:length])])
            self._reader.share(length)
            self.shared = length

    def _matchers(self, prompts: Sequence[Prompt]) -> Generator[Matcher | None]:
        """Yield the matcher of each prompt; another thread compiles some ahead."""

        def compiled(prompt: Prompt) -> Matcher | None:
            began = time.thread_time()
            matcher = prompt.grammar.matcher() if prompt.grammar else None
            self.tally.compiling += time.thread_time() - began
            return matcher

        pool = ThreadPoolExecutor(1)
        ahead: deque[Future[Matcher | None]] = deque()
        try:
            for prompt in prompts:
                ahead.append(pool.submit(compiled, prompt))
                if len(ahead) > 2 * self._batch_size:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _step(self, first: int, rows: Sequence[_Row]) -> None:
        """Let rows go on by one step."""
        passages = [row.passage(draft) for row, draft in zip(rows, self._drafts(rows), strict=True)]
        opinions = self._read(first, passages)
        for row, opinion in zip(rows, opinions, strict=True):
            row.take(opinion)

    def _drafts(self, rows: Sequence[_Row]) -> list[Draft]:
        """Return a draft for each row, as long as pays for all of them together.

        A step of n rows costs a fixed amount and one for each of n times width tokens, so one
        more token for each row pays if enough of them are likely to be right.
        """
        drafts = [row.guess() for row in rows]
        falling = [draft.probabilities() for draft in drafts]
        lengths = [len(row.pending) for row in rows]
        enough = len(rows) ** 2 / (len(rows) + self._step_cost)
        width = max(lengths)
        while enough <= sum(
            sure[width - length]
            for sure, length in zip(falling, lengths, strict=True)
            if width - length < len(sure)
        ):
            width += 1
        return [
            draft.best(min(width - length, row.room))
            for row, draft, length in zip(rows, drafts, lengths, strict=True)
        ]

    def _read(self, first: int, passages: Sequence[Passage]) -> list[Opinion]:
        began = time.perf_counter()
        opinions = self._reader.read(first, passages)
        self.tally.in_model += time.perf_counter() - began
        self.tally.steps += 1
        return opinions

    def _take_out(self, rows: list[_Row]) -> list[_Row]:
        """Take out the rows that are done; the last ones move to where these stood."""
        done = []
        at = 0
        while at < len(rows):
            if not rows[at].done:
                at += 1
                continue
            done.append(rows[at])
            last = rows.pop()
            if at < len(rows):
                rows[at] = last
                self._reader.move(len(rows), at, last.read)
        return done


def _generated(row: _Row) -> Generated:
    """Return an answer, with its tokens read."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text, ends = "", []
    for token in row.written:
        text += decoder.decode(row.vocabulary.bytes_of(token))
        ends.append(len(text))
    return Generated(tuple(row.written), text, tuple(ends), tuple(row.logprobs), row.finished)
