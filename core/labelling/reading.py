"""Read the record of a teacher's answer: strictly, and nothing that the window does not hold."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..data import Example, Record, Schema
from ..extraction.filtering import without_repeats
from ..schema.records import InvalidRecordError, read_record
from ..windows.cutting import Window
from ..windows.targets import targets
from .teacher import REFUSAL, Reply

_FENCE = re.compile(
    r"^[ \t]*```[\w-]*[ \t]*\r?\n(.*?)^[ \t]*```[ \t]*\r?$", re.DOTALL | re.MULTILINE
)

_THOUGHT = "</think>"
"""What ends the thoughts of models that write them into their answers."""

_SHOWN = 300
"""Characters of a refusal that a reason shows."""


@dataclass(frozen=True)
class Sample:
    """The record of one answer.

    Attributes:
        record: valid against the schema; its verbatim leaves are spelt as in the window.
        dropped: values that the window does not hold, and that are left out.
        aligned: values that the answer spells otherwise than the window does.
        repeats: list items that are equal to others, and are left out.
    """

    record: Record
    dropped: int = 0
    aligned: int = 0
    repeats: int = 0


def read_sample(reply: Reply, window: Window, schema: Schema) -> Sample:
    """Read the record of an answer.

    Args:
        reply: the answer.
        window: what it was asked about.
        schema: of a record.

    Raises:
        InvalidRecordError: it is a refusal, empty, cut off, no JSON, or breaks the schema.
    """
    if reply.problem:
        raise InvalidRecordError(reply.problem)
    if reply.form == REFUSAL:
        said = " ".join(reply.text.split())[:_SHOWN]
        raise InvalidRecordError(f"the teacher refuses: {said}")
    if not reply.finished:
        raise InvalidRecordError("the answer was cut off at the length limit (max_new_tokens)")
    text = without_thoughts(reply.text)
    if not text.strip():
        raise InvalidRecordError("the answer is empty")
    written = read_record(unfenced(text), schema)
    # As gold is read before it is trained on.
    target = targets(Example(window.document, written), [Window(window.document, 0)], schema)
    record = target.records[0]
    if record is None:
        raise InvalidRecordError("without the values that the document does not hold, no record")
    return Sample(
        record,
        sum(not gold.windows for gold in target.gold),
        sum(gold.aligned for gold in target.gold),
        without_repeats(written).left_out,
    )


def without_thoughts(text: str) -> str:
    """Return an answer without what its model thought aloud before it.

    Some servers leave out where that begins, so it counts where it ends; what begins as a record or
    a fence is the answer, whatever marks stand in its values.

    >>> without_thoughts("<think>An object, {}?</think> {}"), without_thoughts('{"a": "</think>"}')
    (' {}', '{"a": "</think>"}')
    """
    while _THOUGHT in text and not text.lstrip().startswith(("{", "```")):
        text = text.partition(_THOUGHT)[2]
    return text


def unfenced(text: str) -> str:
    """Return what the one code fence of an answer holds; an answer without one as it is.

    >>> unfenced("Here it is:\\n```json\\n{}\\n```")
    '{}\\n'
    """
    found = _FENCE.findall(text)
    return found[0] if len(found) == 1 else text
