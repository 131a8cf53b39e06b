"""The row of a chosen document, with the reasons for the choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..data import Document
from ..schema.pointers import field_of, leaves
from .spread import Pick


def next_row(
    document: Document, rank: int, strategy: str, pick: Pick, line: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the row of a chosen document, in the core's form, with the prediction as its record.

    Args:
        document: the document.
        rank: 1 for the one that was chosen first.
        strategy: by which it was chosen.
        pick: the choice.
        line: its line of ``unsure_lines``; None where no model was trained.
    """
    reasons: dict[str, Any] = {"rank": rank, "strategy": strategy}
    row = {"id": document.id, "text": document.text, **document.meta, "record": None}
    if line is not None:
        row |= {"record": line["record"], "confidence": line["confidence"]}
        reasons |= _reasons(line)
    if pick.distance is not None:
        reasons["distance"] = round(pick.distance, 6)
    return {**row, "next": reasons}


def _reasons(line: Mapping[str, Any]) -> dict[str, Any]:
    if "error" in line:
        return {"error": line["error"]}
    unsure = line["unsure"]
    found: dict[str, Any] = {"uncertainty": unsure["value"]}
    if leaf := unsure["leaf"]:
        path = _path_of(leaf, line["record"], line["confidence"])
        found["least_confident"] = {**leaf, "path": path}
    if unsure["disagreement"] is not None:
        found["disagreement"] = unsure["disagreement"]
    return found


def _path_of(leaf: Mapping[str, Any], record: Any, confidence: Mapping[str, float]) -> str | None:
    """Return the JSON Pointer of a leaf; None where the threshold has left it out."""
    for pointer, value in leaves(record):
        is_it = (field_of(pointer), value) == (leaf["field"], leaf["value"])
        if is_it and confidence.get(pointer) == leaf["confidence"]:
            return pointer
    return None
