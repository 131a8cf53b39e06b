"""GROBID's four matchings, one-to-one pairing, and counts made of both."""

from __future__ import annotations

import difflib
import itertools
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldsmith.scoring.counts import text_counts
from fieldsmith.scoring.matching import MATCHINGS, best_pairs, levenshtein_similarity, matched

TEXTS = st.text(st.sampled_from("abAB -.\n1é李"), max_size=12)
LISTS = st.lists(TEXTS, max_size=5)


def agree(a: str, b: str) -> set[str]:
    return {name for name, same in MATCHINGS.items() if same(a, b)}


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        ("On Foxes", "on  foxes\n", {"strict", "soft", "levenshtein", "ratcliff"}),
        ("On Foxes", "On Foxes.", {"soft", "levenshtein"}),
        (
            "On red foxes, again and again",
            "On red foxes again and again",
            set(MATCHINGS) - {"strict"},
        ),
        ("anti-foxes", "antifoxes", {"soft", "levenshtein"}),
        # Ratcliff: 2 * 9 / 19 = 0.947; at 2 * 19 / 40 it is 0.95, which is enough.
        ("abcdefghi", "abcdefghiX", {"levenshtein"}),
        ("abcdefghijklmnopqrsX", "abcdefghijklmnopqrsY", {"levenshtein", "ratcliff"}),
        # Levenshtein: 4 of 5 is 0.8, 3 of 4 is not.
        ("abcde", "abcdX", {"levenshtein"}),
        ("abcd", "abcX", set()),
        ("Ångström", "ångström", set(MATCHINGS)),
        ("李明", "李明", set(MATCHINGS)),
        ("!?", "...", set()),
        ("foxes", "", set()),
    ],
)
def test_the_matchings_by_hand(gold: str, predicted: str, expected: set[str]) -> None:
    assert agree(gold, predicted) == expected
    assert agree(predicted, gold) == expected


@given(a=TEXTS, b=TEXTS)
def test_shortcuts_change_nothing(a: str, b: str) -> None:
    plain_a, plain_b = (" ".join(text.lower().split()) for text in (a, b))
    ratio = difflib.SequenceMatcher(None, plain_a, plain_b, autojunk=False).ratio()
    assert MATCHINGS["ratcliff"](a, b) == (ratio >= 0.95)
    assert MATCHINGS["levenshtein"](a, b) == (levenshtein_similarity(plain_a, plain_b) >= 0.8)


@given(seed=st.integers(0, 10_000), edits=st.integers(0, 30))
@settings(max_examples=50)
def test_shortcuts_change_nothing_near_the_thresholds(seed: int, edits: int) -> None:
    dice = random.Random(seed)
    text = "".join(dice.choices("abcdefgh ", k=100)).strip()
    changed = list(text)
    for _ in range(edits):
        changed[dice.randrange(len(changed))] = dice.choice("abcdefgh")
    test_shortcuts_change_nothing.hypothesis.inner_test(text, "".join(changed))  # type: ignore[attr-defined]


@given(a=TEXTS, b=TEXTS)
def test_a_stricter_matching_is_never_looser(a: str, b: str) -> None:
    found = agree(a, b)
    assert agree(a, a) == set(MATCHINGS)
    if "strict" in found:
        assert found == set(MATCHINGS)
    if "ratcliff" in found:
        assert "levenshtein" in found


def test_long_texts_are_compared() -> None:
    dice = random.Random(1)
    one, other = ("".join(dice.choices("abcdefghij ", k=300_000)) for _ in range(2))
    assert agree(one, other) == agree(one, "fox") == set()
    assert agree(one, one[:-9]) == {"levenshtein", "ratcliff"}
    assert agree("a" * 10**6, "a" * (10**6 - 9)) == {"levenshtein", "ratcliff"}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [("", "", 1.0), ("a", "", 0.0), ("kitten", "sitting", 4 / 7), ("a", "a", 1.0)],
)
def test_levenshtein_similarity(a: str, b: str, expected: float) -> None:
    assert levenshtein_similarity(a, b) == pytest.approx(expected)


def touching(gold: str, predicted: str) -> bool:
    """Not transitive: "ab" is like "bc", "bc" like "cd", "ab" unlike "cd"."""
    return bool(set(gold) & set(predicted))


def test_the_matching_is_the_largest_and_not_the_first() -> None:
    assert matched(["ab", "b"], ["bc", "a"], touching) == 2
    assert matched(["a", "a", "a"], ["a"], touching) == 1
    assert matched([], ["a"], touching) == matched(["a"], [], touching) == 0


def largest(gold: Sequence[str], predicted: Sequence[str], same: Callable[[str, str], bool]) -> int:
    short, long = sorted((gold, predicted), key=len)
    return max(
        sum(same(a, b) for a, b in zip(short, order, strict=False))
        for order in itertools.permutations(long)
    )


@given(gold=LISTS, predicted=LISTS)
@settings(max_examples=50)
def test_the_matching_against_all_of_them(gold: list[str], predicted: list[str]) -> None:
    assert matched(gold, predicted, touching) == largest(gold, predicted, touching)


def test_best_pairs() -> None:
    table = {("a", "x"): 0.9, ("a", "y"): 0.8, ("b", "x"): 0.8, ("b", "y"): 0.1}
    pairs = best_pairs("ab", "xy", lambda a, b: table[a, b], 0.5)
    assert pairs == [(0, 1), (1, 0)]
    # Under the threshold a pair is none, so that it cannot tip the balance either.
    assert best_pairs("ab", "xy", lambda a, b: table[a, b], 0.85) == [(0, 0)]
    assert best_pairs("ab", "xy", lambda a, b: table[a, b], 0.95) == []
    assert best_pairs("", "xy", lambda a, b: 1.0, 0.5) == []
    assert best_pairs("abc", "x", lambda a, b: 1.0, 0.5) == [(0, 0)]


@given(gold=LISTS, predicted=LISTS)
def test_best_pairs_are_one_to_one_and_over_the_threshold(
    gold: list[str], predicted: list[str]
) -> None:
    pairs = best_pairs(gold, predicted, levenshtein_similarity, 0.6)
    assert pairs == sorted(pairs) == best_pairs(gold, predicted, levenshtein_similarity, 0.6)
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    assert all(levenshtein_similarity(gold[a], predicted[b]) >= 0.6 for a, b in pairs)


def test_counts_of_one_text() -> None:
    assert text_counts("title", "On Foxes", "On foxes.") == {
        "title_strict": (0, 1, 1),
        "title_soft": (1, 1, 1),
        "title_levenshtein": (1, 1, 1),
        "title_ratcliff": (0, 1, 1),
    }


@pytest.mark.parametrize("nothing", [None, "", " \n", [], ["", " "]])
def test_nothing_counts_nothing(nothing: str | list[str] | None) -> None:
    assert set(text_counts("x", nothing, nothing).values()) == {(0, 0, 0)}
    assert set(text_counts("x", "fox", nothing).values()) == {(0, 0, 1)}
    assert set(text_counts("x", nothing, ["fox", "hen"]).values()) == {(0, 2, 0)}


def test_a_list_is_a_set() -> None:
    counts = text_counts("authors", ["Ann Oke", "Bo Li"], ["bo li", "Bo  Li", "Anne Oke"])
    assert [counts["authors_strict"], counts["authors_levenshtein"]] == [(1, 2, 2), (2, 2, 2)]


@given(gold=LISTS, predicted=LISTS)
def test_counts_keep_their_bounds(gold: list[str], predicted: list[str]) -> None:
    for hits, found, wanted in text_counts("x", gold, predicted).values():
        assert 0 <= hits <= min(found, wanted)
    for hits, found, wanted in text_counts("x", gold, gold).values():
        assert hits == found == wanted
