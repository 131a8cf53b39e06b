"""Unpack gzip and zip files into a folder; names in them are never used as paths."""

from __future__ import annotations

import gzip
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from ..errors import InputError
from .limits import Limits

_BLOCK = 1 << 20
_BROKEN = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError,
           RuntimeError, ValueError)  # fmt: skip
"""What the readers of gzip and zip raise where a file is broken or encrypted."""


class Member(NamedTuple):
    """A file of an archive.

    Attributes:
        name: its path in the archive, "" in gzip; for messages and ids.
        path: where it was unpacked; "" where it was not.
        fault: why it was not.
        is_passed_over: whether it was not because it is no document, as a hidden file is none.
    """

    name: str
    path: str
    fault: str = ""
    is_passed_over: bool = False


def safe_name(name: str) -> str:
    """Return the last part of a name, in characters that no file system minds.

    >>> safe_name("../../etc/passwd"), safe_name("my page.html"), safe_name("..")
    ('passwd', 'my_page.html', 'document')
    """
    last = PurePosixPath(name.replace("\\", "/")).name
    return re.sub(r"[^\w.-]", "_", last).lstrip(".-")[-100:] or "document"


def unpack(file: Path, kind: str, folder: Path, limits: Limits) -> list[Member]:
    """Unpack a file into a folder, each member into a folder of its own.

    Hidden files, links, and what macOS adds are passed over, and named.

    Args:
        file: the archive.
        kind: "gzip" or "zip".
        folder: an empty folder.
        limits: see ``Limits``.

    Raises:
        InputError: it is broken or too large; says so without the name of the file.
    """
    try:
        return list(_gzip(file, folder, limits) if kind == "gzip" else _zip(file, folder, limits))
    except _BROKEN as error:
        raise InputError(f"the {kind} file cannot be unpacked ({error}); is it whole?") from error


def _gzip(file: Path, folder: Path, limits: Limits) -> Iterator[Member]:
    path = _place(folder, 0, re.sub(r"(?i)\.gz$", "", file.name))
    with gzip.open(file) as stream:
        _copy(stream, path, limits.unpacked_bytes, limits)
    yield Member("", str(path))


def _zip(file: Path, folder: Path, limits: Limits) -> Iterator[Member]:
    left = limits.unpacked_bytes
    names: set[str] = set()
    with zipfile.ZipFile(file) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if sum(map(_is_document, entries)) > limits.members:
            raise InputError(f"has more than {limits.members:,} files; unpack it")
        for number, entry in enumerate(entries):
            if not _is_document(entry):
                yield Member(entry.filename, "", is_passed_over=True)
                continue
            if entry.filename in names:
                yield Member(entry.filename, "", "another file of the archive has the same name")
                continue
            names.add(entry.filename)
            path = _place(folder, number, entry.filename)
            try:
                with archive.open(entry) as stream:
                    left -= _copy(stream, path, left, limits)
            except _BROKEN as error:
                path.unlink(missing_ok=True)
                why = "is encrypted" if entry.flag_bits & 1 else f"cannot be unpacked ({error})"
                yield Member(entry.filename, "", why)
            else:
                yield Member(entry.filename, str(path))


def _is_document(entry: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
    is_hidden = any(part.startswith(".") and part != ".." for part in parts)
    is_link = stat.S_ISLNK(entry.external_attr >> 16)
    return not (is_hidden or is_link or "__MACOSX" in parts)


def _place(folder: Path, number: int, name: str) -> Path:
    path = folder / str(number) / safe_name(name)
    path.parent.mkdir()
    return path


def _copy(stream: IO[bytes] | gzip.GzipFile, path: Path, most: int, limits: Limits) -> int:
    """Copy what is unpacked into a file, and return its size.

    Raises:
        InputError: there is more.
    """
    size = 0
    with path.open("xb") as target:
        while block := stream.read(_BLOCK):
            size += len(block)
            if size > most:
                raise InputError(
                    f"unpacks to more than {limits.unpacked_bytes >> 20} MiB; unpack it, and give "
                    f"its files"
                )
            target.write(block)
    return size
