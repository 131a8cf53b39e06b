"""The documents that are reviewed, and the file that keeps what was decided of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from ..data import Example, Record, Reject, Schema
from ..dataset.loading import read_examples
from ..dataset.row_forms import CORE_KEYS
from ..dataset.splits import fingerprint, hash_split
from ..errors import InputError
from ..files import files_in, read_jsonl, write_jsonl
from ..plugins import Plugin
from ..schema.navigation import empty_record
from ..schema.records import canonical
from .editing import CheckedRecord, checked

Decision = Literal["accepted", "corrected", "rejected"]

_WITHOUT_TEST = (90, 10, 0)
"""Percent for train, validation and test of documents beside a test set."""

REVIEW = "review"
"""Key of a reviewed row: who decided what of it, and when."""


@dataclass(frozen=True)
class Review:
    """What was decided of a document.

    Attributes:
        decision: "corrected" is an accepted record that is not the proposed one.
        reviewer: who decided.
        time: when, in UTC (ISO 8601).
        record: as it was decided; None if it was rejected.
        proposed: the record that was reviewed; None for a document without one.
    """

    decision: Decision
    reviewer: str
    time: str
    record: Record | None
    proposed: Record | None


@dataclass(frozen=True)
class ReviewItem:
    """A document to review.

    Attributes:
        example: the document, with the record that is proposed.
        further: keys of its row that are not the core's, such as who labelled it; they are kept.
        review: what was decided; None as long as nothing was.
    """

    example: Example
    further: Mapping[str, Any]
    review: Review | None = None


class Reviews:
    """The documents of a file and their reviews, which are written after each decision.

    Attributes:
        plugin: whose records they are.
        items: the documents, in the order of the file.
        rejects: rows that cannot be reviewed.
        output: the file with a row for each document that is decided.
        reviewer: who decides.
    """

    def __init__(
        self, plugin: Plugin, source: Path, output: Path, reviewer: str, sample: int | None = None
    ) -> None:
        """Read the documents, and what was decided of them before.

        Args:
            plugin: its schema checks records.
            source: rows of a text and a record, in any form that the core or the plugin reads.
            output: JSONL; it may be there already.
            reviewer: who decides.
            sample: keep so many documents, drawn by their ids, and those that are decided; None:
                all.

        Raises:
            InputError: the source cannot be read, or the output is of other documents.
        """
        self.plugin, self.output, self.reviewer = plugin, output, reviewer
        self.rejects: list[Reject] = []
        self.items = self._read(source)
        if output.exists():
            self._read_decisions(source)
        if sample is not None:
            drawn = {each.example.document.id for each in sorted(self.items, key=_drawn)[:sample]}
            self.items = [
                item for item in self.items if item.review or item.example.document.id in drawn
            ]

    @property
    def schema(self) -> Schema:
        """The schema of the records."""
        return self.plugin.schema

    def current(self, number: int) -> Record:
        """Return the record of a document as it is shown: as decided, else as proposed."""
        item = self.items[number]
        decided = item.review.record if item.review else None
        return decided or item.example.record or empty_record(self.schema)

    def check(self, number: int, record: Record) -> CheckedRecord:
        """Check a record for a document."""
        return checked(record, self.items[number].example.document.text, self.schema)

    def decide(self, number: int, record: Record | None) -> Review:
        """Decide on a document, and write all decisions.

        Args:
            number: of the document.
            record: what is right; None if the document is rejected, and of no use.

        Raises:
            ValueError: the record is not valid, or a verbatim value does not stand in the text.
            OutputError: the file cannot be written.
        """
        item = self.items[number]
        proposed = item.example.record
        if record is None:
            decision: Decision = "rejected"
        else:
            if problem := self.check(number, record).problem:
                raise ValueError(problem)
            is_kept = proposed is not None and canonical(record) == canonical(proposed)
            decision = "accepted" if is_kept else "corrected"
        time = datetime.now(UTC).isoformat(timespec="seconds")
        review = Review(decision, self.reviewer, time, record, proposed)
        self._write(number, review)
        return review

    def undo(self, number: int) -> None:
        """Take back what was decided of a document, and write all other decisions."""
        self._write(number, None)

    def rows(self, *, reviewed_are_test: bool = False) -> Iterator[dict[str, Any]]:
        """Yield a row for each document, with its record as it was decided or else as it was given.

        Args:
            reviewed_are_test: give the documents that are decided the split "test", and the others
                "train" or, one in ten by its text, "validation", whatever their rows say. Others
                with the text of one that is decided are left out.

        Raises:
            InputError: nothing is decided that could be the test split.
        """
        decided = {fingerprint(item.example.document.text) for item in self.items if item.review}
        if reviewed_are_test and not decided:
            raise InputError(f"{self.output}: nothing is decided that could be the test split")
        for item in self.items:
            row, mark = _row(item), fingerprint(item.example.document.text)
            if reviewed_are_test:
                row["split"] = "test" if item.review else hash_split(mark, _WITHOUT_TEST)
            if item.review or not reviewed_are_test or mark not in decided:
                yield row

    def _write(self, number: int, review: Review | None) -> None:
        items = [*self.items]
        items[number] = replace(items[number], review=review)
        write_jsonl(self.output, (_row(item) for item in items if item.review))
        self.items = items

    def _read(self, source: Path) -> list[ReviewItem]:
        further = _further_keys(source)
        items: list[ReviewItem] = []
        for row in read_examples(self.plugin, source, with_proposals=True):
            if isinstance(row, Reject):
                self.rejects.append(row)
            else:
                items.append(ReviewItem(row, further.get(row.place, {})))
        if not items:
            raise InputError(
                f"{source}: no document that can be reviewed ({self.rejects[0].reason})"
            )
        _require_different(source, items)
        return items

    def _read_decisions(self, source: Path) -> None:
        numbers = {item.example.document.id: number for number, item in enumerate(self.items)}
        for row, review in reviewed_rows(self.output):
            number = numbers.get(str(row.get("id")))
            text = None if number is None else self.items[number].example.document.text
            if number is None or text != row.get("text"):
                raise InputError(
                    f"{self.output}: has decisions on {row.get('id')!r}, which is not in {source} "
                    f"with that text; name another --output"
                )
            self.items[number] = replace(self.items[number], review=review)


def reviewed_rows(file: Path) -> Iterable[tuple[dict[str, Any], Review]]:
    """Yield the rows of a file of reviews, each with its review.

    Raises:
        InputError: the file cannot be read, or a row is not one that was reviewed.
    """
    for line, row in read_jsonl(file):
        given = row.get(REVIEW)
        if not isinstance(given, dict) or given.get("decision") not in get_args(Decision):
            raise InputError(f"{file}:{line}: no row of a review; name a file of `extract review`")
        reviewer, time = (str(given.get(key, "")) for key in ("reviewer", "time"))
        decision: Decision = given["decision"]
        yield row, Review(decision, reviewer, time, row.get("record"), given.get("proposed"))


def _drawn(item: ReviewItem) -> bytes:
    """Return what documents are drawn by: as good as chance, and the same in every run."""
    return hashlib.sha256(f"review {item.example.document.id}".encode()).digest()


def _further_keys(source: Path) -> dict[str, dict[str, Any]]:
    """Return the keys that are not the core's, of the rows of JSONL, by their place."""
    return {
        f"{file}:{line}": {key: value for key, value in row.items() if key not in CORE_KEYS}
        for file in files_in(source)
        if file.suffix.lower() in (".jsonl", ".ndjson")
        for line, row in read_jsonl(file)
    }


def _require_different(source: Path, items: Sequence[ReviewItem]) -> None:
    seen: dict[str, str] = {}
    for item in items:
        document = item.example.document
        if document.id in seen:
            raise InputError(
                f"{item.example.place or source}: the id {document.id!r} came before, at "
                f"{seen[document.id]}; give each document an id of its own"
            )
        seen[document.id] = item.example.place or str(source)


def _row(item: ReviewItem) -> dict[str, Any]:
    """Return the row of a document as training reads it; decided or not."""
    example, review = item.example, item.review
    row: dict[str, Any] = {"id": example.document.id, "text": example.document.text}
    row |= dict(example.document.meta)
    given = None if example.is_proposed else example.record  # a proposal is no gold
    row["record"] = review.record if review else given
    if (not review or review.decision == "accepted") and example.mentions:
        # A changed record has other mentions.
        row["mentions"] = {pointer: list(spans) for pointer, spans in example.mentions.items()}
    if example.split:
        row["split"] = example.split
    if example.teacher:  # its licence holds for what becomes of the record
        row["teacher"] = asdict(example.teacher)
    row |= {key: value for key, value in item.further.items() if key != REVIEW or not review}
    if review:
        row[REVIEW] = {
            "decision": review.decision,
            "reviewer": review.reviewer,
            "time": review.time,
            "proposed": review.proposed,
        }
    return row
