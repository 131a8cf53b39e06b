"""Groups of documents, the unit in which documents are answered, written and resumed."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from ..data import Document, Prediction
from ..settings import Settings
from ..task import Task

T = TypeVar("T")

_LEAST, _BATCHES = 32, 4
"""A group has at least so many documents, and enough for so many batches of prompts."""


def group_size(settings: Settings) -> int:
    """Return how many documents are answered and written at once.

    It depends on the settings alone, so that a resumed run forms the same batches. Within a group
    an answer that is complete makes room for the next one; at its end, the longest are waited for.
    """
    return max(_LEAST, _BATCHES * settings.eval_batch_size)


class GroupPredictor(Protocol):
    """Answers groups of documents: an ``Extractor`` in this process, or worker processes."""

    @property
    def task(self) -> Task:
        """Plugin, settings and prompt format."""

    @property
    def min_confidence(self) -> float:
        """Values below it are left out of the records."""

    def predict_groups(
        self,
        groups: Iterable[Sequence[Document]],
        progress: Callable[[int], object] = lambda _count: None,
    ) -> Iterator[list[Prediction]]:
        """Yield the predictions of one group after another, in order.

        Args:
            groups: documents; each group is answered by itself, whatever comes before it.
            progress: called with the number of documents answered since the last call.
        """

    def peak_memory_mb(self) -> float:
        """Return the peak memory in megabytes of the process that answers, or of the largest."""


def groups_of(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield rows in groups; the last one may be smaller."""
    source = iter(rows)
    while group := list(itertools.islice(source, size)):
        yield group


def with_predictions(
    groups: Iterable[list[T]],
    predictor: GroupPredictor,
    documents_of: Callable[[list[T]], list[Document]],
    progress: Callable[[int], object] = lambda _count: None,
) -> Iterator[tuple[list[T], list[Prediction]]]:
    """Yield each group with the predictions of its documents, in order.

    Args:
        groups: rows; as many are read ahead as the predictor answers at the same time.
        predictor: answers them.
        documents_of: returns the documents of a group.
        progress: see ``GroupPredictor``.
    """
    ahead: deque[list[T]] = deque()

    def documents() -> Iterator[list[Document]]:
        for group in groups:
            ahead.append(group)
            yield documents_of(group)

    for predictions in predictor.predict_groups(documents(), progress):
        yield ahead.popleft(), predictions
