"""The metric for any schema: each count by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fieldsmith
from fieldsmith import Document, Example, Prediction, Record, Schema
from fieldsmith.schema.annotations import SCORES, annotation_problem

DOCUMENT = Document("1", "a text")


def counts(schema: Schema, gold: Record, predicted: Record | None) -> dict[str, Any]:
    example, prediction = Example(DOCUMENT, gold), Prediction(DOCUMENT, record=predicted)
    return dict(fieldsmith.field_counts(example, prediction, {"type": "object", **schema}))


def field(gold: Any, predicted: Any, **schema: Any) -> Any:
    return counts({"properties": {"a": schema}}, {"a": gold}, {"a": predicted})["a"]


LIST_BY_LEVENSHTEIN = {"type": "array", "x-score": "levenshtein"}


@pytest.mark.parametrize(
    ("gold", "predicted", "schema", "wanted"),
    [
        ("Fox", "fox ", {}, (1, 1, 1)),
        ("Fox", "fox", {"x-score": "exact"}, (0, 1, 1)),
        ("Fox", None, {}, (0, 0, 1)),
        (None, "Fox", {}, (0, 1, 0)),
        (None, None, {}, (0, 0, 0)),
        (3, 3, {"type": "integer"}, (1, 1, 1)),
        (False, None, {"type": ["boolean", "null"]}, (0, 0, 1)),
        (False, False, {"type": ["boolean", "null"]}, (1, 1, 1)),
        ("the brown foxes", "the brown fox", {"x-score": "levenshtein"}, (1, 1, 1)),
        ("the brown foxes", "a fox", {"x-score": "levenshtein"}, (0, 1, 1)),
        ("the quick brown fox", "The brown fox jumps over", {"x-score": "text"}, (3, 5, 4)),
        (None, "two words", {"x-score": "text"}, (0, 2, 0)),
        ("fo-\nxes", "foxes", {"x-normalise": ["dehyphenate"]}, (1, 1, 1)),
        (["a", "B", "a"], ["b", "b", "c"], {"type": "array"}, (1, 2, 2)),
        (["Ann Oke", "Ann Okey"], ["Ann Oke"], LIST_BY_LEVENSHTEIN, (1, 1, 2)),
        (["A"], ["a"], {"type": "array", "items": {"x-score": "exact"}}, (0, 1, 1)),
        ([1, 2], [2, 3, 4], {"type": "array"}, (1, 3, 2)),
    ],
)
def test_a_field(gold: Any, predicted: Any, schema: Schema, wanted: tuple[int, ...]) -> None:
    assert field(gold, predicted, **schema) == wanted


@pytest.mark.parametrize("score", SCORES)
def test_each_score_of_the_vocabulary_compares_otherwise_or_not_at_all(score: str) -> None:
    pairs = [("Fox", "fox"), ("the brown foxes", "the brown fox"), ("a b", "b a")]
    schema = {"properties": {"a": {"type": "string", "x-score": score}}}
    found = [counts(schema, {"a": gold}, {"a": other}) for gold, other in pairs]
    wanted = {
        "exact": [(0, 1, 1), (0, 1, 1), (0, 1, 1)],
        "casefold": [(1, 1, 1), (0, 1, 1), (0, 1, 1)],
        "set": [(1, 1, 1), (0, 1, 1), (0, 1, 1)],
        "levenshtein": [(1, 1, 1), (1, 1, 1), (0, 1, 1)],
        "text": [(1, 1, 1), (2, 3, 3), (2, 2, 2)],
        "none": None,
    }[score]
    assert found == ([{"a": each} for each in wanted] if wanted else [{}, {}, {}])


def test_what_is_not_counted() -> None:
    schema = {"properties": {"a": {"x-score": "none"}, "b": {}, "c": {}}}
    assert counts(schema, {"a": "x", "b": "y"}, {"a": "z", "b": "y", "c": "w"}) == {"b": (1, 1, 1)}


def test_an_answer_that_is_no_record_has_answered_nothing() -> None:
    schema = {"properties": {"a": {}, "b": {"type": "array"}}}
    assert counts(schema, {"a": "x", "b": ["y", "z"]}, None) == {"a": (0, 0, 1), "b": (0, 0, 2)}


OBJECTS: Schema = {
    "properties": {
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "x-key": ["item"],
                "properties": {"item": {"type": "string"}, "price": {"type": "string"}},
            },
        }
    }
}


def test_objects_are_paired_by_their_key_and_their_other_fields_counted_on_the_pairs() -> None:
    gold = [{"item": "Tea", "price": "3"}, {"item": "Milk", "price": "1"}, {"item": "Rye"}]
    predicted = [{"item": "tea", "price": "4"}, {"item": "milk", "price": "1"}, {"item": "Ham"}]
    assert counts(OBJECTS, {"lines": gold}, {"lines": predicted}) == {
        "lines": (2, 3, 3),
        "lines/price": (1, 2, 2),
    }


def test_objects_without_a_key_are_right_as_a_whole() -> None:
    items = {**OBJECTS["properties"]["lines"]["items"]}
    del items["x-key"]
    schema = {"properties": {"lines": {"type": "array", "items": items}}}
    gold, predicted = [{"item": "Tea", "price": "3"}], [{"item": "Tea", "price": "4"}]
    assert counts(schema, {"lines": gold}, {"lines": predicted}) == {"lines": (0, 1, 1)}
    assert counts(schema, {"lines": gold}, {"lines": gold}) == {"lines": (1, 1, 1)}


def test_an_object_is_counted_by_its_members() -> None:
    schema = {"properties": {"by": {"type": ["object", "null"], "properties": {"name": {}}}}}
    assert counts(schema, {"by": {"name": "A"}}, {"by": None}) == {"by/name": (0, 0, 1)}


LEAVES = st.none() | st.text(max_size=4) | st.integers(0, 3) | st.booleans()
RECORDS = st.fixed_dictionaries(
    {
        "a": LEAVES,
        "b": st.lists(st.text(max_size=2), max_size=4),
        "lines": st.lists(st.fixed_dictionaries({"item": LEAVES, "price": LEAVES}), max_size=3),
    }
)
COMPARED = st.sampled_from(["exact", "casefold", "levenshtein", "set"])


MAP = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}


@pytest.mark.parametrize(
    ("gold", "predicted", "schema", "wanted"),
    [
        ({"x": "A", "y": "B"}, {"x": "a", "y": "c", "z": "d"}, MAP, (1, 3, 2)),
        ({"x": "A"}, {"x": "a"}, {**MAP, "x-score": "exact"}, (0, 1, 1)),
        ({"x": "A", "y": None}, {"y": "A"}, MAP, (0, 1, 1)),
        ({"x": ["a", "b"]}, {"x": ["b", "a"]}, MAP, (2, 2, 2)),
        ({"x": {"n": 1}}, {"x": {"n": 2}}, MAP, (0, 1, 1)),
        (None, {"x": "a"}, MAP, (0, 1, 0)),
    ],
)
def test_a_map_is_counted_by_key_and_value(
    gold: Any, predicted: Any, schema: Schema, wanted: tuple[int, ...]
) -> None:
    assert field(gold, predicted, **schema) == wanted


def test_the_named_keys_of_a_map_are_fields_of_their_own() -> None:
    schema = {"properties": {"a": {**MAP, "properties": {"n": {"type": "integer"}}}}}
    found = counts(schema, {"a": {"n": 1, "x": "b"}}, {"a": {"n": 1, "x": "c"}})
    assert found == {"a/n": (1, 1, 1), "a": (0, 1, 1)}


@given(RECORDS, RECORDS, COMPARED)
def test_counts_are_counts_and_gold_is_full(gold: Record, other: Record, how: str) -> None:
    schema = {
        "properties": {
            "a": {"x-score": how},
            "b": {"type": "array", "x-score": how},
            **OBJECTS["properties"],
        }
    }
    for matched, predicted, wanted in counts(schema, gold, gold).values():
        assert matched == predicted == wanted
    assert counts(schema, gold, gold).keys() == counts(schema, gold, other).keys()
    assert counts(schema, gold, gold).keys() == counts(schema, gold, None).keys()
    for matched, predicted, wanted in counts(schema, gold, other).values():
        assert 0 <= matched <= min(predicted, wanted)


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"x-source": "verbatm"}, "/properties/a: x-source is 'verbatm'; did you mean verbatim"),
        ({"x-score": "levenstein"}, "x-score is 'levenstein'; did you mean levenshtein"),
        ({"x-normalise": "spaces"}, "x-normalise is a list of steps"),
        ({"x-normalise": ["space"]}, "x-normalise has no step 'space'; did you mean spaces"),
        ({"x-normalize": ["spaces"]}, "no annotation 'x-normalize'; did you mean x-normalise"),
        ({"x_source": "verbatim"}, "no annotation 'x_source'; did you mean x-source"),
        ({"x-key": ["b"]}, "x-key is ['b']; it is a list of properties of that object"),
        ({"x-key": "b"}, "x-key is 'b'"),
    ],
)
def test_an_annotation_that_cannot_be_read_is_reported(annotation: Schema, message: str) -> None:
    problem = annotation_problem({"type": "object", "properties": {"a": annotation}})
    assert problem is not None
    assert message in problem


def test_other_peoples_annotations_and_fields_so_named_are_let_be() -> None:
    schema = {
        "x-vendor": 1,
        "properties": {
            "x-source": {"type": "string"},
            "x-key": {"x-key": ["b"], "properties": {"b": {}}},
        },
    }
    assert annotation_problem(schema) is None
