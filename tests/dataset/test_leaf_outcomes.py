"""Reasons are counted by their kind, whatever they say of one row."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldsmith.dataset.leaf_outcomes import cause_of, general_reason
from fieldsmith.schema.records import first_problem

KINDS = (
    ("id smith is already used at corpus.jsonl with another text; ids must be unique",
     "id jones-b is already used at other/rows.jsonl:4 with another text; ids must be unique"),
    ("several readings in the text: 'Rash', 'rash'", "several readings in the text: \"d'Or\", 'D'"),
    ("prompt and answer take 219 tokens of max_length 200; raise max_length",
     "prompt and answer take 90001 tokens of max_length 200; raise max_length"),
    ("after '{\"a\": \"x' the grammar does not allow 'yz'",
     "after '' the grammar does not allow 'it\\'s'"),
    ("a copy of rows.jsonl:3: the same id, text and record",
     "a copy of b.json: the same id, text and record"),
)  # fmt: skip


@pytest.mark.parametrize("reasons", KINDS, ids=lambda pair: pair[0][:20])
def test_reasons_of_a_kind_are_equal(reasons: tuple[str, str]) -> None:
    assert len(set(map(general_reason, reasons))) == 1


PART = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}}}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.lists(VALUES, min_size=2, max_size=6))
def test_values_of_a_wrong_type_are_of_one_kind(values: list[object]) -> None:
    problems = [first_problem({"a": value}, PART) for value in values]
    reasons = {general_reason(problem[1]) for problem in problems if problem}
    assert reasons == {"… is not of type …"}


@given(st.lists(st.text(min_size=4, max_size=400), min_size=2, max_size=6))
def test_texts_that_are_too_long_are_of_one_kind(texts: list[str]) -> None:
    problems = [first_problem({"a": text}, PART) for text in texts]
    reasons = {general_reason(problem[1]) for problem in problems if problem}
    assert all(one == other for one, other in pairwise(sorted(reasons)))


def test_an_object_is_lost_for_the_reason_of_its_leaf() -> None:
    reason = "its disease: not in the text"
    assert cause_of(reason) == cause_of(f"lost with its object: {reason}") == "not in the text"
