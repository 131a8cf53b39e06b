"""Choose documents to score where not all of a split are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ..data import Example


def sampled(examples: Sequence[Example], count: int) -> list[Example]:
    """Return so many examples, in their order; all of them where ``count`` is 0.

    The hashes of their ids decide, so that the choice does not depend on the order of the data, and
    a larger sample holds each smaller one.
    """
    if not 0 < count < len(examples):
        return list(examples)
    numbers = sorted(range(len(examples)), key=lambda number: _key(examples[number]))
    return [examples[number] for number in sorted(numbers[:count])]


def _key(example: Example) -> str:
    return hashlib.sha256(example.document.id.encode("utf-8", "surrogatepass")).hexdigest()
