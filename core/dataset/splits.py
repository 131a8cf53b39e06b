"""Split a data set by document, and find documents that two splits share (leaks).

Every row that a loader yields ends in exactly one place: train, validation, test or set aside.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..data import DEFAULT_RATIO, SPLITS, Example, Ratio, Reject
from ..errors import InputError, LeakError, did_you_mean

HELD_OUT_PAIRS = (("validation", "train"), ("test", "train"), ("test", "validation"))
"""(held-out split, other split): each held-out split with those that may not share documents."""

NO_TEXT = "labels without their text, which is empty"
"""Why a row with a record and no text is not used."""

_IDS_SHOWN = 10


@dataclass(frozen=True)
class Leak:
    """Documents of one split that another one has too, by their id or their text.

    Attributes:
        held_out: the split that is scored ("validation" or "test").
        other: the split that has them too.
        ids: ids of the shared documents in ``held_out``; one id for each distinct text.
        total: number of distinct texts in ``held_out``.
    """

    held_out: str
    other: str
    ids: tuple[str, ...]
    total: int


@dataclass(frozen=True)
class Splits:
    """The examples of each split, in reading order.

    Attributes:
        set_aside: rows that are in no split, with place and reason.
        official: whether the data itself names the split of its documents.
        missing: official splits without a usable document. They stay empty: a test set cut from
            someone's training set would carry the official name without being it.
        leaks: documents shared by official splits.
        empty: splits that are not official, and got no document although they have a share.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    set_aside: tuple[Reject, ...]
    official: bool
    missing: tuple[str, ...]
    leaks: tuple[Leak, ...]
    empty: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Kept:
    """An example that is in a split; ``place`` is never empty."""

    example: Example
    place: str
    fingerprint: str


def fingerprint(text: str) -> str:
    """Return 16 hex digits that are equal for texts that read the same.

    Case, white space and Unicode's compatible forms (NFKC) make no difference.

    >>> fingerprint("The  ﬁrst\\n") == fingerprint("the first")
    True
    """
    # Folding can undo the normal form ("ΐ"), so it is made again: Unicode 3.13, D146.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _digest(" ".join(folded.split())).hex()[:16]


def parse_ratio(text: str) -> Ratio:
    """Parse "TRAIN/VALIDATION/TEST" or "TRAIN/VALIDATION", in percent.

    >>> parse_ratio("80/20")
    (80, 20, 0)

    Raises:
        InputError: it is not such a ratio, or does not sum up to 100.
    """
    parts = text.split("/")
    shares = [int(part) for part in parts if part.isascii() and part.isdigit()]
    if len(shares) != len(parts) or len(parts) not in (2, 3) or sum(shares) != 100 or not shares[0]:
        raise InputError(
            f"--split-ratio {text}: write train/validation or train/validation/test in percent "
            f"that sum up to 100, such as 80/20 or 70/15/15"
        )
    train, validation, *test = shares
    return train, validation, test[0] if test else 0


def hash_split(document_id: str, ratio: Ratio = DEFAULT_RATIO) -> str:
    """Return the split of a document without an official one.

    It depends on the id alone, so that a document keeps its split when others are added or removed.

    Args:
        document_id: the id.
        ratio: percent for train, validation and test.
    """
    train, validation, _test = ratio
    # In units of the default ratio, because runs and their tests rely on its splits.
    units = 10 if all(share % 10 == 0 for share in ratio) else 100
    bucket = int.from_bytes(_digest(document_id)[:8], "big") % units * (100 // units)
    return "train" if bucket < train else "validation" if bucket < train + validation else "test"


def _digest(text: str) -> bytes:
    # JSON can spell a lone surrogate ("\ud800"), which plain UTF-8 refuses.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def split_documents(
    rows: Iterable[Example | Reject], *, allow_leaks: bool = False, ratio: Ratio = DEFAULT_RATIO
) -> Splits:
    """Put every row of a source into a split, or set it aside with the reason.

    If any row names an official split, official splits are used and rows without one go to train.
    Otherwise the id decides (``hash_split``), except that a document with the text of an earlier
    one goes where that one went. Rows without text or record are set aside, and so are rows whose
    id is taken: in the same split if splits are official, in any split if not.

    Args:
        rows: what a loader yields; read once.
        allow_leaks: return overlaps of official splits in ``leaks`` instead of refusing them.
        ratio: percent for train, validation and test, where splits are not official.

    Raises:
        InputError: a row names an unknown split.
        LeakError: official splits share documents, by id or by text.
    """
    everything = list(rows)  # whether splits are official is known after the last row only
    official = any(isinstance(row, Example) and row.split is not None for row in everything)
    kept, set_aside = _sort_rows(everything, None if official else ratio)
    leaks = tuple(_leaks(kept)) if official else ()
    if leaks and not allow_leaks:
        raise LeakError(
            f"{describe_leaks(leaks)}, or pass --allow-leaks to use the splits as they are"
        )
    train, validation, test = (
        tuple(row.example for row in kept[split].values()) for split in SPLITS
    )
    missing = tuple(split for split in SPLITS if official and not kept[split])
    shares = dict(zip(SPLITS, ratio, strict=True))
    empty = tuple(split for split in SPLITS if not official and shares[split] and not kept[split])
    return Splits(train, validation, test, tuple(set_aside), official, missing, leaks, empty)


def describe_leak(leak: Leak) -> str:
    """Say in a line which documents leak.

    >>> describe_leak(Leak("test", "train", ("a", "b"), 7))
    '2 of the 7 test documents are also in train (a, b)'
    """
    noun = "document" if leak.total == 1 else "documents"
    verb = "is" if len(leak.ids) == 1 else "are"
    return (
        f"{len(leak.ids)} of the {leak.total} {leak.held_out} {noun} {verb} also in {leak.other}"
        f" ({shown_ids(leak.ids)})"
    )


def describe_leaks(leaks: Iterable[Leak]) -> str:
    """Say which documents leak, why that matters, and what to do."""
    return (
        f"{'; '.join(map(describe_leak, leaks))}. Scores on documents that were trained on mean "
        f"nothing: take them out of one of the splits"
    )


def shown_ids(ids: Sequence[str]) -> str:
    """Return the first ids of a list for a message, and how many more there are."""
    more = f" … and {len(ids) - _IDS_SHOWN} more" if len(ids) > _IDS_SHOWN else ""
    return ", ".join(ids[:_IDS_SHOWN]) + more


def _sort_rows(
    rows: list[Example | Reject], ratio: Ratio | None
) -> tuple[dict[str, dict[str, _Kept]], list[Reject]]:
    """Return the rows of each split by document id, and the rows that are set aside.

    Args:
        rows: what a loader yields.
        ratio: None where splits are official.
    """
    official = ratio is None
    kept: dict[str, dict[str, _Kept]] = {split: {} for split in SPLITS}
    split_of_text: dict[str, str] = {}
    set_aside: list[Reject] = []
    for number, row in enumerate(rows, 1):
        if isinstance(row, Reject):
            set_aside.append(row)
            continue
        document_id = row.document.id
        new = _Kept(row, row.place or f"row {number}", fingerprint(row.document.text))
        if ratio is None:
            split = _official_split(new)
        else:
            split = split_of_text.get(new.fingerprint) or hash_split(document_id, ratio)
        searched = [kept[split]] if official else kept.values()
        earlier = next((each[document_id] for each in searched if document_id in each), None)
        fault = _unusable(row) or (earlier and _id_taken(new, earlier))
        if fault:
            set_aside.append(Reject(new.place, *fault, id=document_id))
        else:
            kept[split][document_id] = new
            split_of_text[new.fingerprint] = split
    return kept, set_aside


def _official_split(row: _Kept) -> str:
    split = row.example.split
    if split is None:
        return "train"
    if split not in SPLITS:
        raise InputError(f"{row.place}: unknown split {split!r}; {did_you_mean(split, SPLITS)}")
    return split


def _unusable(example: Example) -> tuple[str, str] | None:
    """Return (field, reason) if an example can be neither trained on nor scored."""
    if not example.document.text.strip():
        return "text", NO_TEXT if example.record else "the text is empty"
    if example.record is None:
        return "record", "no record: give one, or read the document with `extract predict`"
    return None


def _id_taken(row: _Kept, earlier: _Kept) -> tuple[str, str]:
    """Return (field, reason) of a row whose id an earlier row has."""
    if earlier.fingerprint != row.fingerprint:
        difference = "text"
    elif earlier.example.record != row.example.record:
        difference = "record"
    else:
        return "", f"a copy of {earlier.place}: the same id, text and record"
    reason = f"id {row.example.document.id} is already used at {earlier.place} with another"
    return "id", f"{reason} {difference}; ids must be unique"


def _leaks(kept: dict[str, dict[str, _Kept]]) -> Iterator[Leak]:
    for held_out, other in HELD_OUT_PAIRS:
        texts = {row.fingerprint for row in kept[other].values()}
        shared: dict[str, str] = {}
        for document_id, row in kept[held_out].items():
            if document_id in kept[other] or row.fingerprint in texts:
                shared.setdefault(row.fingerprint, document_id)
        if shared:
            total = len({row.fingerprint for row in kept[held_out].values()})
            yield Leak(held_out, other, tuple(shared.values()), total)
