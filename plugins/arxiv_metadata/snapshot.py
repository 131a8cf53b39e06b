"""Label papers by what others know of them: the snapshot of arXiv's metadata, Atom, BibTeX, ….

A row of the snapshot (JSONL) is found by the id in the name of a text file or PDF:

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
from . import labels as labels_of_others
from .pages import is_page, read_page
from .rows import json_rows, record_of

NO_TEXT = (
    "labels of papers ({}) without their texts; put it into a folder beside the papers, as text or "
    "PDF, named by their id (0704.0001.pdf, hep-th_9901001.txt){}, and name the folder"
)

Labels = Mapping[str, dict[str, Any]]
"""Normal id of arXiv, or key in BibTeX -> what is known about the paper."""


def is_snapshot(file: SourceFile) -> bool:
    """Return whether a file is JSONL of labels without texts."""
    line = file.first_line if file.head.startswith(b"{") and not is_page(file) else b""
    return b'"abstract"' in line and b'"authors' in line and b'"article_text"' not in line


def labels(files: Iterable[SourceFile]) -> Labels:
    """Return the labels for the text files and PDFs among some files, by the names of papers.

    Args:
        files: files of any format; those with labels are read.

    Raises:
        InputError: labels are broken, or there are labels and no text file or PDF.
    """
    sources: list[SourceFile] = []
    wanted: set[str] = set()
    for file in files:  # one at once: each holds its head
        if is_labels(file):
            sources.append(SourceFile(file.path, file.source))
        elif is_page(file) and not file.is_about_data:
            wanted.update(_names_of(file.path))
    found: dict[str, dict[str, Any]] = {}
    if sources and not wanted:
        raise InputError(f"{sources[0].path}: {NO_TEXT.format(*_kind_of(sources[0]))}")
    for source in sources:
        for names, row in _labels_of(source):
            found |= {name: row for name in names if name in wanted}
    return found


def _kind_of(file: SourceFile) -> tuple[str, str]:
    """Return what a file of labels is, and by what else than their ids it names papers."""
    if labels_of_others.is_bibtex(file):
        return "BibTeX", " or by their key in BibTeX"
    return ("the arXiv snapshot" if is_snapshot(file) else "Atom or OAI-PMH"), ""


def unfit(file: SourceFile, labels: Labels) -> Iterator[Reject]:
    """Yield a reject for a file of labels where the labels of no file fit a text."""
    if not labels:
        kind, keys = _kind_of(file)
        names = next((names for names, _row in _labels_of(file) if names), [])
        example = f" ({names[0][:60]}.txt)" if names else ""
        reason = f"labels of papers ({kind}) that fit none of the texts in the folder"
        yield Reject(str(file.path), "", f"{reason}; name these by their id{keys}{example}")


def is_labels(file: SourceFile) -> bool:
    """Return whether a file has labels of papers, and no texts."""
    others = labels_of_others
    return is_snapshot(file) or others.is_xml_labels(file) or others.is_bibtex(file)


def _labels_of(file: SourceFile) -> Iterator[labels_of_others.Label]:
    if labels_of_others.is_bibtex(file):
        yield from labels_of_others.bibtex_labels(file)
    elif labels_of_others.is_xml_labels(file):
        yield from labels_of_others.xml_labels(file)
    else:
        for _place, row in json_rows(file.path):
            if isinstance(row, dict) and isinstance(row.get("id"), str):
                yield [identifiers.normal_id(row["id"])], row


def _names_of(path: Path) -> list[str]:
    """Return the names by which labels of a file can be found: its id at arXiv, and its stem."""
    found = _id_of(path)
    return [*([found] if found else []), path.name.removesuffix(path.suffix).lower()]


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
    (text, words), place = read_page(file), str(file.path)
    document = Document(file.name, text, {"path": file.name}, words)
    row = next((labels[name] for name in _names_of(file.path) if name in labels), None)
    try:
        record = None if row is None else record_of(_fields(row, text), text)
    except ValueError as error:
        field, reason = error.args
        yield Reject(place, field, f"in its labels, {reason}", file.name, document)
        return
    yield Example(document, record, {}, file.split_of_folder, place)


def _fields(row: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the fields of a row that the page can contain.

    The labels have an id and a DOI that most pages do not show: these become None. A DOI that the
    page shows and the labels do not have is not annotated. Line breaks in title and abstract come
    from the labels, not from the page.
    """
    fields: dict[str, Any] = {}
    if "id" in row:
        identifier = str(row["id"])
        on_page = identifiers.occurrences(identifier, text, identifiers.ids, identifiers.normal_id)
        fields["id"] = identifier if on_page else None
    for key in ("title", "abstract"):
        if key in row:
            fields[key] = _unwrapped(row[key])
    if "authors" in row or "authors_parsed" in row:
        fields["authors"] = _authors(row)
    doi = row.get("doi")
    if isinstance(doi, str) and identifiers.occurrences(
        doi, text, identifiers.dois, identifiers.normal_doi
    ):
        fields["doi"] = doi
    elif next(identifiers.dois(text), None) is None:
        fields["doi"] = None
    return fields


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
