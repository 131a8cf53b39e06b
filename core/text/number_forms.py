"""Find numbers in a text, however they are written: "€1,234.50", "1 234,50", "1.2e3", "twelve".

A text is read once for all numbers that are sought. What can be read in several ways ("1.234")
counts as each of them. Not read are digits inside a word ("B12") or behind its hyphen ("IL-6"),
numbers of three or more parts (dates, versions, telephone numbers; of a date the year is read),
times, and numbers with a leading zero.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterator
from decimal import Decimal

from ..data import Span
from .typed_values import number_key

_LONGEST = 40
"""Characters of the longest number that is read."""

# Not inside a word, not behind the hyphen of one, and not inside another number.
_START = r"(?<!\w[0-9.])(?<![^\W\d_]-[0-9.])(?<![0-9][.,:/'’-][0-9.])"
# All that can be between digits: a token is cut where no digit can follow, never earlier. A search
# for what begins with a digit is fast: what may not stand before it is looked up after.
_TOKEN = re.compile(rf"[0-9.]{_START}(?:(?<=[0-9])|(?<!\..)(?=[0-9]))[0-9.,:/'’-]*+")
_SPACED = re.compile(
    rf"[1-9]{_START}[0-9]{{0,2}}(?:([ \u00a0\u2009\u202f])[0-9]{{3}})(?:\1[0-9]{{3}})*+"
    r"(?:[.,][0-9]+)?(?![.,'’]?[0-9])"
)

_WHOLE = re.compile(r"0|[1-9][0-9]*")
_GROUPED = re.compile(
    r"([1-9][0-9]{0,2}(?:([.,'’])[0-9]{3})(?:\2[0-9]{3})*)(?:(?!\2)[.,]([0-9]+))?"
)
_INDIAN = re.compile(r"([1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3})(?:\.([0-9]+))?")
_FRACTION = re.compile(r"(0|[1-9][0-9]*)?[.,]([0-9]+)")
_DOTTED_DATE = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}\.(?=[0-9]{4}$)")

_MINUS = re.compile(r"(?<![\w)\]])[-−–](?:[$€£¥]\s?)?$")
_EXPONENT = re.compile(
    r"(?:[eE](?P<e>[+-]?[0-9]{1,3})"
    r"|\s?[×x·*]\s?10(?:(?:\^|\*\*)(?P<power>[+−-]?[0-9]{1,3})|(?P<raised>[⁺⁻]?[⁰¹²³⁴-⁹]{1,3})))(?!\w)"
)
_SCALE = re.compile(
    r"[\s-]?(?:(?P<hundred>hundred)|(?P<thousand>thousand)|(?P<million>millions?|mio|mln)"
    r"|(?P<billion>billions?|bn)|(?P<trillion>trillions?))(?!\w)|(?P<k>k)(?!\w)",
    re.IGNORECASE,
)
_M = re.compile(r"(?P<M>M)(?!\w)")
_POWERS = {"hundred": 2, "thousand": 3, "k": 3, "million": 6, "M": 6, "billion": 9, "trillion": 12}
_PERCENT = re.compile(r"\s?(?:%|per\s?cent(?!\w))")
_UNIT = re.compile(r"(?:[^\W\d_]{2,}+|[glmhsxkM])(?!\w)")
_INSIDE_WORD = re.compile(r"\w")

_RAISED = str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "+-0123456789-")
_NO_DIGITS = str.maketrans("", "", ".,'’ \u00a0\u2009\u202f")

_ONES = (
    "", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = (
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip
_LARGE = ("hundred", "thousand", "million", "billion")
_WORD = f"(?:{'|'.join(filter(None, (*_ONES[::-1], *_TENS, *_LARGE, 'trillion', 'zero')))})"
_WORDS = re.compile(rf"(?<![\w-]){_WORD}(?:[\s-]{_WORD})*+(?![\w-])", re.IGNORECASE)


def numbers_in(text: str, keys: Collection[Decimal]) -> Iterator[tuple[Hashable, Span]]:
    """Yield the key (``number_key``) and the span of each number in a text that is sought.

    The time is linear in the length of the text.
    """
    digits = {_significant("".join(map(str, key.as_tuple().digits))) for key in keys}
    for pattern in (_TOKEN, _SPACED):
        for found in pattern.finditer(text):
            if found[0].isdecimal() and _significant(found[0]) not in digits:
                continue  # most numbers of a text are such
            for start, end in _parts(found):
                token = text[start:end]
                if _significant(token.translate(_NO_DIGITS)) in digits:
                    for number, span in _readings(text, token, start, end):
                        if (key := number_key(number)) in keys:
                            yield key, span
    yield from _words_in(text, keys)


def _significant(digits: str) -> str:
    """Return the digits that no sign, exponent, scale or percent sign changes."""
    return digits.strip("0")[:14]


def _parts(found: re.Match[str]) -> Iterator[Span]:
    """Yield the spans of the numbers in a token: of a range or a fraction both, of a date one."""
    token, start = found[0].rstrip(".,:/'’-"), found.start()
    if len(token) > _LONGEST:
        return
    cuts = [at for at, character in enumerate(token) if character in "-/:"]
    marks = {token[at] for at in cuts}
    if not cuts:
        date = _DOTTED_DATE.match(token)
        yield start + (date.end() if date else 0), start + len(token)
    elif len(cuts) == 1 and marks != {":"}:
        yield start, start + cuts[0]
        yield start + cuts[0] + 1, start + len(token)
    elif len(cuts) == 2 and len(marks) == 1 and ":" not in marks:
        if cuts[0] == 4:
            yield start, start + 4
        elif len(token) - cuts[1] == 5:
            yield start + cuts[1] + 1, start + len(token)


def _readings(text: str, token: str, start: int, end: int) -> Iterator[tuple[Decimal, Span]]:
    """Yield each number that a token may be with the text around it, and its span."""
    minus = _MINUS.search(text, max(0, start - 4), start)
    if minus is not None:
        start = minus.start()
    for plain in _plain_readings(token):
        number = -plain if minus else plain
        if exponent := _EXPONENT.match(text, end):
            power = exponent["e"] or exponent["power"] or exponent["raised"]
            yield number.scaleb(int(power.translate(_RAISED))), (start, exponent.end())
            continue
        if percent := _PERCENT.match(text, end):
            yield number.scaleb(-2), (start, percent.end())
        elif scale := _SCALE.match(text, end) or _M.match(text, end):
            yield number.scaleb(_POWERS[scale.lastgroup or ""]), (start, scale.end())
        if not _INSIDE_WORD.match(text, end) or _UNIT.match(text, end):
            yield number, (start, end)


def _plain_readings(token: str) -> Iterator[Decimal]:
    if _WHOLE.fullmatch(token):
        yield Decimal(token)
    grouped = _GROUPED.fullmatch(token) or _INDIAN.fullmatch(token) or _SPACED.fullmatch(token)
    if grouped:
        whole, fraction = token, ""
        if grouped.re is not _SPACED:
            whole, fraction = grouped[1], grouped[grouped.re.groups] or ""
        elif "." in token or "," in token:
            whole, fraction = re.split("[.,]", token)
        yield Decimal(f"{whole.translate(_NO_DIGITS)}.{fraction}")
    decimal = _FRACTION.fullmatch(token)
    if decimal and not (grouped and decimal[2] == "000"):  # 6,000 is never meant for 6
        yield Decimal(f"{decimal[1] or 0}.{decimal[2]}")


def _words_in(text: str, keys: Collection[Decimal]) -> Iterator[tuple[Hashable, Span]]:
    """Yield the sought numbers that stand as English words; "one" has too many other meanings."""
    words = {word: key for key in keys for word in _words_of(key)}
    if not words:
        return
    folded = text.lower()
    if not any(word.split()[0] in folded for word in words):
        return
    for found in _WORDS.finditer(text):
        key = words.get(re.sub(r"[\s-]", " ", found[0]).lower())
        if key is not None:
            yield key, found.span()


def _words_of(number: Decimal) -> Iterator[str]:
    """Yield the words of a number up to 99, and of so many hundreds, thousands, millions."""
    if number != number.to_integral_value() or not 2 <= number < 10**12:
        return
    value = int(number)
    if word := _below_hundred(value):
        yield word
    for name in _LARGE:
        count, rest = divmod(value, 10 ** _POWERS[name])
        if not rest and (word := _below_hundred(count)):
            yield f"{word} {name}"


def _below_hundred(value: int) -> str:
    """Return the words of a number from 1 to 99, "" for others."""
    if value < 20:
        return _ONES[value] if value > 0 else ""
    tens, ones = divmod(value, 10)
    return f"{_TENS[tens]} {_ONES[ones]}".strip() if tens < 10 else ""
