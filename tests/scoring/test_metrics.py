"""Scores against values worked out by hand and against a plain implementation of the same."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fieldsmith.scoring.metrics as metrics
from fieldsmith.errors import InputError, PluginError, SettingsError
from fieldsmith.scoring.counts import exact_counts, set_counts
from fieldsmith.scoring.metrics import (
    Bootstrap,
    Interval,
    accuracy,
    paired_difference,
    precision_recall_f1,
    score,
    total_counts,
)

Triple = tuple[float, float, float]
Documents = list[dict[str, Triple]]

# a: 3 right of 5 predicted and 4 gold; b: 1 right of 1 and 3; c: nothing anywhere.
BY_HAND: Documents = [
    {"a": (2, 3, 2), "b": (1, 1, 1), "c": (0, 0, 0)},
    {"a": (1, 2, 2), "b": (0, 0, 2), "c": (0, 0, 0)},
]


# Counting


@pytest.mark.parametrize(
    ("gold", "predicted", "counts"),
    [
        (["a", "b"], ["b", "c", "d"], (1, 3, 2)),
        (["Folic  acid"], [" folic\nACID "], (1, 1, 1)),
        (["STRASSE"], ["straße"], (1, 1, 1)),
        (["a", "A", "a "], ["a", "a"], (1, 1, 1)),
        (["a"], [], (0, 0, 1)),
        ([], ["a"], (0, 1, 0)),
        ([], [], (0, 0, 0)),
        (["ab"], ["a b"], (0, 1, 1)),
    ],
)
def test_set_counts(gold: list[str], predicted: list[str], counts: Triple) -> None:
    assert set_counts(gold, predicted) == counts
    assert set_counts(iter(gold), iter(predicted)) == counts
    assert all(type(count) is float for count in set_counts(gold, predicted))


@pytest.mark.parametrize(("gold", "predicted"), [("abc", ["a"]), (["a"], "abc")])
def test_a_string_is_not_taken_for_its_characters(
    gold: str | list[str], predicted: str | list[str]
) -> None:
    with pytest.raises(TypeError, match="exact_counts"):
        set_counts(gold, predicted)


@pytest.mark.parametrize(
    ("gold", "predicted", "counts"),
    [
        ("a", "a", (1, 1, 1)),
        ("a", "A", (0, 1, 1)),
        ("a", "a ", (0, 1, 1)),
        ("a", None, (0, 0, 1)),
        (None, "a", (0, 1, 0)),
        (None, None, (0, 0, 0)),
        ("", "", (1, 1, 1)),
        ("", None, (0, 0, 1)),
    ],
)
def test_exact_counts(gold: str | None, predicted: str | None, counts: Triple) -> None:
    assert exact_counts(gold, predicted) == counts
    assert all(type(count) is float for count in exact_counts(gold, predicted))


@pytest.mark.parametrize(
    ("counts", "rates"),
    [
        ((3, 5, 4), (0.6, 0.75, 2 / 3)),
        ((1, 1, 3), (1, 1 / 3, 0.5)),
        ((0, 2, 3), (0, 0, 0)),
        ((0, 0, 3), (0, 0, 0)),
        ((0, 2, 0), (0, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((2, 2, 2), (1, 1, 1)),
    ],
)
def test_rates_by_hand(counts: Triple, rates: tuple[float, float, float]) -> None:
    assert precision_recall_f1(counts) == pytest.approx(rates, abs=1e-15)
    assert all(type(rate) is float for rate in precision_recall_f1(counts))


@given(st.integers(1, 100), st.integers(0, 100), st.integers(0, 100))
def test_f1_is_the_harmonic_mean(matched: int, wrong: int, missed: int) -> None:
    precision, recall, f1 = precision_recall_f1((matched, matched + wrong, matched + missed))
    assert precision == pytest.approx(matched / (matched + wrong))
    assert recall == pytest.approx(matched / (matched + missed))
    assert f1 == pytest.approx(2 / (1 / precision + 1 / recall))


def test_no_rate_exceeds_1_by_rounding() -> None:
    assert precision_recall_f1((0.1 + 0.2, 0.3, 0.3)) == (1, 1, 1)


def test_support_sums_over_documents() -> None:
    assert total_counts([*BY_HAND, {"d": (0.5, 1, 1)}]) == {
        "a": (3, 5, 4),
        "b": (1, 1, 3),
        "c": (0, 0, 0),
        "d": (0.5, 1, 1),
    }


# Scores


def values(scores: dict[str, Interval]) -> dict[str, float]:
    return {key: interval.value for key, interval in scores.items()}


def test_scores_by_hand() -> None:
    assert values(score(BY_HAND, ["a", "b", "c"])) == pytest.approx(
        {
            "a/precision": 3 / 5,
            "a/recall": 3 / 4,
            "a/f1": 2 / 3,
            "b/precision": 1,
            "b/recall": 1 / 3,
            "b/f1": 1 / 2,
            "micro/precision": 4 / 6,
            "micro/recall": 4 / 7,
            "micro/f1": 8 / 13,
            "macro/f1": (2 / 3 + 1 / 2) / 2,
            "score": (2 / 3 + 1 / 2) / 2,
        }
    )


def test_only_the_names_asked_for_make_up_the_score() -> None:
    found = values(score(BY_HAND, ["b"]))
    assert found["score"] == found["macro/f1"] == found["micro/f1"] == found["b/f1"] == 0.5
    assert found["a/f1"] == pytest.approx(2 / 3)


def test_the_order_of_names_makes_no_difference() -> None:
    assert score(BY_HAND, ["a", "b"]) == score(BY_HAND, ["b", "a"])


def test_a_name_counts_in_the_documents_that_have_it() -> None:
    apart: Documents = [{"a": (1, 1, 1)}, {"b": (1, 2, 2)}]
    filled: Documents = [
        {"a": (1, 1, 1), "b": (0, 0, 0)},
        {"a": (0, 0, 0), "b": (1, 2, 2)},
    ]
    assert score(apart, ["a", "b"]) == score(filled, ["a", "b"])


def test_without_any_support_nothing_is_known() -> None:
    scores = score([{"a": (0, 0, 0)}], ["a"])
    assert set(scores) == {"micro/precision", "micro/recall", "micro/f1", "macro/f1", "score"}
    assert set(scores.values()) == {Interval(0.0, 0.0, 1.0)}


def test_nothing_predicted_scores_zero_with_certainty() -> None:
    documents: Documents = [{"a": (0, 0, 2)}] * 5
    assert score(documents, ["a"])["a/f1"] == Interval(0.0, 0.0, 0.0)
    assert score(documents, ["a"])["score"] == Interval(0.0, 0.0, 0.0)


def test_all_right_scores_one_with_certainty() -> None:
    documents: Documents = [{"a": (2, 2, 2), "b": (0.1, 0.1, 0.1)}] * 7
    assert set(score(documents, ["a", "b"]).values()) == {Interval(1.0, 1.0, 1.0)}


def test_sums_of_similarities_may_round() -> None:
    similarities = 0.1 + 0.2
    assert similarities > 0.3
    assert total_counts([{"a": (similarities, 0.3, 0.3)}]) == {"a": (0.3, 0.3, 0.3)}


# A plain implementation: the same documents drawn, everything else spelled out.


def drawn(documents: int, samples: int, seed: int) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(documents, size=documents).tolist() for _ in range(samples)]


def plain_f1(documents: Sequence[dict[str, Triple]], name: str) -> float | None:
    matched = sum(document[name][0] for document in documents)
    predicted = sum(document[name][1] for document in documents)
    gold = sum(document[name][2] for document in documents)
    if not predicted and not gold:
        return None
    if not matched:
        return 0.0
    precision, recall = matched / predicted, matched / gold
    return 2 * precision * recall / (precision + recall)


def plain_macro(documents: Sequence[dict[str, Triple]], names: Sequence[str]) -> float | None:
    found = [f1 for name in names if (f1 := plain_f1(documents, name)) is not None]
    return sum(found) / len(found) if found else None


def plain_quantile(found: Sequence[float], share: float) -> float:
    """Interpolate between order statistics (Hyndman and Fan 1996, definition 7)."""
    ordered = sorted(found)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


COUNTS = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)).map(
    lambda parts: (float(parts[0]), float(parts[0] + parts[1]), float(parts[0] + parts[2]))
)
DOCUMENTS = st.lists(
    st.fixed_dictionaries({"a": COUNTS | st.just((0.0, 0.0, 0.0)), "b": COUNTS}),
    min_size=1,
    max_size=8,
)


@given(DOCUMENTS, st.integers(0, 5), st.sampled_from([0.5, 0.9, 0.95]))
def test_scores_agree_with_a_plain_bootstrap(documents: Documents, seed: int, level: float) -> None:
    scores = score(documents, ["a", "b"], Bootstrap(samples=50, seed=seed, level=level))
    draws = [[documents[row] for row in rows] for rows in drawn(len(documents), 50, seed)]
    for key, names in {"a/f1": ["a"], "b/f1": ["b"], "score": ["a", "b"]}.items():
        value = plain_macro(documents, names)
        if value is None:
            assert key not in scores or scores[key] == Interval(0.0, 0.0, 1.0)
            continue
        found = [again for some in draws if (again := plain_macro(some, names)) is not None]
        low = plain_quantile(found, (1 - level) / 2) if found else 0.0
        high = plain_quantile(found, (1 + level) / 2) if found else 1.0
        interval = scores[key]
        assert (interval.value, interval.low, interval.high) == pytest.approx((value, low, high))


@given(DOCUMENTS)
def test_scores_are_numbers_from_0_to_1(documents: Documents) -> None:
    for interval in score(documents, ["a", "b"], Bootstrap(samples=20)).values():
        assert 0 <= interval.low <= interval.high <= 1
        assert 0 <= interval.value <= 1


@given(DOCUMENTS)
def test_scores_do_not_depend_on_how_many_resamples_are_drawn_at_once(
    documents: Documents,
) -> None:
    whole = score(documents, ["a"], Bootstrap(samples=25))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "BLOCK", 3 * len(documents))
        parts = score(documents, ["a"], Bootstrap(samples=25))
    assert parts == whole


def test_a_seed_gives_the_same_intervals_and_another_one_others() -> None:
    documents = simulated(np.random.default_rng(0), 50)
    assert score(documents, ["a"], Bootstrap(seed=1)) == score(documents, ["a"], Bootstrap(seed=1))
    assert score(documents, ["a"], Bootstrap(seed=1)) != score(documents, ["a"], Bootstrap(seed=2))


def test_a_higher_level_gives_a_wider_interval() -> None:
    documents = simulated(np.random.default_rng(0), 50)
    half, most = (score(documents, ["a"], Bootstrap(level=level))["a/f1"] for level in (0.5, 0.99))
    assert most.low < half.low < half.value < half.high < most.high


def test_memory_does_not_grow_with_the_resamples() -> None:
    documents: Documents = [{"a": (1, 2, 2)}, {"a": (0, 1, 0)}] * 50_000
    tracemalloc.start()
    interval = score(documents, ["a"], Bootstrap(samples=100))["a/f1"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All weights at once would take 80 MB, drawing them as much again.
    assert peak < 60e6
    assert 0.39 < interval.low < interval.value == 0.4 < interval.high < 0.41


def simulated(generator: np.random.Generator, count: int, quality: float = 0.7) -> Documents:
    """Documents whose answers are right with a probability that varies by document.

    Gold is 1 + Poisson(3); each is found with a probability of mean ``quality``, and as many
    wrong ones come on top as Poisson(1) says: F1 tends to 2 * 4 * quality / (4 * quality + 1 + 4).
    """
    gold = 1 + generator.poisson(3, size=count)
    chance = generator.beta(8 * quality, 8 * (1 - quality), size=count)
    matched = generator.binomial(gold, chance)
    wrong = generator.poisson(1, size=count)
    return [
        {"a": (float(m), float(m + w), float(g))}
        for m, w, g in zip(matched, wrong, gold, strict=True)
    ]


def test_intervals_hold_the_true_value_as_often_as_they_say() -> None:
    generator = np.random.default_rng(7)
    truth = 2 * 4 * 0.7 / (4 * 0.7 + 1 + 4)
    held = 0
    for seed in range(400):
        bootstrap = Bootstrap(samples=400, seed=seed)
        interval = score(simulated(generator, 100), ["a"], bootstrap)["a/f1"]
        held += interval.low <= truth <= interval.high
    # Three standard deviations of a binomial of 400 at 0.95 are 0.033.
    assert held / 400 == pytest.approx(0.95, abs=0.033)


# Accuracy


def test_accuracy_counts_right_answers_and_right_absences() -> None:
    documents: Documents = [
        {"year": exact_counts("2019", "2019")},
        {"year": exact_counts(None, None)},
        {"year": exact_counts("2019", "2020")},
        {"year": exact_counts("2019", None)},
        {"year": exact_counts(None, "2019")},
        {},
    ]
    assert accuracy(documents, ["year"]).value == 3 / 6
    assert accuracy(documents[:2], ["year"]) == Interval(1.0, 1.0, 1.0)
    assert accuracy(documents[2:5], ["year"]) == Interval(0.0, 0.0, 0.0)


def test_accuracy_has_the_interval_of_a_share() -> None:
    documents: Documents = [{"a": (float(row < 300), 1, 1)} for row in range(400)]
    interval = accuracy(documents, ["a"], Bootstrap(samples=4000))
    # 1.96 standard deviations of a share of 400 at 0.75.
    assert interval.value == 0.75
    assert interval.low == pytest.approx(0.75 - 0.0424, abs=0.004)
    assert interval.high == pytest.approx(0.75 + 0.0424, abs=0.004)
    shares = [sum(row < 300 for row in rows) / 400 for rows in drawn(400, samples=200, seed=3)]
    few = accuracy(documents, ["a"], Bootstrap(samples=200, seed=3, level=0.8))
    assert few.low == pytest.approx(plain_quantile(shares, 0.1))
    assert few.high == pytest.approx(plain_quantile(shares, 0.9))


# Two systems


def test_equal_systems_do_not_differ() -> None:
    documents: Documents = [{"a": (0.1, 0.3, 0.7), "b": (1, 2, 3)}, {"a": (0.2, 0.9, 0.2)}] * 20
    interval, p_value = paired_difference(documents, documents, ["a", "b"])
    assert interval == Interval(0.0, 0.0, 0.0)
    assert p_value == 1.0


def test_a_clear_difference_is_significant_either_way() -> None:
    generator = np.random.default_rng(1)
    good, bad = (simulated(generator, 200, quality) for quality in (0.9, 0.5))
    interval, p_value = paired_difference(good, bad, ["a"])
    expected = score(good, ["a"])["score"].value - score(bad, ["a"])["score"].value
    assert interval.value == pytest.approx(expected)
    assert 0 < interval.low < interval.value < interval.high
    assert p_value == 1 / 1001
    back, p_back = paired_difference(bad, good, ["a"])
    assert (back.value, back.low, back.high) == pytest.approx(
        (-interval.value, -interval.high, -interval.low)
    )
    assert p_back == p_value


def test_pairing_makes_the_interval_narrow() -> None:
    generator = np.random.default_rng(2)
    theirs = simulated(generator, 200)
    ours: Documents = [{"a": (m, p + 1, g)} for m, p, g in (row["a"] for row in theirs)]
    interval, _ = paired_difference(ours, theirs, ["a"])
    alone = score(theirs, ["a"])["a/f1"]
    assert interval.high - interval.low < (alone.high - alone.low) / 2


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=8), st.integers(0, 3))
def test_the_difference_agrees_with_a_plain_bootstrap(
    pairs: list[tuple[Triple, Triple]], seed: int
) -> None:
    ours, theirs = ([{"a": pair[side]} for pair in pairs] for side in (0, 1))
    interval, p_value = paired_difference(ours, theirs, ["a"], Bootstrap(samples=50, seed=seed))
    value = (plain_f1(ours, "a") or 0.0) - (plain_f1(theirs, "a") or 0.0)
    differences = []
    for rows in drawn(len(pairs), 50, seed):
        one = plain_f1([ours[row] for row in rows], "a")
        other = plain_f1([theirs[row] for row in rows], "a")
        if one is not None and other is not None:
            differences.append(one - other)
    far = sum(abs(found - value) >= abs(value) - 1e-9 for found in differences)
    assert interval.value == pytest.approx(value)
    assert interval.low == pytest.approx(plain_quantile(differences, 0.025) if differences else -1)
    assert interval.high == pytest.approx(plain_quantile(differences, 0.975) if differences else 1)
    assert p_value == (1 + far) / (1 + len(differences))


def test_systems_of_equal_quality_are_rarely_distinguished() -> None:
    generator = np.random.default_rng(3)
    rejected = 0
    for seed in range(400):
        ours, theirs = simulated(generator, 100), simulated(generator, 100)
        _, p_value = paired_difference(ours, theirs, ["a"], Bootstrap(samples=400, seed=seed))
        rejected += p_value <= 0.05
    # Three standard deviations of a binomial of 400 at 0.05 are 0.033.
    assert rejected / 400 == pytest.approx(0.05, abs=0.033)


def test_only_the_names_asked_for_make_up_the_difference() -> None:
    ours: Documents = [{"a": (1, 1, 1), "b": (0, 1, 1)}] * 3
    theirs: Documents = [{"a": (1, 2, 2), "b": (1, 1, 1)}] * 3
    assert paired_difference(ours, theirs, ["a"])[0] == Interval(0.5, 0.5, 0.5)
    assert paired_difference(ours, theirs, ["b"])[0] == Interval(-1.0, -1.0, -1.0)


def test_a_name_that_one_system_lacks_is_known_all_the_same() -> None:
    interval, _ = paired_difference([{"a": (1, 1, 1)}], [{"b": (1, 1, 1)}], ["a", "b"])
    assert interval.value == 0.0
    interval, _ = paired_difference([{"a": (1, 1, 1)}], [{"a": (0, 0, 1)}], ["a"])
    assert interval == Interval(1.0, 1.0, 1.0)


def test_without_support_a_difference_means_nothing() -> None:
    nothing: Documents = [{"a": (0, 0, 0)}]
    assert paired_difference(nothing, nothing, ["a"]) == (Interval(0.0, -1.0, 1.0), 1.0)


def test_systems_on_different_documents_are_not_compared() -> None:
    with pytest.raises(InputError, match="2 documents cannot be compared with 1"):
        paired_difference(BY_HAND, BY_HAND[:1], ["a"])


# What is refused


def test_no_documents_no_score() -> None:
    with pytest.raises(InputError, match="no documents"):
        score([], ["a"])
    with pytest.raises(InputError, match="no documents"):
        accuracy([], ["a"])
    with pytest.raises(InputError, match="no documents"):
        paired_difference([], [], ["a"])
    with pytest.raises(InputError, match="no documents"):
        total_counts([])


@pytest.mark.parametrize(
    "counts",
    [
        (2, 1, 3),
        (2, 3, 1),
        (-1, 1, 1),
        (0, -1, 0),
        (0, 0, -1),
        (float("nan"), 1, 1),
        (0, float("nan"), 1),
        (0, 1, float("nan")),
        (1, float("inf"), 1),
        (float("inf"), float("inf"), float("inf")),
        (0, 1, 1e300),
        (1, 1),
        (1, 1, 1, 1),
        (None, 1, 1),
        ("one", 1, 1),
        ([1, 2], 1, 1),
        1.0,
        None,
    ],
)
def test_broken_counts_are_refused_with_their_name(counts: Triple) -> None:
    documents: Documents = [{"a": (1, 1, 1), "b": (1, 1, 1)}, {"a": (1, 1, 1), "b": counts}]
    for refused in (
        lambda: score(documents, ["a"]),
        lambda: total_counts(documents),
        lambda: accuracy(documents, ["a"]),
    ):
        with pytest.raises(PluginError, match=r"for 'b' \(document 2 of those scored\)"):
            refused()


@pytest.mark.parametrize("name", ["micro", "macro", ""])
def test_names_of_the_core_are_refused(name: str) -> None:
    with pytest.raises(PluginError, match=f"the name '{name}'"):
        total_counts([{name: (1, 1, 1)}])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "chemcals"], "'chemcals'; did you mean chemicals. Known: a, chemicals"),
        ([], "no metric name"),
        (["a", "a"], "twice: a, a"),
    ],
)
def test_names_that_do_not_fit_are_refused(names: list[str], message: str) -> None:
    documents: Documents = [{"a": (1, 1, 1), "chemicals": (1, 1, 1)}]
    with pytest.raises(SettingsError, match=message):
        score(documents, names)
    with pytest.raises(SettingsError, match=message):
        paired_difference(documents, documents, names)


def test_accuracy_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(SettingsError, match="did you mean a"):
        accuracy([{"a": (1, 1, 1)}], ["aa"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"samples": -1}, "bootstrap samples"),
        ({"level": 0.0}, "confidence level"),
        ({"level": 1.0}, "confidence level"),
        ({"level": float("nan")}, "confidence level"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        score(BY_HAND, ["a"], Bootstrap(**setting))  # type: ignore[arg-type]


def test_without_resamples_there_are_values_alone() -> None:
    scores = score(BY_HAND, ["a", "b"], Bootstrap(samples=0))
    assert values(scores) == values(score(BY_HAND, ["a", "b"]))
    assert {(interval.low, interval.high) for interval in scores.values()} == {(0, 1)}
    assert accuracy(BY_HAND, ["c"], Bootstrap(samples=0)) == Interval(1.0, 0.0, 1.0)
    same = paired_difference(BY_HAND, BY_HAND, ["a"], Bootstrap(samples=0))
    assert same == (Interval(0.0, -1.0, 1.0), 1.0)


def test_one_resample_is_an_interval_without_width() -> None:
    interval = score(BY_HAND, ["a"], Bootstrap(samples=1))["a/f1"]
    possible = {plain_f1([BY_HAND[row] for row in rows], "a") for rows in product((0, 1), repeat=2)}
    assert interval.low == interval.high
    assert any(interval.low == pytest.approx(value) for value in possible)
