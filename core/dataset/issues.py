"""What makes a training unsound, before it has begun; each finding can be accepted by a flag.

The audit tells what it finds and exits with 1. Training refuses leaks and double ids, and tells the
rest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data import Example, Record, Reject, Schema
from ..errors import InputError, LeakError
from ..schema.navigation import is_verbatim
from ..schema.pointers import field_of, leaves, value_at
from .duplicates import Twin, find_twins
from .splits import IDS_SHOWN, Splits, describe

MOST_UNLEARNABLE = 0.05
"""With a larger share of verbatim leaves that stand in no text, what is taught is to leave out."""

FLAGS = {
    "leaks": "--allow-leaks",
    "duplicate-ids": "--allow-duplicate-ids",
    "unlearnable": "--allow-unlearnable",
}
"""The options that accept what is unsound, by the names of the findings."""

EXAMPLES = 3
"""So many examples are kept of each kind."""

_ABSENT = ("not in the text", "not on word borders", "several readings in the text")
"""How the reasons of leaves begin that a text does not hold, or not in one way."""


@dataclass(frozen=True)
class Finding:
    """Something that the numbers of an audit come to.

    name: what it is, for programs.
    message: what was found, and what to do.
    flag: the option that accepts it; "" where none does.
    is_unsound: whether training on this data would be; else it is good to know.
    accepted: whether its flag was given.
    """

    name: str
    message: str
    flag: str = ""
    is_unsound: bool = True
    accepted: bool = False

    @property
    def stops(self) -> bool:
        """Whether the data should not be trained on as it is."""
        return self.is_unsound and not self.accepted

    @property
    def line(self) -> str:
        """Return what to tell of it: what it is, the message, and the flag that would accept it."""
        if self.accepted:
            return f"accepted ({self.name}): {self.message}"
        if not self.is_unsound:
            return f"note ({self.name}): {self.message}"
        accept = f"; {self.flag} accepts it" if self.flag else ""
        return f"unsound ({self.name}): {self.message}{accept}"


@dataclass
class Unlearnable:
    """Verbatim leaves that do not stand in the text, so that no answer can be trained to hold them.

    verbatim: verbatim leaves of the gold by field, in the order of the records.
    missing: how many of those do not stand in their text. Of an object that is lost for it, one.
    examples: some of them by field: id of the document, JSON Pointer, value, reason.
    """

    verbatim: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    examples: defaultdict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _known: dict[str, bool] = field(default_factory=dict)

    def add_gold(self, record: Record, schema: Schema) -> None:
        """Count the verbatim leaves of a gold record."""
        for pointer, value in leaves(record):
            name = field_of(pointer)
            if name not in self._known:
                self._known[name] = is_verbatim(pointer, schema)
            if self._known[name] and isinstance(value, str):
                self.verbatim[name] += 1

    def add_lost(self, document_id: str, record: Record, pointer: str, reason: str) -> None:
        """Count a leaf or an object that no window teaches, if that is the text's doing."""
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
    def share(self) -> float:
        """Return what share of the verbatim leaves does not stand in the text."""
        return self.missing.total() / max(1, self.verbatim.total())

    def as_json(self) -> dict[str, Any]:
        """Return counts and examples by field."""
        return {
            "leaves": self.missing.total(),
            "of": self.verbatim.total(),
            "share": round(self.share, 4),
            "fields": {
                name: {"leaves": self.missing[name], "of": count, "examples": self.examples[name]}
                for name, count in self.verbatim.items()
                if self.missing[name]
            },
        }


def findings_of_training(
    splits: Splits, lost: Iterable[Reject], schema: Schema, accepted: Collection[str] = ()
) -> list[Finding]:
    """Return what a training has to know of its data.

    lost: the gold that no window teaches (``Rows.lost``).
    accepted: names of the findings that the user accepts.
    """
    unlearnable = Unlearnable()
    records: dict[str, Record] = {}
    for example in splits.train:
        records[example.document.id] = _gold(example)
        unlearnable.add_gold(_gold(example), schema)
    for reject in lost:
        unlearnable.add_lost(reject.id, records[reject.id], reject.field, reject.reason)
    return find(splits, unlearnable, find_twins(splits), accepted)


def refuse_unsound(source: str, findings: Iterable[Finding]) -> None:
    """Refuse data that should not be trained on as it is, in one line that tells all of it.

    source: what the user knows the data by.

    Raises:
        LeakError: official splits share documents, whatever else was found.
        InputError: rows have the id of another, or there is nothing to train on.
    """
    stopping = [finding for finding in findings if finding.stops]
    if stopping:
        told = "; ".join(finding.line for finding in stopping)
        is_leak = any(finding.name == "leaks" for finding in stopping)
        raise (LeakError if is_leak else InputError)(f"{source}: {told}; see extract audit")


def find_in_splits(splits: Splits, accepted: Collection[str] = ()) -> list[Finding]:
    """Return what is unsound of the splits alone, which is known before any window is made.

    accepted: names of the findings that the user accepts.
    """
    return [*_nothing(splits), *_leaks(splits, accepted), *_taken_ids(splits, accepted)]


def find(
    splits: Splits,
    unlearnable: Unlearnable,
    twins: Sequence[Twin],
    accepted: Collection[str] = (),
    windows: int | None = None,
) -> list[Finding]:
    """Return what was found, what is unsound first.

    accepted: names of the findings that the user accepts.
    windows: how many there are to train on, where that is known.
    """
    found = [
        *find_in_splits(splits, accepted),
        *_no_window(splits, windows),
        *_unlearnable(unlearnable, accepted),
        *_near_leaks(twins),
    ]
    return sorted(found, key=lambda finding: not finding.is_unsound)


def _nothing(splits: Splits) -> Iterable[Finding]:
    if not splits.train:
        yield Finding("nothing", "there is no document to train on")


def _no_window(splits: Splits, windows: int | None) -> Iterable[Finding]:
    if splits.train and windows == 0:
        yield Finding("nothing", "there is no window to train on: every one is set aside")


def _leaks(splits: Splits, accepted: Collection[str]) -> Iterable[Finding]:
    if splits.leaks:
        message = (
            f"{'; '.join(map(describe, splits.leaks))}. Scores on documents that were trained on "
            f"mean nothing: take them out of one of the splits"
        )
        yield _accepted_by_flag("leaks", message, accepted)


def _taken_ids(splits: Splits, accepted: Collection[str]) -> Iterable[Finding]:
    taken = [reject for reject in splits.set_aside if reject.field == "id"]
    if taken:
        verb = "row has" if len(taken) == 1 else "rows have"
        message = (
            f"{len(taken)} {verb} the id of another row: only the first is read "
            f"({_some([reject.id for reject in taken])}); give each document an id of its own"
        )
        yield _accepted_by_flag("duplicate-ids", message, accepted)


def _unlearnable(unlearnable: Unlearnable, accepted: Collection[str]) -> Iterable[Finding]:
    if unlearnable.share > MOST_UNLEARNABLE:
        worst = ", ".join(
            f"{name} {count} of {unlearnable.verbatim[name]}"
            for name, count in unlearnable.missing.most_common(EXAMPLES)
        )
        message = (
            f"{unlearnable.share:.1%} of the verbatim leaves do not stand in their text ({worst}), "
            f"so that the model is taught to leave them out: mend the gold, or declare such fields "
            f"x-source: inferred"
        )
        yield _accepted_by_flag("unlearnable", message, accepted)


def _near_leaks(twins: Sequence[Twin]) -> Iterable[Finding]:
    near = (twin for twin in twins if twin.split != twin.other_split and not twin.is_exact)
    across = list({(twin.split, twin.id): twin.id for twin in near}.values())
    if across:
        verb = "document nearly stands" if len(across) == 1 else "documents nearly stand"
        message = (
            f"{len(across)} held-out {verb} in another split too ({_some(across)}): "
            f"how well they are answered says little of unseen ones"
        )
        yield Finding("near-leaks", message, is_unsound=False)


def _accepted_by_flag(name: str, message: str, accepted: Collection[str]) -> Finding:
    return Finding(name, message, FLAGS[name], accepted=name in accepted)


def _some(ids: Sequence[str]) -> str:
    more = f" … and {len(ids) - IDS_SHOWN} more" if len(ids) > IDS_SHOWN else ""
    return ", ".join(ids[:IDS_SHOWN]) + more


def _gold(example: Example) -> Record:
    assert example.record is not None  # what has none is in no split
    return example.record
