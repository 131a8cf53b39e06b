"""Postprocessing: from the records of windows to a prediction with offsets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from object_schemas import windows_at

from fieldsmith import Document, Prediction, Schema
from fieldsmith.extraction.postprocess import WindowAnswer, merge_answers
from fieldsmith.extraction.prediction_file import prediction_line
from fieldsmith.text.grounding import ground

TEXT = "Invoice 3 of 7, ACME. Total: €1,234.50 for 3 days. Due: 05/01/2024, paid in full."
SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "seller": {"type": ["string", "null"], "x-source": "verbatim"},
        "total": {"type": ["number", "null"]},
        "days": {"type": ["integer", "null"]},
        "due": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "paid": {"type": ["boolean", "null"]},
    },
}
EMPTY: dict[str, Any] = dict.fromkeys(SCHEMA["properties"])
RECORDS = (
    ("Invoice 3 of 7, ACME.", {**EMPTY, "seller": "ACME"}),
    ("Total: €1,234.50 for 3 days.", {**EMPTY, "total": 1234.5, "days": 3}),
    ("Due: 05/01/2024, paid in full.", {**EMPTY, "due": "2024-01-05", "paid": True}),
)


@dataclass
class Invoice:
    """The record as an object of a class."""

    seller: str | None
    total: float | None
    days: int | None
    due: date | None
    paid: bool | None


def prediction(min_confidence: float = 0.0) -> Prediction:
    windows = windows_at(TEXT, *(part for part, _record in RECORDS))
    answers = [
        WindowAnswer(window, "", record=record, confidence={"/total": 0.3, "/due": 0.9})
        for window, (_part, record) in zip(windows, RECORDS, strict=True)
    ]
    return merge_answers(Document("1", TEXT), answers, SCHEMA, min_confidence)


def test_a_line_has_the_offsets_of_what_was_read_in_another_notation() -> None:
    line = prediction_line(prediction(), "invoices")
    assert {pointer: TEXT[slice(*span)] for pointer, span in line["spans"].items()} == {
        "/seller": "ACME",
        "/total": "1,234.50",
        "/days": "3",
        "/due": "05/01/2024",
    }
    assert line["spans"]["/days"] == [TEXT.index("3 days"), TEXT.index(" days")]
    assert line["status"] == {
        "/seller": "verbatim",
        "/total": "equivalent",
        "/days": "equivalent",
        "/due": "equivalent",
        "/paid": "inferred",
    }
    assert [TEXT[slice(*span)] for span in line["occurrences"]["/days"]] == ["3", "3"]


def test_what_is_left_out_for_its_confidence_has_no_offsets() -> None:
    sure = prediction(0.5)
    assert sure.record == {**prediction().record, "total": None}  # type: ignore[dict-item]
    assert "/total" not in sure.spans
    assert sure.grounding == ground(sure.record or {}, TEXT)


def test_the_offsets_do_not_change_the_object_of_a_class() -> None:
    assert prediction().as_model(Invoice) == Invoice("ACME", 1234.5, 3, date(2024, 1, 5), True)


def test_a_window_that_begins_within_a_number_gives_it_no_offsets() -> None:
    text = "It is 1,234.50 now."
    windows = windows_at(text, "It is 1,", "234.50 now.")
    records = ({**EMPTY, "days": 1}, {**EMPTY, "total": 234.5})
    answers = [
        WindowAnswer(window, "", record=record)
        for window, record in zip(windows, records, strict=True)
    ]
    found = merge_answers(Document("1", text), answers, SCHEMA, 0)
    assert (found.record or {})["total"] == 234.5
    assert found.spans == {}
