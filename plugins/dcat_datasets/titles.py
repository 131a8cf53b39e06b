"""Similarity of the titles of datasets.

The title of a dataset has several spellings, such as ``PAWS``, ``the PAWS dataset`` and
``Paraphrase Adversaries from Word Scrambling (PAWS)``: with or without an acronym, a word such as
"dataset", or hyphens, and in other case.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import fieldsmith

THRESHOLD = 0.8
"""Titles below this similarity are never matched."""

_BRACKETS = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_BEFORE = frozenset(["the", "a", "an", "our"])
_AFTER = frozenset(
    "data set sets dataset datasets corpus corpora benchmark benchmarks database".split()
)


def similarity(a: str, b: str) -> float:
    """Return the similarity of two titles in [0, 1]: that of their most similar forms.

    Forms with different numbers have similarity 0: CIFAR-10 is not CIFAR-100.
    """
    return max((_alike(x, y) for x in forms(a) for y in forms(b)), default=0.0)


def _alike(a: str, b: str) -> float:
    numbers = [sorted(re.findall(r"\d+", text)) for text in (a, b)]
    if all(numbers) and numbers[0] != numbers[1]:
        return 0.0
    return fieldsmith.levenshtein_similarity(a, b)


@lru_cache(maxsize=4096)
def forms(title: str) -> tuple[str, ...]:
    """Return the normalised forms of a title: the whole, without brackets, and its acronym.

    >>> forms("Word Scrambling Pairs (WSP) dataset")
    ('wordscramblingpairswsp', 'wordscramblingpairs', 'wsp')
    """
    outside = _BRACKETS.sub(" ", title)
    inside = _BRACKETS.findall(title)
    short = [name for name in inside if _abbreviates(name, outside) or _abbreviates(outside, name)]
    names = [title, outside, *short]
    return tuple(dict.fromkeys(filter(None, map(_core, names))))


def _core(name: str) -> str:
    """Return a name's letters and digits, without articles and words such as "dataset"."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    words = re.findall(r"[^\W_]+", folded)
    while len(words) > 1 and words[0] in _BEFORE:
        words.pop(0)
    while len(words) > 1 and words[-1] in _AFTER:
        words.pop()
    return "".join(words) or folded.strip()


def _abbreviates(short: str, long: str) -> bool:
    """Return whether a word is an abbreviation: its letters occur in order in a longer name.

    After Schwartz and Hearst 2003, "A Simple Algorithm for Identifying Abbreviation Definitions
    in Biomedical Text".
    """
    acronym, name = _core(short), _core(long)
    if len(short.split()) != 1 or not 2 <= len(acronym) < len(name) or acronym[0] != name[0]:
        return False
    rest = iter(name)
    return sum(map(str.isupper, short)) > 1 and all(letter in rest for letter in acronym)
