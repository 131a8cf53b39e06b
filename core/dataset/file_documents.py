"""The documents of a file to predict on, whoever reads it: the plugin, or the core.

The plugin's loader goes first. What it does not know, the core reads: JSONL and tables, plain text,
PDF, DOCX, HTML, and files that gzip or zip has compressed.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..data import Document, Example, Reject
from ..errors import InputError, UnknownFormatError
from ..files import read_text, readable
from ..plugins import Plugin
from ..reading.archives import Member
from ..reading.kinds import ARCHIVES, BINARY, PLAIN_TEXT, kind_of
from ..reading.reader import Reader
from .passed_over import is_about_data, passed_over_message
from .readers import explained_format, has_rows, is_core_file, rows_of_plugin, say_once
from .remote_inputs import Copies
from .row_examples import as_encodable, read_row_file
from .row_files import is_row_file
from .splits import NO_TEXT
from .standoff import BRAT

_Rows = Iterator[Example | Reject]


def file_documents(
    plugin: Plugin, file: Path, name: str, reader: Reader, *, is_member: bool = False
) -> Iterator[Document | Reject]:
    """Yield the documents of a file; rows that cannot be read are rejects.

    Args:
        plugin: its loader goes first.
        file: the file.
        name: its name, which is the id of a document that is a whole file.
        reader: reads what may be hostile.
        is_member: whether the file is of an archive, and is to be none itself.

    Raises:
        InputError: the file as a whole cannot be read.
    """
    kind = None
    try:
        rows = _rows(plugin, file)
    except InputError as error:
        kind = None if is_row_file(file) else kind_of(file)
        is_unknown = isinstance(error, UnknownFormatError)
        # A loader that takes it for text finds that it is none.
        if kind is None or not (is_unknown or kind in BINARY):
            if not isinstance(error, UnknownFormatError):
                raise
            rows = _rows_or_text(plugin, file, name, error)
            kind = None
    if kind in ARCHIVES:
        if is_member:
            raise InputError(f"{file}: an archive in an archive is not read; unpack it")
        yield from _members(plugin, file, name, kind, reader)
        return
    if kind is not None:
        yield _document(file, name, kind, reader)
        return
    # A loader that is given a file alone cannot know the folder above it.
    paths = {readable(file.name): name}
    if file.with_suffix(BRAT).is_file():
        paths[readable(file.stem)] = name.removesuffix(file.suffix)
    for each in map(as_encodable, rows):
        row = document_of(each)
        yield replace(row, id=paths[row.id]) if row.id in paths else row


def documents_or_reject(
    plugin: Plugin, file: Path, name: str, reader: Reader, *, is_member: bool = False
) -> Iterator[Document | Reject]:
    """Yield the documents of a file, or a reject; arguments are those of ``file_documents``."""
    try:
        yield from file_documents(plugin, file, name, reader, is_member=is_member)
    except InputError as error:
        yield Reject(name, "", str(error), name)


def _rows(plugin: Plugin, file: Path) -> _Rows:
    """Return the rows of a file that the core or the plugin knows, after the first was read.

    Raises:
        InputError: it cannot be read, or holds none.
    """
    is_core = is_core_file(file, plugin)
    return _begun(read_row_file(file, plugin) if is_core else rows_of_plugin(plugin, file), file)


def _begun(rows: _Rows, file: Path) -> _Rows:
    first = next(rows, None)
    if first is None:
        raise InputError(f"{file.name}: no document in it")
    return itertools.chain([first], rows)


def _rows_or_text(plugin: Plugin, file: Path, name: str, error: UnknownFormatError) -> _Rows:
    """Return the rows of a file that the plugin does not know, or the text that it is."""
    if has_rows(file, plugin):
        return _begun(read_row_file(file, plugin), file)
    if file.suffix.lower() in {*PLAIN_TEXT, ""}:
        # As it is, so that offsets count the characters of the file.
        return iter([Example(Document(name, read_text(file, as_is=True), {"path": name}))])
    raise explained_format(error, plugin, file) from error


def _document(file: Path, name: str, kind: str, reader: Reader) -> Document | Reject:
    try:
        text, words = reader.read(file, kind)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    return Document(name, text, {"path": name}, words)


def _members(
    plugin: Plugin, file: Path, name: str, kind: str, reader: Reader
) -> Iterator[Document | Reject]:
    """Yield the documents of an archive: a member that cannot be read is a reject.

    Raises:
        InputError: it cannot be unpacked, or has no document.
    """
    with tempfile.TemporaryDirectory(prefix="fieldsmith-") as folder:
        try:
            members = reader.unpack(file, kind, Path(folder))
        except InputError as error:
            raise InputError(f"{file}: {error}") from error
        others = [each.name or file.stem for each in members if _is_no_document(each, file)]
        if len(others) == len(members):
            raise InputError(f"{name}: no document in it")
        if others:
            say_once(passed_over_message(name, others, "hidden, about the data, or links"))
        for member in members:
            if _is_no_document(member, file):
                continue
            yield from _member_documents(plugin, member, name, reader)


def _is_no_document(member: Member, archive: Path) -> bool:
    return member.is_passed_over or is_about_data(Path(member.name or archive.stem))


def _member_documents(
    plugin: Plugin, member: Member, archive: str, reader: Reader
) -> Iterator[Document | Reject]:
    name = readable(f"{archive}/{member.name}" if member.name else archive)
    if member.fault:
        yield Reject(name, "", member.fault, name)
        return
    named = Copies((member.path,), {member.path: name})
    for row in documents_or_reject(plugin, Path(member.path), name, reader, is_member=True):
        yield named.row(row)


def document_of(row: Example | Reject) -> Document | Reject:
    """Return the document of a row, be its annotations sound or not; a reject if it has none."""
    if isinstance(row, Reject):
        return row.document or row
    if row.record and not row.document.text.strip():
        return Reject(row.place, "text", NO_TEXT, row.document.id)
    return row.document
