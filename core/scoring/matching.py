"""Matchings of texts, as GROBID defines them, and one-to-one pairing of lists.

The matchings are those of GROBID's end-to-end evaluation (kermitt2/grobid, EndToEndEvaluation.java,
and its documentation, "End-to-end evaluation"). Each ignores case and white space:

- ``strict``: equal.
- ``soft``: equal when punctuation and all white space are left out.
- ``levenshtein``: (longer - distance) / longer >= 0.8, lengths in characters.
- ``ratcliff``: 2 M / (both lengths) >= 0.95, where M counts the characters of the longest common
  substring and, on either side of it, of the next ones (Ratcliff and Metzener 1988, "Pattern
  Matching: The Gestalt Approach"); ``difflib`` computes it.

GROBID joins a list (authors) to one text before it compares; here a list is a set of texts, and
each counts.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Matching = Callable[[str, str], bool]

LEVENSHTEIN_THRESHOLD = 0.8
RATCLIFF_THRESHOLD = 0.95

_LARGEST_TABLE = 4_000_000
"""Most pairs of equal characters for difflib to visit, which takes some tenths of a second."""


def levenshtein_similarity(a: str, b: str) -> float:
    """Return 1 - distance / length of the longer, in [0, 1]; 1 for two empty texts.

    >>> levenshtein_similarity("kitten", "sitting") == 1 - 3 / 7
    True
    """
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.normalized_similarity(a, b)


def _levenshtein(gold: str, predicted: str) -> bool:
    from rapidfuzz.distance import Levenshtein

    a, b = basic_normalization(gold), basic_normalization(predicted)
    if a == b:
        return True
    longer = max(len(a), len(b))
    # A quick upper bound: the characters in common, in whatever order.
    if _shared(a, b) < LEVENSHTEIN_THRESHOLD * longer:
        return False
    # The cutoff is one over the largest distance that passes, against rounding.
    distance = Levenshtein.distance(a, b, score_cutoff=longer // 5 + 1, score_hint=longer // 100)
    return (longer - distance) / longer >= LEVENSHTEIN_THRESHOLD


def _ratcliff(gold: str, predicted: str) -> bool:
    """Compare with difflib, which takes quadratic time, if two upper bounds allow a match.

    The blocks of difflib are a common subsequence, so the longest one is an upper bound, and the
    characters in common are an upper bound of that. Where difflib would take too long (for texts
    longer than any abstract), the longest common subsequence decides.
    """
    from rapidfuzz.distance import Indel

    a, b = basic_normalization(gold), basic_normalization(predicted)
    if a == b:
        return True
    total = len(a) + len(b)
    if 2 * _shared(a, b) < RATCLIFF_THRESHOLD * total:
        return False
    # The cutoff is one over the largest distance that passes, against rounding.
    distance = Indel.distance(a, b, score_cutoff=total // 20 + 1)
    if (total - distance) / total < RATCLIFF_THRESHOLD:
        return False
    in_a, in_b = Counter(a), Counter(b)
    if sum(count * in_b[character] for character, count in in_a.items()) > _LARGEST_TABLE:
        return True
    return difflib.SequenceMatcher(None, a, b, autojunk=False).ratio() >= RATCLIFF_THRESHOLD


def _shared(a: str, b: str) -> int:
    """Return how many characters two texts have in common, in whatever order."""
    shortest = min(len(a), len(b))
    if 2 * shortest < max(len(a), len(b)):
        return shortest  # an upper bound, and too low for either threshold
    return (Counter(a) & Counter(b)).total()


@lru_cache(maxsize=256)
def basic_normalization(text: str) -> str:
    """Return a text as GROBID's ``basicNormalization`` does: lower case, single spaces."""
    return " ".join(text.lower().split())


@lru_cache(maxsize=256)
def _without_punctuation(text: str) -> str:
    """Return the letters, marks and digits of a text in lower case; all of it if it has none."""
    normal = basic_normalization(text)
    return "".join(c for c in normal if unicodedata.category(c)[0] in "LMN") or normal


MATCHINGS: Mapping[str, Matching] = MappingProxyType(
    {
        "strict": lambda a, b: basic_normalization(a) == basic_normalization(b),
        "soft": lambda a, b: _without_punctuation(a) == _without_punctuation(b),
        "levenshtein": _levenshtein,
        "ratcliff": _ratcliff,
    }
)
"""By name: whether two texts match."""


def matched(gold: Sequence[str], predicted: Sequence[str], same: Matching) -> int:
    """Return the size of the maximum one-to-one matching between two lists of texts.

    >>> matched(["Ann Oke", "Bo Li"], ["bo li", "bo  li"], MATCHINGS["strict"])
    1
    """
    if not gold or not predicted:
        return 0
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    pairs = np.array([[same(wanted, found) for found in predicted] for wanted in gold])
    partners = maximum_bipartite_matching(csr_matrix(pairs), perm_type="column")
    return int(np.count_nonzero(partners >= 0))


def best_pairs(
    gold: Sequence[T],
    predicted: Sequence[T],
    similarity: Callable[[T, T], float],
    threshold: float,
) -> list[tuple[int, int]]:
    """Pair two lists one to one so that the sum of similarities is largest (linear assignment).

    Args:
        gold: the one list.
        predicted: the other list.
        similarity: of (gold, predicted), not negative.
        threshold: the least similarity of a pair; others are excluded before the optimisation.

    Returns:
        (index in gold, index in predicted), in the order of gold; deterministic.
    """
    if not gold or not predicted:
        return []
    from scipy.optimize import linear_sum_assignment

    table = np.array([[similarity(wanted, found) for found in predicted] for wanted in gold])
    allowed = table >= threshold
    rows, columns = linear_sum_assignment(np.where(allowed, table, 0.0), maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column) for row, column in pairs if allowed[row, column]]
