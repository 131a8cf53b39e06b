"""The batches that take the most memory, and how much there is to train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..data import IGNORED
from ..settings import Settings
from ..training.qlora import pad_multiple
from ..training.row_settings import sequences_of
from ..training.schedule import count_steps
from ..windows.rows import Row

Device = Literal["cpu", "cuda"]
"""What a training is planned for."""


@dataclass(frozen=True)
class TrainingBatch:
    """A padded batch that is trained on.

    Attributes:
        rows: rows of the batch.
        length: tokens of each row, with padding.
        answer: tokens of the batch that carry loss.
        lengths: how many different lengths the batches of the training are padded to.
        tagged: tokens of the batch that have a tag.
        tags: how many different tags there are.
    """

    rows: int
    length: int
    answer: int
    lengths: int = 1
    tagged: int = 0
    tags: int = 0


@dataclass(frozen=True)
class PromptBatch:
    """Prompts that are answered at once.

    Attributes:
        rows: number of prompts.
        length: tokens of the longest one.
        answer: most tokens of an answer.
    """

    rows: int
    length: int
    answer: int


@dataclass(frozen=True)
class Work:
    """How much there is to train on.

    Attributes:
        rows: rows of an epoch.
        tokens: tokens of an epoch.
        answer_tokens: how many of them carry loss.
        longest: tokens of the longest row.
        lengths: how many different lengths the batches can be padded to.
        steps: optimiser steps of the whole training.
    """

    rows: int
    tokens: int
    answer_tokens: int
    longest: int
    lengths: int
    steps: int

    @staticmethod
    def count(rows: Sequence[Row], settings: Settings, device: str, readers: int = 1) -> Work:
        """Count rows, tokens and steps, where so many that are not running share out the rows."""
        sequences = sequences_of(rows, settings)
        of_all = replace(settings, batch_size=settings.batch_size * readers)
        return Work(
            rows=len(rows),
            tokens=sum(len(row.input_ids) for row in rows),
            answer_tokens=sum(map(_answer_length, rows)),
            longest=max(len(row.input_ids) for row in rows),
            lengths=len({_padded(len(row.input_ids), device, settings) for row in sequences}),
            steps=count_steps(len(sequences), of_all)[1],
        )


def longest_batch(rows: Sequence[Row], settings: Settings, device: str) -> TrainingBatch:
    """Return an upper bound of all batches: it may take more memory than any real one.

    It has the length of the longest rows, the answers of those with the longest answers, and the
    tags of those with the most tags. Where processes share the tokens of each row, it has the part
    of one of them, with all of the answers.
    """
    rows = sequences_of(rows, settings)
    count = min(settings.batch_size, len(rows))
    longest = _padded(max(len(row.labels) for row in rows), device, settings)
    length = longest // settings.sequence_parallel
    answers = sorted(map(_answer_length, rows), reverse=True)
    tagged = sorted((len(row.tags) - row.tags.count(IGNORED) for row in rows), reverse=True)
    return TrainingBatch(
        rows=count,
        length=length,
        answer=min(sum(answers[:count]), count * length),
        lengths=len({_padded(len(row.labels), device, settings) for row in rows}),
        tagged=sum(tagged[:count]),
        tags=len({tag for row in rows for tag in row.tags} - {IGNORED}),
    )


def longest_prompts(rows: Sequence[Row], settings: Settings) -> PromptBatch:
    """Return a batch of held-out documents, if their prompts are as long as those of the rows."""
    return PromptBatch(
        rows=min(settings.eval_batch_size, len(rows)),
        length=max(len(row.labels) - _answer_length(row) for row in rows),
        answer=settings.max_new_tokens,
    )


def _answer_length(row: Row) -> int:
    """Return how many tokens of a row carry loss."""
    return len(row.labels) - row.labels.count(IGNORED)


def _padded(length: int, device: str, settings: Settings) -> int:
    multiple = pad_multiple(device, settings)
    return -(-length // multiple) * multiple
