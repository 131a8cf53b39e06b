"""Measure a model on tasks whose rows are at hand: one number a document, by figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from .figures import DocumentSums
from .likelihood import Likelihood, Piece, Tokens, likelihoods
from .tasks import Passage, Question, Row, Task, Text

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Sums = Mapping[str, DocumentSums]
"""By figure, the main one first."""

PROMPT = "Question: {question}\nAnswer:"
"""What a question is put in, as ARC's are in lm-eval."""


def measure_task(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    progress: Callable[[int], object] = lambda _count: None,
) -> Sums:
    """Measure a model on a task.

    Args:
        model: a causal model in evaluation mode.
        tokenizer: of the model.
        task: what is measured.
        progress: called with the number of pieces of text that were read since.

    Raises:
        SettingsError: a row is longer than the model takes.
    """
    tokens = Tokens.of(model, tokenizer)
    cut = [_pieces(row, where, tokens) for row, where in zip(task.rows, task.places, strict=True)]
    flat = iter(likelihoods(model, [piece for pieces in cut for piece in pieces], progress))
    scored = [[next(flat) for _ in pieces] for pieces in cut]
    rows = list(zip(task.rows, scored, strict=True))
    if task.kind == "questions":
        return {"accuracy": [_accuracy(row, found) for row, found in rows]}
    if task.kind == "passages":
        return {
            "accuracy": [(float(found[0].is_greedy), 1.0) for _row, found in rows],
            "perplexity": [(-found[0].log_probability, 1.0) for _row, found in rows],
        }
    return {"bits per byte": [_bits(row, found) for row, found in rows]}


def count_pieces(tokens: Tokens, tasks: Sequence[Task]) -> int:
    """Return how many pieces of text are read in some tasks; raises as ``measure_task``."""
    return sum(
        len(_pieces(row, where, tokens))
        for task in tasks
        for row, where in zip(task.rows, task.places, strict=True)
    )


def _pieces(row: Row, where: str, tokens: Tokens) -> list[Piece]:
    if isinstance(row, Question):
        prompt = PROMPT.format(question=row.question)
        return [tokens.continued(prompt, f" {choice}", where) for choice in row.choices]
    if isinstance(row, Passage):
        return [tokens.continued(row.context, f" {row.last_word}", where)]
    return tokens.whole(row.text)


def _accuracy(row: Row, found: Sequence[Likelihood]) -> tuple[float, float]:
    """Return whether the right choice is the likeliest one, by the characters that it has."""
    assert isinstance(row, Question)
    normalised = [
        likelihood.log_probability / len(choice)
        for likelihood, choice in zip(found, row.choices, strict=True)
    ]
    return float(normalised.index(max(normalised)) == row.answer), 1.0


def _bits(row: Row, found: Sequence[Likelihood]) -> tuple[float, float]:
    assert isinstance(row, Text)
    return -sum(each.log_probability for each in found), float(len(row.text.encode()))
