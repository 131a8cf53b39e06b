"""Find the mentions of a record in annotations: their types, their spans, their own text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from .annotations import COMPOSITE, PART, AnnotatedText, Annotation, Fault, Span, plain, shown
from .types import Types

DISCONTINUOUS = "discontinuous mention"

_ELLIPSIS = re.compile(r"[\s.…]+")


@dataclass(frozen=True)
class Mention:
    """A mention of the record: a run of text of one field that names some concepts."""

    start: int
    end: int
    field: str
    concepts: tuple[str, ...]
    id: str = ""


@dataclass(frozen=True)
class Found:
    """The mentions of a document.

    Attributes:
        mentions: those that the record can hold, in the order of the source.
        broken: annotations of its types that are no run of text, so that it cannot hold them.
        missed: the fields of those.
        passed_over: a kind for each annotation that is left out.
    """

    mentions: tuple[Mention, ...]
    broken: tuple[Annotation, ...]
    missed: frozenset[str | None]
    passed_over: tuple[str, ...]


def mentions_of(document: AnnotatedText, types: Types) -> Found:
    """Return the mentions of a document, checked against its text.

    Args:
        document: the document.
        types: says which field a mention is of.

    Raises:
        Fault: an annotation has no type or a misspelt one, or is not the text at its offsets.
    """
    passed_over = []
    annotations: list[Annotation] = []
    for annotation in document.annotations:
        types.check(annotation)
        if types.field_of(annotation) is None:
            passed_over.append(f"mention of {annotation.type}")
        else:
            spans = _joined(annotation.spans, document.text)
            annotations.append(replace(annotation, spans=tuple(spans)))
    mentions, broken = [], []
    for annotation in _composed(annotations):
        _check(document.text, annotation)
        field = types.field_of(annotation)
        if field and len(annotation.spans) == 1:
            (span,) = annotation.spans
            mentions.append(Mention(*span, field, annotation.concepts, annotation.id))
        else:
            broken.append(annotation)
    passed_over += [DISCONTINUOUS] * len(broken)
    missed = frozenset(map(types.field_of, broken))
    return Found(tuple(mentions), tuple(broken), missed, tuple(passed_over))


def _joined(spans: Sequence[Span], text: str) -> list[Span]:
    """Join parts that have nothing but white space between them, such as a line break."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and not text[joined[-1][1] : start].strip():
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def is_at(text: str, spans: Sequence[Span], surface: str) -> bool:
    """Return whether a mention is the text at its spans; how parts are joined does not count."""
    parts = [text[start:end] for start, end in spans]
    if len(parts) == 1:
        return plain(parts[0]) == plain(surface)
    return _ELLIPSIS.sub("", "".join(parts)) == _ELLIPSIS.sub("", surface)


def _check(text: str, annotation: Annotation) -> None:
    """Raise Fault if a mention has no span, one outside the text, or one of another text."""
    place, spans = annotation.place, annotation.spans
    if annotation.fault:
        raise annotation.fault
    if not spans:
        raise Fault(place, "an annotation without a place in the text")
    for start, end in spans:
        if not 0 <= start < end <= len(text) or not text[start:end].strip():
            raise Fault(
                place,
                f"{start}-{end} is no span of the text, which has {len(text)} characters; "
                f"offsets count Unicode code points",
            )
    if annotation.surface is not None and not is_at(text, spans, annotation.surface):
        where = ", ".join(f"{start}-{end}" for start, end in spans)
        found = " … ".join(text[start:end] for start, end in spans)
        raise Fault(
            place,
            f"the mention is {shown(annotation.surface)}, but the text at {where} is "
            f"{shown(found)}; check the offsets",
        )


def _composed(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Give each composite the concepts of the parts inside of it, and leave these parts out.

    So what is wrong with the offsets of such a part, as in some of BC5CDR, does no harm.
    """
    parts = [each for each in annotations if each.role == PART and not each.fault]
    taken: list[Annotation] = []
    composed = []
    for annotation in annotations:
        if annotation.role == COMPOSITE and len(annotation.spans) == 1:
            inside = [each for each in parts if _is_inside(each, annotation.spans[0])]
            parts = [each for each in parts if each not in inside]
            taken += inside
            concepts = chain(annotation.concepts, *(part.concepts for part in inside))
            annotation = replace(annotation, concepts=tuple(dict.fromkeys(concepts)))
        composed.append(annotation)
    return [each for each in composed if each not in taken]


def _is_inside(part: Annotation, whole: Span) -> bool:
    return all(whole[0] <= start and end <= whole[1] for start, end in part.spans)
