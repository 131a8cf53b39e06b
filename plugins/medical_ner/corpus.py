"""Make examples of annotated texts: names by field, and relations of the concepts that they name.

What a corpus does not annotate is absent from its records. An annotation that cannot be used sets
its document aside; one that a record has no room for is counted and passed over.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from fieldsmith import Document, Example, InputError, Record, Reject, SourceFile

from .annotations import AnnotatedText, Fault, Span
from .mentions import Found, Mention, mentions_of
from .relations import DISCONTINUOUS_RELATION, Pair, pairs_of
from .types import Types

Reader = Callable[[SourceFile], Iterator[AnnotatedText | Reject]]
"""Yields the documents of a file, and a reject for each that has no text."""

FIELDS = ("chemicals", "diseases", "relations")


class Corpora:
    """Makes examples of the files of a source.

    The documents of a file are of one corpus; so are the files of a folder that hold a document
    each. What a corpus annotates is what any of its documents has.
    """

    def __init__(self, types: Types) -> None:
        self._types = types
        self._fields_of_folder: dict[tuple[Reader, Path], frozenset[str]] = {}

    def examples(
        self, reader: Reader, file: SourceFile, is_alike: Callable[[SourceFile], bool]
    ) -> Iterator[Example | Reject]:
        """Yield the examples of a file, and a reject for each document that makes none.

        Args:
            reader: reads the file; called twice.
            file: the file.
            is_alike: whether another file is of the same format.

        Raises:
            InputError: the file as a whole cannot be read.
        """
        fields, count = _fields_of(reader, file, self._types)
        if count == 1 and len(fields) < len(FIELDS) and not file.is_alone:
            fields |= self._fields_beside(reader, file, is_alike)
        for found in reader(file):
            if isinstance(found, Reject):
                yield found
            else:
                yield _example(found, fields, file.split, self._types)

    def _fields_beside(
        self, reader: Reader, file: SourceFile, is_alike: Callable[[SourceFile], bool]
    ) -> frozenset[str]:
        folder = file.path.parent
        if (reader, folder) not in self._fields_of_folder:
            fields: frozenset[str] = frozenset()
            for path in sorted(folder.iterdir()):
                beside = SourceFile(path, file.source)
                if len(fields) < len(FIELDS) and path.is_file():
                    fields |= _fields_of_single(reader, beside, is_alike, self._types)
            self._fields_of_folder[reader, folder] = fields
        return self._fields_of_folder[reader, folder]


def _fields_of(reader: Reader, file: SourceFile, types: Types) -> tuple[frozenset[str], int]:
    """Return the fields that a file annotates, and how many documents were read to know that.

    Where the file cannot be read on, it is searched up to there.
    """
    fields: frozenset[str] = frozenset()
    count = 0
    with suppress(InputError):
        for found in reader(file):
            count += 1
            if isinstance(found, AnnotatedText):
                fields |= _annotated(found, types)
            if len(fields) == len(FIELDS):
                break
    return fields, count


def _fields_of_single(
    reader: Reader, file: SourceFile, is_alike: Callable[[SourceFile], bool], types: Types
) -> frozenset[str]:
    """Return the fields that a file annotates if it holds one document, else none."""
    try:
        found = list(itertools.islice(reader(file), 2)) if is_alike(file) else []
    except InputError:
        return frozenset()
    if len(found) != 1 or isinstance(found[0], Reject):
        return frozenset()
    return _annotated(found[0], types)


def _annotated(document: AnnotatedText, types: Types) -> frozenset[str]:
    fields = {types.field_of(each) for each in document.annotations}
    with suppress(Fault):  # which sets the document aside
        fields |= {"relations"} if any(map(types.is_induction, document.relations)) else set()
    return frozenset(field for field in fields if field)


def _example(
    document: AnnotatedText, annotated: frozenset[str], split: str | None, types: Types
) -> Example | Reject:
    text = Document(document.id, document.text)
    try:
        if document.fault:
            raise document.fault
        found = mentions_of(document, types)
        related = pairs_of(document, found, types) if document.is_annotated else ([], [])
    except Fault as fault:
        return Reject(fault.place, "", fault.reason, document.id, text)
    record, mentions, passed_over = _record(document, found, related, annotated)
    return Example(text, record or None, mentions, split, document.place, passed_over)


def _record(
    document: AnnotatedText,
    found: Found,
    related: tuple[list[Pair], list[str]],
    annotated: frozenset[str],
) -> tuple[Record, dict[str, tuple[Span, ...]], tuple[str, ...]]:
    """Return the record, the mentions of its leaves, and the kinds that it has no room for."""
    record: Record = {}
    mentions: dict[str, tuple[Span, ...]] = {}
    pairs, left_out = related
    for field in FIELDS if document.is_annotated else ():
        if field == "relations":
            record[field], spans = _relations(document.text, pairs)
            is_known = DISCONTINUOUS_RELATION not in left_out
        else:
            record[field], spans = _names(document.text, found.mentions, field)
            is_known = field not in found.missed
        if field not in annotated or not (record[field] or is_known):
            del record[field]  # not annotated, or not empty as far as the source says
        else:
            # For an empty list, the list's own pointer says that its mentions are known: none.
            mentions.update(spans or {f"/{field}": ()})
    return record, mentions, (*found.passed_over, *left_out)


Field = tuple[list[Any], dict[str, tuple[Span, ...]]]
"""The value of a field, and the mentions of its leaves by JSON Pointer."""


def _names(text: str, mentions: Iterable[Mention], field: str) -> Field:
    """Return the distinct names of a field as they first occur in the text, in that order."""
    names: dict[str, str] = {}
    spans: dict[str, list[Span]] = {}
    for mention in _in_order(mentions, field):
        name = text[mention.start : mention.end]
        names.setdefault(name.casefold(), name)
        spans.setdefault(name.casefold(), []).append((mention.start, mention.end))
    found = {f"/{field}/{number}": _distinct(spans[key]) for number, key in enumerate(names)}
    return list(names.values()), found


def _relations(text: str, pairs: Iterable[Pair]) -> Field:
    """Return the relations, each with the first names of its concepts and all their mentions.

    Two relations get the same names if a composite mention ("renal and hepatic failure") is the
    first mention of both: they are merged into one, with the mentions of both.
    """
    merged: dict[tuple[str, str], Pair] = {}
    names: list[dict[str, str]] = []
    for ends in pairs:
        chemical, disease = (text[slice(*min(spans))] for spans in ends)
        key = (chemical.casefold(), disease.casefold())
        if key not in merged:
            merged[key] = ([], [])
            names.append({"chemical": chemical, "disease": disease})
        for known, spans in zip(merged[key], ends, strict=True):
            known.extend(spans)
    found = {}
    for number, (of_chemical, of_disease) in enumerate(merged.values()):
        found[f"/relations/{number}/chemical"] = _distinct(of_chemical)
        found[f"/relations/{number}/disease"] = _distinct(of_disease)
    return names, found


def _in_order(mentions: Iterable[Mention], field: str) -> list[Mention]:
    of_field = (mention for mention in mentions if mention.field == field)
    return sorted(of_field, key=lambda mention: (mention.start, mention.end))


def _distinct(spans: Iterable[Span]) -> tuple[Span, ...]:
    return tuple(sorted(set(spans)))
