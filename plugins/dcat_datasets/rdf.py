"""Export records as a DCAT 3 catalogue in RDF, deterministically.

Generated IRIs are version 5 UUIDs (RFC 9562) of the resource's key, such as a document's id and a
title. So no character of a record can make an IRI invalid, and each export gives the same IRIs.
"""

from __future__ import annotations

import json
import re
import unicodedata
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fieldsmith import InputError, Record, UnknownFormatError

from .languages import codes
from .mending import repaired
from .titles import forms

if TYPE_CHECKING:
    from rdflib import Graph, Literal, URIRef
    from rdflib.term import Node

FORMATS = ("turtle", "jsonld")

UNTITLED = "[untitled]"
"""Title of a dataset without one: DCAT-AP asks for a title."""

_OURS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:fieldsmith:dcat_datasets")
_MLS = "http://www.w3.org/ns/mls#"
_LANGUAGE = "http://id.loc.gov/vocabulary/iso639-1/"
# Characters that XML, and so many tools, cannot write: control characters, lone surrogates.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Characters that RFC 3987 allows in an IRI; each % must begin an escape.
_IRI = re.compile(r"(?:[^\s<>\"{}|\\^`%\[\]]|%[0-9A-Fa-f]{2})+")


def export(records: Mapping[str, Record], name: str) -> str:
    """Return a catalogue of all datasets in some records as Turtle or JSON-LD.

    Args:
        records: the records, by document id.
        name: "turtle" or "jsonld".

    Raises:
        UnknownFormatError: ``name`` is another format.
        InputError: rdflib is not installed.
    """
    if name not in FORMATS:
        raise UnknownFormatError(f"no format {name!r}; known: {', '.join(FORMATS)}")
    try:
        import rdflib  # noqa: F401
    except ImportError as error:
        reason = "writing RDF needs the extra `rdf`: pip install 'fieldsmith[rdf]'"
        raise InputError(f"{name}: {reason}") from error
    graph = _Catalogue(records).graph
    if name == "turtle":
        return graph.serialize(format="turtle").strip() + "\n"
    return _json_ld(graph)


class _Catalogue:
    """The graph of a catalogue, without blank nodes: their names change from run to run."""

    def __init__(self, records: Mapping[str, Record]) -> None:
        from rdflib import Graph, Namespace
        from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, RDFS, SKOS, XSD

        self.mls = Namespace(_MLS)
        self.graph = Graph(bind_namespaces="none")
        known = {"dcat": DCAT, "dcterms": DCTERMS, "foaf": FOAF, "rdf": RDF, "rdfs": RDFS}
        for prefix, namespace in {**known, "skos": SKOS, "xsd": XSD, "mls": self.mls}.items():
            self.graph.bind(prefix, namespace)
        self.catalogue = _iri("catalogue", *sorted(records))
        self._is_a(self.catalogue, DCAT.Catalog)
        self._say(self.catalogue, DCTERMS.title, "Datasets that papers use or introduce")
        description = f"Extracted from {len(records)} documents."
        self._say(self.catalogue, DCTERMS.description, description)
        for document, record in records.items():
            for dataset, title, iri in _named(document, repaired(record.get("datasets"))):
                self._dataset(dataset, title, iri, document)

    def _dataset(self, dataset: Mapping[str, Any], title: str, iri: URIRef, document: str) -> None:
        from rdflib import URIRef
        from rdflib.namespace import DCAT, DCTERMS, FOAF, RDFS

        add = self.graph.add
        self._is_a(iri, DCAT.Dataset)
        add((self.catalogue, DCAT.dataset, iri))
        self._say(iri, DCTERMS.title, title)
        paper = _iri("document", document)
        add((iri, DCTERMS.isReferencedBy, paper))
        self._is_a(paper, FOAF.Document)
        self._say(paper, DCTERMS.identifier, document)
        for name in dataset.get("dcterms:creator") or ():
            agent = _iri("agent", document, name.casefold())
            add((iri, DCTERMS.creator, agent))
            self._is_a(agent, FOAF.Agent)
            self._say(agent, FOAF.name, name)
        for theme in dataset.get("dcat:theme") or ():
            add((iri, DCAT.theme, self._concept(theme)))
        for keyword in dataset.get("dcat:keyword") or ():
            self._say(iri, DCAT.keyword, keyword)
        for task in dataset.get("mls:task") or ():
            add((iri, self.mls.task, self._labelled("task", task, self.mls.Task)))
        scalars = {
            "dcterms:description": DCTERMS.description,
            "dcterms:identifier": DCTERMS.identifier,
            "dcterms:hasVersion": URIRef(f"{DCAT}version"),  # of DCAT 3, which rdflib lacks
        }
        for key, predicate in scalars.items():
            if dataset.get(key):
                self._say(iri, predicate, dataset[key])
        if issued := dataset.get("dcterms:issued"):
            add((iri, DCTERMS.issued, _date(issued)))
        if kind := dataset.get("dcterms:format"):
            extent = self._labelled("format", kind, DCTERMS.MediaTypeOrExtent)
            add((iri, DCTERMS.format, extent))
        for code, name in codes(dataset.get("dcterms:language") or ""):
            node = URIRef(_LANGUAGE + code) if code else _literal(name)
            add((iri, DCTERMS.language, node))
        if page := dataset.get("dcat:landingPage"):
            if is_address(page):
                add((iri, DCAT.landingPage, URIRef(_normal_address(page))))
                self._is_a(URIRef(_normal_address(page)), FOAF.Document)
            else:
                self._say(iri, RDFS.comment, f"Landing page as given: {page}")

    def _concept(self, label: str) -> URIRef:
        from rdflib.namespace import SKOS

        concept = _iri("theme", label.casefold())
        # Of two spellings of a concept, the first one becomes its label.
        if (concept, None, None) not in self.graph:
            self._is_a(concept, SKOS.Concept)
            self._say(concept, SKOS.prefLabel, label)
        return concept

    def _labelled(self, kind: str, label: str, of_class: Node) -> URIRef:
        from rdflib.namespace import RDFS

        node = _iri(kind, label.casefold())
        if (node, None, None) not in self.graph:
            self._is_a(node, of_class)
            self._say(node, RDFS.label, label)
        return node

    def _is_a(self, subject: URIRef, of_class: Node) -> None:
        from rdflib.namespace import RDF

        self.graph.add((subject, RDF.type, of_class))

    def _say(self, subject: URIRef, predicate: Node, text: str) -> None:
        self.graph.add((subject, predicate, _literal(text)))


def _named(
    document: str, datasets: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], str, URIRef]]:
    """Yield each dataset with its title and IRI; repeated titles in a document are numbered."""
    times: dict[str, int] = {}
    for dataset in datasets:
        title = (dataset.get("dcterms:title") or "").strip() or UNTITLED
        # Case, punctuation and words such as "dataset" do not change the IRI.
        form = forms(title)[0]
        times[form] = times.get(form, 0) + 1
        yield dataset, title, _iri("dataset", document, form, str(times[form]))


def is_address(text: str) -> bool:
    """Return whether a text is one absolute http, https or ftp IRI that is safe to open."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        host = parts.hostname
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        return False
    # RFC 3987, 4.1: no control characters, and none that change the writing direction.
    is_plain = all(unicodedata.category(character)[0] not in "CZ" for character in text)
    is_web = parts.scheme in ("http", "https", "ftp") and bool(host)
    return is_web and is_plain and bool(_IRI.fullmatch(text))


def _normal_address(text: str) -> str:
    """Return an address with scheme and host in lower case, which they may have in any."""
    scheme, _, rest = text.strip().partition("://")
    end = re.search(r"[/?#]|\Z", rest)
    host = rest[: end.start()] if end else rest
    user, at, name = host.rpartition("@")
    return f"{scheme.lower()}://{user}{at}{name.lower()}{rest[len(host) :]}"


def _iri(*parts: str) -> URIRef:
    """Return the IRI of a key of several parts; JSON separates them unambiguously."""
    from rdflib import URIRef

    return URIRef(uuid.uuid5(_OURS, json.dumps(parts)).urn)


def _literal(text: str) -> Literal:
    from rdflib import Literal

    return Literal(_UNWRITABLE.sub("\ufffd", text))


def _date(text: str) -> Literal:
    """Return a year, month or date as a typed literal, any other text as a plain one."""
    from rdflib import Literal
    from rdflib.namespace import XSD

    types = {4: XSD.gYear, 7: XSD.gYearMonth, 10: XSD.date}
    if re.fullmatch(r"\d{4}(-\d\d){0,2}", text, re.ASCII):
        try:
            date.fromisoformat(text + "-01-01"[len(text) - 4 :])
        except ValueError:
            return _literal(text)
        return Literal(text, datatype=types[len(text)], normalize=False)
    return _literal(text)


def _json_ld(graph: Graph) -> str:
    """Return the graph as sorted JSON-LD with a context of prefixes."""
    context = {prefix: str(iri) for prefix, iri in sorted(graph.namespaces())}
    written = json.loads(graph.serialize(format="json-ld", context=context))
    ordered = _sorted({"@context": context, "@graph": written.get("@graph", [])})
    return json.dumps(ordered, ensure_ascii=False, indent=2) + "\n"


def _sorted(value: Any) -> Any:
    """Return JSON with sorted keys and lists: RDF has no order."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return sorted(map(_sorted, value), key=lambda item: json.dumps(item, sort_keys=True))
    return value
