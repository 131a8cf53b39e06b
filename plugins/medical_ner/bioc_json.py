"""Read BioC JSON: a collection, what PubTator 3 hands out, or one document a line.

::

    {"source": "PubTator", "documents": [{"id": "354896", "passages": [
      {"offset": 0, "text": "Lidocaine-induced cardiac asystole.", "annotations": [
        {"id": "0", "infons": {"type": "Chemical", "identifier": "MESH:D008012"},
         "text": "Lidocaine", "locations": [{"offset": 0, "length": 9}]}]}], "relations": []}]}
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fieldsmith import Reject, SourceFile

from .annotations import AnnotatedText, Fault
from .bioc import PARTS, Part, annotated_text
from .json_values import values_of

_LISTS = ("documents", "PubTator3")
"""Keys of the list of documents in a collection, and in what PubTator 3 hands out."""


def documents(file: SourceFile) -> Iterator[AnnotatedText | Reject]:
    """Yield the documents of a file.

    Raises:
        InputError: the file is not JSON.
    """
    for place, value in values_of(file.path):
        if isinstance(value, Reject):
            yield value
            continue
        for where, document in _document_values(place, value):
            try:
                part = _part(document, where, "document")
            except Fault as fault:
                name = document.get("id") if isinstance(document, dict) else ""
                yield Reject(fault.place, "", fault.reason, _text(name))
            else:
                yield annotated_text(part)


def _document_values(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    key = next((key for key in _LISTS if isinstance(value, dict) and key in value), None)
    if key and isinstance(value[key], list):
        for number, document in enumerate(value[key]):
            yield f"{place}/{key}/{number}", document
    else:
        yield place, value


def _part(value: Any, place: str, name: str) -> Part:
    """Return an object as a part of BioC.

    Raises:
        Fault: a part of it is of another type than BioC has.
    """
    if not isinstance(value, dict):
        raise Fault(place, f"an object is wanted for a {name}, not {type(value).__name__}")
    infons = value.get("infons") or {}
    if not isinstance(infons, dict):
        raise Fault(place, "infons is no object")
    parts = {}
    for inner in PARTS[name]:
        listed = value.get(f"{inner}s") or []
        if not isinstance(listed, list):
            raise Fault(place, f"{inner}s is no list")
        parts[inner] = [
            _part(each, f"{place}/{inner}s/{number}", inner) for number, each in enumerate(listed)
        ]
    texts = {key: _text(each) for key, each in value.items() if _is_scalar(each)}
    known = {str(key).casefold(): _text(each) for key, each in infons.items()}
    return Part(place, texts, known, parts)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return str(value) if _is_scalar(value) else ""
