"""Which format a file is in, and the way from a source to examples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from fieldsmith import (
    Document,
    Example,
    InputError,
    Reject,
    UnknownFormatError,
    files_in,
    read_text,
    split_of,
)

from . import metamine, mextract
from .mending import datasets

_UNKNOWN = (
    "in no format that dcat_datasets reads (MetaMine's paper_N.json with its text, a .tar.gz of "
    "them, MeXtract's parquet, JSONL of id, text, record)"
)
_ABOUT_THE_DATA = re.compile(r"(?i)(readme|licen[cs]e|copying|notice).*|.*\.(md|ya?ml|toml)")


def read(source: Path) -> Iterator[Example | Reject]:
    """Return the examples of a file or folder, in sorted order; each paper once.

    A file of a folder that cannot be read becomes a Reject, and so does a paper that was read
    before: MetaMine annotates some under several topics, each time differently. Files that speak
    about the data (readme, licence, ``.md``) are passed over.

    Raises:
        InputError: there is nothing at ``source``, or it is a single file and unreadable.
        UnknownFormatError: ``source`` is a file, and in no known format.
    """
    paths = files_in(source)
    if paths != [source]:
        return _once(_folder(paths, source))
    if _format_of(source) in (None, "text"):
        raise UnknownFormatError(f"{source}: {_UNKNOWN}")
    return _once(_file(source, source, alone=True))


def _folder(paths: list[Path], source: Path) -> Iterator[Example | Reject]:
    paths = [path for path in paths if not _ABOUT_THE_DATA.fullmatch(path.name)]
    formats = {path: _format_of(path) for path in paths}
    yield from metamine.examples([p for p in paths if formats[p] in ("json", "text")], source)
    for path in paths:
        if formats[path] is None:
            yield Reject(str(path), "", f"{_UNKNOWN}; move it away or convert it")
        elif formats[path] not in ("json", "text"):
            yield from _file(path, source, alone=False)


def _file(path: Path, source: Path, *, alone: bool) -> Iterator[Example | Reject]:
    """Yield what a file holds; if it is read alone and cannot be read, that is an error."""
    found, split = _format_of(path), split_of(path, source)
    try:
        if found == "tar":
            yield from metamine.archived(path)
        elif found == "parquet":
            yield from mextract.examples(path, split)
        elif found == "jsonl":
            yield from _jsonl(path, split)
        else:
            for row in metamine.examples([path], source):
                if alone and isinstance(row, Reject):
                    raise InputError(f"{row.place}: {row.reason}")
                yield row
    except InputError as error:
        if alone:
            raise
        yield Reject(str(path), "", f"unreadable: {error}")


def _once(rows: Iterator[Example | Reject]) -> Iterator[Example | Reject]:
    first: dict[str, str] = {}
    for row in rows:
        if isinstance(row, Example):
            paper = row.document.id
            if paper in first:
                reason = f"a paper that was read before, from {first[paper]}; keep one of them"
                # Without its id: the paper itself is not missing.
                yield Reject(row.place, "", reason)
                continue
            first[paper] = row.place
        yield row


def _jsonl(path: Path, split: str | None) -> Iterator[Example | Reject]:
    """Yield the rows of JSONL of ``id, text, record``, as the bundled sample is written."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        place = f"{path}:{number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            document = Document(str(row["id"]), row["text"])
            if not isinstance(document.text, str):
                raise TypeError("text is no string")
            items, _mended = datasets(json.dumps(row["record"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            yield Reject(place, "", f"unreadable: id, text and record are wanted ({error!r})")
            continue
        yield Example(document, {"datasets": items}, {}, split, place)


def _format_of(path: Path) -> str | None:
    """Return "tar", "parquet", "jsonl", "json" or "text"; None for all else."""
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if head.startswith(b"\x1f\x8b"):
        return "tar"
    if head == b"PAR1":
        return "parquet"
    names = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "text"}
    return names.get(path.suffix)
