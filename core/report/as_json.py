"""A report as one object, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .comparison import Change, Comparison, Difference
from .error_kinds import KINDS
from .scored_run import Reviewed, Scored


def report_object(scored: Scored, comparison: Comparison | None = None) -> dict[str, Any]:
    """Return what the report says, ready for JSON; ``docs/report.md`` lists the keys."""
    scores = dict(scored.summary)
    calibration = scores.pop("calibration", None)
    kinds = scored.kinds()
    return {
        "run": _run(scored),
        "scores": {**scores, "names": list(scored.names)},
        "against": _against(comparison) if comparison else None,
        "steps": scored.steps(),
        "errors": {
            field: {kind: row[kind] for kind in ("gold", "predicted", *KINDS)}
            for field, row in kinds.items()
        },
        "calibration": calibration,
        "documents": [_document(scored, document) for document in scored.documents],
        "missing": list(scored.missing),
    }


def _run(scored: Scored) -> dict[str, Any]:
    info = scored.info
    counts, training = info["counts"], info.get("training", {})
    return {
        "folder": str(scored.run.folder),
        "base_model": info["base_model"]["name"],
        "preset": info["preset"],
        "seed": info["seed"],
        "data": info["data"]["source"],
        "documents": counts["documents"]["train"],
        "windows": counts["windows"]["trained"],
        "steps": training.get("steps"),
        "best_step": training.get("best_step"),
    }


def _against(comparison: Comparison) -> dict[str, Any]:
    return {
        "run": str(comparison.other.run.folder),
        "score": _difference(comparison.score),
        "fields": {row.name: _difference(row) for row in comparison.fields},
        "better": [_change(change) for change in comparison.better()],
        "worse": [_change(change) for change in comparison.worse()],
    }


def _difference(row: Difference) -> dict[str, Any]:
    difference = {**asdict(row.difference), "p_value": row.p_value}
    return {"here": row.ours, "there": row.theirs, "difference": difference}


def _change(change: Change) -> dict[str, Any]:
    return {
        "id": change.id,
        "here": change.ours,
        "there": change.theirs,
        "gained": _answers(change.better),
        "lost": _answers(change.worse),
    }


def _answers(found: Sequence[tuple[str, str, str]]) -> list[dict[str, str]]:
    return [{"field": field, "value": value, "what": what} for field, value, what in found]


def _document(scored: Scored, document: Reviewed) -> dict[str, Any]:
    return {
        "id": document.id,
        "f1": scored.f1(document),
        "error": document.error or None,
        "answers": [asdict(case) for case in document.cases],
    }
