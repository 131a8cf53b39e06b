"""Which windows teach each gold leaf, and why a leaf is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..schema.pointers import leaves, value_at
from ..windows.rows import DocumentWindows


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


def general_reason(reason: str) -> str:
    """Return a reason without what is specific to a row, so that equal ones can be counted.

    >>> general_reason("several readings in the text: 'Rash', 'rash'")
    'several readings in the text: …'
    """
    general = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\S*\d\S*", "…", reason)
    return re.sub(r"…(?:,? …)+", "…", general)
