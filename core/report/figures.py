"""Draw the figures of a report with matplotlib, as PNG at the width of a column of a paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OutputError
from ..files import write_atomically
from .comparison import Comparison
from .error_kinds import KINDS
from .plots import Plot, loss_plot, reliability_plot, score_plot
from .scored_run import ScoredRun

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, DPI = 3.4, 300
"""Width of a column in inches, and dots per inch."""

# Colours that are distinguishable without red and green (Okabe and Ito 2008, "Color Universal
# Design").
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


def write_figures(scored: ScoredRun, comparison: Comparison | None, folder: Path) -> list[Path]:
    """Write the figures that have data, and return their paths.

    They are ``scores.png``, ``loss.png``, ``steps.png``, ``errors.png``, ``calibration.png`` and,
    with another run, ``against.png``.

    Raises:
        OutputError: matplotlib is not installed, or the folder cannot be written.
    """
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise OutputError(
            f"{folder}: drawing needs the extra `report`: pip install 'fieldsmith[report]'"
        ) from error
    style: Any = {"font.size": 7, "axes.spines.top": False, "axes.spines.right": False}
    paths = []
    # A $ in the name of a field is a $, not the start of a formula.
    with mpl.rc_context(style | {"text.parse_math": False}):
        for name, figure in _figures(scored, comparison):
            image = BytesIO()
            figure.savefig(image, format="png", dpi=DPI, metadata={"Software": None})
            path = folder / f"{name}.png"
            write_atomically(path, image.getvalue())
            paths.append(path)
    return paths


def _figures(scored: ScoredRun, comparison: Comparison | None) -> Iterator[tuple[str, Figure]]:
    yield "scores", _intervals(scored.intervals("/f1"), "F1", (0, 1))
    if (plot := loss_plot(scored)).series:
        yield "loss", _lines(plot)
    if (plot := score_plot(scored)).series:
        yield "steps", _lines(plot)
    if kinds := scored.kinds():
        yield "errors", _bars(kinds)
    if (plot := reliability_plot(scored)).series:
        yield "calibration", _calibration(plot, scored.summary["calibration"]["ece"])
    if comparison:
        rows = (comparison.score, *comparison.fields)
        differences = {row.name: asdict(row.difference) for row in rows}
        yield "against", _intervals(differences, "difference in F1", None)


def _figure(height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def _intervals(
    rows: Mapping[str, Mapping[str, float]], label: str, limits: tuple[float, float] | None
) -> Figure:
    """Draw a value with its interval per row; without limits, a line at zero."""
    figure, axes = _figure(0.6 + 0.17 * len(rows))
    for place, row in enumerate(rows.values()):
        axes.plot([row["low"], row["high"]], [place, place], color=_LINES[0], linewidth=1)
        axes.plot(row["value"], place, "o", color=_LINES[0], markersize=3)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    if limits is None:
        axes.axvline(0, color="0.6", linewidth=0.5)
    else:
        axes.set_xlim(*limits)
    axes.set_xlabel(f"{label}, with 95 % interval")
    return figure


def _lines(plot: Plot) -> Figure:
    figure, axes = _figure(2.2)
    for (name, points), colour, style in zip(plot.series.items(), _LINES, _STYLES, strict=False):
        xs, ys = zip(*points, strict=True)
        axes.plot(xs, ys, color=colour, linestyle=style, label=name, linewidth=1)
    axes.set_ylim(0, 1 if plot.unit_y else None)
    axes.set(xlabel=plot.x_label, ylabel=plot.y_label)
    if len(plot.series) > 1:
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
    axes.set_xlabel("values")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def _calibration(plot: Plot, error: float) -> Figure:
    figure, axes = _figure(2.6)
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.5, linestyle=":")
    for points in plot.series.values():
        axes.plot(*zip(*points, strict=True), "o-", color=_LINES[0], markersize=3, linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=plot.x_label, ylabel=plot.y_label)
    axes.set_title(f"expected calibration error {error:.3f}", fontsize=7)
    return figure
