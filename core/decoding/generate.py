"""Greedy generation under a grammar, with continuous batching and speculative decoding.

At each position, the answer has the most probable token that the grammar allows. What makes this
fast changes no token, except for ties within the rounding of the model's arithmetic:

- Tokens that the grammar forces need no forward pass.
- Drafts (``speculation``) are verified many tokens at a time.
- A token mask is computed only if the grammar does not allow the model's most probable token. That
  is so rare that masks need not be computed in parallel with the model.
- What all prompts begin with is read once, if the attention allows it.
- A complete answer makes room in the batch for the next prompt.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from ..model.attention import CAUSAL, PromptAttention
from ..model.forward import ForwardInput, ForwardPass, NextTokens, generation_mode, rows_at_once
from .llguidance_adapter import Matcher, Vocabulary
from .sequence import AnswerSequence, DecodingStats, Generated, Prompt, SequenceOptions
from .speculation import Draft, NgramTable

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_MIN_SHARED = 8
"""Tokens that all prompts must begin with to be worth a forward pass of their own."""

_STEP_COST = {"cpu": 16, "other": 256}
"""Fixed cost of a forward pass, in tokens, by the type of device; it affects speed alone.

On a CPU, 16 is within 3 per cent of the best of 4 to 64 at batch 1, by the measured cost of passes
of 4 and of 135 million parameters, in float32 and bf16: weights and overhead of a pass grow with a
model as its arithmetic does. Accelerators read many tokens at once.
"""


def generate(
    model: PreTrainedModel,
    prompts: Sequence[Prompt],
    *,
    stops: Sequence[int],
    max_new_tokens: int,
    batch_size: int,
    vocabulary: Vocabulary | None = None,
    attention: PromptAttention = CAUSAL,
    speculate: bool = True,
    stats: DecodingStats | None = None,
    progress: Callable[[int], object] = lambda _count: None,
) -> list[Generated]:
    """Generate an answer to each prompt; results are in the order of the prompts.

    Prompts of similar length share a batch, so a result depends on the other prompts only through
    the rounding of batched arithmetic. Equal calls give equal results.

    Args:
        model: with or without an adapter around it.
        prompts: in any order.
        stops: tokens that end an answer without a grammar.
        max_new_tokens: tokens of an answer, at most.
        batch_size: answers that are generated at the same time, at most.
        vocabulary: decodes answers without a grammar.
        attention: which tokens of a prompt attend to each other, as the model was trained.
        speculate: False makes a forward pass and a mask for each token, for comparison.
        stats: counts and times are added to it.
        progress: called with the number of prompts done since the last call.

    Raises:
        GrammarError: a grammar does not compile or fails.
        SettingsError: the model cannot be used for generation.
    """
    if not prompts:
        return []
    stats = DecodingStats() if stats is None else stats
    with stats.timed("total_seconds"), generation_mode(model):
        options = SequenceOptions(
            frozenset(stops),
            max_new_tokens,
            attention,
            speculate=speculate,
            vocabulary=vocabulary,
            ngrams=NgramTable(),
            stats=stats,
        )
        batch = _ContinuousBatch(model, min(batch_size, len(prompts)), options)
        return batch.run(prompts, progress)


class _ContinuousBatch:
    """The answers that are generated at the same time; complete ones make room for others."""

    def __init__(self, model: PreTrainedModel, size: int, options: SequenceOptions) -> None:
        self._forward = ForwardPass(model, size)
        self._size = size
        self._options = options
        self._stats = options.stats
        self._step_cost = _STEP_COST["cpu" if model.device.type == "cpu" else "other"]

    def run(self, prompts: Sequence[Prompt], progress: Callable[[int], object]) -> list[Generated]:
        """Answer all prompts, those of similar length together."""
        order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i].ids), i))
        shared = self._read_shared([list(prompts[i].ids) for i in order])
        results: dict[int, Generated] = {}
        rows: list[AnswerSequence] = []
        begun = 0
        with closing(self._matchers([prompts[i] for i in order])) as matchers:
            waiting = zip(order, matchers, strict=True)
            while True:
                first = len(rows)
                free = self._size - first
                if not rows or free >= max(1, self._size // 4):
                    new = rows_at_once([len(prompts[i].ids) for i in order[begun : begun + free]])
                    rows += [
                        AnswerSequence(i, prompts[i], matcher, self._options, shared)
                        for i, matcher in islice(waiting, new)
                    ]
                    begun += new
                if not rows:
                    break
                first = first if first < len(rows) else 0  # the new ones alone, if there are any
                self._step(first, rows[first:])
                done = self._remove_done(rows)
                results |= {row.number: row.result() for row in done}
                self._stats.tokens += sum(len(row.written) for row in done)
                if done:
                    progress(len(done))
        return [results[i] for i in range(len(prompts))]

    def _read_shared(self, prompts: list[list[int]]) -> int:
        """Read once what all prompts begin with; return its length in tokens.

        At least one token of each prompt is left, from which its answer continues.
        """
        pairs = enumerate(zip(min(prompts), max(prompts), strict=False))
        common = next((i for i, (a, b) in pairs if a != b), len(min(prompts)))
        length = min(common, min(map(len, prompts)) - 1)
        worthwhile = len(prompts) > 1 and length >= _MIN_SHARED
        if not worthwhile or not self._options.attention.shares_keys:
            return 0
        self._run_model(0, [ForwardInput(0, prompts[0][:length])])
        self._forward.share(length)
        return length

    def _matchers(self, prompts: Sequence[Prompt]) -> Generator[Matcher | None]:
        """Yield the matcher of each prompt; another thread compiles some of them ahead."""

        def compiled(prompt: Prompt) -> Matcher | None:
            began = time.thread_time()
            matcher = prompt.grammar.matcher() if prompt.grammar else None
            self._stats.compile_seconds += time.thread_time() - began
            return matcher

        pool = ThreadPoolExecutor(1)
        ahead: deque[Future[Matcher | None]] = deque()
        try:
            for prompt in prompts:
                ahead.append(pool.submit(compiled, prompt))
                if len(ahead) > 2 * self._size:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _step(self, first: int, rows: Sequence[AnswerSequence]) -> None:
        """Continue some answers by one forward pass."""
        drafts = self._drafts(rows)
        inputs = [row.forward_input(draft) for row, draft in zip(rows, drafts, strict=True)]
        for row, predicted in zip(rows, self._run_model(first, inputs), strict=True):
            row.extend(predicted)

    def _drafts(self, rows: Sequence[AnswerSequence]) -> list[Draft]:
        """Return a draft for each row, of the length that pays for all of them together.

        A step of n rows has a fixed cost and one for each of n × width tokens. So one more token
        for each row pays if enough of these are likely to be accepted.
        """
        drafts = [row.draft() for row in rows]
        probabilities = [draft.probabilities() for draft in drafts]
        lengths = [len(row.pending) for row in rows]
        enough = len(rows) ** 2 / (len(rows) + self._step_cost)
        width = max(lengths)
        while enough <= sum(
            descending[width - length]
            for descending, length in zip(probabilities, lengths, strict=True)
            if width - length < len(descending)
        ):
            width += 1
        return [
            draft.best(min(width - length, row.room))
            for row, draft, length in zip(rows, drafts, lengths, strict=True)
        ]

    def _run_model(self, first: int, inputs: Sequence[ForwardInput]) -> list[NextTokens]:
        self._stats.steps += 1
        with self._stats.timed("model_seconds"):
            return self._forward.run(first, inputs)

    def _remove_done(self, rows: list[AnswerSequence]) -> list[AnswerSequence]:
        """Remove the complete answers; the last rows move to their places in the cache."""
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
                self._forward.move(len(rows), at, last.cached)
        return done
