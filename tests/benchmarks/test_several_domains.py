"""The benchmark of domains trained together."""

from __future__ import annotations

from benchmarks.several_domains import domains_table


def compared(alone: float, together: float) -> dict[str, object]:
    difference = {"value": together - alone, "low": -0.1, "high": 0.2, "p_value": 0.5}
    score = {"alone": alone, "together": together, "difference": difference}
    return {"domains": {"news": {"score": score}}, "mean": {"alone": alone, "together": together}}


def test_the_table_has_means_and_intervals_over_seeds() -> None:
    made = domains_table({"1": compared(0.5, 0.6), "2": compared(0.7, 0.7)})
    _head, _rule, news, mean, end = made.split("\n")
    assert news == (
        "| news | 0.600 | 0.650 | +0.050 | -0.585 to +0.685 | -0.100 to +0.200, -0.100 to +0.200 |"
    )
    assert mean == "| mean | 0.600 | 0.650 | +0.050 | -0.585 to +0.685 |  |"
    assert end == ""
    assert "| news | 0.500 | 0.600 | +0.100 | – |" in domains_table({"1": compared(0.5, 0.6)})
