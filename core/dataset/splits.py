"""Splits by document, and the leaks between them.

Every row that a loader yields ends in exactly one place: train, validation, test or set aside.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from ..data import SPLITS, Example, Reject
from ..errors import InputError, LeakError, did_you_mean

IDS_SHOWN = 10

# (held out, other): the share that counts is the one of the documents that scores are made of.
PAIRS = (("validation", "train"), ("test", "train"), ("test", "validation"))


@dataclass(frozen=True)
class Leak:
    """Documents of one split that stand in another one too, by their id or their text.

    held_out: the split that is scored ("validation" or "test").
    other: the split that they also stand in.
    ids: of the documents shared, as ``held_out`` calls them; one id for each different text.
    total: how many different texts ``held_out`` has in all.
    """

    held_out: str
    other: str
    ids: tuple[str, ...]
    total: int


@dataclass(frozen=True)
class Splits:
    """Where each row went; each tuple is in reading order.

    set_aside: what no split holds, with its place and reason.
    official: the data says itself which split a document is in.
    missing: the official splits that no usable document is in. They stay empty: a test set cut
        from someone's training set would carry the official name without being it.
    leaks: the overlaps that were allowed.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    set_aside: tuple[Reject, ...]
    official: bool
    missing: tuple[str, ...]
    leaks: tuple[Leak, ...]


@dataclass(frozen=True)
class _Kept:
    """An example that is in a split; ``place`` is never empty."""

    example: Example
    place: str
    fingerprint: str


def fingerprint(text: str) -> str:
    """Return 16 hex digits that are the same for texts that read the same.

    Case, white space and Unicode's compatible forms (NFKC) make no difference.

    >>> fingerprint("The  ﬁrst\\n") == fingerprint("the first")
    True
    """
    # Folding can undo the normal form ("ΐ"), so it is made again: Unicode 3.13, D146.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _digest(" ".join(folded.split())).hex()[:16]


def hash_split(document_id: str) -> str:
    """Return the split of a document without an official one: 80 % train, 10 %, 10 %.

    It depends on the id alone, so that a document keeps its split when others come or go.
    """
    bucket = int.from_bytes(_digest(document_id)[:8], "big") % 10
    return {8: "validation", 9: "test"}.get(bucket, "train")


def _digest(text: str) -> bytes:
    # JSON can spell a lone surrogate ("\ud800"), which plain UTF-8 refuses.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def split_documents(rows: Iterable[Example | Reject], *, allow_leaks: bool = False) -> Splits:
    """Put every row of a source into a split, or set it aside with the reason.

    If any row names an official split, those hold and the rows without one are trained on. Else
    the id decides (``hash_split``), except that a document with the text of an earlier one goes
    where that one went. Rows without text or record are set aside, and so are those whose id is
    taken: in the same split if splits are official, anywhere if not.

    rows: what a loader yields; read once.
    allow_leaks: return overlaps of official splits in ``leaks`` instead of refusing them.

    Raises:
        InputError: a row names a split that there is not.
        LeakError: official splits share documents, by id or by text.
    """
    everything = list(rows)  # whether splits are official is known after the last row only
    official = any(isinstance(row, Example) and row.split is not None for row in everything)
    kept, set_aside = _sort_rows(everything, official)
    leaks = tuple(_leaks(kept)) if official else ()
    if leaks and not allow_leaks:
        raise LeakError(_refusal(leaks))
    train, validation, test = (_examples(kept[name]) for name in SPLITS)
    missing = tuple(split for split in SPLITS if official and not kept[split])
    return Splits(train, validation, test, tuple(set_aside), official, missing, leaks)


def seen(examples: Iterable[Example], fingerprints: Container[str]) -> list[str]:
    """Return the ids of the examples whose text was seen before, in order.

    fingerprints: of the texts that a run was trained on. Ids are not compared: two sources may
        both number their documents from 1.
    """
    return [
        example.document.id
        for example in examples
        if fingerprint(example.document.text) in fingerprints
    ]


def describe(leak: Leak) -> str:
    """Say in a line which documents leak.

    >>> describe(Leak("test", "train", ("a", "b"), 7))
    '2 of the 7 test documents also stand in train (a, b)'
    """
    count = len(leak.ids)
    shown = ", ".join(leak.ids[:IDS_SHOWN])
    more = f" … and {count - IDS_SHOWN} more" if count > IDS_SHOWN else ""
    noun = "document" if leak.total == 1 else "documents"
    verb = "stands" if count == 1 else "stand"
    return (
        f"{count} of the {leak.total} {leak.held_out} {noun} also {verb} in {leak.other}"
        f" ({shown}{more})"
    )


def _examples(kept: dict[str, _Kept]) -> tuple[Example, ...]:
    return tuple(row.example for row in kept.values())


def _sort_rows(
    rows: list[Example | Reject], official: bool
) -> tuple[dict[str, dict[str, _Kept]], list[Reject]]:
    """Return what each split keeps, by id, and what is set aside."""
    kept: dict[str, dict[str, _Kept]] = {split: {} for split in SPLITS}
    split_of_text: dict[str, str] = {}
    set_aside: list[Reject] = []
    for number, row in enumerate(rows, 1):
        if isinstance(row, Reject):
            set_aside.append(row)
            continue
        place = row.place or f"row {number}"
        new = _Kept(row, place, fingerprint(row.document.text))
        if official:
            split = _official_split(new)
        else:
            split = split_of_text.get(new.fingerprint) or hash_split(row.document.id)
        rivals = [kept[split]] if official else list(kept.values())
        fault = _unusable(row) or _id_taken(new, rivals)
        if fault:
            set_aside.append(Reject(place, *fault, id=row.document.id))
            continue
        kept[split][row.document.id] = new
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
    """Return (field, reason) if the example can be neither trained on nor scored."""
    if not example.document.text.strip():
        return "text", "the text is empty"
    if example.record is None:
        return "record", "no record: give one, or read the document with `extract predict`"
    return None


def _id_taken(row: _Kept, rivals: Iterable[dict[str, _Kept]]) -> tuple[str, str] | None:
    """Return (field, reason) if an earlier row has the row's id."""
    document_id = row.example.document.id
    earlier = next((kept[document_id] for kept in rivals if document_id in kept), None)
    if earlier is None:
        return None
    if earlier.fingerprint != row.fingerprint:
        difference = "text"
    elif earlier.example.record != row.example.record:
        difference = "record"
    else:
        return "", f"a copy of {earlier.place}: the same id, text and record"
    reason = f"id {document_id} stands already at {earlier.place} with another {difference}"
    return "id", f"{reason}; ids must be unique"


def _leaks(kept: dict[str, dict[str, _Kept]]) -> Iterator[Leak]:
    for held_out, other in PAIRS:
        texts = {row.fingerprint for row in kept[other].values()}
        shared: dict[str, str] = {}
        for document_id, row in kept[held_out].items():
            if document_id in kept[other] or row.fingerprint in texts:
                shared.setdefault(row.fingerprint, document_id)
        if shared:
            total = len({row.fingerprint for row in kept[held_out].values()})
            yield Leak(held_out, other, tuple(shared.values()), total)


def _refusal(leaks: Iterable[Leak]) -> str:
    found = "; ".join(map(describe, leaks))
    return (
        f"{found}. Scores on documents that were trained on mean nothing: take them out of one"
        " of the splits, or pass --allow-leaks to go on with the splits as they are"
    )
