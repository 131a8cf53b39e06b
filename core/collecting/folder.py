"""The folder that is fetched into: documents, labels, and what is needed to go on.

::

    DIR/ID.pdf, …               the documents
    DIR/labels.jsonl            what the source knows about them, one row a document
    DIR/.fetch/source.json      the source that the folder is of
    DIR/.fetch/journal.jsonl    each document that was fetched or failed, in order
    DIR/.fetch/failures.jsonl   those that failed, with reasons
    DIR/.fetch/listing-KEY/     pages of the listing, until all of its documents were tried

Readers of a folder pass over hidden files. A document's files are renamed into place before it is
entered into the journal, so that each file is whole; a document without an entry is tried again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError, OutputError
from ..fetch_source import FetchItem, FetchPage, FetchRequest, FetchResponse
from ..files import (
    parse_json,
    parse_line,
    read_text,
    remove_left_over,
    require_writable,
    write_atomically,
    write_json,
    write_jsonl,
    writing,
)
from ..files.locks import locked
from .names import file_stem

T = TypeVar("T")

LABELS = "labels.jsonl"

_INSIDE, _STATE = ".fetch", "source.json"

_KEYS = {"id", "files", "label"}, {"id", "address", "reason"}
"""Keys of an entry of the journal: of a document that is there, and of one that failed."""

_BUSY = "another process fetches into it; wait for it, or choose another --output"


@dataclass(frozen=True)
class Failure:
    """A document that was not fetched."""

    id: str
    address: str
    reason: str


class FetchFolder:
    """A folder that documents of one source are fetched into; see ``open_folder``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inside = path / _INSIDE
        self.labels_file = path / LABELS
        self.failures_file = self.inside / "failures.jsonl"
        self._journal = self.inside / "journal.jsonl"
        self._state = self.inside / _STATE
        self._entries: dict[str, dict[str, Any]] = {}

    def require_source(self, source: str) -> None:
        """Check that the folder is new, or one of a source, before anything is written into it.

        Raises:
            OutputError: it has other files, or documents of another source.
        """
        with writing(self.path):
            names = {path.name for path in self.path.iterdir()} if self.path.exists() else set()
        if not self._state.exists():
            if names - {self.inside.name}:
                what = "has files that `extract fetch` did not write; name a new folder"
                raise OutputError(f"{self.path}: {what}")
            return
        try:
            held = parse_json(read_text(self._state))["source"]
        except (InputError, ValueError, KeyError, TypeError):
            held = "a source that cannot be read"
        if held != source:
            raise OutputError(f"{self.path}: has documents of {held}; name another folder")

    def begin(self, source: str) -> None:
        """Read the journal; half a line that a killed process left at its end is cut off.

        Raises:
            InputError: the journal is not as it was written.
        """
        if not self._state.exists():
            write_json(self._state, {"source": source})
        with writing(self._journal), self._journal.open("a+b") as stream:
            stream.seek(0)
            whole = 0
            for number, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    break
                entry = parse_line(line, str(self._journal), number) or {}
                if entry.keys() not in _KEYS:
                    raise InputError(f"{self._journal}:{number}: was changed; name a new folder")
                self._entries[entry["id"]] = entry
                whole += len(line)
            stream.truncate(whole)
        remove_left_over(self.path)
        remove_left_over(self.inside)

    def paths_of(self, item: FetchItem) -> dict[Path, str]:
        """Return each file of a document with the address of its content."""
        stem = file_stem(item.id)
        return {self.path / f"{stem}{ending}": where for ending, where in item.files.items()}

    def enter(self, item: FetchItem) -> None:
        """Enter a document whose files are there, unless it is entered already."""
        if self._entries.get(item.id, {}).get("files"):
            return
        files = [path.name for path in self.paths_of(item)]
        self._append({"id": item.id, "files": files, "label": item.label})

    def enter_failure(self, failure: Failure) -> None:
        """Enter a document that was not fetched."""
        if self._entries.get(failure.id) != asdict(failure):
            self._append(asdict(failure))

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
        with writing(self._journal), self._journal.open("ab") as stream:
            stream.write(line.encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._entries[entry["id"]] = entry

    def write_lists(self) -> None:
        """Write the labels of the documents that are there, and the list of failures."""
        there = [entry for entry in self._entries.values() if self._is_there(entry)]
        labels = [entry["label"] for entry in there if entry["label"] is not None]
        _write_rows(self.labels_file, labels)
        failures = [entry for entry in self._entries.values() if "reason" in entry]
        _write_rows(self.failures_file, failures)

    def forget_if_unused(self) -> None:
        """Delete what ``begin`` has made where no document was tried and no listing is kept."""
        if not self._entries and not any(self.inside.glob("listing-*")):
            with writing(self.inside):
                self._journal.unlink()
                self._state.unlink()

    def _is_there(self, entry: dict[str, Any]) -> bool:
        return "files" in entry and all((self.path / name).exists() for name in entry["files"])

    def listing(self, request: FetchRequest, get: FetchPage) -> Listing:
        """Return the pages of a listing, of which those of an interrupted command are kept."""
        kept = self.inside / f"listing-{_hash(repr(request))[:16]}"
        with writing(self.inside):
            for path in self.inside.glob("listing-*"):
                if path != kept:
                    shutil.rmtree(path)
        return Listing(kept, get)


class Listing:
    """Pages of a listing, kept until the command is done: it goes on with what it began with."""

    def __init__(self, folder: Path, get: FetchPage) -> None:
        self._folder, self._get = folder, get

    def page(self, address: str, read: Callable[[FetchResponse], T], /) -> T:
        """Return what ``read`` makes of a page, which is fetched once."""
        path = self._folder / _hash(address)
        if path.exists():
            head, _, body = path.read_bytes().partition(b"\n")
            return read(FetchResponse(**parse_json(head.decode()), body=body))

        def read_and_keep(response: FetchResponse) -> T:
            result = read(response)
            head = {"address": response.address, "content_type": response.content_type}
            write_atomically(path, json.dumps(head).encode() + b"\n" + response.body)
            return result

        return self._get(address, read_and_keep)

    def forget(self) -> None:
        """Delete the pages: the next command lists anew."""
        with writing(self._folder):
            if self._folder.exists():
                # Renamed first: of a listing that is deleted in part, the rest would be used.
                done = self._folder.rename(self._folder.with_name("listing-done"))
                shutil.rmtree(done)


def is_list_of_labels(file: Path) -> bool:
    """Return whether ``extract fetch`` wrote a file as the labels of the documents beside it."""
    return file.name == LABELS and (file.parent / _INSIDE / _STATE).is_file()


@contextmanager
def open_folder(path: Path, source: str) -> Iterator[FetchFolder]:
    """Make or open a folder; no other process can fetch into it meanwhile.

    At the end its lists are written, whatever ends the context.

    Args:
        path: the folder.
        source: name of the source.

    Raises:
        OutputError: it cannot be written, is another source's, or is in use.
    """
    folder, is_new = FetchFolder(path), not path.exists()
    folder.require_source(source)
    require_writable(folder.inside)
    try:
        with locked(folder.inside / "journal.jsonl", _BUSY):
            folder.require_source(source)
            folder.begin(source)
            try:
                yield folder
            finally:
                folder.write_lists()
                folder.forget_if_unused()
    finally:
        with suppress(OSError):  # they have files
            folder.inside.rmdir()
            if is_new:
                path.rmdir()


def _write_rows(path: Path, rows: list[Any]) -> None:
    """Write one row a line; without rows there is no file."""
    if rows:
        write_jsonl(path, rows)
    else:
        with writing(path):
            path.unlink(missing_ok=True)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
