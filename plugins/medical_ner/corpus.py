"""Convert the annotated spans and concept relations of a corpus to examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldsmith import Document, Example, InputError, Record

Span = tuple[int, int]

FIELD_OF_TYPE = {
    "Chemical": "chemicals",
    "Disease": "diseases",
    # The types of the NCBI disease corpus, which annotates nothing but diseases.
    "SpecificDisease": "diseases",
    "DiseaseClass": "diseases",
    "CompositeMention": "diseases",
    "Modifier": "diseases",
}

IGNORED_TYPES = frozenset(
    "CellLine Chromosome DNAMutation Gene Mutation ProteinMutation SNP Species".split()
)
"""Other types of PubTator's taggers, which the record has no field for."""

NO_CONCEPT = ("", "-", "-1")


@dataclass(frozen=True)
class Mention:
    """An annotated span of a document's text.

    Attributes:
        start: offset of the first character.
        end: offset behind the last character.
        type: the type as the corpus writes it, such as "Chemical".
        concepts: ids of the concepts that it names, often one.
    """

    start: int
    end: int
    type: str
    concepts: tuple[str, ...]


@dataclass(frozen=True)
class Relation:
    """The concept ids of a chemical and of a disease that it induces; ``place`` is "file:line"."""

    chemical: str
    disease: str
    place: str


@dataclass(frozen=True)
class Annotated:
    """A document with its annotations; ``place`` is "file:line"."""

    id: str
    text: str
    mentions: tuple[Mention, ...]
    relations: tuple[Relation, ...]
    place: str


def examples(
    documents: Callable[[Path], Iterator[Annotated]], path: Path, split: str | None
) -> Iterator[Example]:
    """Yield an Example for each document of a file.

    The annotated fields are inferred from the mention types in the file. So a document without
    annotations gets empty lists if its file has annotations, and no record if the file has none.

    Args:
        documents: reads the documents of a file; called twice.
        path: the file.
        split: the split that the examples belong to, if the source says so.

    Raises:
        InputError: the file breaks the rules of its format.
    """
    first_annotated = next((found for found in documents(path) if annotated_fields(found)), None)
    fields_of_file = annotated_fields(first_annotated) if first_annotated else ()
    for document in documents(path):
        fields = annotated_fields(document) or fields_of_file
        yield _example(document, fields, split)


def annotated_fields(document: Annotated) -> tuple[str, ...]:
    """Return the fields of the record that a document's annotation types belong to."""
    types = {mention.type for mention in document.mentions}
    if document.relations or types & {"Chemical", "Disease"}:
        return ("chemicals", "diseases", "relations")
    return ("diseases",) if types else ()


def concepts_of(identifiers: str) -> tuple[str, ...]:
    """Return the concept ids of an identifier column, without prefixes, spaces and "no concept".

    >>> concepts_of("MESH:D003110 | OMIM:114500+-1")
    ('D003110', '114500')
    """
    parts = identifiers.replace("+", "|").split("|")
    bare = (part.strip().removeprefix("MESH:").removeprefix("OMIM:").strip() for part in parts)
    return tuple(dict.fromkeys(concept for concept in bare if concept not in NO_CONCEPT))


def check_type(name: str, place: str) -> bool:
    """Return whether the record has a field for a mention type.

    Args:
        name: the type as the corpus writes it.
        place: "file:line", for the message.

    Raises:
        InputError: the type is unknown.
    """
    if name in FIELD_OF_TYPE:
        return True
    if name in IGNORED_TYPES:
        return False
    known = ", ".join(FIELD_OF_TYPE)
    raise InputError(f"{place}: unknown mention type {name[:40]!r}; known are {known}")


def check_span(text: str, span: Span, surface: str, place: str) -> None:
    """Check that a mention is the text at its offsets, ignoring blanks at its ends (NCBI has some).

    Args:
        text: the text that the offsets count in.
        span: start and end of the mention.
        surface: the mention as the corpus writes it.
        place: "file:line", for the message.

    Raises:
        InputError: the span is empty, ends outside the text, or holds something else.
    """
    start, end = span
    if not 0 <= start < end <= len(text):
        raise InputError(
            f"{place}: {start}-{end} is no span of the text, which has {len(text)} characters; "
            f"offsets count Unicode code points"
        )
    if text[start:end].strip() != surface.strip():
        raise InputError(
            f"{place}: the mention is {_short(surface)}, but the text at {start}-{end} is "
            f"{_short(text[start:end])}; check the offsets"
        )


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")


def _example(document: Annotated, fields: tuple[str, ...], split: str | None) -> Example:
    record: Record = {}
    mentions: dict[str, tuple[Span, ...]] = {}
    for field in fields:
        read = _relations if field == "relations" else _names
        record[field], found = read(document, field)
        # For an empty list, the list's own pointer says that its mentions are known: none.
        mentions.update(found or {f"/{field}": ()})
    text = Document(document.id, document.text)
    return Example(text, record if fields else None, mentions, split, document.place)


Field = tuple[list[Any], dict[str, tuple[Span, ...]]]
"""The value of a field, and the mentions of its leaves by JSON Pointer."""


def _names(document: Annotated, field: str) -> Field:
    """Return the distinct names of a field as they first occur in the text, in that order."""
    names: dict[str, str] = {}
    spans: dict[str, list[Span]] = {}
    for mention in _in_order(document, field):
        name = document.text[mention.start : mention.end]
        key = name.casefold()
        names.setdefault(key, name)
        spans.setdefault(key, []).append((mention.start, mention.end))
    found = {f"/{field}/{number}": _distinct(spans[key]) for number, key in enumerate(names)}
    return list(names.values()), found


def _relations(document: Annotated, field: str) -> Field:
    """Return the relations, each with the first names of its concepts and all their mentions.

    Two relations get the same names if a composite mention ("renal and hepatic failure") is the
    first mention of both: they are merged into one, with the mentions of both.
    """
    chemicals = _spans_by_concept(document, "chemicals")
    diseases = _spans_by_concept(document, "diseases")
    pairs: dict[tuple[str, str], tuple[list[Span], list[Span]]] = {}
    names: list[dict[str, str]] = []
    for relation in document.relations:
        ends = (
            _mentioned(chemicals, relation.chemical, "chemical", relation.place),
            _mentioned(diseases, relation.disease, "disease", relation.place),
        )
        chemical, disease = (document.text[slice(*spans[0])] for spans in ends)
        key = (chemical.casefold(), disease.casefold())
        if key not in pairs:
            pairs[key] = ([], [])
            names.append({"chemical": chemical, "disease": disease})
        for known, spans in zip(pairs[key], ends, strict=True):
            known.extend(spans)
    found = {}
    for number, (of_chemical, of_disease) in enumerate(pairs.values()):
        found[f"/{field}/{number}/chemical"] = _distinct(of_chemical)
        found[f"/{field}/{number}/disease"] = _distinct(of_disease)
    return names, found


def _in_order(document: Annotated, field: str) -> list[Mention]:
    of_field = (mention for mention in document.mentions if FIELD_OF_TYPE[mention.type] == field)
    return sorted(of_field, key=lambda mention: (mention.start, mention.end))


def _spans_by_concept(document: Annotated, field: str) -> dict[str, list[Span]]:
    spans: dict[str, list[Span]] = {}
    for mention in _in_order(document, field):
        for concept in mention.concepts:
            spans.setdefault(concept, []).append((mention.start, mention.end))
    return spans


def _mentioned(spans: dict[str, list[Span]], concept: str, kind: str, place: str) -> list[Span]:
    if concept in spans:
        return spans[concept]
    raise InputError(
        f"{place}: the relation names {kind} {_short(concept)}, which no mention of the document "
        f"has; annotate it or take the relation out"
    )


def _distinct(spans: Iterable[Span]) -> tuple[Span, ...]:
    return tuple(sorted(set(spans)))
