"""Learning curves: their areas, what a strategy saves, and paired intervals over seeds."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from scipy import stats

from .cached_training import table

Curve = Sequence[tuple[int, float]]
"""Labelled documents and the score after them, in ascending order."""

BASELINE = "random"
"""The strategy that others are compared with."""


def area(curve: Curve) -> float:
    """Return the area under a curve by its width: the mean score over the labelled documents."""
    if len(curve) < 2:
        return curve[0][1]
    total = sum((x2 - x1) * (y1 + y2) / 2 for (x1, y1), (x2, y2) in itertools.pairwise(curve))
    return total / (curve[-1][0] - curve[0][0])


def documents_at(curve: Curve, score: float) -> float | None:
    """Return after how many documents a curve first has a score; None if it never has.

    Between two points the curve is a straight line.
    """
    for (x1, y1), (x2, y2) in itertools.pairwise(curve):
        if y1 >= score:
            return float(x1)
        if y2 >= score:
            return x1 + (x2 - x1) * (score - y1) / (y2 - y1)
    return float(curve[-1][0]) if curve[-1][1] >= score else None


def saved(curve: Curve, baseline: Curve) -> float | None:
    """Return how many documents fewer a curve needs for the last score of the baseline.

    None where it does not come to that score.
    """
    needed = documents_at(curve, baseline[-1][1])
    wanted = documents_at(baseline, baseline[-1][1])
    return None if needed is None or wanted is None else wanted - needed


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean by Student's t; None for fewer than two values."""
    if len(values) < 2:
        return None
    half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values)
    mean = statistics.fmean(values)
    return mean - half / math.sqrt(len(values)), mean + half / math.sqrt(len(values))


def summary(curves: Mapping[str, Mapping[str, Curve]]) -> dict[str, Any]:
    """Return means over seeds, and differences to random choice of the same seeds.

    Args:
        curves: by seed, the curve of each strategy.
    """
    found: dict[str, Any] = {}
    for name in dict.fromkeys(name for seed in curves.values() for name in seed):
        own = [seed[name] for seed in curves.values() if name in seed]
        areas = [area(curve) for curve in own]
        entry: dict[str, Any] = {
            "seeds": len(own),
            "curve": [
                [points[0][0], round(statistics.fmean(y for _x, y in points), 4)]
                for points in zip(*own, strict=False)
            ],
            "area": round(statistics.fmean(areas), 4),
        }
        pairs = [
            (seed[name], seed[BASELINE])
            for seed in curves.values()
            if name in seed and BASELINE in seed
        ]
        if name != BASELINE and pairs:
            differences = [area(curve) - area(other) for curve, other in pairs]
            entry["difference"] = round(statistics.fmean(differences), 4)
            entry["interval"] = _rounded(interval(differences))
            entry["better"] = sum(each > 0 for each in differences)
            entry["saved"] = [_short(saved(curve, other)) for curve, other in pairs]
        found[name] = entry
    return found


def curves_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of a summary in Markdown."""
    counts = [str(count) for count, _score in next(iter(found.values()))["curve"]]
    heads = ["strategy", "seeds", *counts, "area", "− random", "95 % interval", "better", "saved"]
    rows = []
    for name, entry in found.items():
        scores = [f"{score:.3f}" for _count, score in entry["curve"]]
        cells = [name, str(entry["seeds"]), *scores, f"{entry['area']:.3f}"]
        rows.append([*cells, *_compared(entry)])
    return table(heads, rows)


def _compared(entry: Mapping[str, Any]) -> list[str]:
    if "difference" not in entry:
        return ["–"] * 4
    low_high = entry["interval"]
    return [
        f"{entry['difference']:+.3f}",
        f"{low_high[0]:+.3f} to {low_high[1]:+.3f}" if low_high else "–",
        f"{entry['better']} of {len(entry['saved'])}",
        ", ".join("never" if each is None else f"{each:.0f}" for each in entry["saved"]),
    ]


def _rounded(given: tuple[float, float] | None) -> list[float] | None:
    return None if given is None else [round(end, 4) for end in given]


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
