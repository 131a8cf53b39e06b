"""Read TEI of GROBID: its training files for headers, title pages with tags as gold annotation.

::

    <tei><text><front>
      <docTitle><titlePart>Foxes and anticoag-<lb/>ulants<lb/></titlePart></docTitle>
      <byline><docAuthor>Ann Oke 1 , and Bo van der Li 2,*<lb/></docAuthor></byline>
      Abstract <div type="abstract">Foxes bleed.<lb/></div>
      <idno>arXiv:0704.0191v2 [q-bio.TO]</idno> <idno>doi: 10.1234/fox.1</idno>
    </front></text></tei>

All text below ``<front>`` is the page. ``<lb/>`` ends a line; other white space is only layout of
the XML and becomes one space. Hyphenated line breaks are kept in the text and in the gold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from fieldsmith import Document, Example, InputError, Record, Reject, SourceFile

from . import grobid, headers, identifiers, names, xml_tree
from .pages import first_page

Span = tuple[int, int]

_HEADING = re.compile(r"(?i)(?:abstract|summary|résumé|zusammenfassung)\b[\s.:—–-]*")
_BROKEN_DOI = re.compile(r"10\.\d{4,9}\s?/[-._;()/:<>\[\]#+\w\s]+")
_OTHER_IDENTIFIERS = re.compile(r"(?i)\b(?:issn|isbn|pii)\b|,\s|;\s")
_ANNOTATED = ("docTitle", "docAuthor", "div/abstract", "idno")
_SENTENCE_END = re.compile(r"[.!?][\"'”’)\]]*$")


@dataclass
class _Page:
    """The text of a header that is being read, and the spans of its tagged elements."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    gap: str = ""
    tagged: dict[str, list[Span]] = field(default_factory=dict)

    def write(self, text: str) -> None:
        """Add text; a run of white space is one space."""
        for piece in re.findall(r"\s+|\S+", text):
            if piece.isspace():
                self.gap = self.gap or " "
                continue
            added = (self.gap if self.length else "") + piece
            self.parts.append(added)
            self.length += len(added)
            self.gap = ""

    def read(self, element: Element) -> None:
        """Add the text of an element and of all elements below it."""
        name = element.tag
        if name == "lb":
            self.gap = "\n"
        start = self.length
        self.write(element.text or "")
        for child in element:
            self.read(child)
            self.write(child.tail or "")
        kind = element.get("type", "") if name in ("div", "note") else ""
        self.tagged.setdefault(f"{name}/{kind}" if kind else name, []).append((start, self.length))

    @property
    def text(self) -> str:
        return "".join(self.parts)


def examples(file: SourceFile) -> Iterator[Example | Reject]:
    """Yield the example of a file: its page, and a record with the offsets of all values.

    If GROBID returned the file for a paper, and no ``<front>`` holds a page, it is composed of the
    values. A page without any annotation has no record.

    Raises:
        InputError: the file is not well-formed XML, declares entities, or has neither a
            ``<front>`` nor a header.
    """
    root = xml_tree.parse(file.path)
    front = next((found for found in root.iter("front") if xml_tree.text_of(found)), None)
    if front is None:
        found = list(grobid.papers(root))
        for number, header in enumerate(found, start=1):
            yield headers.example(header, file, number if found[1:] else 0)
        if not found:
            reason = "TEI without <front>, which holds the title page, and without <teiHeader>"
            raise InputError(f"{file.path}: {reason}")
        return
    page = _Page()
    page.read(front)
    whole = page.text
    record: Record | None = None
    mentions: dict[str, list[Span]] = {}
    if any(tag in page.tagged for tag in _ANNOTATED):
        record, mentions = _gold(whole, page.tagged)
    text = first_page(whole)
    # A value beyond the end of the page stays in the record without offsets; the core lists it.
    inside = {
        pointer: spans
        for pointer, spans in mentions.items()
        if all(end <= len(text) for _, end in spans)
    }
    # GROBID names each file NAME.training.header.tei.xml: "training" there is not a split.
    split = file.split_of_folder
    yield Example(Document(file.name, text), record, inside, split, str(file.path))


def _gold(text: str, tagged: dict[str, list[Span]]) -> tuple[Record, dict[str, list[Span]]]:
    """Return the record of a page, and the spans of its values by JSON Pointer.

    If an identifier is on the page but not in an ``<idno>``, it is not annotated, and its key is
    absent. Keys are in the order of the schema.
    """
    record: Record = {}
    mentions: dict[str, list[Span]] = {}

    def put(key: str, spans: Sequence[Span]) -> None:
        record[key] = text[slice(*spans[0])] if spans else None
        if spans:
            mentions[f"/{key}"] = list(spans)

    idnos = _stripped(text, tagged.get("idno", ()))
    if (found := _id(text, idnos)) or not any(identifiers.ids(text)):
        put("id", found)
    put("title", _stripped(text, tagged.get("docTitle", ()))[:1])
    record["authors"] = []
    for number, spans in enumerate(_authors(text, _stripped(text, tagged.get("docAuthor", ())))):
        record["authors"].append(text[slice(*spans[0])])
        mentions[f"/authors/{number}"] = spans
    pieces = [_without_heading(text, s) for s in _stripped(text, tagged.get("div/abstract", ()))]
    if _is_split(text, pieces):
        # Other text is between its halves, so that no span contains it.
        record["abstract"] = "\n".join(text[start:end] for start, end in pieces[:2])
    else:
        put("abstract", pieces[:1])
    if (found := _doi(text, idnos)) or not any(identifiers.dois(text)):
        put("doi", found)
    return record, mentions


def _stripped(text: str, spans: Sequence[Span]) -> list[Span]:
    """Return spans without white space at their ends, leaving out empty ones."""
    found = []
    for start, end in spans:
        inside = text[start:end]
        start += len(inside) - len(inside.lstrip())
        end -= len(inside) - len(inside.rstrip())
        if start < end:
            found.append((start, end))
    return found


def _id(text: str, idnos: Sequence[Span]) -> list[Span]:
    """Return the spans of the first arXiv id in the ``<idno>`` elements."""
    return _first(text, idnos, identifiers.ids, identifiers.normal_id)


def _doi(text: str, idnos: Sequence[Span]) -> list[Span]:
    """Return the spans of the first DOI, which white space in an ``<idno>`` may break."""
    for start, end in idnos:
        found = _BROKEN_DOI.search(text, start, end)
        others = _OTHER_IDENTIFIERS.search(text, start, end)
        if found and not others:
            doi = found[0].rstrip(".,;: ")
            return [(found.start(), found.start() + len(doi))]
    return _first(text, idnos, identifiers.dois, identifiers.normal_doi)


def _first(
    text: str,
    idnos: Sequence[Span],
    find: Callable[[str], Iterator[Span]],
    normal: Callable[[str], str],
) -> list[Span]:
    for start, end in idnos:
        for inside in find(text[start:end]):
            span = (start + inside[0], start + inside[1])
            others = identifiers.occurrences(text[slice(*span)], text, find, normal)
            return [span, *(other for other in others if other != span)]
    return []


def _authors(text: str, bylines: Sequence[Span]) -> list[list[Span]]:
    """Return the spans of each author: several by-lines may name one, in full or abbreviated."""
    found: list[tuple[str, list[Span]]] = []
    for byline_start, byline_end in bylines:
        known = len(found)
        for start, end in names.persons(text[byline_start:byline_end]):
            span = (byline_start + start, byline_start + end)
            name = " ".join(names.split(text[slice(*span)]))
            before = found[:known]  # two names in one by-line are two persons
            same = next((s for other, s in before if names.same_person(name, other)), None)
            if same is None:
                found.append((name, [span]))
            else:
                same.append(span)
    return [spans for _, spans in found]


def _without_heading(text: str, span: Span) -> Span:
    heading = _HEADING.match(text, *span)
    return (heading.end(), span[1]) if heading and heading.end() < span[1] else span


def _is_split(text: str, pieces: Sequence[Span]) -> bool:
    """Return whether other text interrupts the abstract; else the second one is a translation."""
    return len(pieces) > 1 and not _SENTENCE_END.search(text[slice(*pieces[0])])
