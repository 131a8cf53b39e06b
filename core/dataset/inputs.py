"""Read the documents to predict on: files, folders and archives of any format, standard input."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ..data import Document, Reject
from ..errors import InputError, shortened
from ..files import files_in, lines_in, read_text_stream, readable
from ..plugins import Plugin
from ..reading.reader import Reader
from ..schema.records import canonical
from .file_documents import document_of, documents_or_reject, file_documents
from .passed_over import is_no_document, say_what_is_passed_over
from .readers import say_missing_names
from .remote_inputs import Copies, copied_here
from .row_examples import read_core_jsonl
from .row_json import row_as_json


@dataclass(frozen=True)
class Inputs:
    """The documents to predict on, read from their paths at each iteration.

    Attributes:
        plugin: its loader goes first (``file_documents``).
        names: paths, or "-" for standard input.
        stdin: a copy of standard input that can be read more than once.
        count: number of documents, those that cannot be read included.
        sha256: hash of all of them, in order.
        outputs: resolved paths of files, or of folders, that are being written, and are not read.
        shown: see ``Copies``.
    """

    plugin: Plugin
    names: Sequence[str]
    stdin: IO[bytes] | None
    count: int
    sha256: str
    outputs: Collection[Path] = ()
    shown: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Document | Reject]:
        """Yield the documents in order, as they are read.

        Raises:
            InputError: at the end, if they are not those that were counted.
        """
        digest = hashlib.sha256()
        copies = Copies(tuple(self.names), self.shown)
        for _file, row in _copied_rows(self.plugin, copies, self.stdin, self.outputs):
            digest.update(_row_bytes(row))
            yield row
        if digest.hexdigest() != self.sha256:
            names = copies.named(" ".join(self.names))
            raise InputError(f"{names}: changed while it was read; start again")


@contextmanager
def open_inputs(
    plugin: Plugin, names: Sequence[str], outputs: Collection[Path] = ()
) -> Iterator[Inputs]:
    """Read all inputs once, to count and hash them and to know that they can be read.

    Documents are not kept in memory. Standard input, and inputs in an object store, are copied to
    temporary files for as long as the context lasts.

    Args:
        plugin: its loader goes first (``file_documents``).
        names: paths, addresses such as ``s3://bucket/folder``, or "-" for standard input.
        outputs: resolved paths of files that are being written: in a folder they are passed over.

    Raises:
        InputError: a missing path, a named file that cannot be read, no document at all, or two
            documents with one id.
    """
    plugin = plugin.anew()
    with ExitStack() as stack:
        stdin = stack.enter_context(_copied_stdin()) if "-" in names else None
        copies = stack.enter_context(copied_here(names))
        count, digest = _count(plugin, copies, stdin, outputs, " ".join(names))
        for name in names:
            if name != "-" and Path(name).is_dir():
                say_what_is_passed_over(Path(name), plugin.names)
        yield Inputs(plugin, copies.paths, stdin, count, digest, outputs, copies.shown)


def _count(
    plugin: Plugin,
    copies: Copies,
    stdin: IO[bytes] | None,
    outputs: Collection[Path],
    names: str,
) -> tuple[int, str]:
    """Return the number of documents and the hash of all; ids are kept no longer than this takes.

    Args:
        plugin: see ``open_inputs``.
        copies: the inputs.
        stdin: a copy of standard input, if that is read.
        outputs: see ``open_inputs``.
        names: what messages call the inputs.

    Raises:
        InputError: see ``open_inputs``.
    """
    digest, count, is_unusable = hashlib.sha256(), 0, True
    taken: dict[bytes, str] = {}
    for file, row in _copied_rows(plugin, copies, stdin, outputs):
        digest.update(_row_bytes(row))
        count += 1
        is_unusable &= isinstance(row, Reject)
        _require_new_id(row, file, taken)
    if not count:
        raise InputError(f"{names}: no document in it")
    say_missing_names(plugin, names, is_unusable=is_unusable)
    return count, digest.hexdigest()


def _copied_rows(
    plugin: Plugin, copies: Copies, stdin: IO[bytes] | None, outputs: Collection[Path]
) -> Iterator[tuple[str, Document | Reject]]:
    """Yield each row with the file that it is from, by the names of which these are copies."""
    try:
        for file, row in _rows_by_file(plugin, copies.paths, stdin, outputs):
            yield copies.named(file), copies.row(row)
    except InputError as error:
        if not copies.shown:
            raise
        raise InputError(copies.named(str(error))) from error


def _require_new_id(row: Document | Reject, file: str, taken: dict[bytes, str]) -> None:
    """Refuse an id that came before: what is predicted could not be told apart.

    Args:
        row: the row.
        file: where it is from, for the message.
        taken: hash of each id before -> its file; the id of this row is added.
    """
    document_id = row.id or row.place if isinstance(row, Reject) else row.id
    key = hashlib.blake2b(document_id.encode("utf-8", "surrogatepass"), digest_size=12).digest()
    if key in taken:
        where = f"{taken[key]} and {file}" if taken[key] != file else f"{file}, twice"
        raise InputError(
            f"{where}: both have a document with the id {shortened(document_id)}; give each an "
            "id of its own, or predict them into files of their own"
        )
    taken[key] = file


def _row_bytes(row: Document | Reject) -> bytes:
    return canonical(row_as_json(row)).encode("utf-8", "surrogatepass")


@contextmanager
def _copied_stdin() -> Iterator[IO[bytes]]:
    """Copy standard input to a temporary file, which can be read more than once."""
    with tempfile.TemporaryFile() as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        yield file


def read_inputs(
    plugin: Plugin,
    inputs: Iterable[str],
    stdin: IO[bytes] | None = None,
    outputs: Collection[Path] = (),
) -> Iterator[Document | Reject]:
    """Yield the documents to predict on, in order.

    A row that a loader rejects, or a file of a folder that cannot be read, becomes a reject, so
    that every document has its line in the output. In a folder, files that only describe its data
    (a readme, ``.yaml``, labels of the files beside them, …) are skipped. A document that is a
    whole file has the file's path below the input as its id, and a longer one if two inputs have a
    file of that path.

    Args:
        plugin: its loader goes first (``file_documents``).
        inputs: files (see ``file_documents``), folders of such files, or "-" for standard input.
        stdin: a file to read from its beginning in place of standard input.
        outputs: see ``open_inputs``.

    Raises:
        InputError: a missing path, or a named file that cannot be read.
    """
    for _file, row in _rows_by_file(plugin, inputs, stdin, outputs):
        yield row


def _rows_by_file(
    plugin: Plugin, inputs: Iterable[str], stdin: IO[bytes] | None, outputs: Collection[Path]
) -> Iterator[tuple[str, Document | Reject]]:
    """Yield each row with the file that it is from."""
    inputs = list(inputs)
    names = _unique_names([Path(name) for name in inputs if name != "-"], outputs)
    with Reader() as reader:
        for name in inputs:
            source = Path(name)
            if name == "-":
                with _copied_stdin() if stdin is None else nullcontext(stdin) as stream:
                    for row in _stdin_documents(stream, plugin):
                        yield "standard input", row
                continue
            is_alone = not source.is_dir()
            for file in _files_in(source, outputs):
                if file not in names:
                    raise InputError(f"{source}: changed while it was read; start again")
                if is_alone:
                    rows = file_documents(plugin, file, names[file], reader)
                elif is_no_document(file, plugin.names):
                    continue
                else:
                    rows = documents_or_reject(plugin, file, names[file], reader)
                for row in rows:
                    yield readable(str(file)), row


def _files_in(source: Path, outputs: Collection[Path]) -> Iterator[Path]:
    """Yield a file itself, or the files of a folder without those that are being written."""
    for file in files_in(source):
        real = Path(os.path.realpath(file))
        if file == source or not any(each in outputs for each in (real, *real.parents)):
            yield file


def _unique_names(sources: Iterable[Path], outputs: Collection[Path]) -> dict[Path, str]:
    """Return a name for each file: its path below its input, or, of several, below all of them."""
    short = {
        file: file.name if file == source else file.relative_to(source).as_posix()
        for source in sources
        for file in _files_in(source, outputs)
    }
    times = Counter(short.values())
    alike = {file: os.path.abspath(file) for file, name in short.items() if times[name] > 1}
    if len(set(alike.values())) > 1:
        above = os.path.commonpath([os.path.dirname(path) for path in alike.values()])
        short |= {file: Path(path).relative_to(above).as_posix() for file, path in alike.items()}
    return {file: readable(name) for file, name in short.items()}


def _stdin_documents(stream: IO[bytes], plugin: Plugin) -> Iterator[Document | Reject]:
    name = "standard input"
    stream.seek(0)
    lines = (line.removeprefix(BOM_UTF8).strip() for line in lines_in(stream))
    first = next(filter(None, lines), b"")
    if not first:
        raise InputError(f"{name}: empty")
    stream.seek(0)
    if first.startswith(b"{"):
        yield from map(document_of, read_core_jsonl(lines_in(stream), name, plugin.names))
    else:
        text = read_text_stream(stream, name)
        if not text.strip("\ufeff").strip():
            raise InputError(f"{name}: empty")
        yield Document("-", text)
