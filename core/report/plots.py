"""The line plots of a report: titles, axis labels and series, for the HTML page and PNG alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .scored_run import Points, ScoredRun

MOST_LINES = 6
"""Number of lines that can be distinguished by colour and dashes."""


@dataclass(frozen=True)
class Plot:
    """A line plot.

    Attributes:
        series: points of each line by its name.
        unit_y: whether y runs from 0 to 1.
        unit_x: whether x does.
        left_out: names of lines that are not drawn, because there are too many.
    """

    title: str
    x_label: str
    y_label: str
    series: Mapping[str, Points]
    unit_y: bool = False
    unit_x: bool = False
    left_out: tuple[str, ...] = ()


def loss_plot(scored: ScoredRun) -> Plot:
    """Return the plot of the losses by step."""
    return Plot("Loss", "step", "loss", scored.losses())


def score_plot(scored: ScoredRun) -> Plot:
    """Return the plot of the scores on validation by step."""
    lines = list(scored.validation_scores().items())
    left_out = tuple(name for name, _points in lines[MOST_LINES:])
    drawn = dict(lines[:MOST_LINES])
    return Plot("Score on validation", "step", "F1", drawn, unit_y=True, left_out=left_out)


def reliability_plot(scored: ScoredRun) -> Plot:
    """Return the reliability diagram: the share of right values by mean confidence."""
    title = "Share that is right by confidence"
    series = scored.reliability()
    return Plot(title, "mean confidence", "share right", series, unit_y=True, unit_x=True)
