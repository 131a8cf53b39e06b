"""Which windows teach each gold leaf, and why a leaf is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..schema.pointers import leaves, value_at
from ..windows.rows import DocumentWindows

_VALUE = re.compile(
    r"""
    \[.*\] | \{.*\}                                # lists and objects, as Python writes them
    | '(?:[^'\\]|\\.)*(?:'(?!\w)|$)               # texts in quotes, the last one perhaps cut off
    | "(?:[^"\\]|\\.)*(?:"|$)
    | (?<=\bid\ )\S+ | (?<=\bused\ at\ )\S+ | (?<=\bof\ )\S+[:/.]\S*     # ids, files and their rows
    | \S*[\d/\\]\S*                              # numbers, pointers, paths
    | \b(?:True|False|None)\b
    """,
    re.VERBOSE,
)
"""What a reason says of one row alone."""

_LONGEST = 160
"""Characters of a reason in general."""


@dataclass(frozen=True)
class LeafOutcome:
    """The windows that teach a gold leaf or an object of a list, or why there are none.

    Attributes:
        id: id of the document.
        pointer: JSON Pointer in the gold record.
        windows: numbers of the windows that teach it, from 1; windows set aside are numbered too.
        reason: why no window does; "" if one does.
        is_leaf: whether it is a leaf.
    """

    id: str
    pointer: str
    windows: list[int]
    reason: str
    is_leaf: bool

    def as_json(self) -> dict[str, Any]:
        """Return the outcome for ``--json``; it has a reason only if there is no window."""
        known = {"id": self.id, "pointer": self.pointer, "windows": self.windows}
        return known if self.windows else {**known, "reason": self.reason}


def leaf_outcomes(document: DocumentWindows) -> Iterator[LeafOutcome]:
    """Yield the outcome of every gold leaf and object of a document that is not null.

    The leaves of an object that is in no answer follow it, each with the object's reason.
    """
    document_id, record = document.example.document.id, document.example.record
    assert record is not None  # unlabelled documents are in no split
    for gold in document.gold:
        value = value_at(gold.pointer, record)
        is_leaf = not isinstance(value, dict | list)
        windows = [number + 1 for number in document.learned_in(gold)]
        reason = "" if windows else document.why_lost(gold)
        yield LeafOutcome(document_id, gold.pointer, windows, reason, is_leaf)
        if is_leaf or gold.windows:
            continue
        inner_reason = f"lost with its object: {reason}"
        for inner, leaf in leaves(value):
            if leaf is not None:
                pointer = gold.pointer + inner
                yield LeafOutcome(document_id, pointer, [], inner_reason, is_leaf=True)


def cause_of(reason: str) -> str:
    """Return a reason in general, the same for a leaf and for the object that it is lost with.

    >>> cause_of("lost with its object: its disease: not in the text")
    'not in the text'
    """
    own = reason.removeprefix("lost with its object: ")
    own = re.sub(r"^its [^:]{1,100}: ", "", own)
    return general_reason(own)


def general_reason(reason: str) -> str:
    """Return a reason without what is specific to a row, so that equal ones can be counted.

    >>> general_reason("several readings in the text: 'Rash', 'rash'")
    'several readings in the text: …'
    """
    general = _VALUE.sub("…", reason)
    general = re.sub(r"…(?:,? ?(?:and |or )?…)+", "…", general)
    return general if len(general) <= _LONGEST else f"{general[: _LONGEST - 1]}…"
