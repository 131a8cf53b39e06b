"""Read JATS, the XML of PubMed Central and of many publishers.

::

    <article><front><article-meta>
      <article-id pub-id-type="doi">10.5555/fox.1</article-id>
      <title-group><article-title>Foxes</article-title></title-group>
      <contrib-group><contrib contrib-type="author">
        <name><surname>Oke</surname><given-names>Ann</given-names></name></contrib></contrib-group>
      <abstract><p>Foxes bleed.</p></abstract>
    </article-meta></front><body><p>Foxes ...</p></body></article>
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from . import identifiers
from .headers import Header
from .xml_tree import text_of

_NOTES = frozenset(["xref", "fn", "label", "object-id", "tex-math", "graphic"])
_BLOCKS = ("p", "title")


def papers(root: Element) -> Iterator[Header]:
    """Yield the parts of each article of a file, whatever elements are around it."""
    for article in root.iter():
        meta = article.find("front/article-meta")
        if meta is not None:
            yield _paper(meta, article.find("body"))


def _paper(meta: Element, body: Element | None) -> Header:
    ids = {one.get("pub-id-type", ""): text_of(one) for one in meta.findall("article-id")}
    return Header(
        name=next((ids[kind] for kind in ("doi", "pmcid", "pmc", "pmid") if ids.get(kind)), None),
        id=identifiers.printed_id(ids.get("arxiv", "")),
        doi=ids.get("doi") or None,
        title=_title(meta.find("title-group")),
        authors=list(_authors(meta)),
        abstract=_abstract(meta),
        body=[
            line
            for one in (body.iter() if body is not None else ())
            if one.tag in _BLOCKS and (line := text_of(one))
        ],
    )


def _title(group: Element | None) -> str | None:
    if group is None:
        return None
    parts = [text_of(group.find(name), without=_NOTES) for name in ("article-title", "subtitle")]
    return ": ".join(filter(None, parts)) or None


def _authors(meta: Element) -> Iterator[str]:
    for contrib in meta.findall("contrib-group/contrib"):
        if contrib.get("contrib-type", "author") != "author":
            continue
        name = next((one for one in contrib.iter() if one.tag in ("name", "string-name")), None)
        group = contrib.find("collab")
        if name is not None and name.find("surname") is not None:
            parts = [text_of(name.find(kind)) for kind in ("given-names", "surname")]
            yield " ".join(filter(None, parts))
        elif text := text_of(name if name is not None else group, without=_NOTES):
            yield text


def _abstract(meta: Element) -> str | None:
    """Return the abstract without its heading; not a graphical one, nor highlights."""
    for abstract in meta.findall("abstract"):
        if abstract.get("abstract-type") in (None, "", "abstract", "section"):
            parts = [one for one in abstract if one.tag not in ("title", "label")]
            return " ".join(filter(None, (text_of(one, without=_NOTES) for one in parts))) or None
    return None
