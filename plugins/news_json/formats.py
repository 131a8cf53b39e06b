"""Which format a file is in, told by its content, and the way from a source to examples."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from fieldsmith import Example, InputError, Reject, UnknownFormatError, files_in, split_of

from . import articles, instruct
from .html_pages import UTF_16, opened, page_example
from .rows import rows

_SNIFFED_BYTES = 1 << 16
_UNKNOWN = "in no format that news_json reads (HTML, article JSONL, instruct JSON)"
_ABOUT_THE_DATA = re.compile(r"(?i)(readme|licen[cs]e|copying|notice).*|.*\.md")
_MARKUP = re.compile(
    rb"(?i)(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body)\b", re.S
)


def read(source: Path) -> Iterator[Example | Reject]:
    """Return the examples of a file or folder; files are read one by one, in sorted order.

    A file of a folder that is in no known format, or cannot be read, becomes a Reject; files that
    speak about the data (readme, licence, ``.md``) are passed over.

    Raises:
        InputError: there is nothing at ``source``, or it is a file and cannot be read.
        UnknownFormatError: ``source`` is a file, and in no known format.
    """
    if source.is_file() and _format_of(source) is None:
        raise UnknownFormatError(f"{source}: {_UNKNOWN}")
    return _once(_examples(files_in(source), source))


def _once(found: Iterator[Example | Reject]) -> Iterator[Example | Reject]:
    """Set aside what has an id that is taken; in another split it stays, for the leak check."""
    taken = set()
    for row in found:
        if isinstance(row, Example):
            key = row.document.id, row.split
            if key in taken:
                reason = "a document with this id came before; keep one, or give it another id"
                yield Reject(row.place, "id", reason, row.document.id)
                continue
            taken.add(key)
        yield row


def _examples(paths: list[Path], source: Path) -> Iterator[Example | Reject]:
    for path in paths:
        if path == source:
            yield from _file(path, source)
        elif not _ABOUT_THE_DATA.fullmatch(path.name):
            try:
                yield from _file(path, source)
            except InputError as error:
                yield Reject(str(path), "", str(error))


def _file(path: Path, source: Path) -> Iterator[Example | Reject]:
    found = _format_of(path)
    if found == "html":
        name = path.name if path == source else path.relative_to(source).as_posix()
        yield page_example(path, name, split_of(path, source, folder_alone=True))
    elif found == "rows":
        split = split_of(path, source)
        for place, row in rows(path):
            yield row if isinstance(row, Reject) else _row(row, place, split)
    else:
        yield Reject(str(path), "", f"{_UNKNOWN}; move it away or convert it")


def _row(row: dict[str, object], place: str, split: str | None) -> Example | Reject:
    if articles.is_row(row):
        return articles.example(row, place, split)
    if instruct.is_row(row):
        return instruct.example(row, place, split)
    return Reject(place, "", 'it has neither "paragraphs" (article) nor "instruction"')


def _format_of(path: Path) -> str | None:
    """Return "html" or "rows", or None where the content is neither."""
    with opened(path) as stream:
        head = stream.read(_SNIFFED_BYTES)
        is_packed = isinstance(stream, gzip.GzipFile)
    plain = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:2] in UTF_16:
        plain = head.decode("utf-16", "ignore").lstrip().encode()
    if _MARKUP.match(plain):
        return "html"
    is_ours = b'"paragraphs"' in head or b'"instruction"' in head or b'"Headline"' in head
    return "rows" if plain[:1] in (b"{", b"[") and is_ours and not is_packed else None
