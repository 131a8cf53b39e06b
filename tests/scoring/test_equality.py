"""Equality by type: one comparison for scores, calibration and reports."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fieldsmith
from fieldsmith import Document, Example, Prediction, Schema
from fieldsmith.report.error_kinds import classify
from fieldsmith.scoring.calibration import judge_leaves
from fieldsmith.scoring.equality import is_same

DOCUMENT = Document("1", "a text")
FORMATS = ("date", "date-time", "time", "duration", "uuid", "uri", "email", "hostname", None)
UNION: Schema = {"anyOf": [{"type": "string", "format": "date"}, {"format": "date-time"}]}


def same(gold: Any, predicted: Any, schema: Schema) -> bool:
    """Compare two values, and require that each score and report agrees."""
    found = is_same(gold, predicted, schema, schema)
    root = {"type": "object", "properties": {"a": schema}}
    listed = {"type": "object", "properties": {"a": {"type": "array", "items": schema}}}
    keyed = {"type": "object", "x-key": ["a"], "properties": {"a": schema}}
    objects = {"type": "object", "properties": {"a": {"type": "array", "items": keyed}}}
    mapped = {
        "type": "object",
        "properties": {"a": {"type": "object", "additionalProperties": schema}},
    }
    for whole, ours, theirs in (
        (root, gold, predicted),
        (listed, [gold], [predicted]),
        (objects, [{"a": gold}], [{"a": predicted}]),
        (mapped, {"k": gold}, {"k": predicted}),
    ):
        example = Example(DOCUMENT, {"a": ours})
        counts = fieldsmith.field_counts(example, Prediction(DOCUMENT, record={"a": theirs}), whole)
        assert tuple(counts["a"]) == (found, 1, 1)
        pointer = {id(listed): "/a/0", id(objects): "/a/0/a", id(mapped): "/a/k"}.get(
            id(whole), "/a"
        )
        (leaf,) = judge_leaves({"a": ours}, {"a": theirs}, {pointer: 0.5}, whole)
        assert leaf.correct == found
        kinds = {case.kind for case in classify({"a": ours}, {"a": theirs}, whole)}
        assert (kinds == {"right"}) == found
    return found


@pytest.mark.parametrize(
    ("gold", "predicted", "schema", "wanted"),
    [
        (3, 3.0, {"type": "number"}, True),
        (0.3, 0.1 + 0.2, {"type": "number"}, True),
        (1, 1.4, {"type": "number"}, False),
        (1, 1.4, {"type": "number", "multipleOf": 1}, False),
        (1, 1.4, {"type": "integer"}, False),
        (2.5, 2.504, {"type": "number"}, False),
        (2.5, 2.504, {"type": "number", "multipleOf": 0.01}, True),
        (2.5, 2.506, {"type": "number", "multipleOf": 0.01}, False),
        (2.5, 2.51, {"anyOf": [{"type": "number", "multipleOf": 0.1}, {"type": "null"}]}, True),
        (10**20, 10**20 + 1, {"type": "integer"}, False),
        (10**23, 1e23, {"type": "number"}, True),
        (True, 1, {}, False),
        (False, 0, {}, False),
        (0, -0.0, {}, True),
        ("3", 3, {}, False),
        ("true", True, {}, False),
        ("2024-01-05", "2024-01-05", {"format": "date"}, True),
        ("2024-01-05", "2024-01-06", {"format": "date"}, False),
        ("2024-01-05T10:00:00Z", "2024-01-05t10:00:00.000+00:00", {"format": "date-time"}, True),
        ("2024-01-05T23:30:00-01:00", "2024-01-06T00:30:00Z", {"format": "date-time"}, True),
        ("0001-01-01T00:30:00+01:00", "0001-01-01T00:00:00+00:30", {"format": "date-time"}, True),
        ("2024-01-05T10:00:00.5Z", "2024-01-05T10:00:00.50Z", {"format": "date-time"}, True),
        ("2024-01-05T10:00:00.5Z", "2024-01-05T10:00:00Z", {"format": "date-time"}, False),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:59:60+01:00", {"format": "date-time"}, True),
        ("2024-01-05T10:00:00Z", "2024-01-05T10:00:00+01:00", {"format": "date-time"}, False),
        ("2024-01-05T10:00:00Z", "2024-01-05T10:00:00+00:00", {}, False),
        ("10:00:00Z", "11:00:00+01:00", {"format": "time"}, True),
        ("00:30:00+01:00", "23:30:00Z", {"format": "time"}, True),
        ("10:00:00Z", "10:00:01Z", {"format": "time"}, False),
        ("P1D", "PT24H", {"format": "duration"}, True),
        ("P1W", "P7D", {"format": "duration"}, True),
        ("P1Y", "P12M", {"format": "duration"}, True),
        ("PT1.5H", "PT90M", {"format": "duration"}, True),
        ("P1M", "P30D", {"format": "duration"}, False),
        ("P1M", "PT1M", {"format": "duration"}, False),
        ("5DE0C4F2-1B", "5de0c4f2-1b", {"format": "uuid"}, True),
        ("HTTP://Example.ORG/A", "http://example.org/A", {"format": "uri"}, True),
        ("http://example.org/A", "http://example.org/a", {"format": "uri"}, False),
        ("http://Ann@example.org", "http://ann@example.org", {"format": "uri"}, False),
        ("http://example.org", "http://example.org/", {"format": "uri"}, False),
        ("MAILTO:a@b", "mailto:a@b", {"format": "uri"}, True),
        ("file:///A", "file:/A", {"format": "uri"}, False),
        ("ann@Example.ORG", "ann@example.org", {"format": "email"}, True),
        ("Ann@example.org", "ann@example.org", {"format": "email"}, False),
        ("ann@Example.ORG", "Ann@example.org", {"format": "email", "x-score": "casefold"}, True),
        ("red", "Red", {"enum": ["red", "Red"]}, False),
        ("red", "red", {"enum": ["red", "Red"]}, True),
        ("red", "RED", {"const": "red"}, False),
        ("red", "RED", {"enum": ["red"], "x-score": "casefold"}, True),
        ("red", "RED", {"anyOf": [{"const": "red"}, {"const": "RED"}]}, False),
        ("2024-01-05", "2024-01-05T00:00:00Z", UNION, False),
        ("2024-01-05T00:00:00Z", "2024-01-05T00:00:00+00:00", UNION, True),
        ("2024-01-05T10:00:00Z", "2024-01-05T10:00:00+00:00", {"x-score": "exact"}, False),
        (
            "2024-01-05T10:00:00Z",
            "2024-01-05T10:00:00+00:00",
            {"format": "date-time", "x-score": "exact"},
            False,
        ),
        ("Not a  date", "not a date", {"format": "date"}, True),
        ("Fox", "fox ", {"type": "string"}, True),
    ],
)
def test_values_are_equal_by_their_type(
    gold: Any, predicted: Any, schema: Schema, wanted: bool
) -> None:
    assert same(gold, predicted, schema) is wanted
    assert same(predicted, gold, schema) is wanted


offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
texts = st.one_of(
    st.text(max_size=6),
    st.dates().map(date.isoformat),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    st.times(timezones=st.just(UTC)).map(time.isoformat),
    st.uuids().map(str),
    st.from_regex(r"P(\d{1,2}D)?T\d{1,2}H", fullmatch=True),
    st.from_regex(r"[a-zA-Z]{1,4}://[a-zA-Z]{1,4}/[a-zA-Z]{0,3}", fullmatch=True),
    st.from_regex(r"[a-zA-Z]{1,3}@[a-zA-Z]{1,3}", fullmatch=True),
)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | st.booleans() | numbers | texts
schemas = st.sampled_from(FORMATS).map(lambda name: {"format": name} if name else {}) | st.just(
    {"multipleOf": 0.01}
)


@given(values, values, values, schemas)
def test_equality_is_an_equivalence_and_kinds_are_never_equal(
    a: Any, b: Any, c: Any, schema: Schema
) -> None:
    def equal(one: Any, other: Any) -> bool:
        return is_same(one, other, schema, schema)

    assert equal(a, a)
    assert equal(a, b) == equal(b, a)
    if equal(a, b) and equal(b, c):
        assert equal(a, c)
    kinds = {("number" if type(v) in (int, float) else type(v).__name__) for v in (a, b)}
    if len(kinds) > 1:
        assert not equal(a, b)


@given(numbers)
def test_a_number_equals_itself_however_it_is_written(number: float) -> None:
    writings = [number, float(number)] if abs(number) < 2**53 else [number]
    writings += [float(f"{number:.17e}")] if isinstance(number, float) else []
    for written in writings:
        assert is_same(number, written, {"type": "number"}, {})


@given(st.decimals(-(10**6), 10**6, places=4, allow_nan=False))
def test_decimals_are_equal_if_they_are(value: Any) -> None:
    assert is_same(float(value), float(value + 1) - 1, {"multipleOf": 0.0001}, {})
    assert not is_same(float(value), float(value) + 0.0002, {"multipleOf": 0.0001}, {})


@given(st.datetimes(timezones=offsets), offsets)
def test_an_instant_is_the_same_at_every_offset(instant: datetime, other: timezone) -> None:
    try:
        moved = instant.astimezone(other)
    except OverflowError:  # before the first or after the last day that Python knows
        return
    schema = {"type": "string", "format": "date-time"}
    assert is_same(instant.isoformat(), moved.isoformat(), schema, {})
    assert not is_same(instant.isoformat(), moved.replace(tzinfo=UTC).isoformat(), schema, {}) or (
        not other.utcoffset(None)
    )


def test_objects_in_keys_are_compared_by_their_leaves() -> None:
    inner = {"properties": {"on": {"format": "date-time"}, "n": {"type": "number"}}}
    item = {"type": "object", "x-key": ["at"], "properties": {"at": inner, "note": {}}}
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": item}}}
    gold = {"a": [{"at": {"on": "2024-01-05T10:00:00Z", "n": 3}}]}
    predicted = {"a": [{"at": {"n": 3.0, "on": "2024-01-05T11:00:00+01:00"}}]}
    counts = fieldsmith.field_counts(
        Example(DOCUMENT, gold), Prediction(DOCUMENT, record=predicted), schema
    )
    assert counts["a"] == (1, 1, 1)


def test_an_exact_scalar_is_compared_by_its_type() -> None:
    assert fieldsmith.exact_counts(3, 3.0) == (1, 1, 1)
    assert fieldsmith.exact_counts(1, True) == (0, 1, 1)
    assert fieldsmith.exact_counts("a", "A") == (0, 1, 1)
    assert fieldsmith.exact_counts(None, None) == (0, 0, 0)


def test_unions_that_hold_themselves_end() -> None:
    schema: Schema = {"anyOf": [{"type": "string"}, {"$ref": "#"}, {"type": "number"}]}
    assert is_same("a", "A", schema, schema)
