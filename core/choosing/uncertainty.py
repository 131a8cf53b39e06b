"""How unsure a model is of its prediction for a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ..data import Prediction, Record
from ..extraction.postprocess import WindowAnswer
from ..schema.pointers import field_of, leaves
from ..tagging.ensemble import Ensemble


@dataclass(frozen=True)
class UnsureLeaf:
    """The leaf that the model is least sure of.

    Attributes:
        field: its field, without the indices of lists.
        value: its value.
        confidence: in (0, 1].
    """

    field: str
    value: Any
    confidence: float


@dataclass(frozen=True)
class Uncertainty:
    """How unsure a model is of a document.

    Attributes:
        value: in [0, 1].
        leaf: the leaf that it is least sure of; None for a document without any.
        disagreement: of the answer with tags and gazetteer, in [0, 1]; None for a model without.
    """

    value: float
    leaf: UnsureLeaf | None
    disagreement: float | None


def uncertainty(
    prediction: Prediction, answers: Sequence[WindowAnswer], ensemble: Ensemble | None
) -> Uncertainty | None:
    """Return how unsure a model is of a document; None where it was not asked.

    ``u = mean over leaves (1 - c)``, with c the confidence of a leaf: least confidence (Lewis and
    Gale 1994, "A sequential algorithm for training text classifiers"; Settles 2009, "Active
    learning literature survey", section 3.1), as a mean, so that a document is not uncertain for
    its many leaves alone. Leaves that are null count, and so do those that the run's threshold
    leaves out of records.

    A document without a leaf has no confidence: there ``u = mean over windows (1 - p)``, with p the
    geometric mean of the probabilities of the answer's tokens (Shen et al. 2018, "Deep active
    learning for named entity recognition", take its logarithm). Where the model answered and no
    record could be made of it, u is 1.

    With tags, the answer and they are a committee of two (Seung et al. 1992, "Query by committee"),
    and the result is the mean of u and their disagreement d::

        d = sum |w - s| / sum max(w, s)

    over the values that one of them finds in a window, with w the confidence of the answer and s
    that of the tags, or the mean of tags and gazetteer for a value that the gazetteer counts. That
    is 0 where they find the same with the same confidence, and 1 where they share no value (the
    weighted Jaccard distance).

    Args:
        prediction: of the whole document, with all its values.
        answers: of its windows, before tags and gazetteer were combined with them.
        ensemble: combines them; None for a model without.
    """
    if not prediction.raw:
        return None
    if prediction.record is None:
        return Uncertainty(1.0, None, None)
    known = _leaves(prediction.record, prediction.confidence)
    if known:
        value = fmean(1 - leaf.confidence for leaf in known)
    else:
        value = fmean(1 - _probability(answer) for answer in answers if answer.text is not None)
    least = min(known, key=lambda leaf: leaf.confidence, default=None)
    if ensemble is None:
        return Uncertainty(round(value, 6), least, None)
    apart = disagreement(answers, ensemble)
    return Uncertainty(round((value + apart) / 2, 6), least, round(apart, 6))


def disagreement(answers: Sequence[WindowAnswer], ensemble: Ensemble) -> float:
    """Return how far answers and the other signals are apart over a document, in [0, 1]."""
    differences = largest = 0.0
    for answer in answers:
        if answer.record is None:
            continue
        for written, other in ensemble.signals(
            answer.window.document.text, answer.record, answer.confidence, answer.tags
        ):
            differences += abs(written - other)
            largest += max(written, other)
    return differences / largest if largest else 0.0


def _probability(answer: WindowAnswer) -> float:
    return 0.0 if answer.record is None else answer.probability


def _leaves(record: Record, confidence: Mapping[str, float]) -> list[UnsureLeaf]:
    return [
        UnsureLeaf(field_of(pointer), value, confidence[pointer])
        for pointer, value in leaves(record)
        if pointer in confidence
    ]
