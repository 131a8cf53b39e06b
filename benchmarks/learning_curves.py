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


def rises(curve: Curve) -> bool:
    """Say whether a curve ends above its first score, so that it has a level to come to."""
    return curve[-1][1] > curve[0][1]


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean by Student's t; None for fewer than two values."""
    if len(values) < 2:
        return None
    half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values)
    mean = statistics.fmean(values)
    return mean - half / math.sqrt(len(values)), mean + half / math.sqrt(len(values))


def summary(curves: Mapping[str, Mapping[str, Curve]]) -> dict[str, Any]:
    """Return means over seeds, and differences to random choice of the same seeds.

    Documents saved are those of the seeds in which random choice rises and the strategy comes to
    its last score; the others are counted.

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
            entry["compared"] = len(pairs)
            entry |= _savings(pairs)
        found[name] = entry
    return found


def _savings(pairs: Sequence[tuple[Curve, Curve]]) -> dict[str, Any]:
    """Return what a strategy saves, of the curves of seeds and those of random choice."""
    by_seed = [saved(curve, other) for curve, other in pairs if rises(other)]
    values = [each for each in by_seed if each is not None]
    ends = interval(values)
    return {
        "saved": [None if each is None else round(each, 1) for each in by_seed],
        "saved_mean": round(statistics.fmean(values), 1) if values else None,
        "saved_interval": None if ends is None else [round(end, 1) for end in ends],
        "not_reached": by_seed.count(None),
        "no_level": len(pairs) - len(by_seed),
    }


def curves_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of a summary in Markdown."""
    counts = [str(count) for count, _score in next(iter(found.values()))["curve"]]
    heads = ["strategy", "seeds", *counts, "area", "− random", "95 % interval", "better"]
    heads += ["saved, by seed", "mean", "95 % interval"]
    rows = []
    for name, entry in found.items():
        scores = [f"{score:.3f}" for _count, score in entry["curve"]]
        cells = [name, str(entry["seeds"]), *scores, f"{entry['area']:.3f}"]
        rows.append([*cells, *_compared(entry)])
    return table(heads, rows)


def savings_text(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what the table means by documents saved, and in which seeds nothing can be said."""
    text = (
        "Saved: how many labelled documents fewer it takes to come to the last score of random "
        "choice, in a straight line between two points. Mean and interval (Student's t) are of "
        "the seeds in which that score is reached."
    )
    compared = {name: entry for name, entry in found.items() if "compared" in entry}
    missed = [
        f"{name} in {entry['not_reached']} of {len(entry['saved'])}"
        for name, entry in compared.items()
        if entry["not_reached"]
    ]
    if missed:
        text += f" Seeds in which it is not: {', '.join(missed)}."
    if flat := max((entry["no_level"] for entry in compared.values()), default=0):
        text += (
            f" Left out: {flat} of {max(entry['compared'] for entry in compared.values())} seeds, "
            f"in which random choice ends no higher than it began."
        )
    return text


def _compared(entry: Mapping[str, Any]) -> list[str]:
    if "difference" not in entry:
        return ["–"] * 6
    mean = entry["saved_mean"]
    return [
        f"{entry['difference']:+.3f}",
        _range(entry["interval"], "+.3f"),
        f"{entry['better']} of {entry['compared']}",
        ", ".join("never" if each is None else f"{each:.0f}" for each in entry["saved"]) or "–",
        "–" if mean is None else f"{mean:+.0f}",
        _range(entry["saved_interval"], "+.0f"),
    ]


def _range(ends: Sequence[float] | None, form: str) -> str:
    return f"{ends[0]:{form}} to {ends[1]:{form}}" if ends else "–"


def _rounded(given: tuple[float, float] | None) -> list[float] | None:
    return None if given is None else [round(end, 4) for end in given]
