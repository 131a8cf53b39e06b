"""Lines of predictions, each with how unsure the model is of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..data import Document, Prediction
from ..extraction.extractor import Extractor
from ..extraction.groups import group_size, groups_of
from ..extraction.postprocess import WindowAnswer, above
from ..extraction.prediction_file import prediction_line
from .uncertainty import uncertainty


def unsure_lines(
    extractor: Extractor,
    documents: Iterable[Document],
    skip: int = 0,
    progress: Callable[[int], object] = lambda _count: None,
) -> Iterator[list[dict[str, Any]]]:
    """Yield the lines of one group of documents after another: those of ``extract predict``.

    Each line also has ``unsure``, an ``Uncertainty`` or null.

    Args:
        extractor: a run's.
        documents: what is read.
        skip: number of groups that are written already.
        progress: called with the number of documents done since the last call.
    """
    for number, group in enumerate(groups_of(documents, group_size(extractor.task.settings))):
        if number >= skip:
            yield list(_lines(extractor, group))
        progress(len(group))


def _lines(extractor: Extractor, documents: Sequence[Document]) -> Iterator[dict[str, Any]]:
    task, answers = extractor.task, [list[WindowAnswer]() for _ in documents]
    for number, answer in extractor.answer_windows(documents):
        answers[number].append(answer)
    whole = replace(extractor, min_confidence=0.0)
    for own, prediction in zip(answers, whole.predict_answered(documents, answers), strict=True):
        found = uncertainty(prediction, own, extractor.ensemble)
        kept: Prediction = above(prediction, extractor.min_confidence, task.schema)
        line = prediction_line(kept, task.plugin.name)
        yield {**line, "unsure": found and asdict(found)}


def read_unsure_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file that ``unsure_lines`` made."""
    with path.open(encoding="utf-8") as stream:
        yield from map(json.loads, stream)
