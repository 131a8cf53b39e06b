"""Made-up texts and the splits that hold them."""

from __future__ import annotations

import random
from collections.abc import Sequence

from fieldsmith import Document, Example
from fieldsmith.dataset.splits import Splits

VOCABULARY = [f"word{number}" for number in range(400)]


def splits_of(
    train: Sequence[str], validation: Sequence[str] = (), test: Sequence[str] = ()
) -> Splits:
    """Return splits as they are after reading; the ids are train-0, train-1, …"""
    parts = {"train": train, "validation": validation, "test": test}
    held = {
        split: tuple(
            Example(Document(f"{split}-{number}", text), {}) for number, text in enumerate(texts)
        )
        for split, texts in parts.items()
    }
    return Splits(
        held["train"],
        held["validation"],
        held["test"],
        set_aside=(),
        official=True,
        missing=(),
        leaks=(),
    )


def prose(seed: int, words: int = 60) -> str:
    return " ".join(random.Random(seed).choices(VOCABULARY, k=words))


def changed(text: str, *places: int) -> str:
    words = text.split()
    for place in places:
        words[place] = "other"
    return " ".join(words)
