"""Documents from paths: the core's own formats first, then the plugin's loader.

The core reads JSONL rows of ``id, text, record`` for every plugin, and plain text to predict on.
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import IO, Any

from .data import SPLITS, Document, Example, Reject, Span
from .errors import InputError, UnknownFormatError
from .files import (
    check_json,
    decode,
    files_in,
    parse_line,
    read_jsonl,
    read_text,
    readable,
    split_of,
)
from .plugins import Plugin
from .schema import canonical, first_problem, parse_pointer
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


@dataclass(frozen=True)
class Inputs:
    """The documents to predict on: read from their paths anew each time that they are asked for.

    count: how many there are, those that could not be read among them.
    sha256: hash of all of them, in order.
    """

    plugin: Plugin
    names: Sequence[str]
    stdin: IO[bytes] | None
    count: int
    sha256: str

    def __iter__(self) -> Iterator[Document | Reject]:
        """Yield them in order, as they are read.

        Raises:
            InputError: at the end, where they are not those that were counted.
        """
        digest = hashlib.sha256()
        for row in read_inputs(self.plugin, self.names, self.stdin):
            digest.update(_hashed(row))
            yield row
        if digest.hexdigest() != self.sha256:
            raise InputError(f"{' '.join(self.names)}: changed while it was read; start again")


@contextmanager
def open_inputs(plugin: Plugin, names: Sequence[str]) -> Iterator[Inputs]:
    """Read all inputs once, to know that they can be read, how many they are, and which.

    No two documents are held at once. What comes from standard input is kept in a temporary file
    for as long as the context lasts.

    Raises:
        InputError: a missing path, a fault in a file that was named, or no document at all.
    """
    with ExitStack() as stack:
        stdin = stack.enter_context(_kept_stdin()) if "-" in names else None
        digest, count = hashlib.sha256(), 0
        for row in read_inputs(plugin, names, stdin):
            digest.update(_hashed(row))
            count += 1
        if not count:
            raise InputError(f"{' '.join(names)}: no document in it")
        yield Inputs(plugin, names, stdin, count, digest.hexdigest())


def _hashed(row: Document | Reject) -> bytes:
    return canonical(asdict(row)).encode("utf-8", "surrogatepass")


@contextmanager
def _kept_stdin() -> Iterator[IO[bytes]]:
    """Copy standard input to a temporary file, which can be read more than once."""
    with tempfile.TemporaryFile() as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        yield file


def read_inputs(
    plugin: Plugin, inputs: Iterable[str], stdin: IO[bytes] | None = None
) -> Iterator[Document | Reject]:
    """Yield the documents to predict on, in order.

    Each input is a file (core JSONL, what the plugin reads, or plain text), a folder of such
    files, or "-" for standard input. What a loader sets aside, or a file of a folder that cannot
    be read, comes as a reject, so that every document has its line; files of a folder that only
    speak about its data (``.md``, ``.yaml``, …) are passed over.

    stdin: a file to read from its beginning in place of standard input.

    Raises:
        InputError: a missing path, or a fault in a file that was named.
    """
    for name in inputs:
        source = Path(name)
        if name == "-" and stdin is not None:
            yield from _stdin_documents(stdin)
        elif name == "-":
            with _kept_stdin() as kept:
                yield from _stdin_documents(kept)
        elif (files := files_in(source)) == [source]:
            yield from _file_documents(plugin, source, source.name)
        else:
            yield from _folder_documents(plugin, source, files)


def _folder_documents(
    plugin: Plugin, folder: Path, files: Iterable[Path]
) -> Iterator[Document | Reject]:
    for file in files:
        if file.suffix.lower() in _NOT_DATA:
            continue
        name = readable(file.relative_to(folder).as_posix())
        try:
            yield from _file_documents(plugin, file, name)
        except InputError as error:
            yield Reject(name, "", str(error), name)


def _file_documents(plugin: Plugin, file: Path, name: str) -> Iterator[Document | Reject]:
    rows: Iterator[Example | Reject]
    try:
        if file.suffix.lower() in _JSONL and _is_core_jsonl(file):
            rows = _jsonl_examples(file)
        else:
            rows = iter(plugin.load(file))
        first = next(rows, None)
    except UnknownFormatError:
        if file.suffix.lower() not in _PLAIN_TEXT:
            raise
        yield Document(name, read_text(file), {"path": name})
        return
    if first is None:
        raise InputError(f"{name}: no document in it")
    for row in itertools.chain([first], rows):
        row = _written(row)
        yield row.document if isinstance(row, Example) else row


def _stdin_documents(stream: IO[bytes]) -> Iterator[Document | Reject]:
    name = "standard input"
    stream.seek(0)
    numbered = enumerate(stream, start=1)
    begun = next((text for n, line in numbered if (text := decode(line, name, n).strip())), "")
    if not begun:
        raise InputError(f"{name}: empty")
    stream.seek(0)
    if not begun.startswith("{"):
        yield Document("-", decode(stream.read(), name))
        return
    for number, line in enumerate(stream, start=1):
        row = parse_line(line, name, number)
        if row is not None:
            example = example_of_row(row, f"{name}:{number}")
            yield example.document if isinstance(example, Example) else example
