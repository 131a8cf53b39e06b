"""Kinds of errors: what is wrong with an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldsmith.data import Record, Schema
from fieldsmith.report.error_kinds import Case, classify
from fieldsmith.text.grounding import ground

SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "title": {"type": ["string", "null"]},
        "year": {"type": ["integer", "null"]},
        "names": {"type": "array", "items": {"type": "string"}},
        "codes": {"type": "array", "items": {"type": "string", "x-score": "exact"}},
        "close": {"type": "array", "items": {"type": "string", "x-score": "levenshtein"}},
        "ignored": {"type": ["string", "null"], "x-score": "none"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "x-key": ["item", "unit"],
                "properties": {
                    "item": {"type": "string"},
                    "unit": {"type": ["string", "null"]},
                    "price": {"type": ["number", "null"]},
                },
            },
        },
    },
}


def kinds(gold: Record, found: Record, text: str = "") -> list[tuple[str, str, int, int]]:
    """Return (kind, field, gold answers, predicted answers) of each case."""
    places = [
        {pointer: it.spans for pointer, it in ground(record, text).items()}
        for record in (gold, found)
    ]
    return [
        (case.kind, case.field, len(case.gold), len(case.predicted))
        for case in classify(gold, found, SCHEMA, places[0], places[1])
    ]


@pytest.mark.parametrize(
    ("gold", "found", "text", "expected"),
    [
        ({"title": "A"}, {"title": "a"}, "", [("right", "title", 1, 1)]),
        ({"title": "A"}, {"title": "B"}, "", [("wrong", "title", 1, 1)]),
        ({"title": "A"}, {"title": None}, "", [("missing", "title", 1, 0)]),
        ({"title": None}, {"title": "B"}, "", [("invented", "title", 0, 1)]),
        ({"title": None}, {}, "", []),
        ({}, {"title": "B"}, "", []),
        ({"year": 1999}, {"year": 1998}, "", [("wrong", "year", 1, 1)]),
        ({"ignored": "A"}, {"ignored": "B"}, "", []),
        ({"names": ["a b"]}, {"names": ["A  b"]}, "", [("right", "names", 1, 1)]),
        ({"codes": ["AB"]}, {"codes": ["ab"]}, "", [("wrong", "codes", 1, 1)]),
        ({"close": ["acetaminophen"]}, {"close": ["acetaminofen"]}, "", [("right", "close", 1, 1)]),
        ({"names": ["acetaminophen"]}, {"names": ["acetaminofen"]}, "", [("wrong", "names", 1, 1)]),
        ({"names": ["x", "X"]}, {"names": ["x"]}, "", [("right", "names", 1, 1)]),
        # In the text, what touches is told from what does not.
        (
            {"names": ["chronic renal failure"]},
            {"names": ["chronic", "failure"]},
            "chronic renal failure",
            [("split", "names", 1, 2)],
        ),
        (
            {"names": ["liver"]},
            {"names": ["liver cancer", "liver disease"]},
            "liver cancer, liver disease, liver",
            [("wrong", "names", 1, 1), ("invented", "names", 0, 1)],
        ),
        (
            {"names": ["lead", "zinc"]},
            {"names": ["lead and zinc"]},
            "lead and zinc",
            [("merged", "names", 2, 1)],
        ),
        (
            {"names": ["renal failure"]},
            {"names": ["acute renal"]},
            "acute renal failure",
            [("wrong", "names", 1, 1)],
        ),
        # Golds that lie within each other are not two that were merged.
        (
            {"names": ["hypertension", "portal hypertension"]},
            {"names": ["severe portal hypertension"]},
            "severe portal hypertension",
            [("wrong", "names", 1, 1), ("missing", "names", 1, 0)],
        ),
        # Objects are told by their key, and what stands beside it is compared where it is right.
        (
            {"lines": [{"item": "salt", "unit": "g", "price": 2}]},
            {"lines": [{"item": "Salt", "unit": "g", "price": 3}]},
            "",
            [("right", "lines", 1, 1), ("wrong", "lines/price", 1, 1)],
        ),
        (
            {"lines": [{"item": "salt", "unit": "g"}, {"item": "rice", "unit": "kg"}]},
            {"lines": [{"item": "salt", "unit": "oz"}, {"item": "milk", "unit": "l"}]},
            "",
            [("wrong", "lines", 1, 1), ("missing", "lines", 1, 0), ("invented", "lines", 0, 1)],
        ),
    ],
)
def test_each_answer_has_its_kind(
    gold: Record, found: Record, text: str, expected: list[tuple[str, str, int, int]]
) -> None:
    assert kinds(gold, found, text) == expected


WORDS = st.lists(
    st.lists(st.sampled_from("a b c d".split()), min_size=1, max_size=3).map(" ".join), max_size=6
)


@given(WORDS, WORDS, st.lists(st.sampled_from("a b c d".split()), max_size=12).map(" ".join))
def test_every_answer_is_in_one_case(gold: list[str], found: list[str], text: str) -> None:
    records: list[Record] = [{"names": gold}, {"names": found}]
    places = [
        {pointer: it.spans for pointer, it in ground(record, text).items()} for record in records
    ]
    made = classify(records[0], records[1], SCHEMA, places[0], places[1])
    for side, names in (("gold", gold), ("predicted", found)):
        pointers = [pointer for case in made for pointer in getattr(case, side)]
        assert len(pointers) == len(set(pointers))
        assert {names[int(pointer.split("/")[2])] for pointer in pointers} == set(names)
    right = [case for case in made if case.kind == "right"]
    assert len(right) == len(set(gold) & set(found))
    for case in made:
        assert _shape(case), case


def _shape(case: Case) -> bool:
    shape = len(case.gold), len(case.predicted)
    expected = {"right": (1, 1), "wrong": (1, 1), "missing": (1, 0), "invented": (0, 1)}
    if case.kind == "split":
        return shape[0] == 1 and shape[1] > 1
    if case.kind == "merged":
        return shape[0] > 1 and shape[1] == 1
    return shape == expected[case.kind]


def test_a_map_is_compared_key_by_key() -> None:
    prices = {"type": "object", "additionalProperties": {"type": ["number", "null"]}}
    schema = {"type": "object", "properties": {"prices": prices}}
    gold = {"prices": {"Tea": 3, "milk": 1.5, "rye": 2, "ham": None}}
    predicted = {"prices": {"tea": 3.0, "milk": 1.4, "salt": 1}}
    cases = classify(gold, predicted, schema)
    assert [(case.kind, case.field, case.gold, case.predicted) for case in cases] == [
        ("right", "prices", ("/prices/Tea",), ("/prices/tea",)),
        ("wrong", "prices", ("/prices/milk",), ("/prices/milk",)),
        ("missing", "prices", ("/prices/rye",), ()),
        ("invented", "prices", (), ("/prices/salt",)),
    ]
