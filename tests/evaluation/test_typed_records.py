"""Scores of another system whose records write numbers, dates and instants in their own way."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from invented_plugins import plugin_of
from pydantic import AnyUrl, BaseModel, Field

import fieldsmith
from fieldsmith.evaluation.external import evaluate_predictions


class Colour(Enum):
    """An enum with members that differ in case alone."""

    RED = "red"
    LOUD_RED = "RED"


class Line(BaseModel):
    """An object of a list."""

    on: date | None
    price: float | None

    model_config = {"json_schema_extra": {"x-key": ["on"]}}


class Invoice(BaseModel):
    """A model with a field of each type."""

    total: Annotated[float | None, Field(multiple_of=0.01)] = None
    count: int | None = None
    due: date | None = None
    sent: datetime | None = None
    term: timedelta | None = None
    id: UUID | None = None
    link: AnyUrl | None = None
    colour: Colour | None = None
    kind: Literal["a"] | None = None
    paid: bool | None = None
    sizes: list[float] = []
    lines: list[Line] = []
    rates: dict[str, float] = {}


GOLD: dict[str, Any] = {
    "total": 1234.5,
    "count": 3,
    "due": "2024-01-05",
    "sent": "2024-01-05T10:00:00Z",
    "term": "P1D",
    "id": "5de0c4f2-1bd2-4f0a-9d4b-0d3c1f6f6a11",
    "link": "https://example.org/A",
    "colour": "red",
    "kind": "a",
    "paid": True,
    "sizes": [1, 2.5, 0.3],
    "lines": [{"on": "2024-01-05", "price": 3}],
    "rates": {"EUR": 1, "USD": 1.1},
}
SAME: dict[str, Any] = {
    "total": 1234.50,
    "count": 3.0,
    "due": "2024-01-05",
    "sent": "2024-01-05T11:00:00.000+01:00",
    "term": "PT24H",
    "id": "5DE0C4F2-1BD2-4F0A-9D4B-0D3C1F6F6A11",
    "link": "HTTPS://EXAMPLE.org/A",
    "colour": "red",
    "kind": "a",
    "paid": True,
    "sizes": [0.1 + 0.2, 1.0, 2.5],
    "lines": [{"on": "2024-01-05", "price": 3.0}],
    "rates": {"EUR": 1.0, "USD": 1.1},
}
OTHER: dict[str, Any] = {
    "total": 1234.51,
    "count": 4,
    "due": "2024-05-01",
    "sent": "2024-01-05T10:00:00+01:00",
    "term": "P2D",
    "id": "6de0c4f2-1bd2-4f0a-9d4b-0d3c1f6f6a11",
    "link": "https://example.org/a",
    "colour": "RED",
    "kind": None,
    "paid": False,
    "sizes": [10, 25, 3],
    "lines": [{"on": "2024-01-06", "price": 3}],
    "rates": {"EUR": 1.1, "USD": 1},
}


def scored(tmp_path: Path, record: Any) -> dict[str, Any]:
    plugin = plugin_of(fieldsmith.schema_of(Invoice), metric=fieldsmith.field_counts)
    row = {"id": "1", "text": "Paid €1,234.50 on 5 January 2024."}
    gold, theirs = tmp_path / "gold.jsonl", tmp_path / "theirs.jsonl"
    gold.write_text(json.dumps({**row, "record": GOLD}) + "\n")
    rows = [{"id": "1", "record": record}]
    theirs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return evaluate_predictions(plugin, theirs, gold)


def test_equal_values_are_right_however_they_are_written(tmp_path: Path) -> None:
    summary = scored(tmp_path, SAME)
    assert summary["outputs"]["faults"] == {}
    f1 = {key: it["value"] for key, it in summary["metrics"].items() if key.endswith("/f1")}
    assert set(f1) == {f"{name}/f1" for name in (*GOLD, "lines/price", "micro", "macro")}
    assert set(f1.values()) == {1.0}


def test_other_values_are_wrong(tmp_path: Path) -> None:
    summary = scored(tmp_path, OTHER)
    assert summary["outputs"]["faults"] == {}
    f1 = {key: it["value"] for key, it in summary["metrics"].items() if key.endswith("/f1")}
    assert set(f1.values()) == {0.0}


def test_a_number_in_a_text_is_no_number(tmp_path: Path) -> None:
    summary = scored(tmp_path, {**SAME, "sizes": [2.5, "1,234.50", "1", True]})
    assert summary["metrics"]["sizes/precision"]["value"] == 1
    assert summary["metrics"]["sizes/recall"]["value"] < 0.5
    (fault,) = summary["outputs"]["faults"]
    assert fault.startswith("an item of sizes was left out")
