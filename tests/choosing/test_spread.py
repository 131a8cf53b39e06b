"""Farthest-first traversal: each choice is the one that a search of all pairs would make."""

from __future__ import annotations

import numpy as np
import pytest

from fieldsmith.choosing.spread import Vectors, farthest_first
from fieldsmith.choosing.strategies import STRATEGIES, choose
from fieldsmith.cli.next import _STRATEGIES


def vectors(count: int, seed: int, width: int = 5) -> Vectors:
    """Return vectors of length 1, every third one a copy of the one before."""
    drawn = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    drawn[2::3] = drawn[1::3][: len(drawn[2::3])]
    made: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return made


def searched(pool: Vectors, centres: Vectors, count: int, first: int) -> list[int]:
    """Return what farthest-first traversal chooses, by all distances anew for each choice."""
    chosen: list[int] = []
    while len(chosen) < min(count, len(pool)):
        covered = [*centres, *(pool[row] for row in chosen)]
        left = [row for row in range(len(pool)) if row not in chosen]
        if not covered:
            chosen.append(first)
            continue
        distances = [min(1 - float(pool[row] @ other) for other in covered) for row in left]
        # Copies differ by rounding alone: of equally far ones the first is wanted.
        farthest = max(distances)
        ties = [row for row, d in zip(left, distances, strict=True) if d > farthest - 1e-6]
        chosen.append(ties[0])
    return chosen


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("labelled", [0, 1, 4])
def test_it_chooses_as_a_search_of_all_pairs_does(seed: int, labelled: int) -> None:
    pool, centres = vectors(17, seed), vectors(labelled, seed + 50)
    picks = farthest_first(pool, centres, 12, first=3)
    wanted = searched(pool, centres, 12, first=3)
    # Once only copies of chosen ones are left, all distances are 0 but for rounding.
    apart = [pick.distance is None or pick.distance > 1e-6 for pick in picks]
    assert sum(apart) >= 11
    assert [pick.row for pick, each in zip(picks, apart, strict=True) if each] == [
        row for row, each in zip(wanted, apart, strict=True) if each
    ]
    distances = [pick.distance for pick in picks if pick.distance is not None]
    assert distances == sorted(distances, reverse=True)
    assert len(distances) == 12 - (labelled == 0)


def test_distances_are_those_to_the_nearest_centre_or_choice() -> None:
    pool = np.eye(3, dtype=np.float32)
    picks = farthest_first(pool, pool[:1], 5)
    assert [pick.row for pick in picks] == [1, 2, 0]
    assert [pick.distance for pick in picks] == [1.0, 1.0, 0.0]


def test_many_centres_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, centres = vectors(9, 1), vectors(40, 2)
    whole = farthest_first(pool, centres, 5)
    monkeypatch.setattr("fieldsmith.choosing.spread._AT_ONCE", 7)
    found = farthest_first(pool, centres, 5)
    assert [pick.row for pick in found] == [pick.row for pick in whole]


UNSURE = (0.2, None, 0.9, 0.9, 0.1, 0.5, 0.3, 0.4, 0.0, 0.6)


def test_the_most_uncertain_come_first_and_of_equal_ones_the_first_of_the_pool() -> None:
    picks = choose("uncertainty", 4, 10, seed=1, unsure=UNSURE)
    assert [pick.row for pick in picks] == [2, 3, 9, 5]
    picks = choose("uncertainty", 99, 10, seed=1, unsure=UNSURE)
    assert [pick.row for pick in picks][-2:] == [8, 1]


def test_far_ones_are_chosen_among_the_most_uncertain() -> None:
    pool, centres = vectors(10, 3), vectors(2, 4)
    picks = choose("both", 2, 10, seed=1, unsure=UNSURE, vectors=pool, centres=centres)
    among = [2, 3, 9, 5]
    wanted = searched(pool[among], centres, 2, 0)
    assert [pick.row for pick in picks] == [among[row] for row in wanted]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("count", [1, 6, 10, 30])
def test_choices_differ_are_in_the_pool_and_repeat(strategy: str, count: int) -> None:
    pool = vectors(10, 6)

    def rows(seed: int) -> list[int]:
        picks = choose(strategy, count, 10, seed=seed, unsure=UNSURE, vectors=pool)
        return [pick.row for pick in picks]

    found = rows(7)
    assert len(set(found)) == len(found) == min(count, 10)
    assert set(found) <= set(range(10))
    assert rows(7) == found
    if strategy in ("random", "diversity") and count == 6:
        assert any(rows(seed) != found for seed in range(5))


def test_the_command_takes_each_strategy() -> None:
    assert set(_STRATEGIES) == set(STRATEGIES)
