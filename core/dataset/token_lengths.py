"""Summarize token lengths: quantiles and a histogram."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_BINS = 10
_QUANTILES = {"least": 0.0, "median": 0.5, "90 %": 0.9, "99 %": 0.99, "most": 1.0}


def quantiles(values: Sequence[int]) -> dict[str, int]:
    """Return the least, the median, the 90th and 99th percentile and the most of some numbers."""
    if not values:
        return dict.fromkeys(_QUANTILES, 0)
    found = np.quantile(np.asarray(values), list(_QUANTILES.values()), method="higher")
    return dict(zip(_QUANTILES, map(int, found), strict=True))


def histogram(values: Sequence[int], limit: int) -> list[dict[str, int]]:
    """Count numbers in bins of equal width; the last bin is wider if it holds outliers.

    Args:
        values: the numbers.
        limit: a number at which a bin ends, if it lies between the values.
    """
    if not values:
        return []
    numbers = np.asarray(values)
    usual = int(np.quantile(numbers, 0.99, method="higher"))
    edges = np.unique(np.ceil(np.linspace(min(values) - 1, usual, _BINS + 1)).astype(int))
    if edges[0] < limit < usual:
        edges = np.unique(np.append(edges, limit))
    bounds = [*map(int, edges), *([int(numbers.max())] if numbers.max() > usual else [])]
    counts, _edges = np.histogram(numbers, [bound + 0.5 for bound in bounds])
    return [
        {"from": low + 1, "to": high, "count": int(count)}
        for low, high, count in zip(bounds, bounds[1:], counts, strict=False)
    ]
