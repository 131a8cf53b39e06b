"""Write labelled documents for other annotation tools, with the values marked as spans.

Prodigy (rows of JSONL with ``spans``) and Label Studio (a list of tasks with ``predictions``).
These tools mark spans of a text with labels: a field of a record becomes a label. Fields inside
objects, and values that do not stand in the text, cannot be marked; they are counted. What the
tools write in the end is read like any other data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ..data import Example
from ..schema.pointers import field_of, leaves, parse_pointer
from ..text.grounding import ground


class LabelledSpan(NamedTuple):
    """A piece of a text with the name of a field; offsets are in code points."""

    start: int
    end: int
    label: str


def labelled_spans(example: Example) -> tuple[list[LabelledSpan], int]:
    """Return the spans of an example's values, and how many values cannot be marked.

    A value with annotated mentions has these, another one all its occurrences.
    """
    found: set[LabelledSpan] = set()
    grounding = ground(example.record or {}, example.document.text)
    left_out = 0
    for pointer, value in leaves(example.record or {}):
        keys = [key for key in parse_pointer(pointer) if not key.isdigit()]
        spans = example.mentions.get(pointer) or grounding[pointer].spans
        if value is None:
            continue
        if len(keys) > 1 or not spans:
            left_out += 1
        else:
            found.update(LabelledSpan(*span, field_of(pointer)) for span in spans)
    return sorted(found), left_out


def prodigy_row(example: Example, spans: Iterable[LabelledSpan]) -> dict[str, Any]:
    """Return a row of Prodigy's."""
    document = example.document
    marked = [{"start": each.start, "end": each.end, "label": each.label} for each in spans]
    return {"id": document.id, "text": document.text, "spans": marked, "meta": {"id": document.id}}


def label_studio_task(example: Example, spans: Iterable[LabelledSpan]) -> dict[str, Any]:
    """Return a task of Label Studio, for ``<Labels name="label" toName="text">``."""
    document = example.document
    result = [
        {
            "id": str(number),
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {
                "start": each.start,
                "end": each.end,
                "text": document.text[each.start : each.end],
                "labels": [each.label],
            },
        }
        for number, each in enumerate(spans)
    ]
    data = {"id": document.id, "text": document.text}
    return {"data": data, "predictions": [{"model_version": "fieldsmith", "result": result}]}


FORMATS: Mapping[str, Callable[[Example, Iterable[LabelledSpan]], dict[str, Any]]] = {
    "prodigy": prodigy_row,
    "label-studio": label_studio_task,
}
"""What makes a row of an example, by the name of the tool."""


def exchange_rows(examples: Iterable[Example], tool: str) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield a row of each example for a tool of ``FORMATS``, and how many values it leaves out."""
    for example in examples:
        spans, left_out = labelled_spans(example)
        yield FORMATS[tool](example, spans), left_out
