"""Documents that stand twice, word for word or nearly so, within a split or across two.

Near duplicates are found by MinHash: locality-sensitive hashing names candidates, and each is
compared with its own words before it counts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ..data import SPLITS, Example
from ..text.grounding import chunks
from .splits import PAIRS, Splits, fingerprint

NEAR = 0.8
"""Share of runs of three words that two documents have in common, of all that either has
(Jaccard): about one word in 27 was changed."""

_RUN = 3  # words
_BANDS, _ROWS = 32, 8
"""Of pairs at 0.8, 99.7 % become candidates, of those at 0.5 an eighth."""

_SEED = 1
_MEMBERS = 50
"""So many documents of a family are looked up. With more, a corpus made of one template would be
compared with itself, document by document."""

_CANDIDATES = 100
"""So many candidates are compared with a document, for the same reason."""


@dataclass(frozen=True)
class Twin:
    """A document that stands, or nearly stands, elsewhere too.

    id, split: the document.
    other_id, other_split: where it stands too; another document of its own split, or of one that
        is trained on or chosen by before it.
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


def find_twins(splits: Splits) -> list[Twin]:
    """Return each document that stands twice: at most one twin within its split, one in each other.

    Splits are compared as leaks are: validation with train, test with both.
    """
    finder = _Finder()
    return [twin for split in SPLITS for twin in finder.add_all(split, getattr(splits, split))]


def tally(twins: Iterable[Twin]) -> dict[tuple[str, str], dict[str, int]]:
    """Count twins by (split, other split): how many are exact, how many near."""
    counts = {pair: {"exact": 0, "near": 0} for pair in [*((s, s) for s in SPLITS), *PAIRS]}
    for twin in twins:
        counts[twin.split, twin.other_split]["exact" if twin.is_exact else "near"] += 1
    return counts


def shingles(text: str) -> frozenset[str]:
    """Return the runs of three words of a text, case and punctuation left out.

    A character of a script without spaces counts as a word. A shorter text is one run, and a text
    without words has none.

    >>> sorted(shingles("To be, or not to be."))
    ['be or not', 'not to be', 'or not to', 'to be or']
    """
    folded = unicodedata.normalize("NFKC", text.casefold())
    words = [chunk for chunk in chunks(folded) if chunk[0].isalnum()]
    runs = range(max(1, len(words) - _RUN + 1) if words else 0)
    return frozenset(" ".join(words[at : at + _RUN]) for at in runs)


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the Jaccard similarity of two sets; 0 for two empty ones."""
    union = len(one | other)
    return len(one & other) / union if union else 0.0


@dataclass
class _Finder:
    """All documents so far, by fingerprint and by MinHash."""

    texts: list[tuple[str, str, str]] = field(default_factory=list)  # id, split, text
    exact: dict[tuple[str, str], int] = field(default_factory=dict)  # (split, fingerprint)
    family_sizes: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from rensa import RMinHashLSH

        self._index = RMinHashLSH(threshold=NEAR, num_perm=_BANDS * _ROWS, num_bands=_BANDS)
        self._shingles = lru_cache(256)(lambda number: shingles(self.texts[number][2]))

    def add_all(self, split: str, examples: Sequence[Example]) -> Iterator[Twin]:
        others = [other for held_out, other in PAIRS if held_out == split]
        for example in examples:
            yield from self._add(example, split, [split, *others])

    def _add(self, example: Example, split: str, searched: Sequence[str]) -> Iterator[Twin]:
        number, text = len(self.texts), example.document.text
        self.texts.append((example.document.id, split, text))
        mark = fingerprint(text)
        found = {
            other: (self.exact[other, mark], 1.0)
            for other in searched
            if (other, mark) in self.exact
        }
        self.exact.setdefault((split, mark), number)
        if split not in found:  # its copy has been looked up, and stands in the index
            found |= self._near(number, [other for other in searched if other not in found])
        for other, (twin, value) in found.items():
            yield Twin(example.document.id, split, self.texts[twin][0], other, value)

    def _near(self, number: int, searched: Sequence[str]) -> Mapping[str, tuple[int, float]]:
        """Return the first near duplicate of a document by split, and enter it into the index."""
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
        split = self.texts[number][1]
        family = found[split][0] if split in found else number
        self.family_sizes[family] = self.family_sizes.get(family, 0) + 1
        if self.family_sizes[family] <= _MEMBERS:
            self._index.insert(number, sketch)
        return found


_BELOW_ONE = 0.9999
"""Texts that differ in punctuation alone are near, not the same."""
