"""Dates and times are checked to exist, as the grammars of answers do it."""

from __future__ import annotations

import pytest
from grammars import accepts, field
from hypothesis import given
from hypothesis import strategies as st

from fieldsmith.schema.records import first_problem


def is_valid(format: str, value: str) -> bool:
    return first_problem({"a": value}, field({"type": "string", "format": format})) is None


@pytest.mark.parametrize(
    ("format", "right", "wrong"),
    [
        ("date", ["2024-02-29", "0001-01-01"], ["2024-02-30", "2024-00-01", "20240229", "1.2.24"]),
        ("time", ["12:00:00Z", "23:59:60.5+01:00"], ["24:00:00Z", "12:00Z", "12:00:00"]),
        (
            "date-time",
            ["2024-02-29T12:00:00Z", "2024-02-29T12:00:00.25-05:30"],
            ["2024-02-30T12:00:00Z", "2024-02-29", "2024-02-29T12:00:00"],
        ),
    ],
)
def test_what_does_not_exist_is_refused_in_records_and_in_answers(
    format: str, right: list[str], wrong: list[str]
) -> None:
    for value in right:
        assert is_valid(format, value), value
    for value in wrong:
        assert not is_valid(format, value), value
        assert not accepts(field({"type": "string", "format": format}), f'{{"a":"{value}"}}')


@given(st.dates())
def test_every_date_that_exists_is_allowed_by_both(value: object) -> None:
    schema = field({"type": "string", "format": "date"})
    assert is_valid("date", str(value))
    assert accepts(schema, f'{{"a":"{value}"}}')
