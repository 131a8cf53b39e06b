"""What is chosen on held-out documents: the minimum confidence, and the weight of each signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ..data import Counts, Example, Prediction
from ..extraction.extractor import Extractor
from ..extraction.postprocess import WindowAnswer, above
from ..scoring.metrics import paired_difference, point_scores
from ..tagging.ensemble import Shares
from ..task import Task
from .summary import score_names

_STEPS = 20
"""Thresholds are tried from 0 in steps of a twentieth, up to 0.95."""

_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weights of a signal that are tried beside the default."""


class Threshold(NamedTuple):
    """A minimum confidence in [0, 1], with the scores at it by name and the counts by document."""

    min_confidence: float
    scores: dict[str, float]
    counts: list[dict[str, Counts]]


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
    counts: list[dict[str, Counts]] = [{} for _ in examples]
    best, before = None, -1.0
    for step in range(_STEPS if task.settings.choose_confidence else 1):
        threshold = step / _STEPS
        for number, (example, prediction) in enumerate(zip(examples, predictions, strict=True)):
            changes = any(before <= sure < threshold for sure in prediction.confidence.values())
            if changes or not step:
                kept = above(prediction, threshold, task.schema)
                counts[number] = task.plugin.metric(example, kept)
        scores = point_scores(counts, score_names(task.settings, counts))
        if best is None or scores["score"] > best.scores["score"]:
            best = Threshold(threshold, scores, list(counts))
        before = threshold
    assert best is not None
    return best


def best_shares(
    extractor: Extractor,
    examples: Sequence[Example],
    answers: Sequence[Sequence[WindowAnswer]],
    first: Threshold,
) -> tuple[Shares, Threshold]:
    """Return the weights of the ensemble, each signal's chosen after the other's, and a threshold.

    Held-out documents are few, and the best of many weights is best by chance. So a weight replaces
    the one before it only if it scores better beyond chance: the 95 % interval of the paired
    difference is above 0.

    Args:
        extractor: has an ensemble, whose weights are kept unless others are better.
        examples: documents with their gold records.
        answers: the answers of each document's windows, with their tags.
        first: the best threshold with the weights that the extractor has.
    """
    ensemble, settings = extractor.ensemble, extractor.task.settings
    assert ensemble is not None
    documents = [example.document for example in examples]

    def scored(shares: Shares) -> Threshold:
        changed = replace(extractor, ensemble=replace(ensemble, shares=shares))
        predictions = changed.predict_answered(documents, answers)
        return best_threshold(extractor.task, examples, predictions)

    shares, best = ensemble.shares, first
    free = ["tags"] if settings.tag_share is None else []
    if ensemble.gazetteer is not None and settings.gazetteer_share is None:
        free.append("gazetteer")
    for signal in free:
        tried = [replace(shares, **{signal: share}) for share in _SHARES]
        found = [(scored(each), each) for each in tried]
        other, candidate = max(found, key=lambda pair: pair[0].scores["score"])
        if other.scores["score"] > best.scores["score"]:
            names = score_names(settings, best.counts)
            difference, _p_value = paired_difference(other.counts, best.counts, names)
            if difference.low > 0:
                shares, best = candidate, other
    return shares, best
