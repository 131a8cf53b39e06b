"""Lines of writing from right to left, in the order in which they are read.

A page shows a line in visual order: Hebrew and Arabic from right to left, numbers and Latin words
between them from left to right. Unicode's bidirectional algorithm (UAX #9) leads from the logical
order to this one; here is the way back. Where two logical orders look the same, as for a number
beside a Latin word, the two are taken for one run.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable, Sequence

LEFT, RIGHT = "L", "R"
_NUMBER, _NEUTRAL, _SEPARATOR, _TERMINATOR = "number", "neutral", "separator", "terminator"
_CLASSES = {
    "L": LEFT, "R": RIGHT, "AL": RIGHT, "EN": _NUMBER, "AN": _NUMBER,
    "CS": _SEPARATOR, "ES": _SEPARATOR, "ET": _TERMINATOR,
}  # fmt: skip
_OPENING = "([{<«‹"
_CLOSING = ")]}>»›"
_MIRRORED = str.maketrans(_OPENING + _CLOSING, _CLOSING + _OPENING)


def direction_of(text: str) -> str:
    """Return the direction of a character: ``LEFT`` or ``RIGHT`` of the line's start, or "".

    >>> direction_of("a"), direction_of("א"), direction_of("1")
    ('L', 'R', '')
    """
    found = _class_of(text)
    return found if found in (LEFT, RIGHT) else ""


def in_logical_order(shown: Sequence[str], *, is_right_to_left: bool) -> list[tuple[int, str]]:
    """Return where each character of a line is, in the order of reading, and what it is.

    A bracket in a run from right to left is shown mirrored.

    Args:
        shown: the characters from left to right; several letters of one are in logical order.
        is_right_to_left: whether the paragraph is.

    >>> "".join(text for _, text in in_logical_order("321 (םולש)", is_right_to_left=True))
    '(שלום) 321'
    """
    levels = _levels(shown, is_right_to_left=is_right_to_left)
    order = _reversed_runs(list(range(len(shown))), levels)
    mirrored = _are_mirrored(shown[number] for number in order if levels[number] % 2)
    return [
        (number, shown[number].translate(_MIRRORED) if mirrored and levels[number] % 2 else text)
        for number in order
        for text in (shown[number],)
    ]


def _class_of(text: str) -> str:
    return _CLASSES.get(unicodedata.bidirectional(text[0]), _NEUTRAL)


def _levels(shown: Sequence[str], *, is_right_to_left: bool) -> list[int]:
    """Return the level of each character: odd ones are read from right to left."""
    base = RIGHT if is_right_to_left else LEFT
    classes = _with_whole_numbers(shown)
    _place_brackets(shown, classes, base)
    _place_numbers(classes, base)
    directions = _resolved_neutrals(classes, base)
    of_direction = {LEFT: 2 if is_right_to_left else 0, RIGHT: 1, _NUMBER: 2}
    return [of_direction[each] for each in directions]


def _with_whole_numbers(shown: Sequence[str]) -> list[str]:
    """Return classes in which separators and signs of a number are of it.

    Beside Arabic letters only a comma, a point or a colon is, not a hyphen or a percent sign.
    """
    classes = [_class_of(text) for text in shown]
    after = ""
    arabic = []
    for text in reversed(shown):
        found = unicodedata.bidirectional(text[0])
        after = found if found in ("L", "R", "AL") else after
        arabic.append(after == "AL")
    arabic.reverse()
    for number in range(1, len(classes) - 1):
        is_between = classes[number - 1] == classes[number + 1] == _NUMBER
        is_hyphen = unicodedata.bidirectional(shown[number][0]) == "ES"
        if classes[number] == _SEPARATOR and is_between and not (is_hyphen and arabic[number]):
            classes[number] = _NUMBER
    for order in (range(len(classes)), reversed(range(len(classes)))):
        last = ""
        for number in order:
            if classes[number] == _TERMINATOR and last == _NUMBER and not arabic[number]:
                classes[number] = _NUMBER
            last = classes[number]
    return [_NEUTRAL if kind in (_SEPARATOR, _TERMINATOR) else kind for kind in classes]


def _place_numbers(classes: list[str], base: str) -> None:
    """Make numbers that are part of a run from left to right a part of it."""
    strong = [kind if kind in (LEFT, RIGHT) else "" for kind in classes]
    before: list[str] = [*itertools.accumulate(strong, _latest)]
    after: list[str] = [*itertools.accumulate(reversed(strong), _latest)][::-1]
    for number, kind in enumerate(classes):
        if kind == _NUMBER:
            is_inside = before[number] == after[number] == RIGHT
            is_left = before[number] == LEFT if base == RIGHT else not is_inside
            classes[number] = LEFT if is_left else _NUMBER


def _latest(last: str, kind: str) -> str:
    return kind or last


def _resolved_neutrals(classes: Sequence[str], base: str) -> list[str]:
    """Return the direction of each character: neutral ones have that of both sides, or the base."""
    directions = list(classes)
    for is_neutral, run in itertools.groupby(range(len(classes)), lambda n: classes[n] == _NEUTRAL):
        numbers = list(run)
        if is_neutral:
            first, last = numbers[0] - 1, numbers[-1] + 1
            sides = (
                classes[first] if first >= 0 else base,
                classes[last:][0] if classes[last:] else base,
            )
            # To what is beside it, a number is as a letter from right to left.
            left, right = (RIGHT if side == _NUMBER else side for side in sides)
            for number in numbers:
                directions[number] = left if left == right else base
    return directions


def _place_brackets(shown: Sequence[str], classes: list[str], base: str) -> None:
    """Make both brackets of a pair letters of the direction in which the pair is read."""
    for first, last in _pairs(shown):
        if first > last:  # brackets that are shown as they are meant, and not mirrored
            classes[first] = classes[last] = RIGHT
            continue
        other = LEFT if base == RIGHT else RIGHT
        # What is read before the pair, where that is from left to right or the reverse.
        before = classes[:first][::-1] if base == RIGHT else classes[last + 1 :]
        near = next((kind for kind in before if kind in (LEFT, RIGHT)), base)
        of_number = LEFT if near == LEFT else RIGHT
        inside = {of_number if kind == _NUMBER else kind for kind in classes[first + 1 : last]}
        if base in inside or near == base:
            classes[first] = classes[last] = base
        elif other in inside:
            classes[first] = classes[last] = other


def _pairs(shown: Sequence[str]) -> list[tuple[int, int]]:
    """Return where each pair has its opening and its closing bracket."""
    found: list[tuple[int, int]] = []
    opened: list[int] = []
    closed: list[int] = []
    for number, text in enumerate(shown):
        if text in _OPENING:
            opened.append(number)
        elif text in _CLOSING and opened:
            found.append((opened.pop(), number))
        elif text in _CLOSING:
            closed.append(number)
    return sorted(found) + [
        (first, last) for last, first in zip(closed, opened, strict=False) if last < first
    ]


def _reversed_runs(order: list[int], levels: Sequence[int]) -> list[int]:
    """Return numbers with the runs of each level turned around, from the lowest one."""
    for level in (1, 2):
        turned: list[int] = []
        is_turned = [each >= level for each in levels]
        for is_inside, run in itertools.groupby(order, is_turned.__getitem__):
            numbers = list(run)
            turned += numbers[::-1] if is_inside else numbers
        order = turned
    return order


def _are_mirrored(texts: Iterable[str]) -> bool:
    """Say whether brackets, in logical order, are those that the page shows.

    Some files say of a mirrored bracket which one it shows, some which one it means.
    """
    brackets = [text for text in texts if text in (*_OPENING, *_CLOSING)]
    mirrored = [text.translate(_MIRRORED) for text in brackets]
    return _unpaired(mirrored) <= _unpaired(brackets)


def _unpaired(brackets: Sequence[str]) -> int:
    opened = unpaired = 0
    for bracket in brackets:
        if bracket in _OPENING:
            opened += 1
        elif opened:
            opened -= 1
        else:
            unpaired += 1
    return opened + unpaired
