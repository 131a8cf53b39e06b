"""What may be spent is never exceeded, whatever the order in which questions are answered."""

from __future__ import annotations

import threading
from random import Random

import pytest

from fieldsmith.engines.threads import in_threads
from fieldsmith.labelling.budget import Budget, Prices
from fieldsmith.labelling.teacher import Usage


def test_a_question_that_could_exceed_it_does_not_fit() -> None:
    budget = Budget(Usage(40, 10, 1), tokens=100)
    assert budget.reserve(Usage(30, 20, 1), wait=False)
    budget.settle(Usage(30, 20, 1), Usage(10, 5, 1))
    assert budget.spent == Usage(50, 15, 2)
    assert not budget.reserve(Usage(30, 6, 1), wait=False)
    assert budget.is_exhausted


def test_money_counts_by_the_prices() -> None:
    prices = Prices(2.0, 10.0)
    assert prices.cost(Usage(500_000, 100_000, 3)) == pytest.approx(2.0)
    budget = Budget(cost=0.001, prices=prices)
    assert budget.reserve(Usage(400, 20, 1), wait=False)
    assert not budget.reserve(Usage(1, 0, 1), wait=False)


def test_without_a_bound_everything_fits() -> None:
    budget = Budget()
    assert budget.reserve(Usage(10**9, 10**9, 1))
    assert not budget.is_exhausted


def test_no_question_overtakes_one_that_did_not_fit() -> None:
    budget = Budget(tokens=10)
    assert not budget.reserve(Usage(11, 0, 1))
    assert not budget.reserve(Usage(1, 0, 1))


def test_a_question_waits_for_those_under_way() -> None:
    budget, most = Budget(tokens=100), Usage(60, 0, 1)
    assert budget.reserve(most)
    fits = list[bool]()
    waiting = threading.Thread(target=lambda: fits.append(budget.reserve(most)))
    waiting.start()
    budget.settle(most, Usage(5, 0, 1))
    waiting.join(30)
    assert fits == [True]


@pytest.mark.parametrize("seed", range(5))
def test_many_threads_never_exceed_it(seed: int) -> None:
    budget, random = Budget(tokens=3000), Random(seed)
    sizes = [random.randrange(1, 200) for _ in range(100)]
    lock, spent = threading.Lock(), [0]

    def ask(size: int) -> bool:
        most = Usage(size, size, 1)
        if not budget.reserve(most):
            return False
        with lock:
            spent[0] += size
        budget.settle(most, Usage(size, 0, 1))
        return True

    answered = [fits for _number, fits in in_threads(ask, sizes, 8)]
    assert spent[0] == budget.spent.tokens <= 3000
    assert budget.is_exhausted
    assert not all(answered)
