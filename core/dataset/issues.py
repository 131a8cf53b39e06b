"""Data checks: issues that make training on a data set unsound, each with a flag that accepts it.

The audit lists all of them and exits with 1 if one is blocking. Training refuses leaks and
duplicate ids, and prints the others.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data import FLAGS, Record, Reject, Schema
from ..errors import InputError, LeakError
from ..schema.navigation import is_verbatim
from ..schema.pointers import field_of, leaves, value_at
from .duplicates import Duplicate, find_duplicates
from .splits import Splits, describe_leaks, shown_ids

MOST_UNLEARNABLE = 0.05
"""With a larger share of verbatim leaves not in the text, the model learns to omit them."""

EXAMPLES = 3
"""Examples kept of each kind of issue."""

_ABSENT = ("not in the text", "not on word borders", "several readings in the text")
"""How the reasons begin for leaves that the text does not hold, or not in one way."""


@dataclass(frozen=True)
class Issue:
    """A result of the data checks.

    Attributes:
        name: what it is, for programs.
        message: what was found, and what to do.
        flag: the option that accepts it; "" if there is none.
        is_unsound: whether it makes training unsound; otherwise it is a note.
        accepted: whether its flag was given.
    """

    name: str
    message: str
    flag: str = ""
    is_unsound: bool = True
    accepted: bool = False

    @property
    def is_blocking(self) -> bool:
        """Whether the data should not be trained on as it is."""
        return self.is_unsound and not self.accepted

    @property
    def line(self) -> str:
        """The issue in one line: its kind, the message, and the flag that would accept it."""
        if self.accepted:
            return f"accepted ({self.name}): {self.message}"
        if not self.is_unsound:
            return f"note ({self.name}): {self.message}"
        accept = f"; {self.flag} accepts it" if self.flag else ""
        return f"unsound ({self.name}): {self.message}{accept}"


@dataclass
class Unlearnable:
    """Counts verbatim leaves that are not in the text, so that no answer can hold them.

    Attributes:
        verbatim: verbatim leaves of the gold by field, in the order of the records.
        missing: how many of them are not in their text; one for each object lost because of that.
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
    def share(self) -> float:
        """The share of the verbatim leaves that is not in the text."""
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


def training_issues(
    splits: Splits, lost: Iterable[Reject], schema: Schema, accepted: Collection[str] = ()
) -> list[Issue]:
    """Return the issues of a training's data, after its windows are made.

    Args:
        splits: the data.
        lost: gold values that no window teaches (``Rows.lost``).
        schema: the plugin's schema.
        accepted: names of the issues that the user accepts.
    """
    unlearnable = Unlearnable()
    records: dict[str, Record] = {}
    for example in splits.train:
        assert example.record is not None  # unlabelled documents are in no split
        records[example.document.id] = example.record
        unlearnable.add_gold(example.record, schema)
    for reject in lost:
        unlearnable.add_lost(reject.id, records[reject.id], reject.field, reject.reason)
    return all_issues(splits, unlearnable, find_duplicates(splits), accepted)


def refuse_unsound(source: str, issues: Iterable[Issue]) -> None:
    """Refuse data with blocking issues, in one line that names all of them.

    Args:
        source: what the user calls the data.
        issues: what the checks found.

    Raises:
        LeakError: official splits share documents, whatever else was found.
        InputError: ids repeat, or there is nothing to train on.
    """
    blocking = [issue for issue in issues if issue.is_blocking]
    if blocking:
        lines = "; ".join(issue.line for issue in blocking)
        is_leak = any(issue.name == "leaks" for issue in blocking)
        raise (LeakError if is_leak else InputError)(f"{source}: {lines}; see extract audit")


def split_issues(splits: Splits, accepted: Collection[str] = ()) -> list[Issue]:
    """Return the issues of the splits alone, which are known before any window is made."""
    found = []
    if not splits.train:
        found.append(Issue("nothing", "there is no document to train on"))
    if splits.leaks:
        found.append(_acceptable("leaks", describe_leaks(splits.leaks), accepted))
    repeated = [reject.id for reject in splits.set_aside if reject.field == "id"]
    if repeated:
        verb = "row has" if len(repeated) == 1 else "rows have"
        message = (
            f"{len(repeated)} {verb} the id of another row: only the first is read "
            f"({shown_ids(repeated)}); give each document an id of its own"
        )
        found.append(_acceptable("duplicate-ids", message, accepted))
    return found


def all_issues(
    splits: Splits,
    unlearnable: Unlearnable,
    duplicates: Sequence[Duplicate],
    accepted: Collection[str] = (),
    windows: int | None = None,
) -> list[Issue]:
    """Return all issues, unsound ones first.

    Args:
        splits: the data.
        unlearnable: verbatim leaves that are not in the text.
        duplicates: what ``find_duplicates`` found.
        accepted: names of the issues that the user accepts.
        windows: number of windows to train on, if known.
    """
    found = split_issues(splits, accepted)
    if splits.train and windows == 0:
        found.append(Issue("nothing", "there is no window to train on: every one is set aside"))
    if unlearnable.share > MOST_UNLEARNABLE:
        worst = ", ".join(
            f"{name} {count} of {unlearnable.verbatim[name]}"
            for name, count in unlearnable.missing.most_common(EXAMPLES)
        )
        message = (
            f"{unlearnable.share:.1%} of the verbatim leaves are not in their text ({worst}), so "
            f"that the model learns to omit them: correct the gold, or declare such fields "
            f"x-source: inferred"
        )
        found.append(_acceptable("unlearnable", message, accepted))
    near = (each for each in duplicates if each.split != each.other_split and not each.is_exact)
    across = list({(each.split, each.id): each.id for each in near}.values())
    if across:
        verb = "document is" if len(across) == 1 else "documents are"
        message = (
            f"{len(across)} held-out {verb} nearly the same as one of another split "
            f"({shown_ids(across)}): scores on such documents say little about unseen ones"
        )
        found.append(Issue("near-leaks", message, is_unsound=False))
    return sorted(found, key=lambda issue: not issue.is_unsound)


def _acceptable(name: str, message: str, accepted: Collection[str]) -> Issue:
    return Issue(name, message, FLAGS[name], accepted=name in accepted)
