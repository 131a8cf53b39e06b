"""Calibration: how often values of a confidence are right."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldsmith.schema.pointers import leaves
from fieldsmith.scoring.calibration import (
    Bin,
    Coverage,
    JudgedLeaf,
    calibration,
    coverage,
    expected_calibration_error,
    judge_leaves,
    reliability,
)

NAME = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "names": {"type": "array", "items": NAME},
        "codes": {"type": "array", "items": {"type": "string", "x-score": "exact"}},
        "notes": {"type": "array", "x-score": "none", "items": NAME},
        "year": {"type": ["integer", "null"]},
        "open": {"type": "boolean"},
        "inner": {"type": "object", "properties": {"x": NAME, "y": NAME}},
        "pairs": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "a": NAME,
                    "b": {"type": ["string", "null"]},
                    "note": {"type": "string", "x-score": "none"},
                    "parts": {"type": "array", "items": NAME},
                },
            },
        },
    },
}

probabilities = st.floats(0, 1)
judgements = st.lists(
    st.builds(JudgedLeaf, st.sampled_from(["names", "pairs/a"]), probabilities, st.booleans()),
    max_size=40,
)


def verdicts(gold: dict[str, Any], predicted: dict[str, Any]) -> dict[str, bool]:
    """Return what is judged of each leaf, by its JSON Pointer: its confidence tells it apart."""
    pointers = [pointer for pointer, _value in leaves(predicted)]
    confidence = {pointer: number / 100 for number, pointer in enumerate(pointers)}
    result = judge_leaves(gold, predicted, confidence, SCHEMA)
    return {pointers[round(leaf.confidence * 100)]: leaf.correct for leaf in result}


@pytest.mark.parametrize(
    ("gold", "predicted", "wanted"),
    [
        # lists of scalars: the list has it
        (
            {"names": ["Folic  acid", "b"]},
            {"names": ["c", "FOLIC\nacid"]},
            {"/names/0": False, "/names/1": True},
        ),
        ({"names": []}, {"names": ["c"]}, {"/names/0": False}),
        ({"codes": ["A1"]}, {"codes": ["a1", "A1"]}, {"/codes/0": False, "/codes/1": True}),
        # scalars: the same value
        ({"year": 2019}, {"year": 2019.0}, {"/year": True}),
        ({"year": 2019}, {"year": 2020}, {"/year": False}),
        ({"year": None}, {"year": 2020}, {"/year": False}),
        ({"open": True}, {"open": 1}, {"/open": False}),
        ({"open": True}, {"open": "true"}, {"/open": False}),
        ({"inner": {"x": "A"}}, {"inner": {"x": "a"}}, {"/inner/x": True}),
        # objects of a list: one agrees in all leaves
        (
            {"pairs": [{"a": "x", "b": "y"}, {"a": "z", "b": "w"}]},
            {"pairs": [{"a": "Z", "b": "w"}, {"a": "x", "b": "w"}]},
            {"/pairs/0/a": True, "/pairs/0/b": True, "/pairs/1/a": False, "/pairs/1/b": False},
        ),
        ({"pairs": [{"a": "x"}]}, {"pairs": [{"a": "x", "b": None}]}, {"/pairs/0/a": True}),
        ({"pairs": [{"a": "x", "b": "y"}]}, {"pairs": [{"a": "x"}]}, {"/pairs/0/a": False}),
        (
            {"pairs": [{"a": "x", "note": "n"}]},
            {"pairs": [{"a": "x", "note": "m"}]},
            {"/pairs/0/a": True},
        ),
        (
            {"pairs": [{"a": "x", "parts": ["p"]}, {"a": "z", "parts": ["q"]}]},
            {"pairs": [{"a": "x", "parts": ["q", "r"]}]},
            {"/pairs/0/a": True, "/pairs/0/parts/0": True, "/pairs/0/parts/1": False},
        ),
        # left out: not annotated, null, not scored
        ({"names": []}, {"year": 2020, "inner": {"x": "a"}}, {}),
        ({"inner": {"x": "a"}}, {"inner": {"y": "a"}}, {}),
        ({"year": 2020}, {"year": None}, {}),
        ({"notes": ["a"]}, {"notes": ["a", "b"]}, {}),
    ],
)
def test_a_leaf_is_right_if_the_gold_record_says_so(
    gold: dict[str, Any], predicted: dict[str, Any], wanted: dict[str, bool]
) -> None:
    assert verdicts(gold, predicted) == wanted


def test_what_has_no_confidence_or_no_gold_is_not_judged() -> None:
    record = {"names": ["a", "b"]}
    assert judge_leaves(record, record, {"/names/1": 0.5}, SCHEMA) == [
        JudgedLeaf("names", 0.5, True)
    ]
    assert judge_leaves(None, record, {"/names/1": 0.5}, SCHEMA) == []
    assert judge_leaves(record, None, {}, SCHEMA) == []


KNOWN = [
    JudgedLeaf("a", 0.95, True),
    JudgedLeaf("a", 0.91, False),
    JudgedLeaf("b", 0.7, True),  # the end of its bin, where 0.7 * 10 is over 7
    JudgedLeaf("b", 0.65, True),
    JudgedLeaf("a", 0.0, False),
]


def test_reliability_by_hand() -> None:
    rows = reliability(KNOWN)
    assert [(row.low, row.high) for row in rows][:4] == [
        (0, 0.1),
        (0.1, 0.2),
        (0.2, 0.3),
        (0.3, 0.4),
    ]
    assert [row.count for row in rows] == [1, 0, 0, 0, 0, 0, 2, 0, 0, 2]
    assert [rows[9].confidence, rows[9].correct] == pytest.approx([0.93, 0.5])
    assert [rows[6].confidence, rows[6].correct] == pytest.approx([0.675, 1.0])
    assert rows[0] == Bin(0.0, 0.1, 1, 0.0, 0.0)
    assert rows[1] == Bin(0.1, 0.2, 0, None, None)


def test_the_expected_calibration_error_by_hand() -> None:
    # 2/5 * |0.5 - 0.93| + 2/5 * |1 - 0.675| + 1/5 * 0
    assert expected_calibration_error(KNOWN) == pytest.approx(0.4 * 0.43 + 0.4 * 0.325)
    # one bin: |3/5 - mean|
    assert expected_calibration_error(KNOWN, bins=1) == pytest.approx(abs(0.6 - 3.21 / 5))


def test_coverage_by_hand() -> None:
    assert coverage(KNOWN, [0, 0.65, 0.91, 0.96]) == [
        Coverage(0, 1.0, 0.6),
        Coverage(0.65, 0.8, 0.75),
        Coverage(0.91, 0.4, 0.5),
        Coverage(0.96, 0.0, None),
    ]


def test_of_no_leaves_nothing_is_known() -> None:
    found = calibration([])
    assert (found["leaves"], found["ece"], found["coverage"], found["by_field"]) == (
        0,
        None,
        [],
        {},
    )
    assert [row["count"] for row in found["reliability"]] == [0] * 10


@given(judgements)
def test_all_of_it_is_json_and_adds_up(leaves: list[JudgedLeaf]) -> None:
    found = json.loads(json.dumps(calibration(leaves), allow_nan=False))
    assert sum(row["count"] for row in found["reliability"]) == found["leaves"] == len(leaves)
    assert sum(field["leaves"] for field in found["by_field"].values()) == len(leaves)
    assert list(found["by_field"]) == list(dict.fromkeys(leaf.field for leaf in leaves))


@given(judgements, st.integers(1, 20))
def test_each_leaf_is_in_the_bin_of_its_confidence(leaves: list[JudgedLeaf], bins: int) -> None:
    for leaf in leaves:
        (row,) = [row for row in reliability([leaf], bins) if row.count]
        assert row.low < leaf.confidence <= row.high or leaf.confidence == row.low == 0
        assert (row.confidence, row.correct) == (leaf.confidence, float(leaf.correct))


@given(judgements, st.integers(1, 20))
def test_the_error_lies_between_nothing_and_one(leaves: list[JudgedLeaf], bins: int) -> None:
    error = expected_calibration_error(leaves, bins)
    assert (error is None) == (not leaves)
    assert error is None or 0 <= error <= 1 + 1e-12


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(1, 8)), min_size=1, max_size=5))
def test_who_is_as_often_right_as_sure_has_no_error(groups: list[tuple[int, int]]) -> None:
    leaves = [
        JudgedLeaf("a", min(groups_of) / max(groups_of), number < min(groups_of))
        for groups_of in dict.fromkeys(groups)
        for number in range(max(groups_of))
    ]
    assert expected_calibration_error(leaves) == pytest.approx(0, abs=1e-12)
    contrary = [JudgedLeaf(leaf.field, float(not leaf.correct), leaf.correct) for leaf in leaves]
    assert expected_calibration_error(contrary) == 1


@given(judgements, st.lists(probabilities, max_size=6))
def test_coverage_never_rises_with_the_threshold(
    leaves: list[JudgedLeaf], thresholds: list[float]
) -> None:
    rows = coverage(leaves, sorted(thresholds))
    shares = [row.coverage for row in rows]
    assert shares == sorted(shares, reverse=True)
    for row in rows:
        kept = [leaf for leaf in leaves if not leaf.confidence < row.threshold]
        assert row.coverage == len(kept) / len(leaves)
        assert (row.precision is None) == (not kept)
        assert row.precision is None or row.precision * len(kept) == pytest.approx(
            sum(leaf.correct for leaf in kept)
        )
