"""Write marks as brat and PubTator have them; ``dataset/standoff`` reads both and shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ..data import Example, Schema
from ..dataset.marked_fields import marked_fields
from ..dataset.standoff import LINE_BREAKS, NO_CONCEPT, file_name
from ..errors import InputError
from .marks import LabelledSpan, Link, Marks

_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=.)")

_Concepts = Mapping[frozenset[LabelledSpan], str]


def brat_types(schema: Schema) -> str:
    """Return the ``annotation.conf`` of records of a schema."""
    marked = marked_fields(schema).values()
    spans = [label for field in marked for label in field.labels or (field.label,)]
    links = [f"{field.label}\tArg1:<ENTITY>, Arg2:<ENTITY>" for field in marked if field.is_link]
    overlap = "<OVERLAP>\tArg1:<ENTITY>, Arg2:<ENTITY>, <OVL-TYPE>:<ANY>"
    sections = {"entities": spans, "relations": [*links, overlap], "events": [], "attributes": []}
    return "\n".join(
        "".join(f"{line}\n" for line in (f"[{name}]", *lines)) for name, lines in sections.items()
    )


def brat_annotations(example: Example, marks: Marks) -> str:
    """Return the annotations of a document; its text stands apart, as it is.

    Mentions of the same end of a link have a concept in common, by a line of normalisation. A span
    of several concepts is annotated once for each: a relation is one of all concepts of its
    mentions.
    """
    text = example.document.text
    concepts = _concepts_of(marks.links)
    mentions: list[str] = []
    references: list[str] = []
    first: dict[str, str] = {}
    for span in marks.spans:
        parts = list(_parts(span, text))
        places = ";".join(f"{start} {end}" for start, end in parts)
        surface = " ".join(text[start:end] for start, end in parts)
        for concept in _of_span(span, concepts) or [""]:
            name = f"T{len(mentions) + 1}"
            mentions.append(f"{name}\t{span.label} {places}\t{surface}")
            if concept:
                number = len(references) + 1
                references.append(f"N{number}\tReference {name} fieldsmith:{concept}\t{concept}")
                first.setdefault(concept, name)
    relations = [
        f"R{number}\t{link.label} Arg1:{first[one]} Arg2:{first[other]}"
        for number, link in enumerate(marks.links, start=1)
        for one, other in ([concepts[end] for end in link.ends],)
    ]
    return "".join(f"{line}\n" for line in [*mentions, *references, *relations])


def pubtator_document(example: Example, marks: Marks) -> str:
    """Return a document of PubTator: blanks stand for its line breaks.

    Its title ends with the first line or, if it has one line, with its first sentence.
    """
    name, text = file_name(example.document.id), example.document.text
    found = LINE_BREAKS.search(text, 0, len(text) - 1) or _SENTENCE_END.search(text)
    text = LINE_BREAKS.sub(" ", text)
    title, abstract = (text[: found.start()], text[found.end() :]) if found else (text, "")
    concepts = _concepts_of(marks.links)
    lines = [f"{name}|t|{title}", f"{name}|a|{abstract}"]
    for span in marks.spans:
        surface = re.sub(r"\s", " ", text[span.start : span.end])
        of_span = "|".join(_of_span(span, concepts)) or NO_CONCEPT
        columns = (name, str(span.start), str(span.end), surface, span.label, of_span)
        lines.append("\t".join(columns))
    lines += [
        "\t".join((name, link.label, *(concepts[end] for end in link.ends))) for link in marks.links
    ]
    return "".join(f"{line}\n" for line in lines)


def require_text(example: Example) -> None:
    """Refuse a text that no file of a text can hold.

    Raises:
        InputError: it has NUL; says where.
    """
    if "\0" in example.document.text:
        place = example.place or example.document.id
        raise InputError(f"{place}: its text has NUL, which a text file cannot have; take it out")


def _parts(span: LabelledSpan, text: str) -> Iterator[tuple[int, int]]:
    """Yield the parts of a span in each line, as brat has them, without white space around."""
    start = span.start
    for end in [*(found.start() for found in LINE_BREAKS.finditer(text, *span[:2])), span.end]:
        part = text[start:end]
        if stripped := part.strip():
            first = start + part.index(stripped)
            yield first, first + len(stripped)
        start = end + 1


def _concepts_of(links: Sequence[Link]) -> _Concepts:
    ends = dict.fromkeys(end for link in links for end in link.ends)
    return {end: f"concept-{number}" for number, end in enumerate(ends, start=1)}


def _of_span(span: LabelledSpan, concepts: _Concepts) -> list[str]:
    return [concept for end, concept in concepts.items() if span in end]
