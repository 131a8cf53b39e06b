"""Rows to audit, and what an audit reports of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from command import Answer


def row(number: int, **changes: object) -> dict[str, Any]:
    """Return a row of JSONL that can be trained on; no two read alike."""
    text = f"aspirin caused rash in {number} patients of ward {number * 7}."
    record = {"chemicals": ["aspirin"], "diseases": ["rash"], "relations": []}
    return {"id": f"d{number}", "text": text, "record": record, "split": "train", **changes}


def write(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def report(answer: Answer) -> dict[str, Any]:
    """Return what ``--json`` printed."""
    loaded: dict[str, Any] = json.loads(answer.output)
    return loaded


def assert_balanced(told: dict[str, Any]) -> None:
    documents, windows = told["documents"], told["windows"]
    held = sum(documents[split] for split in ("train", "validation", "test"))
    assert documents["read"] == held + documents["set_aside"]
    assert documents["set_aside"] == len(told["rejects"])
    assert windows["made"] == windows["trained"] + windows["set_aside"]
    assert windows["set_aside"] == sum(windows["reasons"].values())
    for known in told["gold"].values():
        assert known["leaves"] == known["learned"] + sum(known["lost"].values())
    every = told["every_leaf"]
    assert every["leaves"] == every["learned"] + sum(every["lost"].values())
