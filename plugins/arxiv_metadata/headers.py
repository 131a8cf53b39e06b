"""Papers of which only the parts are known: a title page is composed of them.

GROBID's results and JATS have no page, but its values. The page has them in this order, each on
lines of its own: id, DOI, title, authors, abstract, and the text up to the end of the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fieldsmith import Document, Example, Record, Reject, SourceFile

from .pages import PAGE_CHARACTERS, first_page


@dataclass(frozen=True)
class Header:
    """The parts of a paper; None for what its source does not say.

    Attributes:
        name: an identifier of the paper, if it is one of several in a file.
        body: the paragraphs and headings of its text.
    """

    name: str | None = None
    id: str | None = None
    doi: str | None = None
    title: str | None = None
    authors: Sequence[str] = ()
    abstract: str | None = None
    body: Sequence[str] = ()


def example(header: Header, file: SourceFile, number: int = 0) -> Example | Reject:
    """Return the example of a paper, or a Reject if nothing is known of it.

    Args:
        header: its parts.
        file: the file that it is from.
        number: its position in the file; 0 if it is the only one.
    """
    place = f"{file.path}: paper {number}" if number else str(file.path)
    name = (header.name or f"{file.path.stem}-{number}") if number else file.name
    if not (header.title or header.abstract or header.authors):
        return Reject(place, "", "it has neither title nor authors nor abstract", name)
    text = _page(header)
    # A value that the source does not have is not annotated: the paper itself may have one.
    found: Record = {
        "id": header.id,
        "title": header.title,
        "authors": list(dict.fromkeys(header.authors)),
        "abstract": header.abstract,
        "doi": header.doi,
    }
    record = {key: value for key, value in found.items() if value}
    split = file.split if number else file.split_of_folder
    return Example(Document(name, text), record, {}, split, place)


def _page(header: Header) -> str:
    parts = [
        f"arXiv:{header.id}" if header.id else None,
        f"doi:{header.doi}" if header.doi else None,
        header.title,
        ", ".join(header.authors),
        f"Abstract\n{header.abstract}" if header.abstract else None,
    ]
    length, body = 0, []
    for line in header.body:
        body.append(line)
        length += len(line)
        if length > PAGE_CHARACTERS:
            break
    return first_page("\n".join([part for part in parts if part] + body))
