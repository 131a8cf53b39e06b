"""Data types of the pipeline, from a document to a prediction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

T = TypeVar("T")

Record = dict[str, Any]
"""The JSON object extracted from a document; valid against the plugin's schema."""

Schema = dict[str, Any]
"""A JSON Schema (2020-12) of one record."""

Span = tuple[int, int]
"""Start and end, in Unicode code points, end exclusive."""

Mentions = Mapping[str, Sequence[Span]]
"""JSON Pointer of a leaf -> every span of the document that mentions it.

The pointer of an empty list, with no spans, says that the document mentions no item of that list.
"""


class Counts(NamedTuple):
    """What a metric counts under one name in one document.

    Attributes:
        matched: how many of the predicted values are right.
        predicted: how many values are predicted.
        gold: how many values the gold record has.
    """

    matched: float
    predicted: float
    gold: float


FLAGS = {
    "leaks": "--allow-leaks",
    "duplicate-ids": "--allow-duplicate-ids",
    "unlearnable": "--allow-unlearnable",
}
"""The command line option that accepts an issue of the data, by the issue's name."""

IGNORED = -100
"""Label of a token that carries no loss, as torch's cross entropy has it."""

SPLITS = ("train", "validation", "test")

Ratio = tuple[int, int, int]
"""Percent of the documents for train, validation and test."""

DEFAULT_RATIO: Ratio = (80, 10, 10)
"""The ratio where the data has no official splits and the user sets none."""


class PageWord(NamedTuple):
    """Where a word of a document's text stands on a page.

    Attributes:
        start: its first character in the text, in code points.
        end: the end of it, exclusive.
        page: number of the page, from 1.
        x0: left side in points, from the left side of the page as it is shown (turned, cropped).
        y0: upper side, from the upper side of the page.
        x1: right side.
        y1: lower side.
    """

    start: int
    end: int
    page: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Document:
    """A text to read.

    Attributes:
        id: its id.
        text: the text.
        meta: its metadata (``url``, ``path``).
        words: where its words stand on pages, in the order of the text; empty for a text without
            pages. Documents that differ in it alone are equal.
    """

    id: str
    text: str
    meta: Mapping[str, str] = field(default_factory=dict)
    words: Sequence[PageWord] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class Teacher:
    """A model that labelled a document.

    Attributes:
        model: its name.
        licence: id of its licence (docs/label.md).
    """

    model: str
    licence: str


@dataclass(frozen=True)
class Example:
    """A document with its gold record, as a loader yields it.

    Attributes:
        document: the document.
        record: the gold record; None for an unlabelled document.
        mentions: for each leaf with annotated spans, all of them. Their texts may differ: one
            entity may have several names.
        split: "train", "validation" or "test" if the source has official splits.
        place: file and row in the source, for messages ("rows.jsonl:12").
        passed_over: a kind of annotation for each that the source has and the record cannot hold
            ("mention of Species"); the core counts them over the source and says so.
        teacher: the model that made the record; None if no model did.
        is_proposed: whether the record is a proposal on which nobody has decided, of a run
            (``extract next``) or of two reviewers or annotators who differ: no gold.
    """

    document: Document
    record: Record | None = None
    mentions: Mentions = field(default_factory=dict)
    split: str | None = None
    place: str = ""
    passed_over: Sequence[str] = ()
    teacher: Teacher | None = None
    is_proposed: bool = False


@dataclass(frozen=True)
class Reject:
    """A row that a loader could not turn into an example, or that training could not use.

    Attributes:
        place: file and row, or the document's id.
        field: the field or JSON Pointer at fault; "" if it is the whole row.
        reason: what is wrong, and what to do.
        id: the document's id, if it is known.
        document: the document, if its text can be read although its gold record cannot: prediction
            needs no annotation and reads it.
    """

    place: str
    field: str
    reason: str
    id: str = ""
    document: Document | None = None


@dataclass(frozen=True)
class Message:
    """One turn of a conversation; ``role`` is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True)
class Grounding:
    """Whether a leaf of a record occurs in the document, and where.

    Attributes:
        status: "verbatim": the document contains the value as it is; "normalised": it does except
            for case, white space, hyphens or the form of a character; "equivalent": it states the
            same number, date or time, in whatever notation ("€1,234.50", "5 January 2024");
            "inferred": none of these; "absent": there is no value (null).
        spans: every whole occurrence, left to right.
    """

    status: Literal["verbatim", "normalised", "equivalent", "inferred", "absent"]
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """What a model extracted from a document.

    Attributes:
        document: the document.
        raw: the generated text, one string for each window.
        record: the merged, valid record; None if ``error`` says why there is none.
        error: why there is no record.
        spans: JSON Pointer of a leaf -> its first occurrence, if it occurs in the document.
        confidence: JSON Pointer of a leaf -> how sure the model is of it, in (0, 1].
        grounding: JSON Pointer of every leaf -> whether and where it occurs in the document.
        normalised: JSON Pointer of a leaf -> its normal form (``x-normalise``), if it differs.
        windows: how many windows were read, and how many the document has.
        read: share of the document's characters, without white space, that are in a window whose
            answer was read; 1 if nothing was left out.
        truncated: windows whose answer was cut off at the length limit; the record contains the
            complete part of it.
        repeats: duplicate items of lists that were dropped.
        unsure: leaves, or objects with one, dropped because their confidence is under the
            threshold.
        ungrounded: verbatim leaves, or objects with one, dropped because they do not occur in the
            document. Always 0 under constrained decoding.
        constrained: whether decoding was constrained to valid, grounded records.
    """

    document: Document
    raw: tuple[str, ...] = ()
    record: Record | None = None
    error: str | None = None
    spans: Mapping[str, Span] = field(default_factory=dict)
    confidence: Mapping[str, float] = field(default_factory=dict)
    grounding: Mapping[str, Grounding] = field(default_factory=dict)
    normalised: Mapping[str, str] = field(default_factory=dict)
    windows: tuple[int, int] = (0, 0)
    read: float = 0.0
    truncated: int = 0
    repeats: int = 0
    unsure: int = 0
    ungrounded: int = 0
    constrained: bool = True

    def as_model(self, model: type[T]) -> T | None:
        """Return the record as an object of a pydantic model, a dataclass or a TypedDict.

        Args:
            model: the class that the schema was made of.

        Returns:
            The object; None where there is no record.

        Raises:
            ImportError: pydantic is not installed.
            pydantic.ValidationError: the class refuses the record, by a rule that JSON Schema
                cannot express.
        """
        if self.record is None:
            return None
        from pydantic import TypeAdapter

        return TypeAdapter(model).validate_json(json.dumps(self.record))
