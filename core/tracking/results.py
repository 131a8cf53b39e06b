"""What trackers get of a run that was scored: scores, ability, examples, the report's pages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..runs.ability import Measured, read_ability
from ..runs.file_schemas import SCORED
from ..runs.folder import Run
from ..runs.joint_job import domain_runs
from ..runs.reading import read_rows
from .tracker import Table
from .trackers import open_trackers

EXAMPLES = 50
"""So many of the validation documents become examples, the first ones."""

_COLUMNS = ("document", "gold", "prediction")


def send_results(run: Run, names: Sequence[str]) -> list[str]:
    """Send all that a complete run holds to trackers, which take what they lack.

    Args:
        run: the run; of several domains, the names of what was scored begin with the domain's.
        names: of the trackers.

    Returns:
        The names of those that failed.

    Raises:
        RunError: a file of the run is damaged.
    """
    if not names:
        return []
    domains = {f"{each.folder.name}/": each for each in domain_runs(run)} if run.domains() else {}
    step = int(run.info()["training"]["steps"])
    with open_trackers(run, names) as trackers:
        for prefix, scored in (domains or {"": run}).items():
            for name, summary in scored.metrics().items():
                trackers.score(step, scores_of(f"{prefix}{name}", summary))
            if measured := read_ability(scored):
                trackers.score(step, figures_of(f"{prefix}ability", measured))
            if examples := list(_examples(scored)):
                trackers.add_table(step, Table(f"{prefix}examples", _COLUMNS, examples))
        for file in report_files(run):
            trackers.add_file(file)
    return trackers.failed


def scores_of(name: str, summary: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of an entry of metrics.json by the names that trackers get.

    >>> interval = {"value": 0.5, "low": 0.25, "high": 0.75}
    >>> summary = {"documents": 4, "valid": 1.0, "metrics": {"score": interval}}
    >>> scores_of("test", {**summary, "baselines": {"null": {"score": 0.25}}})
    {'test/score': 0.5, 'test/score/low': 0.25, 'test/score/high': 0.75, 'test/valid': 1.0, \
'test/documents': 4.0, 'test/null_baseline': 0.25}
    """
    found: dict[str, float] = {}
    for metric, interval in summary["metrics"].items():
        found[f"{name}/{metric}"] = float(interval["value"])
        found |= {f"{name}/{metric}/{end}": float(interval[end]) for end in ("low", "high")}
    found |= {f"{name}/{key}": float(summary[key]) for key in ("valid", "documents")}
    return found | {f"{name}/null_baseline": float(summary["baselines"]["null"]["score"])}


def figures_of(name: str, measured: Measured) -> dict[str, float]:
    """Return the figures of ability.json by the names that trackers get.

    >>> interval = {"value": -0.25, "low": -0.5, "high": -0.125}
    >>> entry = {"figure": "accuracy", "base": 0.75, "tuned": 0.5, "difference": interval}
    >>> figures_of("ability", {"last_word": entry})
    {'ability/last_word/accuracy/base': 0.75, 'ability/last_word/accuracy/tuned': 0.5, \
'ability/last_word/accuracy/difference': -0.25, 'ability/last_word/accuracy/difference/low': -0.5, \
'ability/last_word/accuracy/difference/high': -0.125}
    """
    found: dict[str, float] = {}
    for task, entry in measured.items():
        for figure, values in {entry["figure"]: entry, **entry.get("also", {})}.items():
            place, change = f"{name}/{task}/{figure.replace(' ', '_')}", values["difference"]
            found |= {f"{place}/{model}": float(values[model]) for model in ("base", "tuned")}
            found[f"{place}/difference"] = float(change["value"])
            found |= {f"{place}/difference/{end}": float(change[end]) for end in ("low", "high")}
    return found


def report_files(run: Run) -> list[Path]:
    """Return the pages of ``extract report`` that were written into the run folder."""
    return sorted(run.folder.glob("*.html"))


def _examples(run: Run) -> Iterator[tuple[str, str, str]]:
    """Yield id, gold and prediction of validation documents."""
    file = run.folder / "predictions" / "validation.jsonl"
    if not file.is_file():
        return
    for number, row in enumerate(read_rows(file, SCORED)):
        if number == EXAMPLES:
            return
        answer = row.get("error", "") if row["record"] is None else _text(row["record"])
        yield row["id"], _text(row["gold"]), answer


def _text(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False)
