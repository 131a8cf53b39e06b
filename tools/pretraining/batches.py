"""Batches of packed rows: examples as token ids, with a weight for each token's loss."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer

from .pages import page_example
from .tasks import Example, extraction_example
from .tokenizer import (
    BEGIN,
    END,
    END_HEADER,
    END_OF_TURN,
    PAD,
    SPECIAL_TOKENS,
    START_HEADER,
    Corpus,
    sentences,
)
from .wordnet import Lexicon

KINDS = ("copy", "extraction", "language")

# An answer's tokens are few among the text's: they weigh more. The text beside an answer, where it
# is read from left to right, teaches language for nothing.
ANSWER, TEXT, LANGUAGE, COPY = 1.0, 0.15, 0.4, 0.5

# Each token of a text that is read as a prefix tells whose value begins or goes on there, as in
# fine-tuning (tagging_weight): there are many more of them than of answers.
TAG = 0.2

# Prompts are read as a prefix (every token sees all of it) but for this share, which keeps the
# model of use to programs that know causal attention alone.
CAUSAL = 0.25

SHORT = 320
"""Tokens of a row up to which it mostly holds sentences."""


@dataclass(frozen=True)
class Sources:
    """All that rows are made from."""

    corpus: Corpus
    lexicon: Lexicon


@dataclass(frozen=True)
class Tokens:
    """A sequence of token ids, with the loss weight and the kind of each.

    Attributes:
        prefix: number of tokens at the beginning that attend to each other.
        tags: labels of the tokens of the prefix, from position ``text`` on.
    """

    ids: list[int]
    weights: list[float]
    kind: int
    prefix: int = 0
    text: int = 0
    tags: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Batch:
    """Packed rows of equal length; each segment attends to itself, with positions from 0.

    Attributes:
        prefixes: whether a token belongs to the prefix of its segment.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    segments: torch.Tensor
    prefixes: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    kinds: torch.Tensor


class Encoder:
    """Text and examples to token ids, in the pieces that the framework tokenises."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        # What looks like a control token inside a text stays text.
        self._tokenizer.encode_special_tokens = True
        vocabulary = tokenizer.get_vocab()
        self.special = {token: vocabulary[token] for token in SPECIAL_TOKENS}
        self.size = tokenizer.get_vocab_size()

    def text(self, text: str) -> list[int]:
        """The ids of a piece of text, control tokens read as text."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _turn(self, role: str) -> list[int]:
        head, tail = self.special[START_HEADER], self.special[END_HEADER]
        return [head, *self.text(role), tail, *self.text("\n\n")]

    def example(self, example: Example, *, causal: bool = False) -> Tokens:
        """Return an example as the chat template renders it, with loss on the answer.

        Args:
            example: the example.
            causal: use causal attention on the prompt. Then the text has a small loss too; tokens
                of a prefix attend to each other, so predicting them teaches nothing.
        """
        end = self.special[END_OF_TURN]
        prompt = [self.special[BEGIN], *self._turn("system"), *self.text(example.system), end]
        prompt += self._turn("user")
        user = [*self.text(example.user), end]
        header = self._turn("assistant")
        answer = [*self.text(example.answer), end]
        asked = len(prompt + user + header)
        text = TEXT if causal else 0.0
        return Tokens(
            prompt + user + header + answer,
            [0.0] * len(prompt) + [text] * len(user) + [0.0] * len(header) + [ANSWER] * len(answer),
            KINDS.index("extraction"),
            0 if causal else asked,
            len(prompt),
            [] if causal else self._tags(example),
        )

    def _tags(self, example: Example) -> list[int]:
        """The tag of each token of a text: `name`, ` name` inside a value, or the end."""
        offsets = self._tokenizer.encode(example.user, add_special_tokens=False).offsets
        starts, ends = [start for start, _ in offsets], [end for _, end in offsets]
        tags = [self.special[END_OF_TURN]] * len(offsets)
        tagged = [False] * len(offsets)
        for name, value in _leaves(json.loads(example.answer)):
            begins, goes_on = self.text(name)[0], self.text(f" {name}")[0]
            for start, end in _occurrences(example.user, value):
                first, last = bisect_right(ends, start), bisect_left(starts, end)
                if not any(tagged[first:last]):  # the first field that holds a text tags it
                    tags[first:last] = [begins] + [goes_on] * (last - first - 1)
                    tagged[first:last] = [True] * (last - first)
        return tags

    def language(self, sources: Sources, random: Random, length: int) -> Tokens:
        """A stretch of one paper from the start of a sentence, or a word's definition."""
        if random.random() < 0.15:
            text = random.choice(sources.lexicon.definitions)
        else:
            parts = sentences(sources.corpus.draw(random).text)
            text = " ".join(parts[random.randrange(len(parts)) :])
        ids = [self.special[BEGIN], *self.text(text), self.special[END]][:length]
        return Tokens(ids, [0.0] + [LANGUAGE] * (len(ids) - 1), KINDS.index("language"))

    def copy(self, random: Random, length: int) -> Tokens:
        """Random tokens, then the same ones rotated: dense practice in looking back."""
        half = length // 2
        first = [random.randrange(len(SPECIAL_TOKENS), self.size) for _ in range(half)]
        start = random.randrange(half)
        # Where the second half starts cannot be known, so its first token is not asked.
        weights = [0.0] * (half + 1) + [COPY] * (half - 1)
        prefix = 0 if random.random() < CAUSAL else half
        return Tokens(first + first[start:] + first[:start], weights, KINDS.index("copy"), prefix)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The strings of a record, each with the name of its field."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part, name)
    elif isinstance(value, str) and value:
        yield name, value


def _occurrences(text: str, value: str) -> Iterator[tuple[int, int]]:
    """Yield the occurrences of a value that begin and end at word boundaries."""
    start = text.find(value)
    while start >= 0:
        end = start + len(value)
        before, after = text[start - 1 : start], text[end : end + 1]
        if not (before.isalnum() and value[0].isalnum()) and not (
            after.isalnum() and value[-1].isalnum()
        ):
            yield start, end
        start = text.find(value, end)


def _fit(sequences: Sequence[Tokens], rows: int, length: int) -> list[list[Tokens]]:
    """Longest first, each into the first row with room; what fits nowhere is left out."""
    packed: list[list[Tokens]] = [[] for _ in range(rows)]
    room = [length] * rows
    for sequence in sorted(sequences, key=lambda s: -len(s.ids)):
        for number in range(rows):
            if len(sequence.ids) <= room[number]:
                packed[number].append(sequence)
                room[number] -= len(sequence.ids)
                break
    return packed


def _batch(packed: Sequence[Sequence[Tokens]], length: int, pad: int) -> Batch:
    shape = (len(packed), length)
    ids = torch.full(shape, pad)
    positions, segments, targets = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
    weights = torch.zeros(shape)
    kinds = torch.full(shape, -1)
    prefixes = torch.zeros(shape, dtype=torch.bool)
    for number, row in enumerate(packed):
        at = 0
        for segment, sequence in enumerate(row, start=1):
            end = at + len(sequence.ids)
            ids[number, at:end] = torch.tensor(sequence.ids)
            positions[number, at:end] = torch.arange(end - at)
            segments[number, at:end] = segment
            prefixes[number, at : at + sequence.prefix] = True
            targets[number, at : end - 1] = torch.tensor(sequence.ids[1:])
            weights[number, at : end - 1] = torch.tensor(sequence.weights[1:])
            kinds[number, at : end - 1] = sequence.kind
            if sequence.tags:
                tagged = slice(at + sequence.text, at + sequence.text + len(sequence.tags))
                targets[number, tagged] = torch.tensor(sequence.tags)
                weights[number, tagged] = TAG
            at = end
    return Batch(ids, positions, segments, prefixes, targets, weights, kinds)


def copying_batch(encoder: Encoder, random: Random, rows: int, length: int) -> Batch:
    """Nothing but copying, one sequence a row."""
    packed = [[encoder.copy(random, length)] for _ in range(rows)]
    return _batch(packed, length, encoder.special[PAD])


def mixed_batch(
    encoder: Encoder, sources: Sources, random: Random, rows: int, length: int, share: float = 0.7
) -> Batch:
    """`share` of the rows extraction; of the others two thirds language, the rest copying."""
    extraction = round(rows * share)
    examples: list[Tokens] = []
    total = 0
    while total < extraction * length * 1.05:
        drawn = _drawn(sources, random, length)
        example = encoder.example(drawn, causal=random.random() < CAUSAL)
        if len(example.ids) <= length:
            examples.append(example)
            total += len(example.ids)
    packed = _fit(examples, extraction, length)
    for _ in range(rows - extraction):
        # Drawn, not counted off: long rows are few, and some of them have to be copies.
        if random.random() < 0.33:
            count = random.choice((1, 1, 2, 4))
            packed.append([encoder.copy(random, length // count) for _ in range(count)])
            continue
        row: list[Tokens] = []
        left = length
        while left >= 24:
            row.append(encoder.language(sources, random, left))
            left -= len(row[-1].ids)
        packed.append(row)
    return _batch(packed, length, encoder.special[PAD])


def _drawn(sources: Sources, random: Random, length: int) -> Example:
    """A sentence or a few for a short row; pages, too, where the row can hold them."""
    if random.random() < (0.15 if length <= SHORT else 0.85):
        return page_example(sources.corpus, random)
    return extraction_example(sources.corpus, sources.lexicon, random)
