"""Read the documents to predict on: files, folders, JSONL, plain text, standard input."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ..data import Document, Example, Reject
from ..errors import InputError, UnknownFormatError
from ..files import decode, files_in, parse_line, read_text, readable
from ..plugins import Plugin
from ..schema.records import canonical
from .loading import as_encodable, data_files, example_of_row, is_core_jsonl, read_core_jsonl

_PLAIN_TEXT = {".txt", ".text", ""}


@dataclass(frozen=True)
class Inputs:
    """The documents to predict on, read from their paths at each iteration.

    Attributes:
        plugin: its loader reads what is neither JSONL nor plain text.
        names: paths, or "-" for standard input.
        stdin: a copy of standard input that can be read more than once.
        count: number of documents, those that cannot be read included.
        sha256: hash of all of them, in order.
    """

    plugin: Plugin
    names: Sequence[str]
    stdin: IO[bytes] | None
    count: int
    sha256: str

    def __iter__(self) -> Iterator[Document | Reject]:
        """Yield the documents in order, as they are read.

        Raises:
            InputError: at the end, if they are not those that were counted.
        """
        digest = hashlib.sha256()
        for row in read_inputs(self.plugin, self.names, self.stdin):
            digest.update(_row_bytes(row))
            yield row
        if digest.hexdigest() != self.sha256:
            raise InputError(f"{' '.join(self.names)}: changed while it was read; start again")


@contextmanager
def open_inputs(plugin: Plugin, names: Sequence[str]) -> Iterator[Inputs]:
    """Read all inputs once, to count and hash them and to know that they can be read.

    Documents are not kept in memory. Standard input is copied to a temporary file for as long as
    the context lasts.

    Raises:
        InputError: a missing path, a named file that cannot be read, or no document at all.
    """
    with ExitStack() as stack:
        stdin = stack.enter_context(_copied_stdin()) if "-" in names else None
        digest, count = hashlib.sha256(), 0
        for row in read_inputs(plugin, names, stdin):
            digest.update(_row_bytes(row))
            count += 1
        if not count:
            raise InputError(f"{' '.join(names)}: no document in it")
        yield Inputs(plugin, names, stdin, count, digest.hexdigest())


def _row_bytes(row: Document | Reject) -> bytes:
    return canonical(asdict(row)).encode("utf-8", "surrogatepass")


@contextmanager
def _copied_stdin() -> Iterator[IO[bytes]]:
    """Copy standard input to a temporary file, which can be read more than once."""
    with tempfile.TemporaryFile() as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        yield file


def read_inputs(
    plugin: Plugin, inputs: Iterable[str], stdin: IO[bytes] | None = None
) -> Iterator[Document | Reject]:
    """Yield the documents to predict on, in order.

    A row that a loader rejects, or a file of a folder that cannot be read, becomes a reject, so
    that every document has its line in the output. In a folder, files that only describe its data
    (``.md``, ``.yaml``, …) are skipped.

    Args:
        plugin: its loader reads what is neither JSONL nor plain text.
        inputs: files (core JSONL, what the plugin reads, or plain text), folders of such files,
            or "-" for standard input.
        stdin: a file to read from its beginning in place of standard input.

    Raises:
        InputError: a missing path, or a named file that cannot be read.
    """
    for name in inputs:
        source = Path(name)
        if name == "-":
            with _copied_stdin() if stdin is None else nullcontext(stdin) as stream:
                yield from _stdin_documents(stream)
        elif (files := files_in(source)) == [source]:
            yield from _file_documents(plugin, source, source.name)
        else:
            yield from _folder_documents(plugin, source, files)


def _folder_documents(
    plugin: Plugin, folder: Path, files: Iterable[Path]
) -> Iterator[Document | Reject]:
    for file in data_files(files):
        name = readable(file.relative_to(folder).as_posix())
        try:
            yield from _file_documents(plugin, file, name)
        except InputError as error:
            yield Reject(name, "", str(error), name)


def _file_documents(plugin: Plugin, file: Path, name: str) -> Iterator[Document | Reject]:
    try:
        rows = iter(read_core_jsonl(file) if is_core_jsonl(file) else plugin.load(file))
        first = next(rows, None)
    except UnknownFormatError:
        if file.suffix.lower() not in _PLAIN_TEXT:
            raise
        yield Document(name, read_text(file), {"path": name})
        return
    if first is None:
        raise InputError(f"{name}: no document in it")
    for row in map(as_encodable, itertools.chain([first], rows)):
        yield row.document if isinstance(row, Example) else row


def _stdin_documents(stream: IO[bytes]) -> Iterator[Document | Reject]:
    name = "standard input"
    stream.seek(0)
    texts = (decode(line, name, number).strip() for number, line in enumerate(stream, 1))
    first = next(filter(None, texts), "")
    if not first:
        raise InputError(f"{name}: empty")
    stream.seek(0)
    if not first.startswith("{"):
        yield Document("-", decode(stream.read(), name))
        return
    for number, line in enumerate(stream, 1):
        row = parse_line(line, name, number)
        if row is not None:
            example = example_of_row(row, f"{name}:{number}")
            yield example.document if isinstance(example, Example) else example
