"""Read the public snapshot of arXiv's metadata: JSONL that labels other files by arXiv id.

::

    {"id": "0704.0001", "title": "Foxes\\n  and hens", "abstract": "  Foxes bleed.\\n", "doi": null,
     "authors": "Z. Ok\\\\'e, B. Li", "authors_parsed": [["Oké", "Z.", ""], ["Li", "B.", ""]], ...}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fieldsmith import Document, Example, InputError, Reject, SourceFile

from . import identifiers
from .pages import is_page, read_page
from .rows import json_rows, record_of

NO_TEXT = (
    "the arXiv snapshot has no texts; put it into a folder beside the papers, as text or PDF, "
    "named by their id (0704.0001.pdf, hep-th_9901001.txt), and name the folder"
)

Labels = Mapping[str, dict[str, Any]]
"""Normal id of arXiv -> the row of the snapshot."""


def is_snapshot(file: SourceFile) -> bool:
    """Return whether a file is JSONL of labels without texts."""
    line = file.first_line if file.head.startswith(b"{") and not is_page(file) else b""
    return b'"abstract"' in line and b'"authors' in line and b'"article_text"' not in line


def labels(files: Iterable[SourceFile]) -> Labels:
    """Return the snapshot rows of the text files and PDFs among some files, by normal id.

    Args:
        files: files of any format; snapshots among them are read line by line.

    Raises:
        InputError: a line is not JSON, or there is a snapshot and no text file or PDF.
    """
    snapshots: list[Path] = []
    pages: list[Path] = []
    for file in files:  # one at once: each holds its head
        if is_snapshot(file):
            snapshots.append(file.path)
        elif is_page(file) and not file.is_about_data:
            pages.append(file.path)
    if snapshots and not pages:
        raise InputError(f"{snapshots[0]}: {NO_TEXT}")
    wanted = {_id_of(path) for path in pages}
    found: dict[str, dict[str, Any]] = {}
    for path in snapshots:
        for _place, row in json_rows(path):
            if isinstance(row, dict) and isinstance(row.get("id"), str):
                identifier = identifiers.normal_id(row["id"])
                if identifier in wanted:
                    found[identifier] = row
    return found


def _id_of(path: Path) -> str | None:
    """Return the arXiv id in a file's name, or in the name of its folder and its name."""
    name = path.name.removesuffix(path.suffix) if not path.suffix[1:].isdigit() else path.name
    inside = f"{path.parent.name}/{name}"
    return identifiers.id_of_file(name) or identifiers.id_of_file(inside)


def examples(file: SourceFile, labels: Labels) -> Iterator[Example | Reject]:
    """Yield the document of a text file or PDF, with a record if the snapshot has its id.

    Args:
        file: the text file or PDF.
        labels: rows of the snapshot, by normal id.

    Raises:
        InputError: the file cannot be read, or holds no text.
    """
    text, place = read_page(file), str(file.path)
    document = Document(file.name, text, {"path": file.name})
    row = labels.get(_id_of(file.path) or "")
    try:
        record = None if row is None else record_of(_fields(row, text), text)
    except ValueError as error:
        field, reason = error.args
        yield Reject(place, field, f"in the snapshot, {reason}", file.name)
        return
    yield Example(document, record, {}, file.split_of_folder, place)


def _fields(row: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the fields of a row that the page can contain.

    The snapshot has an id and a DOI that most pages do not show: these become None. Line breaks in
    title and abstract come from the snapshot, not from the page.
    """
    identifier, doi = str(row["id"]), row.get("doi")
    on_page = identifiers.occurrences(identifier, text, identifiers.ids, identifiers.normal_id)
    doi_on_page = isinstance(doi, str) and identifiers.occurrences(
        doi, text, identifiers.dois, identifiers.normal_doi
    )
    return {
        "id": identifier if on_page else None,
        "title": _unwrapped(row.get("title")),
        "authors": _authors(row),
        "abstract": _unwrapped(row.get("abstract")),
        "doi": doi if doi_on_page else None,
    }


def _unwrapped(value: Any) -> Any:
    return " ".join(value.split()) if isinstance(value, str) else value


def _authors(row: dict[str, Any]) -> Any:
    """Return the authors in Unicode, first names first; ``authors`` has TeX accents."""
    parsed = row.get("authors_parsed")
    if not isinstance(parsed, list):
        return row.get("authors")
    authors = []
    for entry in parsed:
        if not (isinstance(entry, list) and all(isinstance(part, str) for part in entry)):
            return row.get("authors")
        last, first = [*entry, "", ""][:2]
        authors.append(" ".join(f"{first} {last}".split()))
    return authors
