"""From generated answers to a prediction: parse, repair, ground, merge the windows, filter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from ..data import Document, Example, Grounding, Prediction, Record, Schema, Span
from ..decoding.grammar import Grammars
from ..decoding.partial_json import complete_record
from ..decoding.sequence import Generated
from ..schema.pointers import field_of, leaves
from ..schema.records import InvalidRecordError, first_problem, read_record, write_record
from ..tagging.decoder import FieldTags
from ..task import Task
from ..text.grounding import ground
from ..text.normalization import normal_forms
from ..windows.cutting import Window, share_read
from ..windows.merging import Merged, WindowRecord, merge
from ..windows.targets import targets
from .confidence import leaf_confidence, leaf_spans
from .filtering import Filtered, without_repeats, without_unsure


@dataclass(frozen=True)
class WindowAnswer:
    """What was generated for a window, and the record that it holds.

    Attributes:
        window: the part of the document.
        text: what the model generated; None where it was not asked.
        error: why there is no record; "" if there is one.
        record: valid against the schema; None where ``error`` says why.
        confidence: JSON Pointer of a leaf -> confidence in [0, 1].
        probability: geometric mean of the probabilities of the tokens that the model chose; 1 where
            that is not known.
        tags: field -> tag probabilities over the window's text.
        truncated: whether the answer was cut off at the length limit.
        repeats: list items left out because they repeat others.
        ungrounded: values left out because the window does not hold them.
    """

    window: Window
    text: str | None = None
    error: str = ""
    record: Record | None = None
    confidence: Mapping[str, float] = field(default_factory=dict)
    probability: float = 1.0
    tags: Mapping[str, FieldTags] = field(default_factory=dict)
    truncated: bool = False
    repeats: int = 0
    ungrounded: int = 0


def read_answer(
    window: Window, generated: Generated | str, task: Task, grammars: Grammars | None
) -> WindowAnswer:
    """Read the record of an answer; one that was cut off is repaired.

    Args:
        window: what the model read.
        generated: what it generated, or why it was not asked.
        task: plugin, settings and prompt format.
        grammars: what the answer was constrained to; None if it was not, and then what the window
            does not hold is left out.
    """
    if isinstance(generated, str):
        return WindowAnswer(window, error=generated)
    try:
        return _read(window, generated, task, grammars)
    except InvalidRecordError as error:
        return WindowAnswer(window, generated.text, str(error))


def _read(
    window: Window, generated: Generated, task: Task, grammars: Grammars | None
) -> WindowAnswer:
    schema = grammars.schema if grammars else task.schema
    closed = generated.text
    if generated.finished:
        record = read_record(closed, schema)
    else:
        whole = complete_record(closed, schema)
        if whole is None:
            raise InvalidRecordError(f"length: no end after {len(generated.ids)} tokens")
        record, closed = whole, write_record(whole, schema)
    confidence = _generated_confidence(generated, closed)
    ungrounded = 0
    if grammars is None:
        written = record
        record, ungrounded = _grounded(written, window, task.schema)
        confidence = _moved_confidence(record, written, confidence)
    distinct = without_repeats(record)
    if distinct.left_out and first_problem(distinct.record, schema):  # too few would remain
        distinct = Filtered(record, 0, {pointer: pointer for pointer in confidence})
    return WindowAnswer(
        window,
        generated.text,
        record=distinct.record,
        confidence=distinct.moved(confidence),
        probability=_mean_probability(generated.logprobs),
        truncated=not generated.finished or generated.shortened,
        repeats=distinct.left_out,
        ungrounded=ungrounded,
    )


def merge_answers(
    document: Document,
    answers: Sequence[WindowAnswer],
    schema: Schema,
    min_confidence: float,
    *,
    as_written: bool = False,
) -> Prediction:
    """Merge the answers of a document's windows into its prediction.

    Args:
        document: the whole document.
        answers: one a window, in the order of the text.
        schema: the schema of a record.
        min_confidence: values below it are left out where the schema allows, in [0, 1].
        as_written: whether a document of one window keeps the lists that the model wrote, repeats
            apart; otherwise they are sorted by occurrence, and like items become one.
    """
    read = [
        WindowRecord(answer.window, answer.record, answer.confidence)
        for answer in answers
        if answer.record is not None
    ]
    prediction = Prediction(
        document,
        tuple(answer.text for answer in answers if answer.text is not None),
        windows=(len(read), len(answers)),
        read=share_read(document.text, [answer.window for answer in read]),
        truncated=sum(answer.truncated for answer in answers),
        repeats=sum(answer.repeats for answer in answers),
        ungrounded=sum(answer.ungrounded for answer in answers),
    )
    if not read:
        errors = [answer.error for answer in answers]
        return replace(prediction, error=errors[0] if errors else unreadable(document.text))
    merged = merge(read, schema, as_written=as_written and len(answers) == 1)
    kept = valid_together(merged, schema)
    problem = first_problem(kept.record, schema)
    if problem:
        pointer, message = problem
        return replace(prediction, error=f"the windows together: {pointer}: {message}")
    grounding = ground(kept.record, document.text)
    whole = replace(
        prediction,
        record=kept.record,
        spans=_first_spans(grounding, kept.moved(merged.spans), kept.moved(merged.equivalents)),
        confidence=kept.moved(merged.confidence),
        grounding=grounding,
        normalised=normal_forms(kept.record, schema),
        unsure=kept.left_out,
    )
    return above(whole, min_confidence, schema)


def _first_spans(
    grounding: Mapping[str, Grounding],
    verbatim: Mapping[str, Span],
    equivalent: Mapping[str, Span],
) -> dict[str, Span]:
    """Return the first span of each leaf: in a window that it was read in, else of the document.

    Args:
        grounding: JSON Pointer -> whether and where the leaf occurs in the document.
        verbatim: its first verbatim occurrence in a window that it was read in.
        equivalent: where such a window states it in another notation, which may differ from how
            the document does: a window can begin within a number.
    """
    first = {pointer: found.spans[0] for pointer, found in grounding.items() if found.spans}
    for pointer, span in equivalent.items():
        found = grounding[pointer]
        if found.status == "equivalent" and span in found.spans:
            first[pointer] = span
    return first | dict(verbatim)


def valid_together(merged: Merged, schema: Schema) -> Filtered:
    """Return the merged record without its least sure values, until the schema accepts it.

    Each window's record is valid, but all together may have too many items. The result is invalid
    where no threshold, in steps of a twentieth, helps.
    """
    whole = Filtered(merged.record, 0, {pointer: pointer for pointer, _ in leaves(merged.record)})
    kept, step = whole, 0
    while step < 20 and first_problem(kept.record, schema):
        step += 1
        kept = without_unsure(merged.record, merged.confidence, step / 20, schema)
    return kept


def above(prediction: Prediction, threshold: float, schema: Schema) -> Prediction:
    """Return a prediction without the values whose confidence is below a threshold.

    A value stays where the schema would refuse what remains.
    """
    if prediction.record is None or threshold == 0:
        return prediction
    sure = without_unsure(prediction.record, prediction.confidence, threshold, schema)
    kept = sure.moved(prediction.grounding)
    return replace(
        prediction,
        record=sure.record,
        spans=sure.moved(prediction.spans),
        confidence=sure.moved(prediction.confidence),
        grounding={
            pointer: kept.get(pointer, Grounding("absent")) for pointer, _ in leaves(sure.record)
        },
        normalised=normal_forms(sure.record, schema),
        unsure=prediction.unsure + sure.left_out,
    )


def unreadable(text: str) -> str | None:
    """Say why a text cannot be read; None if it can."""
    if not text.strip():
        return "the document is empty"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"character {error.start} is half a surrogate pair, which is no text"
    return None


def _grounded(record: Record, window: Window, schema: Schema) -> tuple[Record, int]:
    """Leave out of an unconstrained answer what the window does not hold, and count it.

    It loses what a gold record loses before it is trained on.

    Raises:
        InvalidRecordError: what remains breaks the schema.
    """
    whole = Window(window.document, 0)
    target = targets(Example(window.document, record), [whole], schema)
    if target.records[0] is None:
        raise InvalidRecordError("without the values that the document does not hold, no record")
    return target.records[0], sum(not gold.windows for gold in target.gold)


def _generated_confidence(generated: Generated, closed: str) -> dict[str, float]:
    """Return the confidence of the leaves that the model generated.

    Args:
        generated: the answer as the model wrote it.
        closed: the repaired answer; a leaf that is in the repair alone has no confidence.
    """
    text = generated.text
    pairs = zip(text, closed, strict=False)
    same = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(text), len(closed)))
    written = {pointer for pointer, (_start, end) in leaf_spans(closed).items() if end <= same}
    confidence = leaf_confidence(closed, generated.ends, generated.logprobs)
    return {pointer: value for pointer, value in confidence.items() if pointer in written}


def _mean_probability(logprobs: Sequence[float]) -> float:
    """Return the geometric mean of the probabilities of the tokens that no grammar forced."""
    chosen = [logprob for logprob in logprobs if logprob < 0]
    return math.exp(fmean(chosen)) if chosen else 1.0


def _moved_confidence(
    record: Record, written: Record, confidence: Mapping[str, float]
) -> dict[str, float]:
    """Return the confidence of a record's leaves, which may have moved since they were written."""
    known: dict[tuple[str, object], float] = {}
    for pointer, leaf in leaves(written):
        if pointer in confidence:
            known.setdefault((field_of(pointer), leaf), confidence[pointer])
    return {
        pointer: known[field_of(pointer), leaf]
        for pointer, leaf in leaves(record)
        if (field_of(pointer), leaf) in known
    }
