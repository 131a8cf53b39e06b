"""Load examples: JSONL of ``id, text, record`` for every plugin, else the plugin's own loader."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data import DEFAULT_RATIO, Example, Ratio, Reject, Schema
from ..errors import InputError, UnknownFormatError
from ..files import readable, split_of
from ..plugins import Plugin
from ..reading.reader import Reader
from ..schema.navigation import field_schema, types_of
from ..schema.pointers import parse_pointer
from ..schema.records import canonical, first_problem
from .labelled_files import LabelledFiles
from .passed_over import passed_over
from .readers import core_files, explained_format, rows_of_plugin, say_missing_names, say_once
from .row_examples import as_encodable, example_as_json, read_row_file, rejected_example
from .row_files import rows_of
from .row_spans import fields_of_labels, labelled_fields
from .splits import Splits, split_documents
from .standoff import BRAT, BRAT_TEXT, configured_labels

_INDEX = re.compile("0|[1-9][0-9]{0,8}")


_PROPOSED = (
    "its record is a proposal on which nobody has decided (of `extract next`, or of two reviewers "
    'or annotators who differ); decide with `extract review`, or remove the keys "next" and '
    '"reviews" from rows that are right, or mark the right annotation as ground truth in Label '
    "Studio"
)


def read_examples(
    plugin: Plugin, source: Path | None, *, with_proposals: bool = False
) -> Iterator[Example | Reject]:
    """Yield the examples of a source, for training and evaluation.

    Args:
        plugin: its loader reads what is not the core's JSONL; records are checked by its schema,
            and ``names`` are what the source calls its fields.
        source: a file or folder; None for the plugin's bundled sample.
        with_proposals: whether records that nobody has reviewed are wanted, to review them.

    Yields:
        Examples, and a reject for each row that is not valid.

    Raises:
        InputError: a missing path, an empty source, a file that cannot be read, or a source that
            does not have one of the names and of which no row is valid.
    """
    is_empty = is_unusable = True
    plugin = plugin.anew()
    passed_over: Counter[str] = Counter()
    for row in _explained(_rows(plugin, source), plugin, source):
        is_empty = False
        checked = _validated(row, plugin)
        if isinstance(checked, Example) and checked.is_proposed and not with_proposals:
            checked = rejected_example(checked, "record", _PROPOSED)
        if isinstance(row, Example):
            kept = checked if isinstance(checked, Example) else row
            passed_over.update(kept.passed_over)
            is_unusable &= not isinstance(checked, Example)
        # Without its annotations a document is of use to predictions alone.
        yield replace(checked, document=None) if isinstance(checked, Reject) else checked
    name = str(source or f"the sample of {plugin.name}")
    if is_empty:
        raise InputError(f"{name}: no document in it")
    say_missing_names(plugin, source, is_unusable=is_unusable)
    if passed_over:
        found = ", ".join(f"{kind} ({count})" for kind, count in sorted(passed_over.items()))
        say_once(f"{name}: annotated and not part of a record, passed over: {readable(found)}")


def _explained(
    rows: Iterable[Example | Reject], plugin: Plugin, source: Path | None
) -> Iterator[Example | Reject]:
    """Yield rows; an error about the format of their file says what of it could be mapped."""
    try:
        yield from rows
    except UnknownFormatError as error:
        raise explained_format(error, plugin, source) from error


def _rows(plugin: Plugin, source: Path | None) -> Iterable[Example | Reject]:
    files = core_files(plugin, source) if source is not None else []
    if source is None or not files:
        return rows_of_plugin(plugin, source)
    return _core_rows(plugin, source, files)


def _core_rows(plugin: Plugin, source: Path, files: Sequence[Path]) -> Iterator[Example | Reject]:
    read = [*files, *(file.with_suffix(BRAT_TEXT) for file in files if file.suffix == BRAT)]
    fields = _fields_of_brat(files, plugin)
    with Reader() as reader:
        for file in files:
            beside = LabelledFiles(plugin, file, source, reader)
            split = split_of(file, source)
            yield from read_row_file(file, plugin, split, beside.document_of, fields)
            read += beside.read
    if source.is_dir() and (message := passed_over(source, read)):
        say_once(message)


def _fields_of_brat(files: Iterable[Path], plugin: Plugin) -> set[str] | None:
    """Return the fields that annotations of brat are labelled with; None if there are none.

    A file is a document there, so the fields are those of all.
    """
    files = [file for file in files if file.suffix == BRAT]
    if not files:
        return None
    folders = sorted({file.parent for file in files})
    labels = (label for folder in folders for label in configured_labels(folder))
    rows = (row.values for file in files for row in rows_of(file) if row.values is not None)
    return fields_of_labels(labels, plugin) | labelled_fields(rows, plugin)


def read_splits(
    plugin: Plugin, source: Path | None, *, allow_leaks: bool, ratio: Ratio = DEFAULT_RATIO
) -> tuple[Splits, str]:
    """Read a source and split it by document; see ``split_documents``.

    Returns:
        The splits, and the sha256 of every example that was read.

    Raises:
        InputError: the source cannot be read.
        LeakError: official splits share documents.
    """
    digest = hashlib.sha256()

    def hashed() -> Iterator[Example | Reject]:
        for row in read_examples(plugin, source):
            if isinstance(row, Example):
                digest.update(canonical(example_as_json(row)).encode())
            yield row

    splits = split_documents(hashed(), allow_leaks=allow_leaks, ratio=ratio)
    return splits, digest.hexdigest()


def _validated(row: Example | Reject, plugin: Plugin) -> Example | Reject:
    """Return a row, or a reject where record or mentions are not valid."""
    row = as_encodable(row)
    if isinstance(row, Reject) or row.record is None:
        return row
    row = _without_bad_values(row, plugin.schema)
    assert row.record is not None
    if problem := first_problem(row.record, plugin.schema):
        return rejected_example(row, problem[0], f"the record breaks the schema: {problem[1]}")
    length = len(row.document.text)
    for pointer, spans in row.mentions.items():
        if not _exists(pointer, row.record):
            return rejected_example(
                row, pointer, "mentions of something that the record does not hold"
            )
        if any(not 0 <= start < end <= length for start, end in spans):
            return rejected_example(
                row, pointer, f"a mention is outside the text of {length} characters"
            )
    return row


def _without_bad_values(example: Example, schema: Schema) -> Example:
    """Leave out optional values of the right type that the schema refuses, such as a false date.

    They are not annotated then, and are printed as passed over.
    """
    record, passed_over = dict(example.record or {}), [*example.passed_over]
    while problem := first_problem(record, schema):
        pointer = problem[0]
        path = parse_pointer(pointer)
        if len(path) != 1 or path[0] in schema.get("required", ()):
            return example
        value = record[path[0]]
        types = {"type": list(types_of(field_schema(pointer, schema)))}
        if isinstance(value, dict | list) or first_problem(value, schema, types):
            return example
        del record[path[0]]
        passed_over.append(f"{path[0]} with a value that the schema refuses")
    if len(record) == len(example.record or {}):
        return example
    mentions = {p: spans for p, spans in example.mentions.items() if parse_pointer(p)[0] in record}
    return replace(example, record=record, mentions=mentions, passed_over=passed_over)


def _exists(pointer: str, value: Any) -> bool:
    """Say whether a JSON Pointer names something in a value."""
    for part in parse_pointer(pointer):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and _INDEX.fullmatch(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return False
    return pointer.startswith("/")
