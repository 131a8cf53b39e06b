"""Make first cases of a new plugin from the documents of its sample."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from ..data import Schema
from ..errors import InputError
from ..evaluation.case_file import checked_cases

_CASES = 2
"""So many documents become cases, the shortest ones."""

_HEAD = """\
# What a trained model of this plugin must find; `extract cases RUN` checks it, and
# `extract check` that the cases can be used. These are of the sample: put texts of your own in
# their place, and say in each why it matters.

"""


def cases_of(rows: Iterable[Mapping[str, Any]], schema: Schema) -> str | None:
    """Return a cases.yaml of rows of the core's JSONL; None where no row gives a case.

    Args:
        rows: documents with their records.
        schema: of a record.
    """
    found: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: len(row["text"])):
        if len(found) < _CASES and (case := _case(row, schema)):
            found.append(case)
    if not found:
        return None
    return _HEAD + yaml.safe_dump(found, allow_unicode=True, sort_keys=False, width=100)


def _case(row: Mapping[str, Any], schema: Schema) -> dict[str, Any] | None:
    """Return a case of a document with each value that a case can ask for; None if it has none."""
    case: dict[str, Any] = {
        "name": f"document {row['id']}",
        "text": row["text"],
        "must": {},
        "empty": [],
        "reason": "The sample says so.",
    }
    record = json.loads(json.dumps(row["record"]))  # no value twice, which YAML writes as an alias
    for key, value in record.items():
        expected = {"empty": [key]} if value in (None, []) else {"must": {key: value}}
        if _can_be_used({**case, "must": {}, "empty": [], **expected}, schema):
            if "must" in expected:
                case["must"][key] = value
            else:
                case["empty"].append(key)
    if not case["must"]:
        return None
    return {key: value for key, value in case.items() if value}


def _can_be_used(case: Mapping[str, Any], schema: Schema) -> bool:
    try:
        checked_cases([{key: value for key, value in case.items() if value}], "", schema)
    except InputError:
        return False
    return True
