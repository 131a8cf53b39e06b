"""Turn the answers of the windows of a document into one prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..data import Example, Prediction, Record, Schema
from ..decoding.generate import Generated
from ..plugins import Plugin
from ..schema.pointers import field_of, leaves
from ..schema.records import InvalidRecordError, first_problem
from ..text.grounding import ground
from ..text.normalization import normal_forms
from ..windows.cutting import Window
from ..windows.merging import Answer, Merged
from ..windows.targets import targets
from .confidence import leaf_confidence, leaf_spans
from .filtering import Reduced, without_unsure


def _valid_together(merged: Merged, schema: Schema) -> Reduced:
    """Return the record of all windows without the least sure of what the schema will not have.

    Each window's record is valid, but all together may have too many items. The outcome is invalid
    where no threshold, in steps of a twentieth, helps.
    """
    whole = Reduced(merged.record, 0, {pointer: pointer for pointer, _ in leaves(merged.record)})
    kept, step = whole, 0
    while step < 20 and first_problem(kept.record, schema):
        step += 1
        kept = without_unsure(merged.record, merged.confidence, step / 20, schema)
    return kept


def surer(prediction: Prediction, threshold: float, schema: Schema) -> Prediction:
    """Return a prediction without the leaves whose confidence is under a threshold.

    A leaf stays where the schema would not have what remains.
    """
    if prediction.record is None or threshold == 0:
        return prediction
    sure = without_unsure(prediction.record, prediction.confidence, threshold, schema)
    return replace(
        prediction,
        record=sure.record,
        spans=sure.moved(prediction.spans),
        confidence=sure.moved(prediction.confidence),
        grounding=ground(sure.record, prediction.document.text),
        normalised=normal_forms(sure.record, schema),
        unsure=prediction.unsure + sure.left_out,
    )


@dataclass(frozen=True)
class _Reading:
    """What a window's answer says, and what became of the rest of it."""

    answer: Answer
    truncated: bool
    repeats: int
    ungrounded: int


@dataclass
class _Book:
    """What became of the windows of a document.

    windows: how many were asked for.
    raw: what the model wrote.
    faults: why windows were not asked for, or their answers not read.
    """

    windows: int = 0
    raw: list[str] = field(default_factory=list)
    readings: list[_Reading] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def _unreadable(text: str) -> str | None:
    """Say why a text cannot be read, where it cannot."""
    if not text.strip():
        return "the document is empty"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"character {error.start} is half a surrogate pair, which is no text"
    return None


def _grounded(record: Record, window: Window, plugin: Plugin) -> tuple[Record, int]:
    """Leave out of an unconstrained answer what does not stand in the window, and count it.

    What it loses here is what a gold record loses before it is trained on.

    Raises:
        InvalidRecordError: what remains breaks the schema.
    """
    whole = Window(window.document, 0)
    cut_record = targets(Example(window.document, record), [whole], plugin.schema)
    invented = sum(not gold.windows for gold in cut_record.gold)
    if cut_record.records[0] is None:
        raise InvalidRecordError("what stands in the document is no record without the rest")
    return cut_record.records[0], invented


def _written_confidence(result: Generated, closed: str) -> dict[str, float]:
    """Return the confidence of the leaves that the model wrote.

    closed: the answer, closed where it was cut off; what stands there alone has no confidence.
    """
    pairs = zip(result.text, closed, strict=False)
    same = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(result.text), len(closed)))
    written = {pointer for pointer, (_start, end) in leaf_spans(closed).items() if end <= same}
    confidence = leaf_confidence(closed, result.ends, result.logprobs)
    return {pointer: value for pointer, value in confidence.items() if pointer in written}


def _confidence_of(
    record: Record, written: Record, confidence: Mapping[str, float]
) -> dict[str, float]:
    """Return the confidence of a record's leaves, which may stand elsewhere than as written."""
    known: dict[tuple[str, object], float] = {}
    for pointer, leaf in leaves(written):
        if pointer in confidence:
            known.setdefault((field_of(pointer), leaf), confidence[pointer])
    return {
        pointer: known[field_of(pointer), leaf]
        for pointer, leaf in leaves(record)
        if (field_of(pointer), leaf) in known
    }
