"""Read BioC XML: a collection of documents with passages and annotations.

::

    <document><id>354896</id>
      <passage><offset>0</offset><text>Lidocaine-induced cardiac asystole.</text>
        <annotation id="0"><infon key="type">Chemical</infon><infon key="MESH">D008012</infon>
          <location offset="0" length="9"/><text>Lidocaine</text></annotation></passage>
      <relation id="R0"><infon key="relation">CID</infon>
        <infon key="Chemical">D008012</infon><infon key="Disease">D006323</infon></relation>
    </document>
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from fieldsmith import InputError, Reject, SourceFile

from .annotations import AnnotatedText, Fault
from .bioc import PARTS, Part, annotated_text

_LINE = "its line"  # an attribute of each element; the blank keeps it apart from names in files
_CHUNK_BYTES = 1 << 16
_ENCODING = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([\w.:-]+)[\"']")


def documents(file: SourceFile) -> Iterator[AnnotatedText | Reject]:
    """Yield the documents of a BioC file, holding one of them in memory at a time.

    Raises:
        InputError: the file is not well-formed XML, declares entities, or has an encoding that
            cannot be read; names the file and the line.
    """
    for element in _document_elements(file.path):
        try:
            part = _part(element, file.path)
        except Fault as fault:
            name = (element.findtext("id") or "").strip()
            yield Reject(fault.place, "", fault.reason, name)
        else:
            yield annotated_text(part)


def _part(element: Element, path: Path) -> Part:
    """Return an element as a part of BioC; elements that are none of it are left out.

    Raises:
        Fault: such an element has annotations, which would be lost.
    """
    inner = PARTS[element.tag]
    values = {key: value for key, value in element.attrib.items() if key != _LINE}
    infons: dict[str, str] = {}
    parts: dict[str, list[Part]] = {}
    for child in element:
        if child.tag in inner:
            parts.setdefault(child.tag, []).append(_part(child, path))
        elif child.tag == "infon":
            infons[child.get("key", "").casefold()] = "".join(child.itertext()).strip()
        elif child.tag in ("id", "offset", "text"):
            values[child.tag] = "".join(child.itertext())
        elif next(child.iter("annotation"), None) is not None:
            place = f"{path}:{child.get(_LINE)}"
            raise Fault(place, f"annotations in <{child.tag}>, which a {element.tag} does not have")
    return Part(f"{path}:{element.get(_LINE)}", values, infons, parts)


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
        for chunk in _chunks(path):
            parser.Parse(chunk)
            yield from done
            done.clear()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise InputError(f"{path}:{error.lineno}: broken XML ({what}); is it complete?") from error


def _chunks(path: Path) -> Iterator[bytes | str]:
    """Yield a file in pieces, decoded if its encoding is none that the parser knows.

    Raises:
        InputError: the file cannot be opened, or is not in the encoding that it declares.
    """
    try:
        with path.open("rb") as stream:
            chunk = stream.read(_CHUNK_BYTES)
            decoder = _decoder(chunk, path)
            while chunk:
                yield decoder.decode(chunk) if decoder else chunk
                chunk = stream.read(_CHUNK_BYTES)
            if decoder:
                decoder.decode(b"", final=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeError as error:
        raise InputError(
            f"{path}: is not in the encoding that it declares; convert the file to UTF-8 (iconv)"
        ) from error


def _decoder(head: bytes, path: Path) -> codecs.IncrementalDecoder | None:
    declared = _ENCODING.search(head[:1024])
    if declared is None or declared[1].lower() in (b"utf-8", b"utf-16"):
        return None
    name = declared[1].decode(errors="replace")
    try:
        b"<".decode(name)  # refuses what is a codec of Python and no encoding of text
        return codecs.getincrementaldecoder(name)()
    except (LookupError, UnicodeError, ValueError) as error:
        fault = f"the encoding {name[:40]!r} cannot be read; convert the file to UTF-8 (iconv)"
        raise InputError(f"{path}:1: {fault}") from error
