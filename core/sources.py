"""Documents from paths: the core's own formats first, then the plugin's loader.

The core reads JSONL rows of ``id, text, record`` for every plugin, and plain text to predict on.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .data import SPLITS, Document, Example, Reject
from .errors import InputError, UnknownFormatError
from .files import decode, files_in, parse_line, read_jsonl, read_text, split_of
from .plugins import Plugin
from .schema import canonical, first_problem
from .splits import Splits, split_documents

_NOT_DATA = {".md", ".rst", ".yaml", ".yml", ".toml", ".lock"}
_PLAIN_TEXT = {".txt", ".text", ""}


def read_examples(plugin: Plugin, source: Path | None) -> Iterator[Example | Reject]:
    """Yield what a source holds, for training and evaluation.

    Records that break the plugin's schema come back as rejects. ``source`` None is the plugin's
    bundled sample.

    Raises:
        InputError: a missing path, an empty source, or a fault of the file's format.
    """
    rows: Iterable[Example | Reject]
    files = files_in(source) if source is not None else []
    if files and all(_is_core_jsonl(file) for file in files):
        several = len(files) > 1
        rows = itertools.chain.from_iterable(_jsonl_examples(f, several) for f in files)
    else:
        rows = plugin.load(source)
    count = 0
    for row in rows:
        count += 1
        yield _checked(row, plugin)
    if count == 0:
        raise InputError(f"{source}: no document in it")


def read_splits(plugin: Plugin, source: Path | None, *, allow_leaks: bool) -> tuple[Splits, str]:
    """Read a source and split it by document.

    Returns:
        The splits, and the sha256 of every document, record and label that was read.

    Raises:
        InputError: the source cannot be read.
        LeakError: official splits share documents.
    """
    digest = hashlib.sha256()

    def noted() -> Iterator[Example | Reject]:
        for row in read_examples(plugin, source):
            if isinstance(row, Example):
                read = [row.document.id, row.document.text, row.record, row.split]
                digest.update(canonical(read).encode("utf-8", "surrogatepass"))
            yield row

    splits = split_documents(noted(), allow_leaks=allow_leaks)
    return splits, digest.hexdigest()


def _checked(row: Example | Reject, plugin: Plugin) -> Example | Reject:
    if isinstance(row, Reject) or row.record is None:
        return row
    problem = first_problem(row.record, plugin.schema)
    if problem is None:
        return row
    pointer, message = problem
    reason = f"the record breaks the schema: {message}"
    return Reject(row.place or row.document.id, pointer, reason, row.document.id)


def _is_core_jsonl(file: Path) -> bool:
    """Say whether the first row of a file is one of the core's own JSONL."""
    if file.suffix.lower() not in {".jsonl", ".ndjson"}:
        return False
    for _number, row in read_jsonl(file):
        return "text" in row
    raise InputError(f"{file}: the file is empty")


def _jsonl_examples(file: Path, several: bool) -> Iterator[Example | Reject]:
    split = split_of(file) if several else None
    for number, row in read_jsonl(file):
        yield example_of_row(row, f"{file}:{number}", split)


def example_of_row(row: dict[str, Any], place: str, split: str | None = None) -> Example | Reject:
    """Make an example of a row of the core's JSONL: ``id, text, record, mentions, split, …``.

    Raises:
        InputError: ``text`` or another key is missing or of the wrong type.
    """
    text = row.get("text")
    if not isinstance(text, str):
        raise InputError(f'{place}: "text" is wanted as a string; found {_kind(text)}')
    record = row.get("record")
    if record is not None and not isinstance(record, dict):
        reason = f"the record breaks the schema: an object is wanted, not {_kind(record)}"
        return Reject(place, "", reason, str(row.get("id", "")))
    split = row.get("split", split)
    if split is not None and split not in SPLITS:
        raise InputError(f'{place}: "split" is one of {", ".join(SPLITS)}, not {split!r}')
    meta = {key: row[key] for key in ("url", "path") if isinstance(row.get(key), str)}
    try:
        text.encode()
    except UnicodeEncodeError:
        return Reject(place, "text", "holds half a surrogate pair, which is no text")
    document = Document(str(row.get("id") or text_id(text)), text, meta)
    return Example(document, record, _mentions(row, place, len(text)), split, place)


def text_id(text: str) -> str:
    """Return an id for a document that came without one: the same text gets the same id."""
    return "text-" + hashlib.sha256(text.encode()).hexdigest()[:12]


def _mentions(row: dict[str, Any], place: str, length: int) -> dict[str, list[tuple[int, int]]]:
    mentions: dict[str, list[tuple[int, int]]] = {}
    given = row.get("mentions") or {}
    if not isinstance(given, dict):
        raise InputError(f'{place}: "mentions" maps JSON Pointers to lists of [start, end]')
    for pointer, spans in given.items():
        try:
            mentions[pointer] = [(int(start), int(end)) for start, end in spans]
        except (TypeError, ValueError):
            raise InputError(f"{place}: mentions of {pointer}: write [[start, end], …]") from None
        if any(not 0 <= start < end <= length for start, end in mentions[pointer]):
            raise InputError(
                f"{place}: mentions of {pointer}: an offset stands outside the text "
                f"of {length} characters"
            )
    return mentions


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__


def read_inputs(plugin: Plugin, inputs: Iterable[str]) -> Iterator[Document | Reject]:
    """Yield the documents to predict on, in order.

    Each input is a file (core JSONL, what the plugin reads, or plain text), a folder of such
    files, or "-" for standard input. What a loader sets aside, or a file of a folder that cannot
    be read, comes as a reject, so that every document has its line.

    Raises:
        InputError: a missing path, or a fault in a file that was named.
    """
    for name in inputs:
        if name == "-":
            yield from _stdin_documents(sys.stdin.buffer.read())
            continue
        source = Path(name)
        files = files_in(source)
        if source.is_file():
            yield from _file_documents(plugin, source, source.name)
            continue
        for file in files:
            if file.suffix.lower() in _NOT_DATA:
                continue
            relative = file.relative_to(source).as_posix()
            try:
                yield from _file_documents(plugin, file, relative)
            except InputError as error:
                yield Reject(relative, "", str(error), relative)


def _file_documents(plugin: Plugin, file: Path, name: str) -> Iterator[Document | Reject]:
    if file.suffix.lower() in {".jsonl", ".ndjson"} and _is_core_jsonl(file):
        rows: Iterator[Example | Reject] = _jsonl_examples(file, several=False)
    else:
        rows = iter(plugin.load(file))
        try:
            first = next(rows, None)
        except UnknownFormatError:
            if file.suffix.lower() not in _PLAIN_TEXT:
                raise
            yield Document(name, read_text(file), {"path": name})
            return
        rows = itertools.chain([] if first is None else [first], rows)
    for row in rows:
        yield row.document if isinstance(row, Example) else row


def _stdin_documents(data: bytes) -> Iterator[Document | Reject]:
    text = decode(data, "standard input")
    if not text.strip():
        raise InputError("standard input: empty")
    lines = [line for line in text.split("\n") if line.strip()]
    if lines[0].lstrip().startswith("{"):
        for number, line in enumerate(text.split("\n"), start=1):
            row = parse_line(line.encode(), f"standard input:{number}")
            if row is None:
                continue
            example = example_of_row(row, f"standard input:{number}")
            yield example.document if isinstance(example, Example) else example
    else:
        yield Document("-", text)
