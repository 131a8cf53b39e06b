"""Inputs in an object store, such as ``s3://bucket/folder``: copied as long as they are read.

Documents are read more than once: to count them, and to answer them.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from ..data import Document, Reject
from ..errors import InputError

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True)
class Copies:
    """Where inputs are on this machine.

    Attributes:
        paths: of the inputs, in order.
        shown: path of a copy -> what messages and documents call it: its address, without keys.
    """

    paths: tuple[str, ...]
    shown: Mapping[str, str] = field(default_factory=dict)

    def named(self, text: str) -> str:
        """Return a text with the addresses of inputs in place of the paths of their copies."""
        for path, address in self.shown.items():
            text = text.replace(path, address)
        return text

    def row(self, row: Document | Reject) -> Document | Reject:
        """Return a row in which no copy is named: where copies are changes with each command."""
        if not self.shown:
            return row
        if isinstance(row, Document):
            meta = {key: self.named(value) for key, value in row.meta.items()}
            return replace(row, id=self.named(row.id), meta=meta)
        place, reason, row_id = map(self.named, (row.place, row.reason, row.id))
        return replace(row, place=place, reason=reason, id=row_id)


@contextmanager
def copied_here(names: Sequence[str]) -> Iterator[Copies]:
    """Copy the inputs that are named by an address; the copies are deleted at the end.

    Raises:
        InputError: one of them is not there, or cannot be read.
    """
    if not any(map(_URI.match, names)):
        yield Copies(tuple(names))
        return
    with tempfile.TemporaryDirectory(prefix="fieldsmith-") as folder:
        paths, shown = [], {}
        for name in names:
            if not _URI.match(name):
                paths.append(name)
                continue
            parts = urlsplit(name)
            place = f"{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
            address = f"{parts.scheme}://{place}"
            path = _below(Path(folder), parts.scheme, place.lstrip("/"), address=address)
            _copy(name, path, address)
            paths.append(str(path))
            shown[str(path)] = address
        yield Copies(tuple(paths), shown)


def _copy(name: str, path: Path, address: str) -> None:
    """Copy a file, or all files of a folder."""
    from pyarrow import ArrowException, fs

    try:
        store, source = fs.FileSystem.from_uri(name)
        found = store.get_file_info(source)
        if found.type == fs.FileType.NotFound:
            raise InputError(f"{address}: not found")
        if found.is_file:
            _copy_file(store, source, path)
            return
        path.mkdir(parents=True, exist_ok=True)
        for each in store.get_file_info(fs.FileSelector(source, recursive=True)):
            if each.is_file:
                below = PurePosixPath(each.path).relative_to(source.rstrip("/"))
                _copy_file(store, each.path, _below(path, str(below), address=address))
    except (ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).replace(name, address).split())
        raise InputError(f"{address}: cannot be read: {reason}") from error


def _copy_file(store: Any, source: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with store.open_input_stream(source, compression=None) as stream, path.open("wb") as file:
        shutil.copyfileobj(stream, file)


def _below(folder: Path, *names: str, address: str) -> Path:
    """Return a path below a folder; names in a store are any text, and may lead out of it."""
    path = Path(os.path.normpath(folder.joinpath(*names)))
    if folder not in path.parents:
        raise InputError(f"{address}: has a name that is no path below it")
    return path
