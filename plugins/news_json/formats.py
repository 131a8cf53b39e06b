"""The formats that news_json reads, recognised by content."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fieldsmith import Example, Format, Reject, SourceFile, read_formats

from . import articles, html_pages, instruct
from .rows import rows

_MARKUP = re.compile(
    rb"(?i)(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body)\b", re.S
)


def read(source: Path) -> Iterator[Example | Reject]:
    """Return the examples of a file or folder; see ``fieldsmith.read_formats``.

    Raises:
        InputError: there is nothing at ``source``, or it is a file and cannot be read.
        UnknownFormatError: ``source`` is a file, and in no known format.
    """
    return _once(read_formats(source, _FORMATS))


def _once(found: Iterator[Example | Reject]) -> Iterator[Example | Reject]:
    """Reject repeated ids within a split; across splits they are kept for the leak check."""
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


def _is_html(file: SourceFile) -> bool:
    return _MARKUP.match(html_pages.unpacked_head(file)) is not None


def _is_json(file: SourceFile) -> bool:
    keys = (b'"paragraphs"', b'"instruction"', b'"Headline"')
    return file.head[:1] in (b"{", b"[") and any(key in file.head for key in keys)


def _examples(file: SourceFile) -> Iterator[Example | Reject]:
    for place, row in rows(file.path):
        if isinstance(row, Reject):
            yield row
        elif articles.is_row(row):
            yield articles.example(row, place, file.split)
        elif instruct.is_row(row):
            yield instruct.example(row, place, file.split)
        else:
            yield Reject(place, "", 'the row has neither "paragraphs" (article) nor "instruction"')


_FORMATS = (
    Format("HTML", _is_html, html_pages.examples),
    Format("article JSONL, instruct JSON", _is_json, _examples),
)
