"""The nouns: what goes through the pipeline, from a document to a prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Record = dict[str, Any]
"""The JSON object that answers for a document; valid against the plugin's schema."""

Schema = dict[str, Any]
"""A JSON Schema (2020-12) of one record."""

Span = tuple[int, int]
"""Start and end, in Unicode code points, end exclusive."""

Mentions = Mapping[str, Sequence[Span]]
"""JSON Pointer of a leaf -> every span of the document that stands for it.

The pointer of an empty list, with no span, says that the list's mentions are known: none.
"""

Counts = tuple[float, float, float]
"""(matched, predicted, gold) of one name in one document."""

IGNORED = -100
"""Label of a token that carries no loss, as torch's cross entropy has it."""

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Document:
    """A text to read, its id, and what is known beside the text (``url``, ``path``)."""

    id: str
    text: str
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """A document with its gold record, as a loader yields it.

    record: None for an unlabelled document.
    mentions: for each leaf whose place is known, every span that stands for it. The texts of
        the spans may differ: a leaf is one thing, and a thing may have several names.
    split: "train", "validation" or "test" where the source says so officially.
    place: where the row stands in its source, for messages ("rows.jsonl:12").
    """

    document: Document
    record: Record | None = None
    mentions: Mentions = field(default_factory=dict)
    split: str | None = None
    place: str = ""


@dataclass(frozen=True)
class Reject:
    """What a loader could not make an example of, or training could not use.

    place: file and row, or the document's id.
    field: the field or JSON Pointer that is at fault; "" where it is the row as a whole.
    reason: what is wrong, and what to do.
    id: the document's id, where one is known.
    """

    place: str
    field: str
    reason: str
    id: str = ""


@dataclass(frozen=True)
class Message:
    """One turn of a conversation; ``role`` is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True)
class Grounding:
    """Whether a leaf of a record stands in the document, and where.

    status: "verbatim": the document holds the value as it is; "normalised": it does but for case,
        white space, hyphens or the form of a character; "inferred": it does not, or the value is
        no string; "absent": there is no value (null).
    spans: every whole occurrence, left to right.
    """

    status: Literal["verbatim", "normalised", "inferred", "absent"]
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """What a model answered for a document.

    raw: the text as generated, one string a window.
    record: the merged, valid record; None where ``error`` says why there is none.
    spans: JSON Pointer of a leaf -> where the model found it first, if it stands in the document.
    confidence: JSON Pointer of a leaf -> how sure the model was of it, in (0, 1].
    grounding: JSON Pointer of every leaf -> whether and where it stands in the document.
    normalised: JSON Pointer of a leaf -> its normal form (``x-normalise``), where that is another.
    windows: how many windows were read, of how many the document has.
    read: share of the document's characters, white space left out, that stand in a window whose
        answer was read; 1 where nothing was left out.
    truncated: windows whose answer was cut off at the length limit; their record holds what was
        complete by then.
    repeats: items of lists that were written more than once; the record holds each once.
    unsure: leaves, or objects with one, left out because their confidence is under the threshold.
    ungrounded: verbatim leaves, or objects with one, that the model wrote and that do not stand
        in the document; they are not in the record. Always 0 where decoding is constrained.
    constrained: whether the model could write nothing but a valid, grounded record.
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
