"""The figures of a report as PNG, at the width of a column of a paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OutputError
from ..files import write_atomically
from . import charts
from .comparison import Comparison
from .error_kinds import KINDS
from .scored_run import Scored

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, DPI = 3.4, 300
"""Inches of a column, and dots an inch."""

# Colours that are told apart without red and green (Okabe and Ito 2008, "Color Universal Design").
_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
_STYLES = ("-", "--", ":", "-.", (0, (1, 3)), (0, (6, 3)))
_KINDS: Mapping[str, str] = {
    "right": "#009E73",
    "wrong": "#E69F00",
    "split": "#CC79A7",
    "merged": "#56B4E9",
    "missing": "#D55E00",
    "invented": "#0072B2",
}


def write_figures(scored: Scored, comparison: Comparison | None, folder: Path) -> list[Path]:
    """Write ``scores.png``, ``loss.png``, ``steps.png``, ``errors.png``, ``calibration.png`` and,
    with another run, ``against.png``, as far as there is something to draw; return their paths.

    Raises:
        OutputError: matplotlib is not installed, or the folder cannot be written.
    """
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise OutputError(
            f"{folder}: drawing needs the extra `report`: pip install 'fieldsmith[report]'"
        ) from error
    plain: Any = {"font.size": 7, "axes.spines.top": False, "axes.spines.right": False}
    paths = []
    # Names of fields and documents are no mathematics: a $ in them is a $.
    with mpl.rc_context(plain | {"text.parse_math": False}):
        for name, figure in _figures(scored, comparison):
            image = BytesIO()
            figure.savefig(image, format="png", dpi=DPI, metadata={"Software": None})
            path = folder / f"{name}.png"
            write_atomically(path, image.getvalue())
            paths.append(path)
    return paths


def _figures(scored: Scored, comparison: Comparison | None) -> Iterator[tuple[str, Figure]]:
    metrics = scored.summary["metrics"]
    rows = {name.removesuffix("/f1"): v for name, v in metrics.items() if name.endswith("/f1")}
    yield "scores", _intervals(rows, "F1", 0.0)
    if losses := {name: points for name, points in charts.losses(scored.log).items() if points}:
        yield "loss", _lines(losses, "step", "loss", unit=False)
    if scores := dict(list(charts.scores(scored.log, scored.names).items())[: charts.MOST_LINES]):
        yield "steps", _lines(scores, "step", "F1 on validation", unit=True)
    if kinds := scored.kinds():
        yield "errors", _bars(kinds)
    if charts.reliability(scored.summary)["leaves"]:
        yield "calibration", _calibration(scored.summary)
    if comparison:
        differences = {
            row.name: {
                "value": row.difference.value,
                "low": row.difference.low,
                "high": row.difference.high,
            }
            for row in (comparison.score, *comparison.fields)
        }
        yield "against", _intervals(differences, "difference in F1", None)


def _figure(height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def _intervals(rows: Mapping[str, Mapping[str, float]], label: str, low: float | None) -> Figure:
    figure, axes = _figure(0.6 + 0.17 * len(rows))
    for place, row in enumerate(rows.values()):
        axes.plot([row["low"], row["high"]], [place, place], color=_LINES[0], linewidth=1)
        axes.plot(row["value"], place, "o", color=_LINES[0], markersize=3)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    if low is None:
        axes.axvline(0, color="0.6", linewidth=0.5)
    else:
        axes.set_xlim(low, 1)
    axes.set_xlabel(f"{label}, with 95 % interval")
    return figure


def _lines(series: Mapping[str, charts.Points], x: str, y: str, *, unit: bool) -> Figure:
    figure, axes = _figure(2.2)
    for (name, points), colour, style in zip(series.items(), _LINES, _STYLES, strict=False):
        axes.plot(
            *zip(*points, strict=True), color=colour, linestyle=style, label=name, linewidth=1
        )
    axes.set_ylim(0, 1 if unit else None)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if len(series) > 1:
        axes.legend(frameon=False)
    return figure


def _bars(kinds: Mapping[str, Mapping[str, int]]) -> Figure:
    figure, axes = _figure(1.1 + 0.2 * len(kinds))
    left = [0] * len(kinds)
    for kind in KINDS:
        counts = [row.get(kind, 0) for row in kinds.values()]
        if any(counts):
            axes.barh(list(kinds), counts, left=left, color=_KINDS[kind], label=kind, height=0.6)
        left = [before + count for before, count in zip(left, counts, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("answers")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def _calibration(summary: Mapping[str, Any]) -> Figure:
    figure, axes = _figure(2.6)
    points = charts.reliability(summary)["leaves"]
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.5, linestyle=":")
    axes.plot(*zip(*points, strict=True), "o-", color=_LINES[0], markersize=3, linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share that is right")
    axes.set_title(f"expected calibration error {summary['calibration']['ece']:.3f}", fontsize=7)
    return figure
