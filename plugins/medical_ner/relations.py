"""Find the mentions of what annotated relations join: concepts, or single annotations."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from .annotations import AnnotatedText, Fault, Relation, Span, concepts_of, plain, shown
from .mentions import DISCONTINUOUS, Found
from .types import Types

DISCONTINUOUS_RELATION = f"relation of a {DISCONTINUOUS}"

Pair = tuple[list[Span], list[Span]]
"""All mentions of a chemical, and of a disease that it induces."""

_WANTED = "a relation joins one chemical and one disease"


def pairs_of(document: AnnotatedText, found: Found, types: Types) -> tuple[list[Pair], list[str]]:
    """Return the mentions of both ends of each relation, and the kinds that are left out.

    A kind that the user names may also join other types, as kinds of BioRED do: these relations
    are left out.

    Raises:
        Fault: a relation does not join a chemical and a disease that the document mentions.
    """
    ends = _Ends(document, found, types)
    pairs: list[Pair] = []
    left_out = []
    for relation in document.relations:
        if not types.is_induction(relation):
            left_out.append(f"relation {relation.kind}")
        elif types.is_named(relation) and ends.are_others(relation):
            left_out.append(f"relation {relation.kind} of other types")
        elif (joined := ends.pairs_of(relation)) is None:
            left_out.append(DISCONTINUOUS_RELATION)
        else:
            pairs += joined
    return pairs, left_out


class _Ends:
    """Finds the mentions of what relations join.

    Mentions without a concept are one concept if they have the same name.
    """

    def __init__(self, document: AnnotatedText, found: Found, types: Types) -> None:
        self.spans: dict[str, dict[str, list[Span]]] = {"chemicals": {}, "diseases": {}}
        self.keys_of_annotation: dict[str, tuple[str, tuple[str, ...]]] = {}
        self.broken = {each.id for each in found.broken if each.id}
        self.unnamed = {concept for each in found.broken for concept in each.concepts}
        self.others: set[str] = set()
        self.ids = {each.id for each in document.annotations}
        for mention in sorted(found.mentions, key=lambda each: (each.start, each.end)):
            name = plain(document.text[mention.start : mention.end]).casefold()
            keys = mention.concepts or (f"name {name}",)
            self.keys_of_annotation[mention.id] = (mention.field, keys)
            for key in keys:
                spans = self.spans[mention.field].setdefault(key, [])
                spans.append((mention.start, mention.end))
        # Parts of a composite, and discontinuous mentions: other mentions may have their concepts.
        for other in document.annotations:
            field = types.field_of(other)
            if field is None:
                self.others |= {*other.concepts}
            elif other.id not in self.keys_of_annotation:
                keys = tuple(each for each in other.concepts if each in self.spans[field])
                self.keys_of_annotation[other.id] = (field, keys)

    def are_others(self, relation: Relation) -> bool:
        """Return whether a relation joins mentions, but no chemical with a disease."""
        fields = [self._fields_of(end, relation.joins_annotations) for end in relation.ends]
        wanted = ("chemicals", "diseases")
        joins = len(fields) == 2 and any(
            all(field in at for field, at in zip(wanted, ends, strict=True))
            for ends in (fields, fields[::-1])
        )
        return all(fields) and not joins

    def _fields_of(self, end: str, is_annotation: bool) -> set[str]:
        """Return the fields of the mentions that an end names; "" stands for other types."""
        if is_annotation:
            known = self.keys_of_annotation.get(end, ("", ()))
            return {known[0]} if end in self.ids else set()
        concepts = concepts_of(end)
        found = {field for field, spans in self.spans.items() if spans.keys() & {*concepts}}
        return found | ({""} if self.others & {*concepts} else set())

    def pairs_of(self, relation: Relation) -> list[Pair] | None:
        """Return the pairs of a relation; None if an end has discontinuous mentions alone.

        Raises:
            Fault: it does not join a chemical and a disease that the document mentions.
        """
        if len(relation.ends) != 2:
            raise Fault(relation.place, _WANTED)
        if relation.joins_annotations:
            return self._pairs_of_annotations(relation)
        chemicals, diseases = map(concepts_of, relation.ends)
        if not chemicals or not diseases:
            raise Fault(relation.place, f"{_WANTED} by their ids")
        if self._has("chemicals", diseases) and self._has("diseases", chemicals):
            chemicals, diseases = diseases, chemicals  # which leaves no doubt either
        for field, concepts in (("chemicals", chemicals), ("diseases", diseases)):
            for concept in concepts:
                if concept not in self.spans[field] and concept not in self.unnamed:
                    raise Fault(
                        relation.place,
                        f"the relation names {field[:-1]} {shown(concept)}, which no mention of "
                        f"the document has; annotate it or take the relation out",
                    )
        if not (self._has("chemicals", chemicals) and self._has("diseases", diseases)):
            return None
        return self._product(chemicals, diseases)

    def _has(self, field: str, concepts: Iterable[str]) -> bool:
        return all(concept in self.spans[field] for concept in concepts)

    def _product(self, chemicals: Iterable[str], diseases: Iterable[str]) -> list[Pair]:
        return [
            (self.spans["chemicals"][chemical], self.spans["diseases"][disease])
            for chemical, disease in itertools.product(chemicals, diseases)
        ]

    def _pairs_of_annotations(self, relation: Relation) -> list[Pair] | None:
        for end in relation.ends:
            if end not in self.ids:
                reason = f"the relation names annotation {shown(end)}, which is not in the document"
                raise Fault(relation.place, reason)
        known = [self.keys_of_annotation.get(end, ("", ())) for end in relation.ends]
        for end, (_field, keys_of_end) in zip(relation.ends, known, strict=True):
            if end in self.broken and not keys_of_end:
                return None
        keys = dict(known)
        if set(keys) != {"chemicals", "diseases"} or not all(keys.values()):
            raise Fault(relation.place, _WANTED)
        return self._product(keys["chemicals"], keys["diseases"])
