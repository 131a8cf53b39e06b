"""What is chosen on held-out documents: the minimum confidence, and the weight of each signal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..data import Example, Prediction
from ..extraction.extractor import Extractor
from ..extraction.postprocess import WindowAnswer, above
from ..scoring.metrics import point_scores
from ..tagging.ensemble import Shares
from ..task import Task
from .evaluate import score_names

_STEPS = 20
"""Thresholds are tried from 0 in steps of a twentieth, up to 0.95."""

_SHARES = (0.0, 0.25, 0.5, 0.75)
"""Weights that are tried for the tags and for the gazetteer, beside those given at first."""


class Threshold(NamedTuple):
    """A minimum confidence in [0, 1], and the scores at it by name."""

    min_confidence: float
    scores: dict[str, float]


def best_threshold(
    task: Task, examples: Sequence[Example], predictions: Sequence[Prediction]
) -> Threshold:
    """Return the threshold whose records score best; of several, the lowest.

    A list of names is not best at the threshold that greedy decoding amounts to: each window of a
    document may add a wrong name, while a right one counts once. So it is chosen for F1, as that of
    a classifier is (Lipton et al. 2014, "Optimal thresholding of classifiers to maximize F1
    measure").

    Args:
        task: its plugin's metric is used, and ``choose_confidence``: if false, 0 is returned.
        examples: documents with their gold records.
        predictions: one a document, made with the threshold 0.
    """
    tried = (step / _STEPS for step in range(_STEPS if task.settings.choose_confidence else 1))
    best: Threshold | None = None
    for threshold in tried:
        pairs = zip(examples, predictions, strict=True)
        counts = [
            task.plugin.metric(example, above(prediction, threshold, task.schema))
            for example, prediction in pairs
        ]
        scores = point_scores(counts, score_names(task.settings, counts))
        if best is None or scores["score"] > best.scores["score"]:
            best = Threshold(threshold, scores)
    assert best is not None
    return best


def best_shares(
    extractor: Extractor,
    examples: Sequence[Example],
    answers: Sequence[Sequence[WindowAnswer]],
) -> tuple[Shares, Threshold]:
    """Return the weights of the ensemble that score best, each pair at its best threshold.

    Of several that score alike it is the pair tried first, and the ones that the extractor has are
    tried first.

    Args:
        extractor: has an ensemble, whose weights are the first guess.
        examples: documents with their gold records.
        answers: the answers of each document's windows, with their tags.
    """
    assert extractor.ensemble is not None
    documents = [example.document for example in examples]
    best: tuple[Shares, Threshold] | None = None
    for shares in _tried(extractor):
        changed = replace(extractor, ensemble=replace(extractor.ensemble, shares=shares))
        predictions = changed.predict_answered(documents, answers)
        threshold = best_threshold(extractor.task, examples, predictions)
        if best is None or threshold.scores["score"] > best[1].scores["score"]:
            best = shares, threshold
    assert best is not None
    return best


def _tried(extractor: Extractor) -> Iterator[Shares]:
    """Yield the weights to try: those that the settings fix are fixed."""
    ensemble, settings = extractor.ensemble, extractor.task.settings
    assert ensemble is not None
    first = ensemble.shares
    tags = _SHARES if settings.tag_share is None else ()
    has_gazetteer = ensemble.gazetteer is not None and settings.gazetteer_share is None
    gazetteer = _SHARES if has_gazetteer else ()
    for tag_share in (first.tags, *tags):
        for gazetteer_share in (first.gazetteer, *gazetteer):
            yield Shares(tag_share, gazetteer_share)
