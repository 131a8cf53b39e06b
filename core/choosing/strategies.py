"""Strategies that choose documents of a pool."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np

from .spread import Pick, Vectors, farthest_first

STRATEGIES: Mapping[str, str] = {
    "uncertainty": "documents that the model is least sure of",
    "diversity": "documents that are the farthest from each other and from the labelled ones",
    "both": "of the documents that the model is least sure of, those that are the farthest from "
    "each other and from the labelled ones",
    "random": "documents drawn at random",
}
"""What is chosen, by the name of the strategy."""

WITH_UNCERTAINTY = frozenset({"uncertainty", "both"})
"""Strategies that ask the model about the whole pool."""

WITH_VECTORS = frozenset({"diversity", "both"})
"""Strategies that read the whole pool and the labelled documents, without an answer."""

SHORTLIST = 2
"""Under "both", so many of the most uncertain documents are chosen from for each one wanted."""


def choose(
    strategy: str,
    count: int,
    size: int,
    *,
    seed: int,
    unsure: Sequence[float | None] | None = None,
    vectors: Vectors | None = None,
    centres: Vectors | None = None,
) -> list[Pick]:
    """Return the documents of a pool that are chosen, the best first; all if there are fewer.

    - "uncertainty": the most uncertain ones.
    - "diversity": ``farthest_first`` over all documents.
    - "both": ``farthest_first`` over twice as many documents, the most uncertain ones (Wei et al.
      2015, "Submodularity in data subset selection and active learning", filter so).
    - "random": drawn by the seed.

    Of equal documents the first of the pool is chosen.

    Args:
        strategy: one of ``STRATEGIES``.
        count: how many are wanted.
        size: documents of the pool.
        seed: for what is drawn.
        unsure: of each document, how unsure the model is; None for one it was not asked about,
            which is chosen last.
        vectors: a vector of each document.
        centres: vectors of the labelled documents.
    """
    source = random.Random(seed)
    if strategy == "random":
        return [Pick(index, None) for index in source.sample(range(size), min(count, size))]
    order = list(range(size))
    if strategy in WITH_UNCERTAINTY:
        assert unsure is not None
        values = [-1.0 if value is None else value for value in unsure]
        order.sort(key=lambda index: -values[index])  # keeps the order of equal ones
    if strategy == "uncertainty":
        return [Pick(index, None) for index in order[:count]]
    assert vectors is not None
    if centres is None:
        centres = np.zeros((0, vectors.shape[1]), dtype=np.float32)
    if strategy == "diversity":
        return farthest_first(vectors, centres, count, source.randrange(size))
    order = order[: SHORTLIST * count]
    picks = farthest_first(vectors[order], centres, count)
    return [Pick(order[pick.row], pick.distance) for pick in picks]
