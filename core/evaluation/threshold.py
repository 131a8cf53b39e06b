"""The confidence under which leaves are left out of the records, chosen on held-out documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..data import Example, Prediction
from ..extraction.postprocess import surer
from ..plugins import Plugin
from ..scoring.metrics import point_scores
from ..settings import Settings
from .evaluate import score_names

_STEPS = 20
"""Thresholds are tried from 0 on in steps of a twentieth, up to 0.95."""


class Chosen(NamedTuple):
    """A threshold, and the scores at it, by name."""

    threshold: float
    scores: dict[str, float]


def best_threshold(
    plugin: Plugin,
    settings: Settings,
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
) -> Chosen:
    """Return the threshold whose records score best; of several, the lowest; 0 leaves out nothing.

    A list of names is not best at the threshold that greedy decoding amounts to: each of a
    document's windows may add a wrong name, while a right one counts once. So it is chosen for F1
    as that of a classifier is (Lipton et al. 2014, "Optimal thresholding of classifiers to
    maximize F1 measure").

    predictions: made with the threshold 0.
    """
    tried = (step / _STEPS for step in range(_STEPS if settings.choose_confidence else 1))
    chosen: Chosen | None = None
    for threshold in tried:
        surest = [surer(prediction, threshold, plugin.schema) for prediction in predictions]
        pairs = zip(examples, surest, strict=True)
        counts = [plugin.metric(example, prediction) for example, prediction in pairs]
        scores = point_scores(counts, score_names(settings, counts))
        if chosen is None or scores["score"] > chosen.scores["score"]:
            chosen = Chosen(threshold, scores)
    assert chosen is not None
    return chosen
