"""Checks of a plugin's loader and of its sample."""

from __future__ import annotations

import tempfile
from itertools import islice
from pathlib import Path

from ..data import Example, Reject
from ..dataset.loading import read_examples
from ..dataset.splits import split_documents
from ..errors import FieldsmithError, InputError, PluginError, shortened
from .clean_process import hash_rows, require_same
from .corrupted_files import BAD_SOURCES, corrupted
from .failures import SkippedError, explained
from .plugin_under_test import PluginUnderTest
from .registry import check

_NO_TEXT = ("an empty file", "binary data")
_READERS = "(fieldsmith.read_text and fieldsmith.files_in do)"


@check
def check_sample_is_valid(tested: PluginUnderTest) -> str:
    """Its sample can be read, each row gives a document, and every record is valid."""
    try:
        rows = list(read_examples(tested.plugin, None))
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
            f"correct the row or its loader, or let the schema allow it"
        )
    if not splits.train:
        raise PluginError("no document of its sample is for training; give some the split train")
    return (
        f"{len(rows)} documents: {len(splits.train)} train, "
        f"{len(splits.validation)} validation, {len(splits.test)} test"
    )


@check
def check_loader_is_deterministic(tested: PluginUnderTest) -> str:
    """Reading the sample again, here and in another process, gives the same rows."""
    require_same(
        "its sample gives other rows",
        hash_rows(tested.rows),
        hash_rows(tested.plugin.load(None)),
        tested.clean_process.sample,
        advice="sort files and sets, and seed what is drawn",
    )
    return f"{len(tested.rows)} rows, the same each time"


@check
def check_loader_is_lazy(tested: PluginUnderTest) -> str:
    """extract_load yields rows as it reads them, and does not return a list."""
    _ = tested.rows
    if not tested.plugin.is_lazy():
        raise PluginError(
            "extract_load returned all rows at once, so that a corpus has to fit into memory; "
            "yield each row as it is read"
        )
    return "rows are yielded as they are read"


@check
def check_ids_are_unique(tested: PluginUnderTest) -> str:
    """Every document of its sample has an id, and no two have the same."""
    ids = [row.document.id for row in tested.rows if isinstance(row, Example)]
    if not all(isinstance(each, str) and each for each in ids):
        raise PluginError("a document of its sample has no id; make one of what names the row")
    repeated = sorted({each for each in ids if ids.count(each) > 1})
    if repeated:
        raise PluginError(
            f"{len(repeated)} ids of its sample are repeated, the first is {repeated[0]!r}; add to "
            f"the id what makes the row unique, such as the file's name"
        )
    return f"{len(ids)} documents, {len(ids)} ids"


@check
def check_bad_source_is_told(tested: PluginUnderTest) -> str:
    """A missing path, an empty folder or file, and binary data raise InputError."""
    suffixes = {path.suffix for path in tested.sample_files}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _require_error(tested, folder / "missing.txt")
        (folder / "empty").mkdir()
        _rows_of(tested, folder / "empty", "an empty folder")
        for suffix in sorted(suffixes | {"", ".txt", ".json", ".jsonl", ".xml", ".html", ".csv"}):
            for what, content in BAD_SOURCES:
                path = folder / f"bad{suffix}"
                path.write_bytes(content)
                rows = _rows_of(tested, path, f"{what} called {path.name}")
                made = [row for row in rows if isinstance(row, Example)]
                if made and what in _NO_TEXT:
                    raise PluginError(
                        f"{what} called {path.name}: it makes a document of it, "
                        f"{shortened(made[0].document.text)}; raise fieldsmith.InputError for "
                        f"what is not text (fieldsmith.read_text does)"
                    )
    return "each gives an expected error"


@check
def check_bad_rows_are_told(tested: PluginUnderTest) -> str:
    """Corrupted copies of the sample's files give rejects or an InputError."""
    files = tested.sample_files[:3]
    if not files:
        raise SkippedError("there is no file sample.… or folder sample/ beside its module")
    count = 0
    with tempfile.TemporaryDirectory() as name:
        for file in files:
            copy = Path(name, file.name)
            for what, content in corrupted(file.read_bytes()):
                copy.write_bytes(content)
                _rows_of(tested, copy, f"{file.name} {what}")
                count += 1
    return f"{count} corrupted copies, each read or refused as expected"


@check
def check_gold_is_replayable(tested: PluginUnderTest) -> str:
    """The grammar of each document accepts its gold record, token by token."""
    built, _ = tested.whole_documents
    if built.set_aside:
        first = built.set_aside[0]
        raise PluginError(
            f"{len(built.set_aside)} of {built.windows} records cannot be trained on; the first "
            f"is that of {first.place}: {first.reason}"
        )
    found = f"{built.windows} records can be written; "
    found += f"{built.learned.total()} of {built.gold.total()} leaves and objects are learned"
    if built.aligned:
        found += f", {built.aligned.total()} leaves as the text spells them"
    if built.lost:
        first = built.lost[0]
        found += f"; {len(built.lost)} are lost, the first {first.field} of {first.place}: "
        found += first.reason
    return found


def _rows_of(tested: PluginUnderTest, path: Path, what: str) -> list[Example | Reject]:
    """Return the first rows of a bad source; none if it is refused with an InputError.

    Raises:
        PluginError: something else than an InputError was raised.
    """
    try:
        with explained(
            "it raises",
            f"yield a fieldsmith.Reject for a row that cannot be read, and raise "
            f"fieldsmith.InputError, naming the file and what to do, for a source {_READERS}",
        ):
            return list(islice(tested.plugin.load(path), 1000))
    except InputError:
        return []
    except FieldsmithError as error:
        raise PluginError(f"{what}: {error}") from error


def _require_error(tested: PluginUnderTest, path: Path) -> None:
    """Check that reading a path where nothing is raises an InputError."""
    _rows_of(tested, path, "a path where nothing is")
    try:
        list(tested.plugin.load(path))
    except InputError:
        return
    raise PluginError(
        f"a path where nothing is: no error is raised; raise fieldsmith.InputError {_READERS}"
    )
