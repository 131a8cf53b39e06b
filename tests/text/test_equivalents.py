"""Equivalents: numbers, dates and times are found in whatever notation the text has them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fieldsmith.text.equivalents import equivalents
from fieldsmith.text.grounding import ground


def found(text: str, value: Any) -> list[str]:
    return [text[start:end] for start, end in equivalents(text, [value]).get(value, ())]


@pytest.mark.parametrize(
    ("text", "value", "wanted"),
    [
        ("Paid €1,234.50 today", 1234.5, ["1,234.50"]),
        ("1 234,50 or 1.234,50 or 1'234.5", 1234.5, ["1 234,50", "1.234,50", "1'234.5"]),
        ("1\u00a0234\u00a0567 people", 1234567, ["1\u00a0234\u00a0567"]),
        ("1,23,456.78", 123456.78, ["1,23,456.78"]),
        ("a share of 12 %", 12, ["12"]),
        ("a share of 12 %, 12%, 12 percent", 0.12, ["12 %", "12%", "12 percent"]),
        ("about twelve, or 12.", 12, ["twelve", "12"]),
        ("twenty-five, fifty five", 25, ["twenty-five"]),
        ("twenty-five, fifty five", 5, []),
        ("two hundred, 5 thousand, 3 million", 200, ["two hundred"]),
        ("5 thousand or 5k", 5000, ["5 thousand", "5k"]),
        ("€1.5 million, 1.5bn", 1_500_000, ["1.5 million"]),
        ("€1.5 million", 1.5, ["1.5"]),
        ("one of them", 1, []),
        ("1.2e3, 1.2E+3, 1.2 × 10^3, 1.2×10³", 1200, ["1.2e3", "1.2E+3", "1.2 × 10^3", "1.2×10³"]),
        ("5e-3", 0.005, ["5e-3"]),
        ("it is 1.234", 1234, ["1.234"]),
        ("it is 1.234", 1.234, ["1.234"]),
        ("-5, −5, -€5, (5), 3-5", -5, ["-5", "−5", "-€5"]),
        ("-5, −5, -€5, (5), 3-5", 5, ["5", "5"]),
        (".5 and 0,50", 0.5, [".5", "0,50"]),
        ("0 or 0.00", 0, ["0", "0.00"]),
        ("5mg, 5th, 5x", 5, ["5", "5", "5"]),
        ("rated 4/5", 4, ["4"]),
        ("IL-6, B6, 6.6, 16, 60, 0.6, 6a, v1.6.2, 6:30, 6,000", 6, []),
        ("550e8400-e29b", 550, []),
        ("007", 7, []),
        ("on 05.01.2024, 2024-02-06, 1/2/2024", 2024, ["2024", "2024", "2024"]),
        ("call 555-123-2024, not 12-2024-13", 2024, ["2024"]),
        ("yes 1", True, []),
        ("0.1", 0.1 + 1e-18, ["0.1"]),
        ("5 January 2024", "2024-01-05", ["5 January 2024"]),
        ("January 5th, 2024", "2024-01-05", ["January 5th, 2024"]),
        ("05.01.2024 and 2024/01/05", "2024-01-05", ["05.01.2024", "2024/01/05"]),
        ("05/01/2024, 01/05/2024, 1.5.24", "2024-01-05", ["05/01/2024", "01/05/2024", "1.5.24"]),
        ("05/01/2024, 2024/05/01", "2024-05-01", ["05/01/2024", "2024/05/01"]),
        ("2024/05/01", "2024-01-05", []),
        ("Jan. 2024", "2024-01-05", []),
        ("5 January", "2024-01-05", []),
        ("Jan. 2024, 01/2024", "2024-01", ["Jan. 2024", "01/2024"]),
        (
            "am 5. Januar 2024, le 5 janvier 2024",
            "2024-01-05",
            ["5. Januar 2024", "5 janvier 2024"],
        ),
        ("2024年1月5日、", "2024-01-05", ["2024年1月5日"]),
        ("15 January 2024, 5 January 20245", "2024-01-05", []),
        ("1.5.1.2024 or 05.01.2024.7", "2024-01-05", []),
        ("May 5, 2024, Monday", "2024-05-05", ["May 5, 2024"]),
        ("at 2024-01-05T10:00:00Z", "2024-01-05", ["2024-01-05"]),
        ("2024-01-05T16:30+01:00", "2024-01-05T15:30:00Z", ["2024-01-05T16:30+01:00"]),
        ("5 Jan 2024, 3:30 p.m. here", "2024-01-05T15:30:00Z", ["5 Jan 2024, 3:30 p.m."]),
        ("5 Jan 2024 at 15:30", "2024-01-05T15:30:00+02:00", ["5 Jan 2024 at 15:30"]),
        ("5 Jan 2024 at 15:30 UTC", "2024-01-05T15:30:00+02:00", []),
        ("5 Jan 2024", "2024-01-05T00:00:00Z", []),
        ("5 Jan 2024 12 am", "2024-01-05T00:00:00Z", ["5 Jan 2024 12 am"]),
        ("30/02/2024 10:00", "2024-03-01T10:00:00Z", []),
        ("at 3:30 pm, 15:30 or 15:30:01", "15:30:00Z", ["3:30 pm", "15:30"]),
    ],
)
def test_a_value_is_found_where_the_text_states_it(
    text: str, value: Any, wanted: list[str]
) -> None:
    assert found(text, value) == wanted


DAY_FORMS = [
    "{0:%Y-%m-%d}", "{0:%Y/%m/%d}", "{0:%Y.%m.%d}", "{0:%d.%m.%Y}", "{0:%d/%m/%Y}", "{0:%m/%d/%Y}",
    "{0:%d-%m-%Y}", "{0:%d %B %Y}", "{0:%B %d, %Y}", "{0:%b. %d, %Y}", "{0:%d-%b-%Y}",
    "{0.day}{1} of {0:%B} {0.year}", "{0:%B} {0.day}{1}, {0.year}", "{0.day}. {0.month}. {0.year}",
    "{0.day}/{0.month}/{0.year}", "{0:%Y %B %d}", "{0:%Y%m%d}", "{0.year}年{0.month}月{0.day}日",
]  # fmt: skip
days = st.dates(date(1000, 1, 1))
around = st.text("ab ,;(\n", max_size=5)


def form_of(day: date, form: str) -> str:
    ordinal = {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    return form.format(day, "th" if 10 < day.day < 14 else ordinal)


@given(days, st.sampled_from(DAY_FORMS), around, around)
def test_a_date_in_any_form_is_found_and_nothing_around_it(
    day: date, form: str, before: str, after: str
) -> None:
    written = form_of(day, form)
    text = f"{before} {written} {after}"
    assert found(text, day.isoformat()) == [written]


@given(days, days, st.sampled_from(DAY_FORMS))
def test_another_date_is_not_found(day: date, other: date, form: str) -> None:
    assume(day.year != other.year or (other.day, other.month) != (day.month, day.day))
    assume(day != other)
    assert found(form_of(day, form), other.isoformat()) == []


CLOCKS = ["%H:%M:%S", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M:%S%p"]


@given(
    st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30)),
    st.sampled_from([form for form in DAY_FORMS if "日" not in form]),
    st.sampled_from(CLOCKS),
    st.sampled_from([" ", ", ", " at "]),
    st.none() | st.integers(-14 * 60, 14 * 60),
)
def test_a_moment_in_any_form_is_found(
    moment: datetime, form: str, clock: str, between: str, offset: int | None
) -> None:
    if "f" not in clock:
        moment = moment.replace(microsecond=0)
    written = form_of(moment.date(), form) + between + moment.strftime(clock)
    zone = timezone(timedelta(minutes=offset or 0))
    value = moment.replace(tzinfo=zone).isoformat()
    if offset is not None:
        written += f"{moment.replace(tzinfo=zone):%z}"
    assert found(f"On {written}.", value) == [written]
    if offset is not None:  # the same instant, from elsewhere
        utc = moment.replace(tzinfo=zone).astimezone(UTC).isoformat()
        assert found(f"On {written}.", utc) == [written]


@given(
    st.integers(0, 10**12),
    st.none() | st.from_regex(r"[0-9]{1,6}", fullmatch=True),
    st.sampled_from(["|.", "|,", ",|.", ".|,", " |,", "'|.", "\u202f|,"]),
    st.sampled_from(["", "-", "−"]),
    st.sampled_from(["{}", "€{}", "({}", "{} %", "{} kg", "{},", "{}.", "“{}”", "{}kg"]),
)  # fmt: skip
def test_a_number_in_any_form_is_found(
    whole: int, fraction: str | None, marks: str, sign: str, form: str
) -> None:
    assume(not (fraction == "000" and 1 <= whole < 1000))  # 6.000 is read as 6,000 alone
    mark, point = marks.split("|")
    written = sign + f"{whole:,}".replace(",", mark) + (point + fraction if fraction else "")
    value = float(f"{whole}.{fraction}") if fraction else whole
    text = f"It is {form.format(written)} in all"
    sought = -value if sign else value
    assert found(text, sought) == [written]
    assume(value)
    assert found(text, -sought) == []
    assert found(text, sought * 7) == []


@given(st.integers(-20, 20), st.integers(1, 9999), st.sampled_from(["e", "E", "×10^", " × 10^"]))
def test_a_power_of_ten_is_found(power: int, digits: int, mark: str) -> None:
    written = f"{digits / 10}{mark}{power}"
    assert found(f"about {written}.", float(f"{digits}e{power - 1}")) == [written]


@given(st.integers(2, 99))
def test_a_word_is_found(value: int) -> None:
    words = WORDS[value]
    assert found(f"All {words.capitalize()} of them", value) == [words.capitalize()]
    assert found(f"All {words} thousand of them", value * 1000) == [f"{words} thousand"]
    assert found(f"All {words} thousand of them", value) == []


ONES = "one two three four five six seven eight nine".split()
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
WORDS = ["zero", *ONES, *TEENS, *(t + (f"-{o}" if o else "") for t in TENS for o in ["", *ONES])]

PARTS = "0 1 5 12 234 2024 . , - / : ' % e Jan May two th am T Z + × 10^ k".split()


@given(
    st.lists(st.sampled_from([*PARTS, " "]), max_size=14).map("".join),
    st.sampled_from([1, 5, 12, 2024, 0.5, "2024-01-05", "2024-05-12", "2024-01", "12:05:00Z"]),
)
def test_what_is_found_is_in_the_text_in_order_and_apart(text: str, value: Any) -> None:
    spans = equivalents(text, [value]).get(value, ())
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))


def test_a_leaf_says_how_it_was_found() -> None:
    record = {
        "total": 1234.5, "on": "2024-01-05", "at": "2024-01-06", "paid": True, "n": 7, "no": None,
    }  # fmt: skip
    text = "€1,234.50 on 5 January 2024; 2024-01-06 is 6 Jan 2024. True 1 €1234.5"
    statuses = {pointer: each.status for pointer, each in ground(record, text).items()}
    assert statuses == {
        "/total": "equivalent",
        "/on": "equivalent",
        "/at": "verbatim",
        "/paid": "inferred",
        "/n": "inferred",
        "/no": "absent",
    }
    assert ground(record, text)["/total"].spans == ((1, 9), (63, 69))


def test_a_boolean_beside_a_number_is_not_found() -> None:
    grounded = ground({"a": True, "b": 1, "c": False, "d": 0}, "1 and 0")
    assert [grounded[pointer].status for pointer in ("/a", "/c")] == ["inferred", "inferred"]
    assert [grounded[pointer].spans for pointer in ("/b", "/d")] == [((0, 1),), ((6, 7),)]
