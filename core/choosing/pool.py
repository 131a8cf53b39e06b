"""The documents that can be chosen: neither labelled already nor copies of each other."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO

from ..data import Document, Example, Reject
from ..dataset.loading import read_examples
from ..dataset.row_json import row_as_json
from ..dataset.splits import fingerprint
from ..errors import RunError
from ..extraction.postprocess import unreadable
from ..progress import say
from ..runs.folder import Run
from ..runs.job import plugin_of
from ..runs.scorings import held_out

_SAME_TEXT = "labelled already (by text)"
_SAME_ID = "labelled already (by id)"
_COPY = "copies of others"
_UNREADABLE = "cannot be read"


@dataclass(frozen=True)
class Labelled:
    """The documents of a run's data: of training, validation and test.

    Attributes:
        ids: their ids.
        fingerprints: of their texts.
    """

    ids: frozenset[str] = frozenset()
    fingerprints: frozenset[str] = frozenset()

    @staticmethod
    def of_run(run: Run) -> Labelled:
        """Read a run's data; where it is gone, what the run's folder says of it.

        Raises:
            InputError: the data is there and cannot be read.
            RunError: files of the run are damaged.
        """
        ids, fingerprints = set[str](), set(run.trained_on())
        try:
            examples = list(_labelled_examples(run))
        except RunError as error:
            say(f"{error}; its documents are known by their texts")
            fingerprints |= set[str]().union(*held_out(run).values())
        else:
            ids |= {example.document.id for example in examples}
            fingerprints |= {fingerprint(example.document.text) for example in examples}
        return Labelled(frozenset(ids), frozenset(fingerprints))


def training_documents(run: Run) -> Iterator[Document]:
    """Yield the documents that a run was trained on; none where its data is gone."""
    trained = run.trained_on()
    try:
        for example in _labelled_examples(run):
            if fingerprint(example.document.text) in trained:
                yield example.document
    except RunError:
        return


def _labelled_examples(run: Run) -> Iterator[Example]:
    for row in read_examples(plugin_of(run), run.source()):
        if isinstance(row, Example) and row.record is not None:
            yield row


@dataclass(frozen=True)
class Pool:
    """The documents that are chosen from, in a temporary file: PDF files are read once.

    Attributes:
        count: how many there are.
        left_out: how many others there were, by the reason.
    """

    count: int
    left_out: Counter[str]
    _rows: IO[str]

    def __iter__(self) -> Iterator[Document]:
        """Yield the documents, in order."""
        self._rows.seek(0)
        for line in self._rows:
            row = json.loads(line)
            yield Document(row["id"], row["text"], row["meta"])

    def documents(self, indices: Iterable[int]) -> dict[int, Document]:
        """Return some of the documents by their index."""
        wanted = set(indices)
        return {index: each for index, each in enumerate(self) if index in wanted}


@contextmanager
def open_pool(rows: Iterable[Document | Reject], labelled: Labelled) -> Iterator[Pool]:
    """Copy what can be chosen to a temporary file for as long as the context lasts.

    Args:
        rows: documents, and rejects in place of those that could not be read.
        labelled: documents that are left out.
    """
    left_out, seen, count = Counter[str](), set[str](), 0
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        for row in rows:
            mark = "" if isinstance(row, Reject) else fingerprint(row.text)
            if reason := _left_out(row, mark, labelled, seen):
                left_out[reason] += 1
                continue
            assert isinstance(row, Document)
            seen.add(mark)
            count += 1
            file.write(json.dumps(row_as_json(replace(row, words=()))) + "\n")
        yield Pool(count, left_out, file)


def _left_out(row: Document | Reject, mark: str, labelled: Labelled, seen: set[str]) -> str | None:
    """Say why a document cannot be chosen; None if it can."""
    if isinstance(row, Reject) or unreadable(row.text):
        return _UNREADABLE
    if mark in labelled.fingerprints:
        return _SAME_TEXT
    if row.id in labelled.ids:
        return _SAME_ID
    return _COPY if mark in seen else None
