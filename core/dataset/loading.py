"""Load examples: JSONL of ``id, text, record`` for every plugin, else the plugin's own loader."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

from ..data import DEFAULT_RATIO, SPLITS, Document, Example, Ratio, Reject, Span
from ..errors import InputError, UnknownFormatError
from ..files import check_json, files_in, read_jsonl, readable, split_of
from ..plugins import Plugin
from ..schema.pointers import parse_pointer
from ..schema.records import canonical, first_problem
from .splits import Splits, split_documents

_NOT_DATA = {".md", ".rst", ".yaml", ".yml", ".toml", ".lock"}
_JSONL = {".jsonl", ".ndjson"}


def read_examples(plugin: Plugin, source: Path | None) -> Iterator[Example | Reject]:
    """Yield the examples of a source, for training and evaluation.

    Args:
        plugin: its loader reads what is not the core's JSONL; records are checked by its schema.
        source: a file or folder; None for the plugin's bundled sample.

    Yields:
        Examples, and a reject for each row that is not valid.

    Raises:
        InputError: a missing path, an empty source, or a file that cannot be read.
    """
    files = data_files(files_in(source)) if source is not None else []
    rows: Iterable[Example | Reject]
    if source is not None and files and all(map(is_core_jsonl, files)):
        rows = (row for file in files for row in read_core_jsonl(file, split_of(file, source)))
    else:
        rows = plugin.load(source)
    is_empty = True
    for row in rows:
        is_empty = False
        yield _validated(row, plugin)
    if is_empty:
        raise InputError(f"{source or f'the sample of {plugin.name}'}: no document in it")


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
                digest.update(canonical(_as_json(row)).encode())
            yield row

    splits = split_documents(hashed(), allow_leaks=allow_leaks, ratio=ratio)
    return splits, digest.hexdigest()


def jsonl_examples(source: Path) -> Iterator[Example | Reject]:
    """Yield the examples of JSONL rows of ``id, text, record``: a loader for data in that form.

    Args:
        source: a file, or a folder whose files' names, or their folders', give the split.

    Raises:
        InputError: nothing is at ``source``, or a line is not such a row.
        UnknownFormatError: a file is not JSONL, or its rows have no text.
    """
    for file in files_in(source):
        if not is_core_jsonl(file):
            raise UnknownFormatError(
                f'{file}: rows of JSONL with a text are wanted, {{"id": …, "text": …, '
                f'"record": {{…}}}}, in a file *.jsonl'
            )
        yield from read_core_jsonl(file, split_of(file, source))


def data_files(files: Iterable[Path]) -> list[Path]:
    """Return the files without those that only describe the data (``.md``, ``.yaml``, …)."""
    return [file for file in files if file.suffix.lower() not in _NOT_DATA]


def is_core_jsonl(file: Path) -> bool:
    """Say whether the first row of a file is one of the core's own JSONL.

    Raises:
        InputError: the file is named as JSONL and is empty, or its first row cannot be read.
    """
    if file.suffix.lower() not in _JSONL:
        return False
    for _number, row in read_jsonl(file):
        return "text" in row
    raise InputError(f"{file}: the file is empty")


def read_core_jsonl(file: Path, split: str | None = None) -> Iterator[Example | Reject]:
    """Yield the rows of a file of the core's JSONL as ``example_of_row`` makes them."""
    for number, row in read_jsonl(file):
        yield example_of_row(row, f"{file}:{number}", split)


def example_of_row(row: dict[str, Any], place: str, split: str | None = None) -> Example | Reject:
    """Make an example of a row of the core's JSONL: ``id, text, record, mentions, split, …``.

    Args:
        row: the JSON object.
        place: file and line, for messages.
        split: the official split where the row names none.

    Raises:
        InputError: ``text`` or another key is missing or of the wrong type.
    """
    text, record, given_id = row.get("text"), row.get("record"), row.get("id")
    if not isinstance(text, str):
        raise InputError(f'{place}: "text" must be a string; found {_type_of(text)}')
    if isinstance(given_id, bool) or not isinstance(given_id, str | int | None):
        raise InputError(f'{place}: "id" must be a string; found {_type_of(given_id)}')
    split = row.get("split") or split
    if split is not None and split not in SPLITS:
        raise InputError(f'{place}: "split" is one of {", ".join(SPLITS)}, not {split!r}')
    try:
        check_json(row)
    except ValueError as error:
        return Reject(place, "", str(error), readable(str(given_id or "")))
    document_id = text_id(text) if given_id in (None, "") else str(given_id)
    if record is not None and not isinstance(record, dict):
        reason = f"the record breaks the schema: an object is wanted, not {_type_of(record)}"
        return Reject(place, "", reason, document_id)
    meta = {key: row[key] for key in ("url", "path") if isinstance(row.get(key), str)}
    return Example(Document(document_id, text, meta), record, _mentions(row, place), split, place)


def text_id(text: str) -> str:
    """Return an id for a document without one: the same text gets the same id."""
    return "text-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def as_encodable(row: Example | Reject) -> Example | Reject:
    """Return a row that can be written as JSON; a reject where an example cannot."""
    if isinstance(row, Example):
        try:
            check_json(_as_json(row))
        except ValueError as error:
            row = _rejected(row, "", str(error))
    return Reject(*map(readable, astuple(row))) if isinstance(row, Reject) else row


def _as_json(example: Example) -> list[Any]:
    """Return what an example holds, as JSON; its place does not count."""
    document = example.document
    mentions = {pointer: list(spans) for pointer, spans in example.mentions.items()}
    known = [document.id, document.text, dict(document.meta)]
    return [*known, example.record, mentions, example.split]


def _rejected(example: Example, field: str, reason: str) -> Reject:
    document_id = example.document.id
    return Reject(example.place or document_id, field, reason, document_id)


def _validated(row: Example | Reject, plugin: Plugin) -> Example | Reject:
    """Return a row, or a reject where record or mentions are not valid."""
    row = as_encodable(row)
    if isinstance(row, Reject) or row.record is None:
        return row
    if problem := first_problem(row.record, plugin.schema):
        return _rejected(row, problem[0], f"the record breaks the schema: {problem[1]}")
    length = len(row.document.text)
    for pointer, spans in row.mentions.items():
        if not _exists(pointer, row.record):
            return _rejected(row, pointer, "mentions of something that the record does not hold")
        if any(not 0 <= start < end <= length for start, end in spans):
            return _rejected(row, pointer, f"a mention is outside the text of {length} characters")
    return row


def _exists(pointer: str, value: Any) -> bool:
    """Say whether a JSON Pointer names something in a value."""
    for part in parse_pointer(pointer):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return False
    return pointer.startswith("/")


def _mentions(row: dict[str, Any], place: str) -> dict[str, list[Span]]:
    given = row.get("mentions") or {}
    if not isinstance(given, dict):
        raise InputError(f'{place}: "mentions" maps JSON Pointers to lists of [start, end]')
    for pointer, spans in given.items():
        if not isinstance(spans, list) or not all(_is_span(span) for span in spans):
            raise InputError(f"{place}: mentions of {pointer}: write [[start, end], …]")
    return {pointer: [(start, end) for start, end in spans] for pointer, spans in given.items()}


def _is_span(value: object) -> bool:
    return isinstance(value, list) and list(map(type, value)) == [int, int]


def _type_of(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
