"""Figures of a task, their intervals, and the difference of two models on the same documents.

A figure is made of two sums over documents, so that it can be made again of documents that are
drawn with replacement. The same ones are drawn for both models (Koehn 2004, "Statistical
Significance Tests for Machine Translation Evaluation").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..scoring.metrics import Bootstrap, Floats, Interval

DocumentSums = Sequence[tuple[float, float]]
"""Numerator and denominator of each document."""


@dataclass(frozen=True)
class Figure:
    """How a figure is made of the quotient of two sums.

    Attributes:
        of: makes it.
        lower_is_better: whether less is better.
    """

    of: Callable[[Floats], Floats]
    lower_is_better: bool = False


def _as_it_is(quotients: Floats) -> Floats:
    return quotients


def _exponential(quotients: Floats) -> Floats:
    return np.exp(np.minimum(quotients, 700.0))  # of more, a float cannot hold the exponential


def _in_bits(quotients: Floats) -> Floats:
    return quotients / math.log(2)


FIGURES: Mapping[str, Figure] = {
    "accuracy": Figure(_as_it_is),
    "perplexity": Figure(_exponential, lower_is_better=True),
    "bits per byte": Figure(_in_bits, lower_is_better=True),
}
"""The figures of the tasks here: of right answers and documents, of negative logarithms of
likelihoods and documents, and of such logarithms and bytes."""


def mean(*, lower_is_better: bool = False) -> Figure:
    """Return the figure that is a mean over documents."""
    return Figure(_as_it_is, lower_is_better)


def compared(base: DocumentSums, tuned: DocumentSums, figure: Figure) -> dict[str, Any]:
    """Return the figure of two models, and tuned minus base with its interval."""
    pair = np.stack([np.array(side, dtype=np.float64) for side in (base, tuned)], axis=1)
    values = _values(pair.sum(axis=0), figure)
    bootstrap = Bootstrap()
    drawn = _values(bootstrap.sums(pair), figure)
    # Equal sums that were added in another order may differ in their last bit.
    differences = np.round(drawn[:, 1] - drawn[:, 0], 12)
    observed = round(float(values[1] - values[0]), 12)
    interval: Interval = bootstrap.interval(observed, differences, lowest=-1.0)
    return {
        "base": float(values[0]),
        "tuned": float(values[1]),
        "difference": asdict(interval),
        "lower_is_better": figure.lower_is_better,
    }


def _values(sums: Floats, figure: Figure) -> Floats:
    """Return the figure of (…, numerator and denominator)."""
    return figure.of(sums[..., 0] / np.maximum(sums[..., 1], 1e-300))


def loss_of(found: Mapping[str, Any]) -> float:
    """Return by how much the tuned model is worse than the base; below 0 where it is better."""
    difference = float(found["difference"]["value"])
    return difference if found["lower_is_better"] else -difference


def is_certain(found: Mapping[str, Any]) -> bool:
    """Say whether the interval of the difference holds nothing but losses."""
    difference = found["difference"]
    return bool(difference["low"] > 0 if found["lower_is_better"] else difference["high"] < 0)


def is_lost(found: Mapping[str, Any], most: float) -> bool:
    """Say whether more than a bound is lost, and the interval excludes that nothing is."""
    return loss_of(found) > most and is_certain(found)
