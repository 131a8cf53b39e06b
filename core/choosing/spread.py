"""Documents that are far from each other: farthest-first traversal of their vectors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Vectors = np.ndarray[Any, np.dtype[np.float32]]
"""Vectors of length 1, a row each."""

_AT_ONCE = 64
"""Centres whose distances are computed at once: memory for so many numbers a vector."""


class Pick(NamedTuple):
    """A vector that was chosen.

    Attributes:
        row: its row.
        distance: cosine distance to the nearest centre and the nearest vector chosen before it;
            None where there was neither.
    """

    row: int
    distance: float | None


def farthest_first(vectors: Vectors, centres: Vectors, count: int, first: int = 0) -> list[Pick]:
    """Return vectors, each the farthest from the centres and from those chosen before it.

    The greedy algorithm for k centres (Gonzalez 1985, "Clustering to minimize the maximum
    intercluster distance"), begun with the documents that are labelled already as core-set
    selection does (Sener and Savarese 2018, "Active learning for convolutional neural networks: a
    core-set approach"). Of equally far vectors the first one is chosen.

    Args:
        vectors: what is chosen from.
        centres: what is covered already; there may be none.
        count: how many are chosen, or all if there are fewer.
        first: the row that is chosen first where there are no centres.
    """
    nearest = np.full(len(vectors), np.inf, dtype=np.float32)
    for start in range(0, len(centres), _AT_ONCE):
        similar = vectors @ centres[start : start + _AT_ONCE].T
        nearest = np.minimum(nearest, 1 - similar.max(axis=1))
    picks: list[Pick] = []
    for _ in range(min(count, len(vectors))):
        is_first = not picks and not len(centres)
        row = first if is_first else int(nearest.argmax())
        distance = None if is_first else max(0.0, float(nearest[row]))
        picks.append(Pick(row, distance))
        nearest = np.minimum(nearest, 1 - vectors @ vectors[row])
        nearest[[pick.row for pick in picks]] = -np.inf
    return picks
