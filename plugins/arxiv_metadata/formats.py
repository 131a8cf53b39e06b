"""The formats that arxiv_metadata reads, recognised by content."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from fieldsmith import Example, Format, Reject, SourceFile, files_in, read_formats

from . import headers, jats, pages, rows, snapshot, tei, xml_tree


def read(source: Path, names: Mapping[str, str]) -> Iterator[Example | Reject]:
    """Return the examples of a file or folder; see ``fieldsmith.read_formats``.

    Labels in a folder (arXiv snapshot, Atom, OAI-PMH, BibTeX) belong to the text files and PDFs
    there that have their ids as names.

    Args:
        source: the file or folder.
        names: the field of each key of JSON that the user names.

    Raises:
        InputError: there is nothing at ``source``, it is a file that breaks the rules of its
            format, or a snapshot without texts.
        UnknownFormatError: ``source`` is a file, and in no known format.
    """
    labels = snapshot.labels(SourceFile(path, source) for path in files_in(source))
    formats = (
        Format("TEI of GROBID", _is_tei, tei.examples),
        Format("JATS", _is_jats, _jats_examples),
        Format(".txt, .md, PDF", pages.is_page, lambda file: snapshot.examples(file, labels)),
        Format("JSON with article_text", _is_rows, lambda file: rows.examples(file, names)),
        Format(
            "labels: arXiv snapshot, Atom, OAI-PMH, BibTeX",
            snapshot.is_labels,
            lambda file: snapshot.unfit(file, labels),
        ),
    )
    return read_formats(source, formats)


def _is_tei(file: SourceFile) -> bool:
    return file.head.startswith(b"<") and bool(
        re.search(rb"<(?:\w+:)?(?:tei|TEI|teiCorpus)[\s>]", file.head)
    )


def _is_jats(file: SourceFile) -> bool:
    return file.head.startswith(b"<") and bool(re.search(rb"<(?:\w+:)?article-meta\b", file.head))


def _jats_examples(file: SourceFile) -> Iterator[Example | Reject]:
    found = list(jats.papers(xml_tree.parse(file.path)))
    for number, header in enumerate(found, start=1):
        yield headers.example(header, file, number if found[1:] else 0)


def _is_rows(file: SourceFile) -> bool:
    if file.head.startswith(b"["):
        return file.path.suffix.lower() == ".json"
    return file.head.startswith(b"{") and b'"article_text"' in file.first_line
