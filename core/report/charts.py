"""Line charts as numbers: where each line, tick and label stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 380, 230
LEFT, RIGHT, TOP, BOTTOM = 42, 12, 12, 38
"""Of a chart and its margins, in pixels of a phone."""

MOST_LINES = 6
"""How many lines can be told apart by colour and dashes."""


@dataclass(frozen=True)
class Line:
    """A line of a chart: its name, its points as SVG reads them, and each by itself."""

    name: str
    path: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """A chart: its axes' labels and ticks (place and label), and its lines.

    table: the values behind it, a row for each x: x, then a value or None for each line.
    """

    title: str
    x_label: str
    y_label: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]
    table: tuple[tuple[float, tuple[float | None, ...]], ...]
    diagonal: str = ""


def line_chart(
    title: str,
    x_label: str,
    y_label: str,
    series: Mapping[str, Points],
    *,
    unit: bool = False,
    square: bool = False,
) -> Chart | None:
    """Lay out a chart of lines; None where there is no point.

    unit: y runs from 0 to 1. square: so does x, and the diagonal is drawn.
    """
    series = {name: points for name, points in series.items() if points}
    if not series:
        return None
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    x_ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] if square else ticks(max(xs))
    y_ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] if unit or square else ticks(max(ys))

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = x / (x_ticks[-1] or 1), y / (y_ticks[-1] or 1)
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1),
        )

    lines = []
    for name, points in series.items():
        placed = tuple(place(x, y) for x, y in points)
        lines.append(Line(name, " ".join(f"{x},{y}" for x, y in placed), placed))
    by_x = {x: tuple(dict(points).get(x) for points in series.values()) for x in sorted(set(xs))}
    (left, bottom), (right, top) = place(0, 0), place(x_ticks[-1], y_ticks[-1])
    return Chart(
        title,
        x_label,
        y_label,
        tuple((place(tick, 0)[0], f"{tick:g}") for tick in x_ticks),
        tuple((place(0, tick)[1], f"{tick:g}") for tick in y_ticks),
        tuple(lines),
        tuple(by_x.items()),
        f"{left},{bottom} {right},{top}" if square else "",
    )


def ticks(high: float, most: int = 5) -> list[float]:
    """Return round numbers from 0 to ``high`` or over it, in steps of 1, 2 or 5 times 10^n.

    >>> ticks(37)
    [0.0, 10.0, 20.0, 30.0, 40.0]
    """
    if high <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(high / most))
    step = next(power * m for m in (1, 2, 5, 10) if math.ceil(high / (power * m)) <= most)
    return [float(f"{step * n:.12g}") for n in range(math.ceil(high / step) + 1)]


def losses(log: Sequence[Mapping[str, float]]) -> dict[str, Points]:
    """Return the losses by step of a run's log: of training and of validation."""
    names = {"loss": "training", "eval_loss": "validation"}
    return {
        name: [(row["step"], row[key]) for row in log if key in row] for key, name in names.items()
    }


def scores(log: Sequence[Mapping[str, float]], names: Sequence[str]) -> dict[str, Points]:
    """Return the scores of validation by step of a run's log: the score, and F1 by name.

    names: which ones; all of the log where there are none.
    """
    logged = dict.fromkeys(key for row in log for key in row if key.startswith("score/"))
    keys = [f"score/{name}/f1" for name in names] or [
        key for key in logged if key.split("/")[1] not in ("micro", "macro")
    ]
    labels = {"score": "score"} | {key: key.split("/", 1)[1].removesuffix("/f1") for key in keys}
    return {
        label: [(row["step"], row[key]) for row in log if key in row]
        for key, label in labels.items()
        if any(key in row for row in log)
    }


def reliability(summary: Mapping[str, object]) -> dict[str, Points]:
    """Return the share of leaves that is right by their mean confidence."""
    found = summary.get("calibration")
    rows = found["reliability"] if isinstance(found, dict) else []
    return {"leaves": [(row["confidence"], row["correct"]) for row in rows if row["count"]]}
