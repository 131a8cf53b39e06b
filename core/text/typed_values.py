"""Typed values: what a number, or a string with a JSON Schema ``format``, states.

Each function returns a key that is equal for equal values, however these are written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Mapping
from datetime import date
from decimal import Context, Decimal

_EXACT_INTEGERS = 2**53
"""Below it, a float that is whole is that integer."""

_DIGITS = Context(prec=15)
"""A float keeps any decimal of 15 significant digits (IEEE 754, binary64)."""

Moment = tuple[int, Decimal]
"""Minutes since the day before 0001-01-01, and seconds below 61."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CLOCK = r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>(?:[0-5]\d|60)(?:\.\d+)?)"
_ZONE = r"(?:[zZ]|(?P<sign>[+-])(?P<zone_hour>[01]\d|2[0-3]):(?P<zone_minute>[0-5]\d))"
_DATE_TIME = re.compile(rf"(?P<day>\d{{4}}-\d\d-\d\d)[tT ]{_CLOCK}{_ZONE}", re.ASCII)
_TIME = re.compile(_CLOCK + _ZONE, re.ASCII)

_NUMBER = r"\d+(?:[.,]\d+)?"
_DURATION = re.compile(
    rf"(?P<sign>[+-]?)P(?=[\dT])(?:(?P<years>{_NUMBER})Y)?(?:(?P<months>{_NUMBER})M)?"
    rf"(?:(?P<weeks>{_NUMBER})W)?(?:(?P<days>{_NUMBER})D)?"
    rf"(?:T(?=\d)(?:(?P<hours>{_NUMBER})H)?(?:(?P<minutes>{_NUMBER})M)?"
    rf"(?:(?P<seconds>{_NUMBER})S)?)?",
    re.ASCII,
)
_URI = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):(?://([^/?#]*))?(.*)", re.DOTALL)


def number_key(number: int | float | Decimal, step: float | None = None) -> Hashable:
    """Return a key that is equal for equal numbers: 3 and 3.0, 0.3 and 0.1 + 0.2.

    Fractions are equal if their first 15 significant digits are, as many as a float keeps of any
    decimal.

    Args:
        number: the number.
        step: the field's ``multipleOf``. Under 1 it says how exactly numbers are written, and those
            that round to the same multiple are equal. From 1 on it only says which are allowed.
    """
    if isinstance(number, float):
        if not math.isfinite(number):
            return str(number)
        is_exact = number.is_integer() and abs(number) < _EXACT_INTEGERS
        number = int(number) if is_exact else Decimal(repr(number))
    exact = Decimal(number)
    if exact == exact.to_integral_value():
        return exact
    if step is not None and 0 < step < 1:
        width = Decimal(repr(step))
        return (exact / width).to_integral_value() * width
    return _DIGITS.plus(exact)


def format_key(text: str, name: str) -> Hashable | None:
    """Return a key that is equal for strings of a ``format`` that state the same value.

    >>> format_key("2024-01-05T10:00:00Z", "date-time") == format_key(
    ...     "2024-01-05T11:00:00.0+01:00", "date-time"
    ... )
    True

    Returns:
        None for other formats, and for a text that is not in the format.
    """
    read = _FORMATS.get(name)
    key = read(text) if read else None
    return None if key is None else (name, key)


def read_date(text: str) -> date | None:
    """Read a date of RFC 3339; None if it is none, or does not exist."""
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def read_moment(text: str) -> tuple[Moment, int] | None:
    """Read a date-time of RFC 3339: the instant in UTC, and its offset in minutes."""
    found = _DATE_TIME.fullmatch(text)
    day = read_date(found["day"]) if found else None
    if found is None or day is None:
        return None
    minutes, seconds, offset = _clock(found)
    return (day.toordinal() * 24 * 60 + minutes - offset, seconds), offset


def read_time(text: str) -> tuple[Moment, int] | None:
    """Read a time of day of RFC 3339: the instant of a day in UTC, and its offset in minutes."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    minutes, seconds, offset = _clock(found)
    return ((minutes - offset) % (24 * 60), seconds), offset


def _clock(found: re.Match[str]) -> tuple[int, Decimal, int]:
    """Return minutes since midnight, seconds, and the offset from UTC in minutes."""
    offset = 0
    if found["sign"]:
        offset = int(found["zone_hour"]) * 60 + int(found["zone_minute"])
        offset = -offset if found["sign"] == "-" else offset
    return int(found["hour"]) * 60 + int(found["minute"]), Decimal(found["second"]), offset


def _moment_key(text: str) -> Hashable | None:
    found = read_moment(text)
    return None if found is None else found[0]


def _time_key(text: str) -> Hashable | None:
    found = read_time(text)
    return None if found is None else found[0]


def _duration_key(text: str) -> Hashable | None:
    """Return months and seconds of a duration of ISO 8601: a month has no number of days."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    part = {
        name: Decimal((value or "0").replace(",", "."))
        for name, value in found.groupdict().items()
        if name != "sign"
    }
    days = part["weeks"] * 7 + part["days"]
    seconds = ((days * 24 + part["hours"]) * 60 + part["minutes"]) * 60 + part["seconds"]
    sign = -1 if found["sign"] == "-" else 1
    return sign * (part["years"] * 12 + part["months"]), sign * seconds


def _uri_key(text: str) -> Hashable | None:
    """Return the parts of a URI, with scheme and host in lower case (RFC 3986, section 6.2.2.1)."""
    found = _URI.fullmatch(text)
    if found is None:
        return None
    scheme, authority, rest = found.groups()
    user, at, host = (authority or "").rpartition("@")
    return scheme.lower(), authority is not None, user + at + host.lower(), rest


def _email_key(text: str) -> Hashable | None:
    """Return mailbox and domain; only the domain ignores case (RFC 5321, section 2.4)."""
    mailbox, at, domain = text.rpartition("@")
    return (mailbox, domain.lower()) if at else None


_FORMATS: Mapping[str, Callable[[str], Hashable | None]] = {
    "date": read_date,
    "date-time": _moment_key,
    "time": _time_key,
    "duration": _duration_key,
    "uuid": str.lower,
    "uri": _uri_key,
    "email": _email_key,
}
