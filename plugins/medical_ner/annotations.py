"""What every format of annotated text comes to: a text, its annotations and its relations.

A reader makes ``AnnotatedText`` of a file without judging it; ``corpus`` makes examples of that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Span = tuple[int, int]

COMPOSITE = "CompositeMention"
"""Role of a mention of several concepts in BioC ("renal and hepatic failure")."""

PART = "IndividualMention"
"""Role of a part of a composite mention that names one concept ("renal … failure")."""

_NO_CONCEPT = ("", "-", "-1", "none", "null")
_OFFSET = re.compile(r"[0-9]{1,9}")


class Fault(Exception):
    """Why the annotations of one document cannot be used; ``place`` is "file:line" or the like."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


@dataclass(frozen=True)
class Annotation:
    """An annotated mention.

    Attributes:
        type: the type as the source writes it, such as "Chemical".
        spans: its parts in the document's text, left to right; often one.
        surface: the mention as the source repeats it; None if its format does not.
        concepts: ids of the concepts that it names, often one.
        place: where it is, for messages.
        id: its id in the document, if its format has one.
        role: ``COMPOSITE``, ``PART`` or "".
        fault: why it cannot be used, which counts if the record has a field for its type.
    """

    type: str
    spans: tuple[Span, ...]
    surface: str | None
    concepts: tuple[str, ...]
    place: str
    id: str = ""
    role: str = ""
    fault: Fault | None = None


@dataclass(frozen=True)
class Relation:
    """An annotated relation.

    Attributes:
        kind: the kind as the source writes it, such as "CID".
        ends: what it joins: ids of annotations, or strings that hold ids of concepts.
        place: where it is, for messages.
        joins_annotations: whether the ends are ids of annotations.
    """

    kind: str
    ends: tuple[str, ...]
    place: str
    joins_annotations: bool = False


@dataclass(frozen=True)
class AnnotatedText:
    """A document as its source annotates it.

    Attributes:
        id: the document's id.
        text: its text, which the spans count in.
        annotations: all annotated mentions, whatever their type.
        relations: all relations, whatever their kind.
        place: where it is, for messages.
        fault: why the annotations cannot be read, if they cannot.
        is_annotated: whether the source says that it was annotated.
    """

    id: str
    text: str
    annotations: tuple[Annotation, ...] = ()
    relations: tuple[Relation, ...] = ()
    place: str = ""
    fault: Fault | None = None
    is_annotated: bool = True


def concepts_of(identifiers: str) -> tuple[str, ...]:
    """Return the concept ids of an identifier column, without prefixes, spaces and "no concept".

    >>> concepts_of("MESH:D003110 | OMIM:114500+-1;C1")
    ('D003110', '114500', 'C1')
    """
    parts = re.split(r"[|+;,]", identifiers)
    bare = (re.sub(r"(?i)^\s*(MESH:|OMIM:)?\s*", "", part).strip() for part in parts)
    return tuple(dict.fromkeys(each for each in bare if each.casefold() not in _NO_CONCEPT))


def number_of(digits: str, place: str) -> int:
    """Return an offset or a length.

    Raises:
        Fault: it is none.
    """
    if not _OFFSET.fullmatch(digits.strip()):
        raise Fault(place, f"{digits[:40]!r} is no offset or length; a whole number is wanted")
    return int(digits)


def key_of(name: str) -> str:
    """Return the name of a type or kind without case and marks.

    >>> key_of("Chemical_Entity")
    'chemicalentity'
    """
    return re.sub(r"[\W_]+", "", name).casefold()


def plain(text: str) -> str:
    """Return a text with single blanks: white space makes no other mention of one."""
    return " ".join(text.split())


def shown(text: str) -> str:
    """Return the ``repr`` of a text, cut for a message."""
    return repr(text if len(text) <= 60 else text[:60] + "…")
