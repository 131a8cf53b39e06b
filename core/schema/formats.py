"""Validate ``format``: dates and times that do not exist are no values.

Only what the grammars of answers hold to as well is checked (RFC 3339); JSON Schema leaves other
formats to their readers.
"""

from __future__ import annotations

import re
from datetime import date

from jsonschema import FormatChecker

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(
    r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.IGNORECASE | re.ASCII,
)


def is_date(value: object) -> bool:
    """Say whether a string is a date that exists in a leap year; other values are not checked.

    The grammars of answers allow the 29th of February in every year.
    """
    if not isinstance(value, str):
        return True
    try:
        return bool(_DATE.fullmatch(value) and date.fromisoformat(f"2000{value[4:]}"))
    except ValueError:
        return False


def is_time(value: object) -> bool:
    """Say whether a string is a time of day with its offset; other values are not checked."""
    return not isinstance(value, str) or bool(_TIME.fullmatch(value))


def is_moment(value: object) -> bool:
    """Say whether a string is a date and a time that exist; other values are not checked."""
    if not isinstance(value, str):
        return True
    return value[10:11] in ("T", "t", " ") and is_date(value[:10]) and is_time(value[11:])


FORMAT_CHECKER = FormatChecker(formats=())
"""Checks the formats ``date``, ``time`` and ``date-time``."""

for _name, _check in (("date", is_date), ("time", is_time), ("date-time", is_moment)):
    FORMAT_CHECKER.checks(_name)(_check)
