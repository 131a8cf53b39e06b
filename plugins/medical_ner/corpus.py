"""Make examples of annotated texts: names by field, and relations of the concepts that they name.

What a corpus does not annotate is absent from its records. An annotation that cannot be used sets
its document aside; one that a record has no room for is counted and passed over.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from fieldsmith import Document, Example, InputError, Record, Reject, SourceFile

from .annotations import AnnotatedText, Fault, Relation, Span, concepts_of, plain, shown
from .mentions import DISCONTINUOUS, Found, Mention, field_of_type, mentions_of

Reader = Callable[[SourceFile], Iterator[AnnotatedText | Reject]]
"""Yields the documents of a file, and a reject for each that has no text."""

FIELDS = ("chemicals", "diseases", "relations")

KINDS = ("cid", "chemical-induced disease")
"""Kinds of relations, case-folded, that say that a chemical induces a disease."""


class Corpora:
    """Makes examples of the files of a source.

    The documents of a file are of one corpus; so are the files of a folder that hold a document
    each. What a corpus annotates is what any of its documents has.
    """

    def __init__(self) -> None:
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
        fields, count = _fields_of(reader, file)
        if count == 1 and len(fields) < len(FIELDS) and not file.is_alone:
            fields |= self._fields_beside(reader, file, is_alike)
        for found in reader(file):
            yield found if isinstance(found, Reject) else _example(found, fields, file.split)

    def _fields_beside(
        self, reader: Reader, file: SourceFile, is_alike: Callable[[SourceFile], bool]
    ) -> frozenset[str]:
        folder = file.path.parent
        if (reader, folder) not in self._fields_of_folder:
            fields: frozenset[str] = frozenset()
            for path in sorted(folder.iterdir()):
                beside = SourceFile(path, file.source)
                if len(fields) < len(FIELDS) and path.is_file():
                    fields |= _fields_of_single(reader, beside, is_alike)
            self._fields_of_folder[reader, folder] = fields
        return self._fields_of_folder[reader, folder]


def _fields_of(reader: Reader, file: SourceFile) -> tuple[frozenset[str], int]:
    """Return the fields that a file annotates, and how many documents were read to know that."""
    fields: frozenset[str] = frozenset()
    count = 0
    for found in reader(file):
        count += 1
        if isinstance(found, AnnotatedText):
            fields |= _annotated(found)
        if len(fields) == len(FIELDS):
            break
    return fields, count


def _fields_of_single(
    reader: Reader, file: SourceFile, is_alike: Callable[[SourceFile], bool]
) -> frozenset[str]:
    """Return the fields that a file annotates if it holds one document, else none."""
    try:
        found = list(itertools.islice(reader(file), 2)) if is_alike(file) else []
    except InputError:
        return frozenset()
    if len(found) != 1 or isinstance(found[0], Reject):
        return frozenset()
    return _annotated(found[0])


def _annotated(document: AnnotatedText) -> frozenset[str]:
    fields = {field_of_type(each.type) for each in document.annotations}
    relations = {"relations"} if any(map(_is_induction, document.relations)) else set()
    return frozenset(field for field in fields if field) | relations


def _is_induction(relation: Relation) -> bool:
    return relation.kind.casefold() in KINDS


def _example(
    document: AnnotatedText, annotated: frozenset[str], split: str | None
) -> Example | Reject:
    text = Document(document.id, document.text)
    try:
        if document.fault:
            raise document.fault
        found = mentions_of(document)
        record, mentions, passed_over = _record(document, found, annotated)
    except Fault as fault:
        return Reject(fault.place, "", fault.reason, document.id, text)
    return Example(text, record or None, mentions, split, document.place, passed_over)


def _record(
    document: AnnotatedText, found: Found, annotated: frozenset[str]
) -> tuple[Record, dict[str, tuple[Span, ...]], tuple[str, ...]]:
    """Return the record, the mentions of its leaves, and the kinds that it has no room for."""
    record: Record = {}
    mentions: dict[str, tuple[Span, ...]] = {}
    passed_over = list(found.passed_over)
    for field in FIELDS if document.is_annotated else ():
        if field == "relations":
            pairs, left_out = _pairs(document, found)
            passed_over += left_out
            record[field], spans = _relations(document.text, pairs)
            is_known = DISCONTINUOUS_RELATION not in left_out
        else:
            record[field], spans = _names(document.text, found.mentions, field)
            is_known = not found.misses(field)
        if field not in annotated or not (record[field] or is_known):
            del record[field]  # not annotated, or not empty as far as the source says
        else:
            # For an empty list, the list's own pointer says that its mentions are known: none.
            mentions.update(spans or {f"/{field}": ()})
    return record, mentions, tuple(passed_over)


DISCONTINUOUS_RELATION = f"relation of a {DISCONTINUOUS}"

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


Pair = tuple[list[Span], list[Span]]
"""All mentions of a chemical, and of a disease that it induces."""


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


def _pairs(document: AnnotatedText, found: Found) -> tuple[list[Pair], list[str]]:
    """Return the mentions of both ends of each relation, and the kinds that are left out.

    Raises:
        Fault: a relation does not join a chemical and a disease that the document mentions.
    """
    ends = _Ends(document, found)
    pairs: list[Pair] = []
    left_out = []
    for relation in document.relations:
        if not _is_induction(relation):
            left_out.append(f"relation {relation.kind}")
        elif (joined := ends.pairs_of(relation)) is None:
            left_out.append(DISCONTINUOUS_RELATION)
        else:
            pairs += joined
    return pairs, left_out


class _Ends:
    """Finds the mentions of what relations join.

    Mentions without a concept are one concept if they have the same name.
    """

    def __init__(self, document: AnnotatedText, found: Found) -> None:
        self.spans: dict[str, dict[str, list[Span]]] = {"chemicals": {}, "diseases": {}}
        self.keys_of_annotation: dict[str, tuple[str, tuple[str, ...]]] = {}
        self.broken = {each.id for each in found.broken if each.id}
        self.unnamed = {concept for each in found.broken for concept in each.concepts}
        self.ids = {each.id for each in document.annotations}
        for mention in sorted(found.mentions, key=lambda each: (each.start, each.end)):
            name = plain(document.text[mention.start : mention.end]).casefold()
            keys = mention.concepts or (f"name {name}",)
            self.keys_of_annotation[mention.id] = (mention.field, keys)
            for key in keys:
                spans = self.spans[mention.field].setdefault(key, [])
                spans.append((mention.start, mention.end))
        for part in document.annotations:  # of a composite: it has no span, but its concepts have
            field = field_of_type(part.type)
            if field and part.id not in self.keys_of_annotation:
                keys = tuple(each for each in part.concepts if each in self.spans[field])
                self.keys_of_annotation[part.id] = (field, keys)

    def pairs_of(self, relation: Relation) -> list[Pair] | None:
        """Return the pairs of a relation; None if an end has discontinuous mentions alone.

        Raises:
            Fault: it does not join a chemical and a disease that the document mentions.
        """
        if len(relation.ends) != 2:
            raise Fault(relation.place, "a relation joins one chemical and one disease")
        if relation.joins_annotations:
            return self._pairs_of_annotations(relation)
        concepts = [concepts_of(end) for end in relation.ends]
        if any(len(each) != 1 for each in concepts):
            raise Fault(
                relation.place, "a relation joins one chemical and one disease by their ids"
            )
        (chemical,), (disease,) = concepts
        if self._has(disease, chemical):  # the other way round, and so without doubt
            chemical, disease = disease, chemical
        if not self._has(chemical, disease):
            return self._unnamed_or_fault(relation, chemical, disease)
        return [(self.spans["chemicals"][chemical], self.spans["diseases"][disease])]

    def _has(self, chemical: str, disease: str) -> bool:
        return chemical in self.spans["chemicals"] and disease in self.spans["diseases"]

    def _unnamed_or_fault(self, relation: Relation, chemical: str, disease: str) -> None:
        for field, concept in (("chemicals", chemical), ("diseases", disease)):
            if concept not in self.spans[field] and concept not in self.unnamed:
                raise Fault(
                    relation.place,
                    f"the relation names {field[:-1]} {shown(concept)}, which no mention of the "
                    f"document has; annotate it or take the relation out",
                )

    def _pairs_of_annotations(self, relation: Relation) -> list[Pair] | None:
        for end in relation.ends:
            if end not in self.ids:
                reason = f"the relation names annotation {shown(end)}, which is not in the document"
                raise Fault(relation.place, reason)
        if any(end in self.broken for end in relation.ends):
            return None
        known = (self.keys_of_annotation.get(end, ("", ())) for end in relation.ends)
        keys = dict(known)
        if set(keys) != {"chemicals", "diseases"} or not all(keys.values()):
            raise Fault(relation.place, "a relation joins one chemical and one disease")
        return [
            (self.spans["chemicals"][chemical], self.spans["diseases"][disease])
            for chemical in keys["chemicals"]
            for disease in keys["diseases"]
        ]


def _in_order(mentions: Iterable[Mention], field: str) -> list[Mention]:
    of_field = (mention for mention in mentions if mention.field == field)
    return sorted(of_field, key=lambda mention: (mention.start, mention.end))


def _distinct(spans: Iterable[Span]) -> tuple[Span, ...]:
    return tuple(sorted(set(spans)))
