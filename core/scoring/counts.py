"""Matched, predicted and gold values of one field, counted for a plugin's metric."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..data import Counts
from ..schema.pointers import Leaf
from ..text.normalization import fold
from .equality import value_key
from .matching import MATCHINGS, basic_normalization, matched


def text_counts(
    name: str,
    gold: str | Sequence[str] | None,
    predicted: str | Sequence[str] | None,
) -> dict[str, Counts]:
    """Count a text, or a set of texts, by each of the four matchings.

    None and a text without characters are no answer. Texts of a list that are equal by the strict
    matching count once.

    >>> counts = text_counts("title", "On Foxes", "On foxes.")
    >>> counts["title_soft"]
    Counts(matched=1.0, predicted=1.0, gold=1.0)

    Returns:
        ``NAME_strict``, ``NAME_soft``, ``NAME_levenshtein``, ``NAME_ratcliff``.
    """
    wanted, found = _distinct(gold), _distinct(predicted)
    return {
        f"{name}_{matching}": Counts(
            float(matched(wanted, found, same)),
            float(len(found)),
            float(len(wanted)),
        )
        for matching, same in MATCHINGS.items()
    }


def _distinct(texts: str | Sequence[str] | None) -> list[str]:
    listed = [texts] if isinstance(texts, str) else texts or []
    by_form = {basic_normalization(text): text for text in listed}
    return [text for form, text in by_form.items() if form]


def set_counts(gold: Iterable[str], predicted: Iterable[str]) -> Counts:
    """Count two sets of strings against each other, ignoring case and white space.

    >>> set_counts(["Salt", "brown  sugar"], ["salt", "Salt", "water"])
    Counts(matched=1.0, predicted=2.0, gold=2.0)

    Raises:
        TypeError: a single string, which would be taken for its characters.
    """
    if isinstance(gold, str) or isinstance(predicted, str):
        raise TypeError("set_counts compares lists of strings; use exact_counts for one string")
    wanted, found = set(map(fold, gold)), set(map(fold, predicted))
    return Counts(float(len(wanted & found)), float(len(found)), float(len(wanted)))


def exact_counts(gold: Leaf, predicted: Leaf) -> Counts:
    """Count a scalar that is correct only if it is equal; None is no answer, and True is not 1.

    >>> exact_counts("2019", None)
    Counts(matched=0.0, predicted=0.0, gold=1.0)
    """
    keys = (value_key(leaf, {}, {}, "exact") for leaf in (gold, predicted))
    right = gold is not None and len(set(keys)) == 1
    return Counts(float(right), float(predicted is not None), float(gold is not None))
