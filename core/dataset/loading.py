"""Documents from paths: the core's own formats first, then the plugin's loader.

The core reads JSONL rows of ``id, text, record`` for every plugin, and plain text to predict on.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

from ..data import SPLITS, Document, Example, Reject, Span
from ..errors import InputError, UnknownFormatError
from ..files import (
    check_json,
    files_in,
    read_jsonl,
    readable,
    split_of,
)
from ..plugins import Plugin
from ..schema.pointers import parse_pointer
from ..schema.records import canonical, first_problem
from .splits import Splits, split_documents

_NOT_DATA = {".md", ".rst", ".yaml", ".yml", ".toml", ".lock"}
_PLAIN_TEXT = {".txt", ".text", ""}
_JSONL = {".jsonl", ".ndjson"}


def read_examples(plugin: Plugin, source: Path | None) -> Iterator[Example | Reject]:
    """Yield what a source holds, for training and evaluation.

    Records that break the plugin's schema come back as rejects. ``source`` None is the plugin's
    bundled sample.

    Raises:
        InputError: a missing path, an empty source, or a fault of the file's format.
    """
    files = files_in(source) if source is not None else []
    data = [file for file in files if file.suffix.lower() not in _NOT_DATA]
    rows: Iterable[Example | Reject]
    if source is not None and data and all(_is_core_jsonl(file) for file in data):
        splits = [split_of(file, source) for file in data]
        rows = itertools.chain.from_iterable(map(_jsonl_examples, data, splits))
    else:
        rows = plugin.load(source)
    count = 0
    for row in rows:
        count += 1
        yield _checked(row, plugin)
    if count == 0:
        raise InputError(f"{source or f'the sample of {plugin.name}'}: no document in it")


def read_splits(plugin: Plugin, source: Path | None, *, allow_leaks: bool) -> tuple[Splits, str]:
    """Read a source and split it by document.

    Returns:
        The splits, and the sha256 of every example that was read.

    Raises:
        InputError: the source cannot be read.
        LeakError: official splits share documents.
    """
    digest = hashlib.sha256()

    def noted() -> Iterator[Example | Reject]:
        for row in read_examples(plugin, source):
            if isinstance(row, Example):
                digest.update(canonical(_all_of(row)).encode())
            yield row

    splits = split_documents(noted(), allow_leaks=allow_leaks)
    return splits, digest.hexdigest()


def _all_of(example: Example) -> list[Any]:
    """Return what an example holds, as JSON has it; its place does not count."""
    document = example.document
    mentions = {pointer: list(spans) for pointer, spans in example.mentions.items()}
    known = [document.id, document.text, dict(document.meta)]
    return [*known, example.record, mentions, example.split]


def _checked(row: Example | Reject, plugin: Plugin) -> Example | Reject:
    """Return an example that can be trained on or scored; a reject where it cannot."""
    row = _written(row)
    if isinstance(row, Reject) or row.record is None:
        return row
    problem = first_problem(row.record, plugin.schema)
    if problem is None:
        problem = _mention_problem(row)
    else:
        problem = problem[0], f"the record breaks the schema: {problem[1]}"
    if problem is None:
        return row
    return Reject(row.place or row.document.id, *problem, row.document.id)


def _written(row: Example | Reject) -> Example | Reject:
    """Return a row that can be written as JSON; an example that cannot comes back as a reject."""
    if isinstance(row, Example):
        try:
            check_json(_all_of(row))
        except ValueError as error:
            row = Reject(row.place or row.document.id, "", str(error), row.document.id)
    return Reject(*map(readable, astuple(row))) if isinstance(row, Reject) else row


def _mention_problem(example: Example) -> tuple[str, str] | None:
    length = len(example.document.text)
    for pointer, spans in example.mentions.items():
        if not _stands(pointer, example.record):
            return pointer, "mentions of something that the record does not hold"
        if any(not 0 <= start < end <= length for start, end in spans):
            return pointer, f"a mention stands outside the text of {length} characters"
    return None


def _stands(pointer: str, value: Any) -> bool:
    """Say whether there is something at a JSON Pointer."""
    for part in parse_pointer(pointer):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return False
    return pointer.startswith("/")


def _is_core_jsonl(file: Path) -> bool:
    """Say whether the first row of a file is one of the core's own JSONL."""
    if file.suffix.lower() not in _JSONL:
        return False
    for _number, row in read_jsonl(file):
        return "text" in row
    raise InputError(f"{file}: the file is empty")


def _jsonl_examples(file: Path, split: str | None = None) -> Iterator[Example | Reject]:
    for number, row in read_jsonl(file):
        yield example_of_row(row, f"{file}:{number}", split)


def jsonl_examples(source: Path) -> Iterator[Example | Reject]:
    """Yield the examples of JSONL rows of ``id, text, record``: a loader for data in that form.

    source: a file, or a folder whose files' names tell the split.

    Raises:
        InputError: there is nothing at ``source``, or a line is no such row.
        UnknownFormatError: a file is not JSONL, or its rows have no text.
    """
    for file in files_in(source):
        if not _is_core_jsonl(file):
            raise UnknownFormatError(
                f'{file}: rows of JSONL with a text are wanted, {{"id": …, "text": …, '
                f'"record": {{…}}}}, in a file *.jsonl'
            )
        yield from _jsonl_examples(file, split_of(file, source))


def example_of_row(row: dict[str, Any], place: str, split: str | None = None) -> Example | Reject:
    """Make an example of a row of the core's JSONL: ``id, text, record, mentions, split, …``.

    Raises:
        InputError: ``text`` or another key is missing or of the wrong type.
    """
    text, record, given_id = row.get("text"), row.get("record"), row.get("id")
    if not isinstance(text, str):
        raise InputError(f'{place}: "text" is wanted as a string; found {_kind(text)}')
    if isinstance(given_id, bool) or not isinstance(given_id, str | int | None):
        raise InputError(f'{place}: "id" is wanted as a string; found {_kind(given_id)}')
    split = row.get("split") or split
    if split is not None and split not in SPLITS:
        raise InputError(f'{place}: "split" is one of {", ".join(SPLITS)}, not {split!r}')
    try:
        check_json(row)
    except ValueError as error:
        return Reject(place, "", str(error), readable(str(given_id or "")))
    document_id = text_id(text) if given_id in (None, "") else str(given_id)
    if record is not None and not isinstance(record, dict):
        reason = f"the record breaks the schema: an object is wanted, not {_kind(record)}"
        return Reject(place, "", reason, document_id)
    meta = {key: row[key] for key in ("url", "path") if isinstance(row.get(key), str)}
    return Example(Document(document_id, text, meta), record, _mentions(row, place), split, place)


def text_id(text: str) -> str:
    """Return an id for a document that came without one: the same text gets the same id."""
    return "text-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


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


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
