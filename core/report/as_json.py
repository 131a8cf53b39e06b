"""Return a report as one JSON object."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..runs.paths import without_folders, without_home
from ..runs.scorings import times_scored
from .comparison import Comparison, DocumentDifference, ScoreDifference
from .error_kinds import KINDS
from .scored_run import DocumentResult, ScoredRun


def report_object(scored: ScoredRun, comparison: Comparison | None = None) -> dict[str, Any]:
    """Return the report, ready for JSON; ``docs/report.md`` lists the keys."""
    scores = dict(scored.summary)
    calibration = scores.pop("calibration", None)
    return {
        "run": _run(scored),
        "scores": {**scores, "names": list(scored.names)},
        "test_set": {
            "times": times_scored(scored.scorings),
            "is_damaged": scored.is_record_damaged,
            "scorings": [each.summary() for each in scored.scorings],
            "seen": list(scored.info.get("test_seen", ())),
        },
        "ability": dict(scored.ability),
        "against": _against(comparison) if comparison else None,
        "steps": scored.steps(),
        "errors": {
            field: {kind: row[kind] for kind in ("gold", "predicted", *KINDS)}
            for field, row in scored.kinds().items()
        },
        "calibration": calibration,
        "documents": [_document(scored, document) for document in scored.documents],
        "missing": list(scored.missing),
    }


def _run(scored: ScoredRun) -> dict[str, Any]:
    info = scored.info
    counts, training = info["counts"], info.get("training", {})
    return {
        "folder": without_home(str(scored.run.folder)),
        "base_model": without_folders(info["base_model"]["name"]),
        "preset": info["preset"],
        "seed": info["seed"],
        "data": without_folders(info["data"]["source"]) if info["data"]["source"] else None,
        "documents": counts["documents"]["train"],
        "windows": counts["windows"]["trained"],
        "steps": training.get("steps"),
        "best_step": training.get("best_step"),
    }


def _against(comparison: Comparison) -> dict[str, Any]:
    return {
        "run": without_home(str(comparison.other.run.folder)),
        "score": _score_difference(comparison.score),
        "fields": {row.name: _score_difference(row) for row in comparison.fields},
        "better": [_document_difference(row) for row in comparison.changed("better")],
        "worse": [_document_difference(row) for row in comparison.changed("worse")],
    }


def _score_difference(row: ScoreDifference) -> dict[str, Any]:
    difference = {**asdict(row.difference), "p_value": row.p_value}
    return {"here": row.ours, "there": row.theirs, "difference": difference}


def _document_difference(row: DocumentDifference) -> dict[str, Any]:
    return {
        "id": row.id,
        "here": row.ours,
        "there": row.theirs,
        "gained": [change._asdict() for change in row.better],
        "lost": [change._asdict() for change in row.worse],
    }


def _document(scored: ScoredRun, document: DocumentResult) -> dict[str, Any]:
    return {
        "id": document.id,
        "f1": scored.f1(document),
        "error": document.error or None,
        "answers": [asdict(case) for case in document.cases],
    }
