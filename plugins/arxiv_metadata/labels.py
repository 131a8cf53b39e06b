"""Read labels of papers that have no texts: arXiv's Atom and OAI-PMH, and BibTeX.

Each label is a row with the keys of the record, and the names by which it is found: the id at
arXiv, or the key in BibTeX. What a source does not have is not a key of the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from fieldsmith import InputError, SourceFile, read_text

from . import identifiers
from .xml_tree import parse, text_of

Label = tuple[list[str], dict[str, Any]]
"""The names of a paper, in normal form, and what is known about it."""

_OAI_ARXIV = "oai:arXiv.org:"
_PARTS_OF_NAME = ("forenames", "keyname", "suffix")


def is_xml_labels(file: SourceFile) -> bool:
    """Return whether a file is an Atom feed or a response of OAI-PMH."""
    head = file.head
    is_atom = b"<feed" in head and b"www.w3.org/2005/Atom" in head
    is_jats = b"article-meta" in head  # which OAI-PMH also hands out, with texts
    return head.startswith(b"<") and not is_jats and (is_atom or b"openarchives.org/OAI/" in head)


def is_bibtex(file: SourceFile) -> bool:
    """Return whether a file is BibTeX, by its name or its first entry."""
    if file.path.suffix.lower() in (".bib", ".bibtex"):
        return True
    kinds = (b"@article{", b"@inproceedings{", b"@misc{", b"@book{", b"@techreport{", b"@string{")
    return file.head.lower().replace(b" ", b"").startswith(kinds)


def xml_labels(file: SourceFile) -> Iterator[Label]:
    """Yield the labels of an Atom feed or of a response of OAI-PMH.

    Raises:
        InputError: the file is not well-formed XML.
    """
    root = parse(file.path)
    for element in root.iter():
        if element.tag == "entry":
            yield _named(atom_row(element))
        elif element.tag == "record" and (metadata := element.find("metadata")) is not None:
            for inside in metadata:
                yield _named(oai_row(inside, text_of(element.find("header/identifier"))))


def _named(row: dict[str, Any]) -> Label:
    identifier = row.get("id")
    known = {key: value for key, value in row.items() if value}
    return [identifiers.normal_id(identifier)] if identifier else [], known


def atom_row(entry: Element) -> dict[str, Any]:
    """Return what an entry of an Atom feed says about a paper."""
    return {
        "id": identifiers.printed_id(text_of(entry.find("id"))),
        "title": text_of(entry.find("title")),
        "authors": [text_of(one) for one in entry.findall("author/name")],
        "abstract": text_of(entry.find("summary")),
        "doi": text_of(entry.find("doi")),
    }


def oai_row(metadata: Element, identifier: str) -> dict[str, Any]:
    """Return the row of a record in one of arXiv's three formats: arXiv, arXivRaw, oai_dc."""
    given = text_of(metadata.find("id")) or identifier.removeprefix(_OAI_ARXIV)
    row: dict[str, Any] = {"id": identifiers.printed_id(given)}
    if metadata.tag == "dc":
        described = [text_of(one) for one in metadata.findall("description")]
        return row | {
            "title": text_of(metadata.find("title")),
            "authors": [text_of(one) for one in metadata.findall("creator")],
            # The comments of the authors follow as a description of their own.
            "abstract": described[0] if described else None,
            "doi": next(
                (text.partition(":")[2] for one in metadata.findall("identifier")
                 if (text := text_of(one)).lower().startswith("doi:")), None
            ),
        }  # fmt: skip
    people = metadata.findall("authors/author")
    names = [
        " ".join(filter(None, (text_of(one.find(part)) for part in _PARTS_OF_NAME)))
        for one in people
    ]
    return row | {
        "title": text_of(metadata.find("title")),
        "authors": names or text_of(metadata.find("authors")),
        "abstract": text_of(metadata.find("abstract")),
        "doi": text_of(metadata.find("doi")),
    }


def bibtex_labels(file: SourceFile) -> Iterator[Label]:
    """Yield the labels of a BibTeX file, in Unicode.

    Raises:
        InputError: the extra ``bibtex`` is not installed, or the file is broken or has a key or a
            field twice.
    """
    try:
        from pybtex.database.input.bibtex import Parser
        from pybtex.exceptions import PybtexError
    except ImportError as error:
        reason = "reading BibTeX needs the extra `bibtex`: pip install 'fieldsmith[bibtex]'"
        raise InputError(f"{file.path}: {reason}") from error
    text = read_text(file.path)
    try:
        entries = Parser().parse_string(text).entries
        for name, entry in entries.items():
            row = _bibtex_row(dict(entry.fields), entry.persons.get("author", []))
            found = identifiers.normal_id(row["id"]) if row.get("id") else None
            yield [name.lower(), *([found] if found else [])], row
    except (PybtexError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{file.path}: broken BibTeX ({reason})") from error


def _bibtex_row(fields: dict[str, str], authors: list[Any]) -> dict[str, Any]:
    lower = {key.lower(): value for key, value in fields.items()}
    eprint = lower.get("eprint") or lower.get("url") or lower.get("journal") or ""
    row = {
        "id": identifiers.printed_id(eprint),
        "title": _plain(lower.get("title", "")),
        "authors": [name for one in authors if (name := _name(one)) and name != "others"],
        "abstract": _plain(lower.get("abstract", "")),
        "doi": lower.get("doi"),
    }
    return {key: value for key, value in row.items() if value}


def _name(person: Any) -> str:
    kinds = person.first_names, person.middle_names, person.prelast_names, person.last_names
    return _plain(" ".join(word for words in kinds for word in words))


def _plain(latex: str) -> str:
    """Return LaTeX as plain text; as it is where it is broken."""
    from pybtex.exceptions import PybtexError
    from pybtex.richtext import Text

    try:
        return " ".join(str(Text.from_latex(latex)).split())
    except (PybtexError, ValueError):
        return " ".join(latex.split())
