"""Make annotated texts of BioC, XML or JSON: documents of passages, maybe of sentences.

Both formats hold the same parts, which ``bioc_xml`` and ``bioc_json`` read as ``Part``. As the DTD
allows, annotations and relations are read in documents, passages and sentences.

A composite mention ("renal and hepatic failure") is annotated as a whole and also as its
individual parts, which may be discontinuous ("renal … failure"). A record can only hold contiguous
text, so the whole is the mention, and the parts only add their concepts to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from fieldsmith import Reject

from .annotations import (
    AnnotatedText,
    Annotation,
    Fault,
    Relation,
    Span,
    concepts_of,
    number_of,
)
from .mentions import is_at

PARTS = {
    "document": ("passage", "annotation", "relation"),
    "passage": ("sentence", "annotation", "relation"),
    "sentence": ("annotation", "relation"),
    "annotation": ("location",),
    "relation": ("node",),
    "location": (),
    "node": (),
}
"""The parts that each part may have."""

_CONCEPT_KEYS = ("mesh", "omim", "identifier")
_KIND_KEYS = ("relation", "type")
_END_KEYS = (("chemical", "disease"), ("entity1", "entity2"))


@dataclass(frozen=True)
class Part:
    """A document, passage, sentence, annotation, relation, location or node.

    Attributes:
        place: where it is, for messages.
        values: its texts and attributes: ``id``, ``offset``, ``text``, ``length``, ``refid``.
        infons: its infons, by lower-case key.
        parts: the parts in it, by their name in ``PARTS``.
    """

    place: str
    values: Mapping[str, str] = field(default_factory=dict)
    infons: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Sequence[Part]] = field(default_factory=dict)

    def of(self, name: str) -> Sequence[Part]:
        """Return the parts of a name."""
        return self.parts.get(name, ())

    def value(self, key: str, what: str) -> str:
        """Return a value that has to be there.

        Raises:
            Fault: it is not.
        """
        if key not in self.values:
            raise Fault(self.place, f"{what} without {key}")
        return self.values[key]


@dataclass(frozen=True)
class _Piece:
    """A passage or sentence in the text of its document.

    Attributes:
        at: where it begins in the text.
        text: its own text.
        offset: where it begins in the source's count.
    """

    at: int
    text: str
    offset: int

    def holds(self, at: int) -> bool:
        return self.offset <= at < self.offset + len(self.text)


def annotated_text(document: Part) -> AnnotatedText | Reject:
    """Return a document with its annotations; a reject if it has no passage, or no text."""
    name = document.values.get("id", "").strip()
    if not document.of("passage"):
        return Reject(document.place, "", "a document without a passage", name)
    if not any("text" in part.values for part in _with_texts(document)):
        reason = (
            "annotations of BioC without their text; export them with the texts of the passages"
        )
        return Reject(document.place, "", reason, name)
    texts = _Texts()
    fault = None if name else Fault(document.place, "a document without id")
    for passage in document.of("passage"):
        texts.add(passage)
    name = name or document.place
    try:
        if fault := fault or texts.fault:
            raise fault
        annotations = tuple(_annotations(document, texts))
        relations = tuple(map(_relation, _within(document, "relation")))
    except Fault as found:
        return AnnotatedText(name, texts.text, place=document.place, fault=found)
    return AnnotatedText(name, texts.text, annotations, relations, document.place)


def _with_texts(document: Part) -> Iterator[Part]:
    """Yield the parts of a document that may have a text of it."""
    for passage in document.of("passage"):
        yield passage
        yield from passage.of("sentence")


class _Texts:
    """The text of a document, made of its passages, and their pieces.

    One blank is between passages, as in PubTator, whatever the gap in the source's offsets.
    """

    def __init__(self) -> None:
        self.text = ""
        self.pieces: dict[int, list[_Piece]] = {}
        self.fault: Fault | None = None

    def add(self, passage: Part) -> None:
        """Append the text of a passage, or of its sentences if it has none of its own."""
        gap = " " if self.pieces else ""
        if "text" in passage.values:
            self._add_piece(passage, gap)
        for sentence in passage.of("sentence"):
            if "text" in passage.values:
                self.pieces[id(sentence)] = self.pieces.get(id(passage), [])
            elif "text" in sentence.values:
                self._add_piece(sentence, gap)
                self.pieces.setdefault(id(passage), []).extend(self.pieces[id(sentence)])
                gap = "" if self.text[-1:].isspace() else " "

    def _add_piece(self, part: Part, gap: str) -> None:
        text = part.values["text"]
        self.text += gap
        try:
            offset = number_of(part.value("offset", "a text"), part.place)
        except Fault as fault:
            self.fault = self.fault or fault
            offset = 0
        self.pieces[id(part)] = [_Piece(len(self.text), text, offset)]
        self.text += text

    def all(self) -> list[_Piece]:
        """Return the pieces of the whole document, in order."""
        return sorted(set(chain(*self.pieces.values())), key=lambda piece: piece.at)


def _annotations(document: Part, texts: _Texts) -> Iterator[Annotation]:
    """Yield all annotations, with their spans in the text of the document.

    An annotation is within the passage that holds it: where the same name is elsewhere, an offset
    that counts otherwise would find it there.
    """
    for annotation in document.of("annotation"):
        yield _annotation(annotation, texts.text, [texts.all()])
    for passage in document.of("passage"):
        own = texts.pieces.get(id(passage), [])
        for annotation in passage.of("annotation"):
            yield _annotation(annotation, texts.text, [own])
        for sentence in passage.of("sentence"):
            inner = texts.pieces.get(id(sentence), [])
            for annotation in sentence.of("annotation"):
                yield _annotation(annotation, texts.text, [inner, own])


def _annotation(part: Part, text: str, scopes: Sequence[Sequence[_Piece]]) -> Annotation:
    infons = part.infons
    kind = infons.get("type", "")
    role = infons.get("compositerole", "")
    concepts = concepts_of("|".join(infons.get(key, "") for key in _CONCEPT_KEYS))
    name = part.values.get("id", "")
    try:
        surface, spans = _surface(part, text, scopes)
    except Fault as fault:
        return Annotation(kind, (), None, concepts, part.place, name, role, fault)
    return Annotation(kind, spans, surface, concepts, part.place, name, role)


def _surface(
    part: Part, text: str, scopes: Sequence[Sequence[_Piece]]
) -> tuple[str, tuple[Span, ...]]:
    """Return the text of an annotation, and its spans in the text of the document.

    Raises:
        Fault: it has no text or no place, or one that is not within the pieces.
    """
    surface = part.value("text", "an annotation")
    locations = [_location(each) for each in part.of("location")]
    if not locations:
        raise Fault(part.place, "an annotation without a location")
    found = [spans for pieces in scopes if (spans := _spans(locations, pieces))]
    fitting = (spans for spans in found if is_at(text, spans, surface))
    spans = next(fitting, found[0] if found else None)
    if spans is None:
        where = ", ".join(f"{start}-{end}" for start, end in locations)
        raise Fault(
            part.place,
            f"{where} is no span of the text that holds the annotation; offsets count Unicode code "
            f"points of the document",
        )
    return surface, spans


def _location(part: Part) -> Span:
    offset, length = (
        number_of(part.values.get(key, ""), part.place) for key in ("offset", "length")
    )
    return offset, offset + length


def _spans(locations: Sequence[Span], pieces: Sequence[_Piece]) -> tuple[Span, ...] | None:
    """Return the spans in the text of the document; None if one is not within the pieces."""
    spans = []
    for start, end in locations:
        first = next((piece for piece in pieces if piece.holds(start)), None)
        last = next((piece for piece in pieces if piece.holds(end - 1)), None)
        if first is None or last is None or start >= end:
            return None
        spans.append((first.at + start - first.offset, last.at + end - last.offset))
    return tuple(sorted(spans))


def _within(document: Part, name: str) -> Iterator[Part]:
    """Yield the parts of a name in a document, its passages and their sentences."""
    yield from document.of(name)
    for passage in document.of("passage"):
        yield from passage.of(name)
        for sentence in passage.of("sentence"):
            yield from sentence.of(name)


def _relation(part: Part) -> Relation:
    """Return a relation: of the concepts in its infons, or of the annotations that are its nodes.

    Raises:
        Fault: it has no kind.
    """
    kind = next((part.infons[key] for key in _KIND_KEYS if part.infons.get(key)), None)
    if kind is None:
        raise Fault(part.place, "a relation without a kind (the infon relation or type)")
    for keys in _END_KEYS:
        if all(part.infons.get(key) for key in keys):
            return Relation(kind, tuple(part.infons[key] for key in keys), part.place)
    nodes = tuple(node.values.get("refid", "") for node in part.of("node"))
    return Relation(kind, nodes, part.place, joins_annotations=True)
