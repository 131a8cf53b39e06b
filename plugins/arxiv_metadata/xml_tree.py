"""Parse XML that others wrote: no entity is expanded, nothing is fetched, names have no prefix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from fieldsmith import InputError

_DEEPEST = 200
"""Deepest nesting that is read; formulas in MathML have some thirty levels."""


def parse(path: Path) -> Element:
    """Return the root element of a file, see ``parse_bytes``.

    Raises:
        InputError: the file cannot be read, or ``parse_bytes`` refuses it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return parse_bytes(data, str(path))


def parse_bytes(data: bytes, source: str) -> Element:
    """Return the root element; elements and attributes have their local names.

    Entities are refused: they can expand to fill the memory, and no DTD is fetched.

    Args:
        data: the XML.
        source: what messages call it.

    Raises:
        InputError: it is not well-formed, declares entities, or is nested too deeply; names the
            line.
    """
    parser, builder = expat.ParserCreate(), TreeBuilder()
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise InputError(f"{place()}: elements are nested deeper than {_DEEPEST} levels")
        builder.start(_local(name), {_local(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_local(name))

    def place() -> str:
        return f"{source}:{parser.CurrentLineNumber}"

    def refuse(name: str, *_: object) -> None:
        raise InputError(f"{place()}: the entity {name[:40]!r} is not read; write its text instead")

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    parser.SkippedEntityHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise InputError(
            f"{source}:{error.lineno}: broken XML ({what}); is it complete?"
        ) from error
    except (ValueError, LookupError) as error:  # an encoding that is none
        raise InputError(f"{source}: broken XML ({error}); save it as UTF-8") from error
    return builder.close()


def _local(name: str) -> str:
    """Return a name without its prefix: "tei:front" is "front"."""
    return name.rpartition(":")[2]


def text_of(element: Element | None, *, without: frozenset[str] = frozenset()) -> str:
    """Return the text inside of an element on one line, "" if there is no element.

    Args:
        element: the element.
        without: names of elements inside that are left out: notes, references.
    """
    return " ".join("".join(_texts(element, without)).split()) if element is not None else ""


def _texts(element: Element, without: frozenset[str]) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag not in without:
            yield from _texts(child, without)
        if child.tag in ("lb", "break", "p", "title", "sec", "div"):
            yield " "
        yield child.tail or ""
