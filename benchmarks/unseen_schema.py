"""The small print of papers' first pages: affiliations, addresses, e-mails, key words, imprints.

A schema that no shipped plugin has, over texts that none of them answers from. One file of GROBID's
training data for headers::

    <tei><text><front>
      <docTitle><titlePart>Foxes and hens<lb/></titlePart></docTitle>
      <byline><docAuthor>Ann Oke 1<lb/></docAuthor></byline>
      <byline><affiliation>1 Hen House, University of Okeby,</affiliation></byline>
      <address>12 Fox Lane, Okeby, Norway<lb/></address>
      <email>a.oke@okeby.example<lb/></email>
      <note type="submission">Received 3 May 2007<lb/></note>
      <div type="abstract">Foxes bleed for longer than hens do.<lb/></div>
      Keywords: <keyword>foxes, hens<lb/></keyword>
    </front></text></tei>

and its record, whose document is the page without its title, its authors and its abstract::

    {"affiliations": ["1 Hen House, University of Okeby,"],
     "addresses": ["12 Fox Lane, Okeby, Norway"], "emails": ["a.oke@okeby.example"],
     "keywords": ["foxes, hens"], "citations": [], "submissions": ["Received 3 May 2007"],
     "copyrights": []}
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import fieldsmith
from fieldsmith import (
    Counts,
    Document,
    Example,
    InputError,
    Message,
    Prediction,
    Record,
    Reject,
    Schema,
    UnknownFormatError,
    hookimpl,
)

NAME = "benchmark_imprints"

TRAINED, CHOOSING = 200, 40
"""How many documents are trained on, and how many choose the epoch; the rest are scored."""

FIELDS = {
    "affiliations": ("affiliation", "Institutes, with the mark in front where there is one."),
    "addresses": ("address", "Postal addresses, or the town and the country alone."),
    "emails": ("email", "E-mail addresses, those that share a domain in one."),
    "keywords": ("keyword", "Key words and subject codes, each run of them as it stands."),
    "citations": ("reference", "Where the paper appeared: journal, volume, year, pages."),
    "submissions": ("note/submission", "When it was received, revised and accepted."),
    "copyrights": ("note/copyright", "Who holds the rights, and under which terms."),
}
"""Each field: the element that holds its gold, and what it is."""

_LEFT_OUT = {"docTitle", "titlePart", "docAuthor", "div/abstract"}
"""What other systems are asked for; it is no part of the document here."""


@hookimpl
def extract_schema() -> Schema:
    """Return a schema of lists of spans."""
    span = {"type": "string", "minLength": 1, "x-source": "verbatim"}
    likeness = {"x-score": "levenshtein", "x-normalise": ["dehyphenate", "spaces"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "required": list(FIELDS),
        "properties": {
            key: {
                "description": told,
                "type": "array",
                "items": span | ({} if key == "emails" else likeness),
            }
            for key, (_element, told) in FIELDS.items()
        },
    }


@hookimpl
def extract_prompt(document: Document, schema: Schema) -> list[Message]:
    """Ask for the fields of the schema; the user's turn is only the text."""
    return [
        Message("system", f"Extract as JSON: {fieldsmith.field_list(schema)}"),
        Message("user", document.text),
    ]


@hookimpl
def extract_load(source: Path | None) -> Iterable[Example | Reject]:
    """Read a file or folder of TEI; None is a sample of made-up pages.

    Of a folder, the pages are in an order that a hash of their names gives; the first TRAINED are
    for training, the next CHOOSING for validation, all others for the test.

    Raises:
        InputError: there is nothing at ``source``, or it is a file with no such page.
        UnknownFormatError: ``source`` is a file that is not called ``.xml``.
    """
    return _sample() if source is None else _read(source)


@hookimpl
def extract_metric(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    """Count each field by similarity (Levenshtein similarity of 0.8), e-mails by equality."""
    return fieldsmith.field_counts(example, prediction, schema)


@hookimpl
def extract_settings(preset: str) -> dict[str, object]:
    """Read a page as a whole; one in twenty is too long for the small embedded model."""
    settings: dict[str, object] = {"window": "document", "score": list(FIELDS)}
    if preset == "embedded":
        # As in arxiv_metadata, whose rows are as long; not tuned.
        rows = {"attention": "sdpa", "batch_size": 4}
        settings |= {"max_length": 2048, "max_new_tokens": 768, **rows}
    return settings


def _read(source: Path) -> Iterator[Example | Reject]:
    files = [file for file in fieldsmith.files_in(source) if file.suffix.lower() == ".xml"]
    if not files:
        raise UnknownFormatError(f"{source}: a page in TEI is wanted, in a file *.xml")
    files.sort(key=lambda file: hashlib.sha256(file.name.encode()).hexdigest())
    texts: set[str] = set()
    for file in files:
        row = page(file, file.name)
        if isinstance(row, Reject) and file == source:
            raise InputError(f"{row.place}: {row.reason}")
        if isinstance(row, Example):
            number = len(texts)
            texts.add(" ".join(row.document.text.split()))
            if number == len(texts):
                row = Reject(str(file), "", "the same text as another page's", file.name)
            elif file != source:
                row = _with_split(row, number)
        yield row


def _with_split(example: Example, number: int) -> Example:
    split = "test" if number >= TRAINED + CHOOSING else "validation"
    split = "train" if number < TRAINED else split
    return Example(example.document, example.record, example.mentions, split, example.place)


def page(file: Path, name: str) -> Example | Reject:
    """Return the example of a file of TEI; ``name`` is its id.

    Raises:
        InputError: the file cannot be read.
    """
    return page_of(fieldsmith.read_text(file), str(file), name)


def page_of(tei: str, place: str, name: str) -> Example | Reject:
    """Return the example of a page in TEI, or what is wrong with it."""
    try:
        front = ElementTree.fromstring(tei).find(".//front")
    except (ElementTree.ParseError, ValueError) as error:
        return Reject(place, "", f"not XML: {error}", name)
    if front is None:
        return Reject(place, "", "no page: there is no <front> in it", name)
    read = _Page()
    read.element(front)
    text = "".join(read.parts)
    record: Record = {}
    mentions: dict[str, list[tuple[int, int]]] = {}
    for key, (element, _told) in FIELDS.items():
        places: dict[str, list[tuple[int, int]]] = {}
        for start, end in read.tagged.get(element, []):
            if re.search(r"\w", text[start:end]):
                places.setdefault(text[start:end], []).append((start, end))
        record[key] = list(places)
        mentions |= {f"/{key}/{at}": spans for at, spans in enumerate(places.values())}
    if not any(record.values()):
        return Reject(place, "", "nothing of what is asked for is marked", name)
    return Example(Document(name, text), record, mentions, place=place)


@dataclass
class _Page:
    """A page that is being read: its text, and the spans of its tagged elements."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    gap: str = ""
    tagged: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def write(self, text: str) -> None:
        """Add a text; a run of white space is one space."""
        for piece in re.findall(r"\s+|\S+", text):
            if piece.isspace():
                self.gap = self.gap or " "
            else:
                added = (self.gap if self.length else "") + piece
                self.parts.append(added)
                self.length += len(added)
                self.gap = ""

    def element(self, element: ElementTree.Element) -> None:
        """Add what is below an element, unless it is left out."""
        kind = element.get("type", "") if element.tag in ("div", "note") else ""
        name = f"{element.tag}/{kind}" if kind else element.tag
        if name in _LEFT_OUT or name == "lb":
            self.gap = "\n"
            return
        before = len(self.parts)
        start = self.length
        self.write(element.text or "")
        for child in element:
            self.element(child)
            self.write(child.tail or "")
        if len(self.parts) > before:
            gap = len(self.parts[before]) - len(self.parts[before].lstrip())
            self.tagged.setdefault(name, []).append((start + gap, self.length))


# The sample

_TOWNS = "Okeby Vellin Tarnow Lisse Moray Quell Sandby Harrow Umbra Nesse".split()
_COUNTRIES = (
    "Norway Ireland Poland Netherlands Scotland Austria Denmark Canada Spain Finland".split()
)
_SUBJECTS = "Physics Botany Statistics Geology Chemistry Linguistics Economics Anatomy".split()
_WORDS = "foxes hens kernels networks tides enzymes lattices markets glaciers vowels".split()
_NAMES = "oke roe lind haddad nowak tanaka iyer duarte".split()
_MONTHS = "January March May July September November".split()


def _sample() -> Iterator[Example | Reject]:
    source = random.Random(11)
    for number in range(60):
        name = f"made-up-{number:02}"
        yield page_of(_made_up(source, number), name, name)


def _made_up(source: random.Random, number: int) -> str:
    """Return a made-up page of TEI."""
    subject, year = source.choice(_SUBJECTS), source.randrange(1995, 2020)
    parts = [f"<docTitle><titlePart>A title<lb/></titlePart></docTitle>Page {number}<lb/>"]
    for mark in range(1, source.randrange(2, 4)):
        town, country = source.choice(_TOWNS), source.choice(_COUNTRIES)
        parts.append(
            f"<byline><docAuthor>An Author {mark}<lb/></docAuthor></byline>"
            f"<byline><affiliation>{mark} Department of {source.choice(_SUBJECTS)},<lb/> "
            f"University of {town},</affiliation></byline>"
            f"<address>{source.randrange(1, 99)} Fox Lane, {town}, {country}<lb/></address>"
            f"<email>{source.choice(_NAMES)}{mark}@{town.lower()}.example<lb/></email>"
        )
    optional = (
        f'<note type="submission">Received {source.randrange(1, 28)} {source.choice(_MONTHS)} '
        f"{year}<lb/></note>",
        f"<reference>Journal of {subject} {source.randrange(2, 80)} ({year})<lb/></reference>",
        f"Keywords: <keyword>{', '.join(source.sample(_WORDS, 3))}<lb/></keyword>",
        f'<note type="copyright">© {year} {source.choice(_TOWNS)} Press<lb/></note>',
    )
    parts += [part for part in optional if source.random() < 0.7]
    parts.append('<div type="abstract">An abstract.<lb/></div>')
    return f"<tei><text><front>{''.join(parts)}</front></text></tei>"
