"""Decode the tags of a window: which spans of its text they take for values.

Tagging is a second signal beside the generated answer. The model has read the whole text when it
tags a token, while an answer is generated from left to right and omits values that it did not
begin. ``ensemble`` combines both.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from ..data import Message, Schema, Span
from ..model.attention import PromptAttention
from ..model.forward import rows_at_once
from ..model.prompts import PromptFormat, TokenSpan
from ..text.grounding import is_word_span, segments
from .labels import Tags, is_list_of_strings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_LEAST = 1e-9
"""No probability is less, so that it has a logarithm."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class TaggedSpan:
    """A span of a text that the tags take for a value.

    Attributes:
        span: start and end in code points.
        confidence: in (0, 1].
    """

    span: Span
    confidence: float


class FieldTags:
    """Tag probabilities of one field over the tokens of a text.

    Attributes:
        own: probability of each token to be part of a value, shape (tokens,).
        values: the spans that decoding finds: of a list all, of a string the best one.
    """

    def __init__(
        self, starts: Sequence[int], ends: Sequence[int], begins: Floats, inside: Floats | None
    ) -> None:
        """Take the columns of one field.

        Args:
            starts: first code point of each token, ascending.
            ends: code point after each token, ascending.
            begins: probability of each token to be the first of a value, shape (tokens,).
            inside: probability to be a later one; None where the tokenizer has one tag for both,
                which is then in ``begins``.
        """
        self._starts, self._ends = starts, ends
        self._begins, self._inside = begins, inside
        self.own = begins if inside is None else begins + inside
        self.values: Sequence[TaggedSpan] = ()

    def confidence(self, span: Span) -> float:
        """Return the confidence that a value is at exactly this span, in [0, 1].

        ``gmean(p(token is part of a value))``; where begin and inside have tags of their own,
        ``* p(first token begins a value, given that it is part of one)
        * (1 - p(the next token continues the value))``.
        """
        first, last = bisect_right(self._ends, span[0]), bisect_left(self._starts, span[1]) - 1
        if last < first:
            return 0.0
        sure = self.mean(first, last)
        if self._inside is not None:
            sure *= float(self._begins[first] / max(self.own[first], _LEAST))
            if last + 1 < len(self._inside):
                sure *= 1 - float(self._inside[last + 1])
        return clamped(sure)

    def logarithms(self) -> Iterator[tuple[float, float, float]]:
        """Yield for each token the log probabilities of begin, inside and outside."""
        inside = self._begins if self._inside is None else self._inside
        return zip(
            *(_logarithm(part) for part in (self._begins, inside, 1 - self.own)), strict=True
        )

    def mean(self, first: int, last: int) -> float:
        """Return the geometric mean of ``own`` from one token to another, both included."""
        return clamped(float(np.exp(np.mean(_logarithm(self.own[first : last + 1])))))


class Tagger:
    """Tags windows with the model that also generates the answers.

    Fields that are tagged: lists of verbatim strings and verbatim strings at the schema's root.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        schema: Schema,
        prompts: PromptFormat,
        *,
        attention: PromptAttention,
    ) -> None:
        """Prepare the tags of a schema.

        Args:
            model: the model, with or without an adapter around it.
            schema: the schema of a record.
            prompts: the tokenizer and its chat template.
            attention: which tokens of a prompt attend to each other.
        """
        from peft import PeftModel

        answering: Any = model  # PEFT wraps it if the adapter is not merged
        is_adapted = isinstance(answering, PeftModel)
        self._model = answering.get_base_model() if is_adapted else answering
        self._attention = attention
        self._prompts = prompts
        self._tags = Tags(schema, prompts)
        roots = [field for field in self._tags.by_field if "/" not in field]
        self._lists = [field for field in roots if is_list_of_strings(field, schema)]
        self._strings = [field for field in roots if field not in self._lists]

    def tag(
        self, windows: Sequence[tuple[str, Sequence[Message]]], batch_size: int
    ) -> list[dict[str, FieldTags]]:
        """Return the tag probabilities of each window, by field.

        Args:
            windows: each window's text, and the prompt that holds it.
            batch_size: prompts in one forward pass, at most.
        """
        prompts = [self._prompts.prompt(messages) for _text, messages in windows]
        order = sorted(range(len(windows)), key=lambda number: -len(prompts[number]))
        found: list[dict[str, FieldTags]] = [{} for _ in windows]
        while order:
            rows = rows_at_once([len(prompts[number]) for number in order[:batch_size]])
            numbers, order = order[:rows], order[rows:]
            read = self._probabilities([prompts[number] for number in numbers])
            for number, probabilities in zip(numbers, read, strict=True):
                text, messages = windows[number]
                tokens = self._prompts.token_spans(messages, text)
                found[number] = self._decoded(text, tokens, probabilities)
        return found

    def _probabilities(self, prompts: Sequence[Sequence[int]]) -> list[Floats]:
        """Return the probability of each tag for each token of some prompts."""
        width, device = max(map(len, prompts)), self._model.device
        pad = self._prompts.end
        ids = torch.tensor([[*p, *[pad] * (width - len(p))] for p in prompts], device=device)
        mask = torch.tensor([[1] * len(p) + [0] * (width - len(p)) for p in prompts], device=device)
        attention = self._attention.prompt_mask(mask, self._model)
        head = self._model.get_output_embeddings().weight[self._tags.ids]
        with torch.inference_mode():
            decoder = self._model.get_decoder()
            hidden = decoder(input_ids=ids, attention_mask=attention, use_cache=False)[0]
            scores = functional.linear(hidden, head.to(hidden.dtype)).double().softmax(dim=-1)
        read: Floats = scores.cpu().numpy()
        return [rows[: len(prompt)] for rows, prompt in zip(read, prompts, strict=True)]

    def _decoded(
        self, text: str, tokens: Sequence[TokenSpan], probabilities: Floats
    ) -> dict[str, FieldTags]:
        """Return the tags of a text, decoded field by field.

        Args:
            text: the window's text.
            tokens: its tokens in the prompt.
            probabilities: of each tag at each token of the prompt, shape (tokens, tags).
        """
        if not tokens:
            return {}
        starts, ends = [token.start for token in tokens], [token.end for token in tokens]
        rows = probabilities[[token.token for token in tokens]]
        boundaries = _boundaries(text)
        found: dict[str, FieldTags] = {}
        for field in (*self._lists, *self._strings):
            begins, inside = self._tags.by_field[field]
            column = rows[:, self._tags.ids.index(begins)]
            other = None if inside == begins else rows[:, self._tags.ids.index(inside)]
            tags = FieldTags(starts, ends, column, other)
            is_list = field in self._lists
            runs = _runs(tags) if is_list else _best_run(tags)
            spans = []
            for first, last in runs:
                run = starts[first], ends[last]
                span = _whole_words(text, boundaries, *run)
                if is_word_span(text, span):
                    sure = tags.confidence(run) if is_list else tags.mean(first, last)
                    spans.append(TaggedSpan(span, sure))
            tags.values = spans
            found[field] = tags
        return found


def _logarithm(probabilities: Floats) -> list[float]:
    logarithms: list[float] = np.log(np.maximum(probabilities, _LEAST)).tolist()
    return logarithms


def _runs(tags: FieldTags) -> list[tuple[int, int]]:
    """Return the first and last token of each value, on the likeliest path through a text.

    The states are outside, begin and inside; inside follows only begin or inside (Viterbi 1967,
    "Error bounds for convolutional codes and an asymptotically optimum decoding algorithm").
    """
    out, within = 0.0, -math.inf  # the best paths that end outside, and within a value
    steps = []
    for begins, continues, outside in tags.logarithms():
        before = max(out, within)
        steps.append((within > out, before + begins > within + continues))
        out, within = before + outside, max(before + begins, within + continues)
    runs: list[tuple[int, int]] = []
    is_within, last = within > out, len(steps) - 1
    for token, (was_within, begun) in reversed(list(enumerate(steps))):
        if not is_within or begun:
            runs += [(token, last)] if is_within else []
            is_within, last = was_within, token - 1
    return runs[::-1]


def _best_run(tags: FieldTags) -> list[tuple[int, int]]:
    """Return the first and last token of the likeliest path that holds one value; [] if none is.

    Against no value at all, a segment is worth the sum of its log odds; the best one is found in
    one pass (Kadane's algorithm: Bentley 1984, "Programming pearls: algorithm design techniques").
    """
    best, total, start = (0.0, -1, -1), -math.inf, 0
    for token, (begins, continues, outside) in enumerate(tags.logarithms()):
        if begins >= total + continues:
            total, start = begins - outside, token
        else:
            total += continues - outside
        if total > best[0]:
            best = total, start, token
    return [best[1:]] if best[1] >= 0 else []


def _boundaries(text: str) -> list[int]:
    """Return the offsets at which a value may begin or end."""
    return [0, *accumulate(map(len, segments(text)))]


def _whole_words(text: str, boundaries: Sequence[int], start: int, end: int) -> Span:
    """Extend a span to whole words, and strip white space at its ends."""
    start = boundaries[bisect_right(boundaries, start) - 1]
    end = boundaries[bisect_left(boundaries, end)]
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def clamped(confidence: float) -> float:
    """Return a confidence rounded to six digits, and at least one millionth."""
    return round(min(max(confidence, 1e-6), 1.0), 6)
