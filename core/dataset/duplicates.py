"""Find duplicate documents, exact or nearly so, within a split or across two.

Near duplicates are found by MinHash: locality-sensitive hashing proposes candidates, and the
shingles of each are compared before it counts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ..data import SPLITS, Example
from ..text.grounding import segments
from .splits import HELD_OUT_PAIRS, Splits, fingerprint

NEAR = 0.8
"""Jaccard similarity of the shingles of near duplicates: about one word in 27 was changed."""

_SHINGLE_WORDS = 3
_BANDS, _ROWS = 32, 8
"""Of pairs at 0.8, 99.7 % become candidates, of those at 0.5 an eighth."""

_SEED = 1
_CLUSTER_SIZE = 50
"""Documents of a cluster of near duplicates that are indexed. With more, a corpus made of one
template would be compared with itself, document by document."""

_CANDIDATES = 100
"""Candidates that are compared with a document, for the same reason."""

_BELOW_ONE = 0.9999
"""Texts that differ in punctuation alone are near duplicates, not exact ones."""


@dataclass(frozen=True)
class Duplicate:
    """A document with the same or nearly the same text as an earlier one.

    Attributes:
        id: id of the document.
        split: its split.
        other_id: id of the earlier document.
        other_split: its split: the same, or one that is trained on or chosen by.
        similarity: 1.0 for texts that read the same; else their Jaccard similarity.
    """

    id: str
    split: str
    other_id: str
    other_split: str
    similarity: float

    @property
    def is_exact(self) -> bool:
        """Whether both texts read the same."""
        return self.similarity == 1.0


def find_duplicates(splits: Splits) -> list[Duplicate]:
    """Return the duplicates of a data set: for each document, at most one in each split searched.

    Splits are compared as leaks are: each with itself, validation with train, test with both.
    """
    finder = _Finder()
    return [found for split in SPLITS for found in finder.add_all(split, getattr(splits, split))]


def count_duplicates(duplicates: Iterable[Duplicate]) -> dict[tuple[str, str], dict[str, int]]:
    """Count exact and near duplicates by (split, other split)."""
    pairs = [*((split, split) for split in SPLITS), *HELD_OUT_PAIRS]
    counts = {pair: {"exact": 0, "near": 0} for pair in pairs}
    for each in duplicates:
        counts[each.split, each.other_split]["exact" if each.is_exact else "near"] += 1
    return counts


def shingles(text: str) -> frozenset[str]:
    """Return the shingles of a text: runs of three words, without case and punctuation.

    A character of a script without spaces counts as a word. A shorter text is one shingle, and a
    text without words has none.

    >>> sorted(shingles("To be, or not to be."))
    ['be or not', 'not to be', 'or not to', 'to be or']
    """
    folded = unicodedata.normalize("NFKC", text.casefold())
    words = [segment for segment in segments(folded) if segment[0].isalnum()]
    starts = range(max(1, len(words) - _SHINGLE_WORDS + 1) if words else 0)
    return frozenset(" ".join(words[at : at + _SHINGLE_WORDS]) for at in starts)


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the Jaccard similarity of two sets; 0 for two empty ones."""
    union = len(one | other)
    return len(one & other) / union if union else 0.0


@dataclass
class _Finder:
    """All documents so far, by fingerprint and by MinHash."""

    texts: list[tuple[str, str, str]] = field(default_factory=list)  # id, split, text
    exact: dict[tuple[str, str], int] = field(default_factory=dict)  # (split, fingerprint)
    cluster_sizes: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from rensa import RMinHashLSH

        self._index = RMinHashLSH(threshold=NEAR, num_perm=_BANDS * _ROWS, num_bands=_BANDS)
        self._shingles = lru_cache(256)(lambda number: shingles(self.texts[number][2]))

    def add_all(self, split: str, examples: Sequence[Example]) -> Iterator[Duplicate]:
        others = [other for held_out, other in HELD_OUT_PAIRS if held_out == split]
        for example in examples:
            yield from self._add(example, split, [split, *others])

    def _add(self, example: Example, split: str, searched: Sequence[str]) -> Iterator[Duplicate]:
        number, text = len(self.texts), example.document.text
        self.texts.append((example.document.id, split, text))
        mark = fingerprint(text)
        found = {
            other: (self.exact[other, mark], 1.0)
            for other in searched
            if (other, mark) in self.exact
        }
        self.exact.setdefault((split, mark), number)
        if split not in found:  # its copy has been looked up, and is in the index
            found |= self._near(number, [other for other in searched if other not in found])
        for other, (earlier, value) in found.items():
            yield Duplicate(example.document.id, split, self.texts[earlier][0], other, value)

    def _near(self, number: int, searched: Sequence[str]) -> Mapping[str, tuple[int, float]]:
        """Return the first near duplicate of a document by split, and index the document."""
        from rensa import RMinHash

        own = self._shingles(number)
        if not own:
            return {}
        sketch = RMinHash(num_perm=_BANDS * _ROWS, seed=_SEED)
        sketch.update(list(own))
        found: dict[str, tuple[int, float]] = {}
        for candidate in sorted(self._index.query(sketch))[:_CANDIDATES]:
            split = self.texts[candidate][1]
            if split in found or split not in searched:
                continue
            value = similarity(own, self._shingles(candidate))
            if value >= NEAR:
                found[split] = (candidate, min(value, _BELOW_ONE))
        cluster = found.get(self.texts[number][1], (number, 1.0))[0]
        self.cluster_sizes[cluster] = self.cluster_sizes.get(cluster, 0) + 1
        if self.cluster_sizes[cluster] <= _CLUSTER_SIZE:
            self._index.insert(number, sketch)
        return found
