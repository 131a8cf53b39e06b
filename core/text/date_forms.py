"""Find dates and times in a text, however they are written: "5 January 2024", "05.01.2024", "3 pm".

A text is read once for all that are sought. A date counts only if day, month and year are in it;
what can be read in several ways ("05/01/2024") counts as each of them. Months are read in English,
German, French, Spanish, Italian, Portuguese and Dutch.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterator
from datetime import date
from decimal import Decimal

from ..data import Span
from .typed_values import Moment, read_date, read_moment, read_time

_MONTHS = (
    "january jan januar jänner janvier janv enero ene gennaio gen janeiro januari",
    "february feb februar février févr fév febrero febbraio fevereiro fev februari",
    "march mar märz mär mars marzo março maart mrt",
    "april apr avril avr abril abr aprile",
    "may mai mayo maggio mag maio mei",
    "june jun juni juin junio giugno giu junho",
    "july jul juli juillet juil julio luglio lug julho",
    "august aug août agosto ago augustus",
    "september sept sep septembre septiembre settembre set setembro",
    "october oct oktober okt octobre octubre ottobre ott outubro out",
    "november nov novembre noviembre novembro",
    "december dec dezember dez décembre déc diciembre dic dicembre dezembro",
)
_MONTH_OF = {
    name: number for number, names in enumerate(_MONTHS, start=1) for name in names.split()
}
_MONTH = f"(?P<month>{'|'.join(sorted(_MONTH_OF, key=len, reverse=True))})"
# A search for what begins with a digit is fast: what may not stand before it is looked up after.
_FIRST = r"[0-9](?<!\w[0-9])"
_NOT_BEHIND = r"(?<![0-9][./-][0-9])"
_D = r"(?P<day>[0-9]{1,2})"
_DAY_START = rf"(?P<day>{_FIRST}[0-9]?)"
_Y = r"(?P<year>[0-9]{4})"
_YEAR_START = rf"(?P<year>{_FIRST}[0-9]{{3}})"
_END = r"(?![0-9]|(?![Tt][0-9]{1,2}:)\w)"  # the time of a date-time may follow at once
_ORDINAL = r"(?:st|nd|rd|th|er|º|\.)?"

_NUMERIC = re.compile(
    rf"(?P<a>{_FIRST}{_NOT_BEHIND}(?:[0-9]{{3}}|[0-9]?))(?P<mark>[./-])\s?(?P<b>[0-9]{{1,2}})"
    rf"(?P=mark)\s?(?P<c>[0-9]{{4}}|[0-9]{{1,2}}){_END}(?![./-][0-9])"
)
_COMPACT = re.compile(
    rf"(?P<year>{_FIRST}(?<![0-9][.,/-][0-9])[0-9]{{3}})(?P<number>[0-9]{{2}})(?P<day>[0-9]{{2}})"
    r"(?!\w|[.,/-][0-9])"
)
_IDEOGRAPHIC = re.compile(
    rf"(?P<year>[0-9](?<![0-9][0-9])[0-9]{{3}})\s?[年년]\s?(?P<number>[0-9]{{1,2}})\s?[月월]\s?{_D}\s?[日일]"
)
_DAY_FIRST = re.compile(
    rf"{_DAY_START}{_ORDINAL}(?:\s(?:of|de))?[\s./-]{{0,2}}{_MONTH}\.?(?:\sdel?|,)?"
    rf"(?:\s{{1,2}}|[./-])(?P<year>[0-9]{{4}}|(?<=-)[0-9]{{2}}){_END}",
    re.IGNORECASE,
)
_YEAR_FIRST = re.compile(
    rf"{_YEAR_START}[\s,./-]{{1,2}}{_MONTH}\.?[\s./-]{{1,2}}{_D}(?:st|nd|rd|th)?{_END}",
    re.IGNORECASE,
)
_AFTER_MONTH = re.compile(rf"{_DAY_START}{_ORDINAL},?\s{{0,2}}(?<=[\s,]){_Y}{_END}", re.IGNORECASE)
_YEAR = re.compile(rf"{_YEAR_START}(?!\w)")
_MONTH_BEFORE = re.compile(rf"(?<!\w){_MONTH}[.,]?(?:\sde)?[\s/-]{{0,2}}$", re.IGNORECASE)
_MONTH_YEAR = re.compile(
    rf"(?:(?P<number>{_FIRST}{_NOT_BEHIND}[0-9]?)[./-]{_Y}"
    rf"|(?P<first>{_FIRST}{_NOT_BEHIND}[0-9]{{3}})[./-](?P<last>[0-9]{{1,2}}))(?!\w|[./-][0-9])"
)
_LONGEST_MONTH = 18
"""Characters of the longest month with what stands between it and the day or year."""

_TIME = (
    r"(?P<hour>[0-9]@[0-9]?)(?:[:.h](?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9])(?:[.,](?P<fraction>[0-9]{1,12}))?)?)?"
    r"(?:\s?(?P<half>[ap])(?:\.m\.|m(?!\w)))?(?:\s?(?P<zone>z|utc|gmt|[+−-][0-9]{2}:?[0-9]{2})(?!\w))?(?![\w:])"
)
_CLOCK = re.compile(_TIME.replace("@", r"(?<![\w:.,][0-9])"), re.IGNORECASE)
_CLOCK_AFTER = re.compile(
    rf"(?:t|,?\s{{1,2}}(?:(?:at|um|à|@)\s)?){_TIME.replace('@', '')}", re.IGNORECASE
)

_Day = tuple[int, int, int]
"""Year, month and day, which may not exist."""

_DAY = 24 * 60


def date_keys(value: str) -> list[Hashable]:
    """Return what ``dates_in`` may find for a value; nothing if it is no date or time.

    A date-time and a time are found by their instant, where the text names an offset from UTC, and
    else by their hours and minutes as they are written.
    """
    if (day := read_date(value)) is not None:
        return [("date", (day.year, day.month, day.day))]
    if re.fullmatch(r"[0-9]{4}-(?:0[1-9]|1[0-2])", value):
        return [("month", (int(value[:4]), int(value[5:])))]
    for kind, read in (("date-time", read_moment), ("time", read_time)):
        if (found := read(value)) is not None:
            (minutes, seconds), offset = found
            local = minutes + offset if kind == "date-time" else (minutes + offset) % _DAY
            return [(kind, "UTC", (minutes, seconds)), (kind, "local", (local, seconds))]
    return []


def dates_in(text: str, keys: Collection[Hashable]) -> Iterator[tuple[Hashable, Span]]:
    """Yield the key (``date_keys``) and the span of each date and time in a text that is sought.

    The time is linear in the length of the text.
    """
    kinds = {key[0] for key in keys if isinstance(key, tuple)}
    return (found for found in _all_in(text, kinds) if found[0] in keys)


def _all_in(text: str, kinds: Collection[str]) -> Iterator[tuple[Hashable, Span]]:
    if "date" in kinds or "date-time" in kinds:
        for day, span in _days_in(text):
            yield ("date", day), span
            if "date-time" in kinds:
                yield from _moments_at(text, day, span)
    if "month" in kinds:
        yield from _months_in(text)
    if "time" in kinds:
        for found in _CLOCK.finditer(text):
            for zone, (minutes, seconds) in _clock(found):
                yield ("time", zone, (minutes % _DAY, seconds)), found.span()


def _days_in(text: str) -> Iterator[tuple[_Day, Span]]:
    for found in _NUMERIC.finditer(text):
        for day in _numeric_days(*found.group("a", "b", "c")):
            yield day, found.span()
    for pattern in (_COMPACT, _IDEOGRAPHIC, _DAY_FIRST, _YEAR_FIRST):
        for found in pattern.finditer(text):
            for year in _years(found["year"]):
                yield (year, _month(found), int(found["day"])), found.span()
    for found in _AFTER_MONTH.finditer(text):
        if before := _month_before(text, found.start()):
            yield (
                (int(found["year"]), _month(before), int(found["day"])),
                (
                    before.start(),
                    found.end(),
                ),
            )


def _month(found: re.Match[str]) -> int:
    parts = found.groupdict()
    return int(parts["number"]) if "number" in parts else _MONTH_OF[parts["month"].lower()]


def _month_before(text: str, at: int) -> re.Match[str] | None:
    return _MONTH_BEFORE.search(text, max(0, at - _LONGEST_MONTH), at)


def _numeric_days(a: str, b: str, c: str) -> Iterator[_Day]:
    """Yield the readings of a date of three numbers: year first, day first, month first."""
    if len(a) == 4 or len(c) < 4:
        for year in _years(a):
            yield year, int(b), int(c)
    if len(a) < 4:
        for year in _years(c):
            yield year, int(b), int(a)
            if a != b:
                yield year, int(a), int(b)


def _years(digits: str) -> list[int]:
    """Return the years that two or four digits stand for."""
    if len(digits) == 4:
        return [int(digits)]
    return [1900 + int(digits), 2000 + int(digits)] if len(digits) == 2 else []


def _months_in(text: str) -> Iterator[tuple[Hashable, Span]]:
    for found in _YEAR.finditer(text):
        if before := _month_before(text, found.start()):
            yield ("month", (int(found["year"]), _month(before))), (before.start(), found.end())
    for found in _MONTH_YEAR.finditer(text):
        year, month = found["year"] or found["first"], found["number"] or found["last"]
        yield ("month", (int(year), int(month))), found.span()


def _moments_at(text: str, day: _Day, span: Span) -> Iterator[tuple[Hashable, Span]]:
    """Yield the readings of a date with the time that stands after it."""
    found = _CLOCK_AFTER.match(text, span[1])
    if found is None:
        return
    try:
        midnight = date(*day).toordinal() * _DAY
    except ValueError:
        return
    for zone, (minutes, seconds) in _clock(found):
        yield ("date-time", zone, (midnight + minutes, seconds)), (span[0], found.end())


def _clock(found: re.Match[str]) -> Iterator[tuple[str, Moment]]:
    """Yield "UTC" or "local", and the minutes and seconds since midnight; nothing if it is none."""
    hour, half = int(found["hour"]), (found["half"] or "").lower()
    if not (half or found["minute"]) or hour > (12 if half else 23):
        return
    hour = hour % 12 + 12 * (half == "p") if half else hour
    minutes = hour * 60 + int(found["minute"] or 0)
    seconds = Decimal(f"{found['second'] or 0}.{found['fraction'] or 0}")
    zone = (found["zone"] or "").replace("−", "-")
    if not zone:
        yield "local", (minutes, seconds)
    elif zone[0] in "+-":
        offset = int(zone[1:3]) * 60 + int(zone[-2:])
        yield "UTC", (minutes - offset if zone[0] == "+" else minutes + offset, seconds)
    else:
        yield "UTC", (minutes, seconds)
