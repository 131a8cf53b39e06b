"""Lines of a page in the order in which they are read: columns, headers, tables.

A page is cut into bands by the white space between its lines. Neighbouring bands that have white
space in common from top to bottom are columns, or the rows of a table.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Sequence

from .page_lines import Line

_GUTTER = 0.6
"""Least gap between two columns, in heights of a line."""

_APART = 1.3
"""Bands that are further apart, in heights of a line, are no parts of one column."""

_TOUCHING = 0.3
"""Lines may share so much of their height and still be one below the other."""

_PROSE_LINES = 3
"""A column of prose has at least so many lines."""

_PROSE_WIDTH = 10
"""It is at least so wide, in heights of a line; labels and numbers are not."""

_FILLED = 0.7
"""Half of its lines are at least so wide, as a share of it; those of a list or a table are not."""

_ALIGNED = 0.15
"""Lines of a row end at the same height, up to so much of their own."""

_LEADING = 0.4
"""A gap between two lines that is so much larger than usual, in heights, begins a paragraph."""

_OTHER_SIZE = 1.2
"""So does a line that is so many times as high as the one before it, or the reverse."""

_DEEPEST = 16
"""Columns in columns that are looked for."""

ROW, LINE, PARAGRAPH = "\t", "\n", "\n\n"
"""What is between two lines in the text: they are beside each other, or the first one ends."""

_Interval = tuple[float, float]


def in_reading_order(lines: Sequence[Line]) -> list[tuple[str, Line]]:
    """Return lines in reading order, each with what is between it and the line before it."""
    ordered = list(_ordered(lines))
    pairs = list(itertools.pairwise(ordered))
    gaps = [_gap(one, other) for one, other in pairs if _is_below(one, other)]
    usual = statistics.median(gaps) if gaps else 0.0
    return [("", line) for line in ordered[:1]] + [
        (_between(one, other, usual), other) for one, other in pairs
    ]


def _ordered(lines: Sequence[Line], depth: int = 0) -> Iterator[Line]:
    for group in _groups(lines):
        columns = _columns(group)
        if len(columns) > 1 and depth < _DEEPEST and _are_columns(columns):
            for column in columns:
                yield from _ordered(column, depth + 1)
        else:
            yield from _by_rows(group)


def _groups(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Yield bands from top to bottom, those joined that share a gutter."""
    group: list[Line] = []
    taken: list[_Interval] = []
    for band in _bands(lines):
        own = _merged((line.box.x0, line.box.x1) for line in band)
        both = _merged([*taken, *own])
        height = _height([*group, *band])
        # Lines that only stand left and right of each other's end are a heading and a text.
        are_columns = _has_gutter(taken, height) or _has_gutter(own, height)
        goes_on = are_columns and _has_gutter(both, height)
        if group and goes_on and _is_near(group, band, height):
            group, taken = [*group, *band], both
            continue
        if group:
            yield group
        group, taken = band, own
    if group:
        yield group


def _bands(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Yield lines from top to bottom, those together between which there is no white space."""
    band: list[Line] = []
    end = 0.0
    for line in sorted(lines, key=lambda each: (each.box.y0, each.box.x0)):
        if band and line.box.y0 > end - _TOUCHING * line.box.height:
            yield band
            band = []
        end = max(end, line.box.y1) if band else line.box.y1
        band.append(line)
    if band:
        yield band


def _merged(intervals: Sequence[_Interval] | Iterator[_Interval]) -> list[_Interval]:
    """Return intervals with those joined that overlap."""
    found: list[_Interval] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _height(lines: Sequence[Line]) -> float:
    return statistics.median(line.box.height for line in lines)


def _is_near(group: Sequence[Line], band: Sequence[Line], height: float) -> bool:
    end = max(line.box.y1 for line in group)
    return min(line.box.y0 for line in band) - end <= _APART * height


def _has_gutter(taken: Sequence[_Interval], height: float) -> bool:
    return any(
        after[0] - before[1] >= _GUTTER * height for before, after in itertools.pairwise(taken)
    )


def _columns(lines: Sequence[Line]) -> list[list[Line]]:
    """Return lines by the gutters between them, from left to right."""
    height = _height(lines)
    columns: list[list[Line]] = []
    end = 0.0
    for line in sorted(lines, key=lambda each: (each.box.x0, each.box.y0)):
        if not columns or line.box.x0 - end >= _GUTTER * height:
            columns.append([])
            end = line.box.x1
        columns[-1].append(line)
        end = max(end, line.box.x1)
    return columns


def _are_columns(columns: Sequence[Sequence[Line]]) -> bool:
    """Say whether columns are read one after another, and not row by row as in a table."""
    long = [column for column in columns if len(column) >= _PROSE_LINES]
    if long and all(map(_is_prose, long)):
        return True
    longest = max(columns, key=len)
    others = [line for column in columns if column is not longest for line in column]
    aligned = sum(any(_is_in_row(line, other) for other in longest) for line in others)
    return 2 * aligned < len(others)


def _is_prose(column: Sequence[Line]) -> bool:
    width = max(line.box.x1 for line in column) - min(line.box.x0 for line in column)
    usual = statistics.median(line.box.x1 - line.box.x0 for line in column)
    return width >= _PROSE_WIDTH * _height(column) and usual >= _FILLED * width


def _is_in_row(one: Line, other: Line) -> bool:
    return abs(one.box.y1 - other.box.y1) <= _ALIGNED * max(one.box.height, other.box.height)


def _by_rows(lines: Sequence[Line]) -> Iterator[Line]:
    """Yield lines from top to bottom, those of a row from left to right."""
    row: list[Line] = []
    for line in sorted(lines, key=lambda each: (each.box.y0 + each.box.y1, each.box.x0)):
        if row and not _is_beside(row[0], line):
            yield from sorted(row, key=lambda each: (each.box.x0, each.box.y0))
            row = []
        row.append(line)
    yield from sorted(row, key=lambda each: (each.box.x0, each.box.y0))


def _is_beside(one: Line, other: Line) -> bool:
    shared = min(one.box.y1, other.box.y1) - max(one.box.y0, other.box.y0)
    return 2 * shared > min(one.box.height, other.box.height)


def _is_below(one: Line, other: Line) -> bool:
    return other.box.y0 > one.box.y0 and not _is_beside(one, other)


def _gap(one: Line, other: Line) -> float:
    return other.box.y0 - one.box.y1


def _between(one: Line, other: Line, usual: float) -> str:
    """Return what is between two lines; a column goes on in the next one."""
    if _is_beside(one, other) and other.box.x0 >= one.box.x0:
        return ROW
    if not _is_below(one, other):
        return LINE
    low, high = sorted((one.box.height, other.box.height))
    is_far = _gap(one, other) > usual + _LEADING * high
    return PARAGRAPH if is_far or high > _OTHER_SIZE * low else LINE
