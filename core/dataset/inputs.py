"""Read the documents to predict on: files, folders, JSONL, standard input."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ..data import Document, Example, Reject
from ..errors import InputError, UnknownFormatError
from ..files import decode, files_in, parse_line, read_text, readable
from ..plugins import Plugin
from ..schema.records import canonical
from .loading import (
    _JSONL,
    _NOT_DATA,
    _PLAIN_TEXT,
    _is_core_jsonl,
    _jsonl_examples,
    _written,
    example_of_row,
)


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
