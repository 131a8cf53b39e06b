"""The formats that dcat_datasets reads: archives and parquet by content, JSON by file name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from fieldsmith import Document, Example, Format, Reject, SourceFile, read_formats, read_text

from . import catalogues, ckan, metamine, mextract
from .mending import datasets, parse_json


def read(source: Path) -> Iterator[Example | Reject]:
    """Return the examples of a file or folder, each paper once; see ``fieldsmith.read_formats``.

    Pairs of files are read before archives. A second annotation of a paper becomes a Reject:
    MetaMine annotates some papers under several topics, each time differently.

    Raises:
        InputError: there is nothing at ``source``, or it is a single file and unreadable.
        UnknownFormatError: ``source`` is a file, and in no known format.
    """
    pairs_first = read_formats(source, _FORMATS, sort_key=lambda file: not metamine.is_half(file))
    return _once(pairs_first)


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


def _jsonl(file: SourceFile) -> Iterator[Example | Reject]:
    """Yield the examples of JSONL of ``id, text, record``, the format of the bundled sample."""
    for number, line in enumerate(read_text(file.path).split("\n"), start=1):
        place = f"{file.path}:{number}"
        if not line.strip():
            continue
        document: Document | None = None
        try:
            row = parse_json(line)
            document = Document(str(row["id"]), row["text"])
            if not isinstance(document.text, str):
                raise TypeError("text is not a string")
            items, _repairs = datasets(json.dumps(row["record"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            known = document if document and isinstance(document.text, str) else None
            reason = f"unreadable: id, text and record are wanted ({error!r})"
            yield Reject(place, "", reason, known.id if known else "", known)
            continue
        yield Example(document, {"datasets": items}, {}, file.split, place)


_FORMATS = (
    Format(
        ".tar.gz of MetaMine's pairs",
        lambda file: file.head.startswith(b"\x1f\x8b"),
        lambda file: metamine.archived(file.path),
    ),
    Format(
        "MeXtract's parquet",
        lambda file: file.head.startswith(b"PAR1"),
        lambda file: mextract.examples(file.path, file.split),
    ),
    Format(
        "RDF (Turtle, N-Triples, RDF/XML, JSON-LD)",
        lambda file: catalogues.format_of(file) is not None,
        catalogues.examples,
    ),
    Format("CKAN's packages", ckan.is_ckan, ckan.examples),
    Format(
        "JSONL of id, text, record", lambda file: file.path.suffix in (".jsonl", ".ndjson"), _jsonl
    ),
    Format("MetaMine's paper_N.json with its text", metamine.is_half, metamine.examples),
)
