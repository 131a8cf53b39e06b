"""The formats that arxiv_metadata reads, recognised by content."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fieldsmith import Example, Format, Reject, SourceFile, files_in, read_formats

from . import pages, rows, snapshot, tei


def read(source: Path) -> Iterator[Example | Reject]:
    """Return the examples of a file or folder; see ``fieldsmith.read_formats``.

    An arXiv snapshot in a folder labels the text files and PDFs there by their ids.

    Raises:
        InputError: there is nothing at ``source``, it is a file that breaks the rules of its
            format, or a snapshot without texts.
        UnknownFormatError: ``source`` is a file, and in no known format.
    """
    labels = snapshot.labels(SourceFile(path, source) for path in files_in(source))
    formats = (
        Format("GROBID header TEI", _is_tei, tei.examples),
        Format(".txt, PDF", pages.is_page, lambda file: snapshot.examples(file, labels)),
        Format("JSON with article_text", _is_rows, rows.examples),
        Format("arXiv snapshot", snapshot.is_snapshot, lambda file: ()),
    )
    return read_formats(source, formats)


def _is_tei(file: SourceFile) -> bool:
    return file.head.startswith(b"<") and bool(re.search(rb"<(?:\w+:)?(?:tei|TEI)[\s>]", file.head))


def _is_rows(file: SourceFile) -> bool:
    if file.head.startswith(b"["):
        return file.path.suffix.lower() == ".json"
    return file.head.startswith(b"{") and b'"article_text"' in file.first_line
