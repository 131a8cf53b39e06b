"""Read BioC XML: a collection of documents with passages and annotations.

::

    <document><id>354896</id>
      <passage><offset>0</offset><text>Lidocaine-induced cardiac asystole.</text>
        <annotation id="0"><infon key="type">Chemical</infon><infon key="MESH">D008012</infon>
          <location offset="0" length="9"/><text>Lidocaine</text></annotation></passage>
      <relation id="R0"><infon key="relation">CID</infon>
        <infon key="Chemical">D008012</infon><infon key="Disease">D006323</infon></relation>
    </document>

A composite mention ("renal and hepatic failure") is annotated as a whole and also as its
individual parts, which may be discontinuous ("renal … failure"). A record can only hold contiguous
text, so the whole is the mention, and the parts only add their concepts to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from fieldsmith import InputError

from .corpus import Annotated, Mention, Relation, check_span, check_type, concepts_of

_LINE = "its line"  # an attribute of each element; the blank keeps it apart from names in files
_CHUNK_BYTES = 1 << 16
_NUMBER = re.compile(r"[0-9]{1,9}")
_CONCEPT_KEYS = ("MESH", "OMIM", "identifier")


def documents(path: Path) -> Iterator[Annotated]:
    """Yield the documents of a BioC file, holding one of them in memory at a time.

    Raises:
        InputError: the file is not well-formed XML, declares entities, or lacks a part that a
            document, passage or annotation must have; names the file and the line.
    """
    for element in _document_elements(path):
        yield _document(element, path)


def _document_elements(path: Path) -> Iterator[Element]:
    """Yield each ``<document>``; its elements have their line numbers as an attribute.

    Entities are refused: they can expand to fill the memory, and no DTD is fetched to resolve
    them.
    """
    parser = expat.ParserCreate()
    builder: TreeBuilder | None = None
    depth = 0
    done: list[Element] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal builder, depth
        if tag == "document" and builder is None:
            builder, depth = TreeBuilder(), 0
        if builder is not None:
            depth += 1
            builder.start(tag, {**attributes, _LINE: str(parser.CurrentLineNumber)})

    def end(tag: str) -> None:
        nonlocal builder, depth
        if builder is not None:
            builder.end(tag)
            depth -= 1
            if depth == 0:
                done.append(builder.close())
                builder = None

    def data(text: str) -> None:
        if builder is not None:
            builder.data(text)

    def entity(name: str, *_: object) -> None:
        place = f"{path}:{parser.CurrentLineNumber}"
        raise InputError(f"{place}: the entity {name[:40]!r} is not read; write its text instead")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data
    parser.EntityDeclHandler = entity
    parser.SkippedEntityHandler = entity
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                parser.Parse(chunk)
                yield from done
                done.clear()
            parser.Parse(b"", True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise InputError(f"{path}:{error.lineno}: broken XML ({what}); is it complete?") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _document(element: Element, path: Path) -> Annotated:
    identifier = _text_of(element, "id", path).strip()
    texts: list[str] = []
    mentions: list[Mention] = []
    start = 0
    for passage in element.findall("passage"):
        text = _text_of(passage, "text", path)
        mentions.extend(_mentions(passage, text, start, path))
        texts.append(text)
        # One blank between passages, as in PubTator, whatever the gap in the file's offsets.
        start += len(text) + 1
    relations = tuple(_relation(found, path) for found in element.findall("relation"))
    return Annotated(identifier, " ".join(texts), tuple(mentions), relations, _place(element, path))


def _mentions(passage: Element, text: str, start: int, path: Path) -> Iterator[Mention]:
    """Yield the mentions of a passage whose text begins at offset ``start`` of the document."""
    offset = _number(_text_of(passage, "offset", path), passage, path)
    composites: list[Mention] = []
    parts: list[Mention] = []
    for annotation in passage.findall("annotation"):
        infons, place = _infons(annotation), _place(annotation, path)
        if not check_type(infons.get("type", ""), place):
            continue
        begin, end = (at - offset for at in _extent(annotation, path))
        concepts = concepts_of("|".join(infons.get(key, "") for key in _CONCEPT_KEYS))
        mention = Mention(begin + start, end + start, infons["type"], concepts)
        role = infons.get("CompositeRole")
        if role == "IndividualMention":
            parts.append(mention)
            continue
        if len(annotation.findall("location")) == 1:
            check_span(text, (begin, end), _text_of(annotation, "text", path), place)
        if role == "CompositeMention":
            composites.append(mention)
        else:
            yield mention
    yield from _composed(composites, parts)


def _composed(composites: Sequence[Mention], parts: Sequence[Mention]) -> Iterator[Mention]:
    """Yield each composite with the concepts of its parts, then parts outside of composites."""
    left = list(parts)
    for whole in composites:
        inside = [part for part in left if whole.start <= part.start and part.end <= whole.end]
        left = [part for part in left if part not in inside]
        concepts = chain(whole.concepts, *(part.concepts for part in inside))
        yield Mention(whole.start, whole.end, whole.type, tuple(dict.fromkeys(concepts)))
    yield from left


def _extent(annotation: Element, path: Path) -> tuple[int, int]:
    """Return the start of an annotation's first location and the end of its last."""
    spans = []
    for location in annotation.findall("location"):
        offset, length = (
            _number(location.get(key, ""), location, path) for key in ("offset", "length")
        )
        spans.append((offset, offset + length))
    if not spans:
        raise InputError(f"{_place(annotation, path)}: an annotation without a <location>")
    return min(start for start, _ in spans), max(end for _, end in spans)


def _relation(element: Element, path: Path) -> Relation:
    infons = _infons(element)
    place = _place(element, path)
    ends = [concepts_of(infons.get(key, "")) for key in ("Chemical", "Disease")]
    if infons.get("relation") != "CID" or any(len(concepts) != 1 for concepts in ends):
        raise InputError(
            f"{place}: a relation needs the infons relation=CID, Chemical and Disease, "
            f"the last two with one concept each"
        )
    return Relation(ends[0][0], ends[1][0], place)


def _infons(element: Element) -> Mapping[str, str]:
    return {found.get("key", ""): (found.text or "").strip() for found in element.findall("infon")}


def _text_of(element: Element, tag: str, path: Path) -> str:
    found = element.find(tag)
    if found is None:
        raise InputError(f"{_place(element, path)}: a <{element.tag}> without <{tag}>")
    return "".join(found.itertext())


def _number(digits: str, element: Element, path: Path) -> int:
    if not _NUMBER.fullmatch(digits.strip()):
        raise InputError(
            f"{_place(element, path)}: {digits[:40]!r} is no offset or length; "
            f"a whole number is wanted"
        )
    return int(digits)


def _place(element: Element, path: Path) -> str:
    return f"{path}:{element.get(_LINE)}"
