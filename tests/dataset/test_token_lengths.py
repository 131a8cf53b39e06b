"""Histograms and quantiles of lengths."""

from __future__ import annotations

from itertools import pairwise

import pytest

from fieldsmith.dataset.token_lengths import histogram, quantiles


@pytest.mark.parametrize(
    ("values", "limit"),
    [([5], 10), ([7] * 20, 7), ([*range(1, 500), 100_000], 300), ([3, 4], 1), ([1, 2, 90], 50)],
)
def test_a_histogram_holds_every_number_once(values: list[int], limit: int) -> None:
    bins = histogram(values, limit)
    assert sum(bin_["count"] for bin_ in bins) == len(values)
    for bin_, following in pairwise(bins):
        assert bin_["to"] + 1 == following["from"]
    for bin_ in bins:
        assert bin_["from"] <= bin_["to"]
        within = [value for value in values if bin_["from"] <= value <= bin_["to"]]
        assert len(within) == bin_["count"]
        assert not bin_["from"] <= limit < bin_["to"] or limit >= max(values) or limit < min(values)


def test_quantiles_are_numbers_that_occur() -> None:
    assert quantiles([]) == {"least": 0, "median": 0, "90 %": 0, "99 %": 0, "most": 0}
    assert quantiles(range(1, 102)) == {
        "least": 1, "median": 51, "90 %": 91, "99 %": 100, "most": 101,
    }  # fmt: skip
