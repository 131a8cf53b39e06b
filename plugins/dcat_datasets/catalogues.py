"""Read catalogues in RDF as gold: Turtle, N-Triples, RDF/XML and JSON-LD in terms of DCAT.

::

    <https://data.example/1> a dcat:Dataset ; dcterms:title "TROVEL corpus" ;
        dcterms:creator [ foaf:name "Ilka Marrow" ] ; dcat:keyword "road signs" ;
        dcterms:language <http://publications.europa.eu/resource/authority/language/ENG> .

What a dataset does not have is not annotated. A title of our own export that only fills a gap is
null.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fieldsmith import Example, InputError, Reject, SourceFile, read_text

from .languages import english_name
from .mending import LISTS, Dataset, repaired, unique_keys
from .pages import described, text_beside, with_text
from .rdf import UNTITLED

if TYPE_CHECKING:
    from rdflib import Graph
    from rdflib.term import Node

SUFFIXES = {".ttl": "turtle", ".n3": "n3", ".nt": "nt", ".rdf": "xml", ".owl": "xml",
            ".jsonld": "json-ld"}  # fmt: skip

_LARGEST = 32 << 20
"""Size limit of a file in bytes: rdflib reads about a megabyte a second, and all at once."""

_DCAT = b"http://www.w3.org/ns/dcat#"
_TURTLE = re.compile(rb"(?i)(?:#[^\n]*\n|\s)*(?:@prefix|@base|prefix|base)\s")
_TRIPLE = re.compile(rb"(?:#[^\n]*\n|\s)*(?:<[^<>\s]*>|_:\w+)\s+<[^<>\s]+>\s")
_LABELS = (
    "http://xmlns.com/foaf/0.1/name", "http://www.w3.org/2004/02/skos/core#prefLabel",
    "http://www.w3.org/2000/01/rdf-schema#label", "http://www.w3.org/2006/vcard/ns#fn",
    "http://purl.org/dc/terms/title", "http://www.w3.org/2004/02/skos/core#notation",
)  # fmt: skip
_TERMS = "http://purl.org/dc/terms/"
_NS = _DCAT.decode()
_PREDICATES = {
    "dcterms:title": (f"{_TERMS}title",),
    "dcterms:creator": (f"{_TERMS}creator",),
    "dcterms:issued": (f"{_TERMS}issued",),
    "dcterms:language": (f"{_TERMS}language",),
    "dcterms:identifier": (f"{_TERMS}identifier", "http://www.w3.org/ns/adms#identifier"),
    "dcterms:hasVersion": (f"{_NS}version", "http://www.w3.org/2002/07/owl#versionInfo"),
    "dcterms:format": (f"{_TERMS}format",),
    "dcat:landingPage": (f"{_NS}landingPage",),
    "dcat:theme": (f"{_NS}theme",),
    "dcat:keyword": (f"{_NS}keyword",),
    "mls:task": ("http://www.w3.org/ns/mls#task",),
    "dcterms:description": (f"{_TERMS}description",),
}
"""Key of a dataset -> the predicates that say it, of which the first one that occurs counts."""


def format_of(file: SourceFile) -> str | None:
    """Return rdflib's name of the RDF format that a file is in; None if it is in none."""
    head = file.head
    if head.startswith((b"{", b"[")):
        is_named = file.path.suffix.lower() == ".jsonld"
        return "json-ld" if is_named or (b'"@context"' in head and _DCAT in head) else None
    if _TURTLE.match(head):
        return "turtle"
    if head.startswith(b"<") and re.search(rb"<(?:\w+:)?RDF[\s>]", head):
        return "xml"
    if _TRIPLE.match(head):
        return "nt" if file.path.suffix.lower() == ".nt" else "turtle"
    return None


def examples(file: SourceFile) -> Iterator[Example | Reject]:
    """Yield the papers that a catalogue's datasets are from, or else each dataset by itself.

    Raises:
        InputError: the file is broken or too large, has a context that is elsewhere, or rdflib is
            not installed.
    """
    graph = _graph(file)
    papers: dict[str, list[Dataset]] = {}
    alone: list[tuple[str, Dataset]] = []
    for subject in _datasets(graph):
        for found in repaired([_dataset(graph, subject)]):
            paper = _paper(graph, subject)
            if paper is None:
                alone.append((_name(subject, found), found))
            else:
                papers.setdefault(paper, []).append(found)
    if not papers and not alone:
        yield Reject(str(file.path), "", "no dcat:Dataset in it", file.name)
    beside = text_beside(file.path, file.path.stem)
    if alone and beside is not None:
        papers.setdefault(file.path.stem, []).extend(dataset for _name, dataset in alone)
        alone = []
    for paper, datasets in papers.items():
        text = beside if paper == file.path.stem else text_beside(file.path, paper)
        yield with_text(paper, text or "", datasets, str(file.path), file.split)
    for name, dataset in sorted(alone, key=lambda pair: pair[0]):
        yield described(name, dataset, f"{file.path}: {name}", file.split)


def _name(subject: Node, dataset: Dataset) -> str:
    """Return a name of a dataset that is the same each time; a blank node has none of its own."""
    from rdflib import URIRef

    if isinstance(subject, URIRef):
        return str(subject)
    return str(dataset.get("dcterms:identifier") or dataset.get("dcterms:title") or "unnamed")


def _graph(file: SourceFile) -> Graph:
    try:
        import rdflib
    except ImportError as error:
        reason = "reading RDF needs the extra `rdf`: pip install 'fieldsmith[rdf]'"
        raise InputError(f"{file.path}: {reason}") from error
    if file.path.stat().st_size > _LARGEST:
        raise InputError(f"{file.path}: more than {_LARGEST >> 20} MiB; split the catalogue")
    logging.getLogger("rdflib").setLevel(logging.ERROR)  # it warns about values that it keeps
    name, text = format_of(file), read_text(file.path)
    if name == "json-ld":
        _refuse_remote_contexts(file, text)
    try:
        return rdflib.Graph().parse(data=text, format=name, publicID="urn:document:")
    # On broken RDF the parsers may raise any exception.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{file.path}: broken RDF ({name}): {reason}") from error


def _refuse_remote_contexts(file: SourceFile, text: str) -> None:
    """Refuse JSON-LD with a context that is another document, which would be fetched.

    Raises:
        InputError: it has one, or it is not JSON, or has a key twice.
    """
    try:
        waiting = [json.loads(text, object_pairs_hook=unique_keys)]
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file.path}: broken JSON: {error}") from error
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
            contexts = value.get("@context")
            for one in contexts if isinstance(contexts, list) else [contexts]:
                if isinstance(one, str) or (isinstance(one, dict) and "@import" in one):
                    raise InputError(
                        f"{file.path}: the context {one!r:.80} is another document, which is not "
                        "fetched; write it into the file, or convert that to Turtle"
                    )


def _datasets(graph: Graph) -> list[Node]:
    from rdflib import RDF, URIRef

    found = {*graph.subjects(RDF.type, URIRef(f"{_NS}Dataset"))}
    found |= {*graph.objects(None, URIRef(f"{_NS}dataset"))}
    return sorted(found, key=str)


def _paper(graph: Graph, dataset: Node) -> str | None:
    """Return the id of the document that a dataset of our own export is from."""
    from rdflib import DCTERMS

    papers = graph.objects(dataset, DCTERMS.isReferencedBy)
    names = (name for paper in papers for name in graph.objects(paper, DCTERMS.identifier))
    return min(map(str, names), default=None)


def _dataset(graph: Graph, subject: Node) -> Dataset:
    found: Dataset = {}
    for key, predicates in _PREDICATES.items():
        values = _values(graph, subject, predicates)
        if key == "dcterms:format" and not values:
            values = _distribution_formats(graph, subject)
        # RDF has no order, and the names of blank nodes change from run to run.
        texts = sorted({text for value in values if (text := _text(graph, value, key))})
        if texts and key in LISTS:
            found[key] = texts
        elif texts:
            is_joined = key in ("dcterms:language", "dcterms:format")
            found[key] = ", ".join(texts if is_joined else texts[:1])
    if found.get("dcterms:title") == UNTITLED:
        found["dcterms:title"] = None
    return found


def _values(graph: Graph, subject: Node, predicates: Iterable[str]) -> list[Node]:
    """Return the values of the first predicate that has any; English and plain ones first."""
    from rdflib import URIRef

    for predicate in predicates:
        values = sorted(graph.objects(subject, URIRef(predicate)), key=_rank)
        if values:
            if getattr(values[0], "language", None) is None:
                return values
            # Of several translations one is enough.
            return [one for one in values if _rank(one)[0] == _rank(values[0])[0]]
    return []


def _rank(value: Any) -> tuple[str, str]:
    language = (getattr(value, "language", None) or "").lower()
    return ("" if language.startswith("en") or not language else language, str(value))


def _distribution_formats(graph: Graph, subject: Node) -> list[Node]:
    from rdflib import URIRef

    predicates = (f"{_TERMS}format", f"{_NS}mediaType")
    return [
        value
        for distribution in graph.objects(subject, URIRef(f"{_NS}distribution"))
        for value in _values(graph, distribution, predicates)
    ]


def _text(graph: Graph, value: Any, key: str) -> str | None:
    """Return a value as a text; None for a resource without a label."""
    from rdflib import Literal

    if isinstance(value, Literal):
        return english_name(str(value)) if key == "dcterms:language" else str(value)
    labels = _values(graph, value, _LABELS)
    if key == "dcat:landingPage":
        return str(value)
    if key == "dcterms:language":
        return english_name(str(labels[0]) if labels else str(value))
    if labels:
        return str(labels[0])
    # Files' types are named by their IRIs: ".../file-type/CSV", ".../media-types/text/csv".
    return re.split(r"[/#]", str(value))[-1] if key == "dcterms:format" else None
