"""Read what GROBID returns for a paper: TEI with a ``<teiHeader>``.

::

    <TEI><teiHeader>
      <fileDesc><titleStmt><title type="main">Foxes</title></titleStmt>
        <sourceDesc><biblStruct><analytic>
          <author><persName><forename>Ann</forename><surname>Oke</surname></persName></author>
          <idno type="DOI">10.5555/fox.1</idno>
        </analytic></biblStruct></sourceDesc></fileDesc>
      <profileDesc><abstract><p>Foxes bleed.</p></abstract></profileDesc>
    </teiHeader><text><body><p>Foxes ...</p></body></text></TEI>

It has the values that GROBID found, and no page.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from . import identifiers
from .headers import Header
from .xml_tree import text_of

_NOTES = frozenset(["note", "ref", "figure", "table", "formula"])
_NAME_PARTS = ("forename", "nameLink", "surname", "genName")


def papers(root: Element) -> Iterator[Header]:
    """Yield the parts of each paper: one, or those of a ``<teiCorpus>``."""
    corpus = root.tag.lower() == "teicorpus"
    for tei in [one for one in root.iter() if one.tag.lower() == "tei"] if corpus else [root]:
        header = tei.find("teiHeader")
        if header is not None:
            yield _paper(header, tei.find("text/body"))


def _paper(header: Element, body: Element | None) -> Header:
    idnos = [(one.get("type", "").lower(), text_of(one)) for one in header.iter("idno")]
    arxiv = next((text for kind, text in idnos if kind == "arxiv"), "")
    doi = next((text for kind, text in idnos if kind == "doi"), None)
    return Header(
        name=doi or arxiv or None,
        id=identifiers.printed_id(arxiv),
        doi=doi,
        title=_title(header),
        authors=[name for one in _authors(header) if (name := _name(one))],
        abstract=text_of(header.find("profileDesc/abstract"), without=_NOTES) or None,
        body=[
            line
            for one in (body.iter() if body is not None else ())
            if one.tag in ("p", "head") and (line := text_of(one))
        ],
    )


def _title(header: Element) -> str | None:
    """Return the main title, with its subtitle."""
    places = ("fileDesc/titleStmt", "fileDesc/sourceDesc/biblStruct/analytic",
              "fileDesc/sourceDesc/biblStruct/monogr")  # fmt: skip
    for place in places:
        titles = header.findall(f"{place}/title")
        main = [one for one in titles if one.get("type", "main") == "main"]
        sub = [one for one in titles if one.get("type") == "sub"]
        if text := text_of(main[0] if main else None, without=_NOTES):
            return ": ".join(filter(None, [text, *map(text_of, sub)]))
    return None


def _authors(header: Element) -> list[Element]:
    structure = header.find("fileDesc/sourceDesc/biblStruct")
    for place in ("analytic/author", "monogr/author"):
        if found := structure.findall(place) if structure is not None else []:
            return found
    return header.findall("fileDesc/titleStmt/author")


def _name(author: Element) -> str:
    person = author.find("persName")
    if person is None:
        return "" if len(author) else text_of(author)
    parts = [text_of(one) for kind in _NAME_PARTS for one in person.findall(kind)]
    return " ".join(filter(None, parts)) or text_of(person)
