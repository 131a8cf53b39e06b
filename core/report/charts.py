"""Lay out a line plot as SVG coordinates for the HTML page.

The page has chart code of its own, besides the PNG figures of matplotlib: it needs no optional
dependency and no script, follows the reader's light or dark colours, and its labels stay text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from .plots import Plot

WIDTH, HEIGHT = 380, 230
LEFT, RIGHT, TOP, BOTTOM = 42, 12, 12, 38
"""Size and margins of a chart in CSS pixels; it fits a phone."""

_UNIT = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


@dataclass(frozen=True)
class Line:
    """A line of a chart: its name, its points as SVG reads them, and each point."""

    name: str
    path: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """A plot in pixels.

    Attributes:
        x_ticks: (position, label) of each tick.
        y_ticks: likewise.
        table: for each x in order the y of each line, or None.
        diagonal: the end points of the diagonal, or "".
    """

    plot: Plot
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]
    table: tuple[tuple[float, tuple[float | None, ...]], ...]
    diagonal: str = ""


def line_chart(plot: Plot) -> Chart | None:
    """Lay out a plot; None if it has no points."""
    points = [point for line in plot.series.values() for point in line]
    if not points:
        return None
    x_ticks = _UNIT if plot.unit_x else ticks(max(x for x, _ in points))
    y_ticks = _UNIT if plot.unit_y else ticks(max(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = x / x_ticks[-1], y / y_ticks[-1]
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1),
        )

    lines = []
    for name, line in plot.series.items():
        placed = tuple(place(x, y) for x, y in line)
        lines.append(Line(name, _path(placed), placed))
    columns = [dict(line) for line in plot.series.values()]
    corners = [place(0, 0), place(x_ticks[-1], y_ticks[-1])]
    return Chart(
        plot,
        tuple((place(tick, 0)[0], f"{tick:g}") for tick in x_ticks),
        tuple((place(0, tick)[1], f"{tick:g}") for tick in y_ticks),
        tuple(lines),
        tuple((x, tuple(column.get(x) for column in columns)) for x in sorted(dict(points))),
        _path(corners) if plot.unit_x and plot.unit_y else "",
    )


def _path(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def ticks(high: float, most: int = 5) -> list[float]:
    """Return round numbers from 0 to at least ``high``, in steps of 1, 2 or 5 times 10^n.

    >>> ticks(37)
    [0.0, 10.0, 20.0, 30.0, 40.0]
    """
    if high <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(high / most))
    step = next(power * m for m in (1, 2, 5, 10) if math.ceil(high / (power * m)) <= most)
    return [float(f"{step * n:.12g}") for n in range(math.ceil(high / step) + 1)]
