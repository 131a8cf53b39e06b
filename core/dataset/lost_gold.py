"""Gold that no training window teaches: how much of it, by field and by cause."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from ..data import Record, Schema
from ..schema.navigation import is_verbatim
from ..schema.pointers import field_of, leaves, value_at
from ..windows.rows import FAULTS, DocumentWindows
from ..windows.targets import APART
from .leaf_outcomes import cause_of, leaf_outcomes

MOST_LOST = 0.05
"""With a larger share of the gold lost, the model learns to omit what is there."""

EXAMPLES = 3
"""Examples kept of each kind of issue."""

_ABSENT = ("not in the text", "not on word borders", "several readings in the text")
"""How the reasons begin for leaves that the text does not hold, or not in one way."""

_CORRECT_GOLD = "correct the gold, or declare such fields x-source: inferred"
_CURES: Mapping[str, str] = {
    FAULTS["length"]: "raise max_length, or cut documents into smaller windows (window, "
    "window_size)",
    FAULTS["grammar"]: "see what of an answer is refused (windows set aside) and correct the gold, "
    "or let the schema allow it",
    FAULTS["schema"]: "let the schema allow records without what a window does not hold, or read "
    "documents as a whole (window=document)",
    **dict.fromkeys(_ABSENT, _CORRECT_GOLD),
}
"""Part of a cause -> what to do about it."""


class LostGold:
    """Counts the gold of documents, and what of it no window teaches.

    Attributes:
        schema: the schema of a record.
        leaves: number of single leaves, those in objects included.
        lost: single leaves that no window teaches, by cause.
        verbatim: verbatim leaves by field, in the order of the records.
        missing: how many of them are not in their text; one for each object lost because of that.
        examples: some of them by field: id of the document, JSON Pointer, value, reason.
        annotated: documents whose record has a key of the root.
        filled: documents whose record has a value there.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.leaves = 0
        self.lost: Counter[str] = Counter()
        self.verbatim: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.examples: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.annotated: Counter[str] = Counter()
        self.filled: Counter[str] = Counter()
        self._known: dict[str, bool] = {}

    def add(self, document: DocumentWindows) -> None:
        """Count a document."""
        record = document.example.record
        assert record is not None  # unlabelled documents are in no split
        self._add_gold(record)
        for outcome in leaf_outcomes(document):
            if outcome.is_leaf:
                self.leaves += 1
                if outcome.reason:
                    self.lost[cause_of(outcome.reason)] += 1
        for gold in document.gold:
            if not document.learned_in(gold):
                reason = document.why_lost(gold)
                self._add_missing(document.example.document.id, record, gold.pointer, reason)

    def _add_gold(self, record: Record) -> None:
        self.annotated.update(record.keys())
        self.filled.update(key for key, value in record.items() if _has_leaf(value))
        for pointer, value in leaves(record):
            name = field_of(pointer)
            if name not in self._known:
                self._known[name] = is_verbatim(pointer, self.schema)
            if self._known[name] and isinstance(value, str):
                self.verbatim[name] += 1

    def _add_missing(self, document_id: str, record: Record, pointer: str, reason: str) -> None:
        """Count a leaf or an object that no window teaches, if the text is the reason."""
        name, value = field_of(pointer), value_at(pointer, record)
        if isinstance(value, dict):  # "its creator: not in the text"
            inner, _colon, reason = reason.removeprefix("its ").partition(": ")
            value = next((leaf for at, leaf in leaves(value) if field_of(at) == inner), None)
            name = f"{name}/{inner}"
        if reason.startswith(_ABSENT):
            self.missing[name] += 1
            if len(self.examples[name]) < EXAMPLES:
                example = {"id": document_id, "pointer": pointer, "value": value, "reason": reason}
                self.examples[name].append(example)

    @property
    def apart(self) -> int:
        """The number of lost leaves of objects whose parts share no window.

        No window holds such an object, so none teaches to omit it: they count neither in
        ``share`` nor in ``problem``.
        """
        return sum(count for cause, count in self.lost.items() if APART in cause)

    @property
    def share(self) -> float:
        """The share of the leaves that no window teaches, whatever the cause but ``apart``."""
        return (self.lost.total() - self.apart) / max(1, self.leaves)

    @property
    def missing_share(self) -> float:
        """The share of the verbatim leaves that is not in the text."""
        return self.missing.total() / max(1, self.verbatim.total())

    def problem(self) -> str:
        """Say how much is lost, by cause, and what to do; "" if it is little enough."""
        parts, cures = [], []
        if self.share > MOST_LOST:
            known = Counter({at: n for at, n in self.lost.items() if APART not in at})
            causes = known.most_common(EXAMPLES)
            shares = ", ".join(f"{count / self.leaves:.1%}: {cause}" for cause, count in causes)
            parts.append(
                f"{self.share:.1%} of the gold leaves are not learned ({known.total()} of "
                f"{self.leaves}; {shares})"
            )
            cures = [
                cure for cause, _count in causes for key, cure in _CURES.items() if key in cause
            ]
        if self.missing_share > MOST_LOST:
            worst = ", ".join(
                f"{name} {count} of {self.verbatim[name]}"
                for name, count in self.missing.most_common(EXAMPLES)
            )
            parts.append(
                f"{self.missing_share:.1%} of the verbatim leaves are not in their text ({worst})"
            )
            cures.append(_CORRECT_GOLD)
        if not parts:
            return ""
        advice = "; ".join(dict.fromkeys(cures)) or "the audit lists their reasons"
        return f"{'; '.join(parts)}, so that the model learns to omit them: {advice}"

    def out_of_reach(self) -> str:
        """Say how much no window holds as a whole, and what to do; "" if it is little enough."""
        share = self.apart / max(1, self.leaves)
        if share <= MOST_LOST:
            return ""
        return (
            f"{share:.1%} of the gold leaves ({self.apart} of {self.leaves}) are in objects whose "
            f"parts share no window: they can be neither learned nor found; larger windows hold "
            f"more of them (window=document, or a larger window_size)"
        )

    def empty_fields(self) -> list[str]:
        """Return the keys that records have and none fills, in the order of the schema."""
        keys = self.schema.get("properties", {})
        return [key for key in keys if self.annotated[key] and not self.filled[key]]

    def as_json(self) -> dict[str, Any]:
        """Return counts and examples of verbatim leaves that are not in the text, by field."""
        return {
            "leaves": self.missing.total(),
            "of": self.verbatim.total(),
            "share": round(self.missing_share, 4),
            "fields": {
                name: {"leaves": self.missing[name], "of": count, "examples": self.examples[name]}
                for name, count in self.verbatim.items()
                if self.missing[name]
            },
        }


def _has_leaf(value: Any) -> bool:
    return any(leaf is not None for _pointer, leaf in leaves({"": value}))
