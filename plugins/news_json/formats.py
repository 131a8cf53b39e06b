"""The formats that news_json reads, recognised by content."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from fieldsmith import Example, Format, Reject, SourceFile, read_formats

from . import articles, html_pages, instruct
from .rows import rows

_TAGS = frozenset(
    "a abbr address area article aside audio b base bdi bdo big blockquote body br button canvas "
    "caption center cite code col dd del details dfn dir div dl dt em embed fieldset figcaption "
    "figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe "
    "img input ins kbd label legend li link main map mark menu meta nav noscript object ol "
    "optgroup option output p picture pre q s samp script section select small source span strike "
    "strong style sub summary sup table tbody td template textarea tfoot th thead time title tr tt "
    "u ul var video wbr".split()
)
_TAG = re.compile(rb"</?([A-Za-z][\w:-]*)(?=[\s/>])")
_DOCTYPE = re.compile(rb"(?i)<!doctype\s+(\w+)")
_JSON = re.compile(rb"\{|\[\s*(?:[\[{\"\]]|\Z)")
_ROOT = re.compile(rb"(?i)<(?:!doctype\s+html|html)(?=[\s>])")
_DOCUMENT = re.compile(rb"(?i)(?:^|[>\n])[^\S\n]*<(?:!doctype\s+html|html|head|body)(?=[\s>])")


def read(source: Path, names: Mapping[str, str]) -> Iterator[Example | Reject]:
    """Return the examples of a file or folder; see ``fieldsmith.read_formats``.

    Args:
        source: the file or folder.
        names: the field of each key of an article that the user names.

    Raises:
        InputError: there is nothing at ``source``, or it is a file and cannot be read.
        UnknownFormatError: ``source`` is a file, and in no known format.
    """
    formats = (
        Format("article JSONL, instruct JSON", _is_json, lambda file: _examples(file, names)),
        Format("HTML", _is_html, html_pages.examples),
    )
    return _once(read_formats(source, formats))


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
    return looks_like_html(html_pages.unpacked_head(file))


def looks_like_html(head: bytes) -> bool:
    """Return whether the beginning of a file is HTML: a document, a part, or text before one."""
    while head.startswith((b"<!--", b"<?")):
        closing = b"-->" if head.startswith(b"<!--") else b">"
        end = head.find(closing)
        if end < 0:
            return True  # a document may begin with more comments than are looked at
        head = head[end + len(closing) :].lstrip()
    if doctype := _DOCTYPE.match(head):
        return doctype[1].lower() == b"html"
    if _JSON.match(head) or b"<article-meta" in head:
        return False
    tag = _TAG.match(head)
    if tag and tag[1].decode().lower() in _TAGS:
        return True
    return b"</" in head and (_DOCUMENT if tag is None else _ROOT).search(head) is not None


def _is_json(file: SourceFile) -> bool:
    keys = (b'"paragraphs"', b'"instruction"', b'"Headline"')
    return _JSON.match(file.head) is not None and any(key in file.head for key in keys)


def _examples(file: SourceFile, names: Mapping[str, str]) -> Iterator[Example | Reject]:
    for place, row in rows(file.path):
        if isinstance(row, Reject):
            yield row
        elif articles.is_row(row):
            yield articles.example(articles.with_own_keys(row, names), place, file.split)
        elif instruct.is_row(row):
            yield instruct.example(row, place, file.split)
        else:
            yield Reject(place, "", 'the row has neither "paragraphs" (article) nor "instruction"')
