"""Checks of a plugin's loader."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ..data import Example, Reject
from ..dataset.loading import read_examples
from ..dataset.splits import split_documents
from ..errors import FieldsmithError, InputError, PluginError, shortened
from ..plugins import describe_error
from ..settings import Settings
from ..windows.rows import build_rows
from .corrupted_files import BAD_SOURCES, damaged
from .plugin_under_test import SkippedError, Subject, hash_of_rows


def check_sample_is_valid(subject: Subject) -> str:
    """Its sample can be read, each row makes a document, and every record is valid."""
    try:
        rows = list(read_examples(subject.plugin, None))
    except InputError as error:
        raise PluginError(
            f"{error}; extract_load(None) has to yield the sample that comes with the plugin"
        ) from error
    splits = split_documents(rows)
    if splits.set_aside:
        first = splits.set_aside[0]
        field = f"{first.field}: " if first.field else ""
        raise PluginError(
            f"{len(splits.set_aside)} of its {len(rows)} documents cannot be used; the first is "
            f"{first.place}: {field}{first.reason}; "
            f"mend the row or its loader, or let the schema allow it"
        )
    if not splits.train:
        raise PluginError("no document of its sample is for training; give some the split train")
    return (
        f"{len(rows)} documents: {len(splits.train)} train, "
        f"{len(splits.validation)} validation, {len(splits.test)} test"
    )


def check_loader_is_deterministic(subject: Subject) -> str:
    """Reading the sample again, here and in another process, gives the same rows."""
    here = hash_of_rows(subject.rows)
    for where, again in (
        ("a second time", hash_of_rows(subject.plugin.load(None))),
        ("in another process", subject.elsewhere.sample),
    ):
        if again != here:
            raise PluginError(
                f"read {where}, its sample gives other rows; sort files and sets, and seed what "
                f"is drawn"
            )
    return f"{len(subject.rows)} rows, the same each time"


def check_loader_is_lazy(subject: Subject) -> str:
    """extract_load yields rows as they are read, and does not return a list of them."""
    _ = subject.rows
    rows = subject.plugin._hooks.extract_load(source=None)
    if isinstance(rows, Sequence) or not hasattr(rows, "__next__"):
        raise PluginError(
            f"extract_load returned a {type(rows).__name__}, so that a corpus has to fit into "
            f"memory; yield each row as it is read"
        )
    return "rows come as they are read"


def check_ids_are_unique(subject: Subject) -> str:
    """No two documents of its sample share an id, and none is without one."""
    ids = [row.document.id for row in subject.rows if isinstance(row, Example)]
    if not all(isinstance(each, str) and each for each in ids):
        raise PluginError("a document of its sample has no id; make one of what names the row")
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        raise PluginError(
            f"{len(twice)} ids of its sample stand twice, the first is {twice[0]!r}; add to the "
            f"id what tells the rows apart, such as the file's name"
        )
    return f"{len(ids)} documents, {len(ids)} ids"


def check_bad_source_is_told(subject: Subject) -> str:
    """A missing path, an empty folder or file, and binary data are InputErrors, not tracebacks."""
    suffixes = {path.suffix for path in subject.sample_files}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _refused(subject, folder / "missing.txt", "a path where nothing is", loud=True)
        (folder / "empty").mkdir()
        _refused(subject, folder / "empty", "an empty folder")
        for suffix in sorted(suffixes | {"", ".txt", ".json", ".jsonl", ".xml", ".html", ".csv"}):
            for what, content in BAD_SOURCES:
                path = folder / f"bad{suffix}"
                path.write_bytes(content)
                _refused(subject, path, f"{what} called {path.name}")
    return "each gives an expected error"


def check_bad_rows_are_told(subject: Subject) -> str:
    """Damaged copies of the sample's files give rejects or InputErrors, not tracebacks."""
    files = subject.sample_files[:3]
    if not files:
        raise SkippedError("there is no file sample.… or folder sample/ beside its module")
    count = 0
    with tempfile.TemporaryDirectory() as name:
        for file in files:
            copy = Path(name, file.name)
            for what, content in damaged(file.read_bytes()):
                copy.write_bytes(content)
                _read(subject, copy, f"{file.name} {what}")
                count += 1
    return f"{count} damaged copies, each read or refused as expected"


def check_gold_is_replayable(subject: Subject) -> str:
    """Every gold record can be written, token by token, under the grammar of its document."""
    whole = replace(Settings(), window="document", max_length=sys.maxsize)
    books = build_rows(subject.examples, subject.plugin, subject.prompts, whole)
    if books.set_aside:
        first = books.set_aside[0]
        raise PluginError(
            f"{len(books.set_aside)} of {books.windows} records cannot be trained on; the first "
            f"is that of {first.place}: {first.reason}"
        )
    told = f"{books.windows} records can be written; "
    told += f"{books.learned.total()} of {books.gold.total()} leaves and objects are learned"
    if books.aligned:
        told += f", {books.aligned.total()} leaves as the text writes them"
    if books.lost:
        first = books.lost[0]
        told += f"; {len(books.lost)} are lost, the first {first.field} of {first.place}: "
        told += first.reason
    return told


_NO_TEXT = ("an empty file", "binary data")


def _read(subject: Subject, path: Path, what: str) -> list[Example | Reject]:
    """Return the first rows of a bad source; what is refused as it should be has none.

    Raises:
        PluginError: something else than an InputError was raised.
    """
    try:
        return list(islice(subject.plugin.load(path), 1000))
    except InputError:
        return []
    except FieldsmithError as error:
        raise PluginError(f"{what}: {error}") from error
    except Exception as error:
        raise PluginError(
            f"{what}: it raises {describe_error(error)}; yield a fieldsmith.Reject for a row that "
            f"cannot be read, and raise fieldsmith.InputError, naming the file and what to do, for "
            f"a source (fieldsmith.read_text and fieldsmith.files_in do)"
        ) from error


def _refused(subject: Subject, path: Path, what: str, *, loud: bool = False) -> None:
    """Check that a source gives no document; with ``loud`` that it raises, too."""
    rows = _read(subject, path, what)
    if loud:
        try:
            list(subject.plugin.load(path))
        except InputError:
            return
        raise PluginError(
            f"{what}: it finds nothing to complain of; raise fieldsmith.InputError "
            f"source (fieldsmith.read_text and fieldsmith.files_in do)"
        )
    made = [row for row in rows if isinstance(row, Example)]
    if made and what.startswith(_NO_TEXT):
        raise PluginError(
            f"{what}: it makes a document of it, {shortened(made[0].document.text)}; raise "
            f"fieldsmith.InputError for what is no text (fieldsmith.read_text does)"
        )
