"""Which types of mentions and kinds of relations belong to which field of the record."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass

from .annotations import Annotation, Fault, Relation, key_of, shown

_FIELD_OF_TYPE = {
    "chemical": "chemicals",
    "chemicals": "chemicals",
    "chemicalentity": "chemicals",
    "disease": "diseases",
    "diseases": "diseases",
    "diseaseorphenotypicfeature": "diseases",
    # The types of the NCBI disease corpus, which annotates nothing but diseases.
    "specificdisease": "diseases",
    "diseaseclass": "diseases",
    "compositemention": "diseases",
    "modifier": "diseases",
}
"""Types of mentions, by ``key_of``, and the fields of the record that they belong to."""

_INDUCTIONS = ("cid", "chemicalinduceddisease", "relations")
"""Kinds of relations, by ``key_of``, that say that a chemical induces a disease."""

_OF_MENTIONS, _OF_RELATIONS = ("chemicals", "diseases"), ("relations",)
_NEARLY = 0.85


@dataclass(frozen=True)
class Types:
    """The types and kinds that are known, and those that the user names.

    Attributes:
        names: what the user says: type or kind, as the source writes it -> field.
    """

    names: Mapping[str, str]

    def field_of(self, annotation: Annotation) -> str | None:
        """Return the field of a mention; None if the record has none for its type."""
        given = self.names.get(annotation.type)
        return given if given in _OF_MENTIONS else _FIELD_OF_TYPE.get(key_of(annotation.type))

    def check(self, annotation: Annotation) -> None:
        """Check the type of a mention.

        Raises:
            Fault: it has none, one that is misspelt, or one that is named for another field.
        """
        kind, place = annotation.type, annotation.place
        if not kind:
            raise Fault(place, "an annotation without a type")
        if kind in self.names and self.names[kind] not in _OF_MENTIONS:
            raise Fault(place, _misplaced(kind, self.names[kind], _OF_MENTIONS))
        if self.field_of(annotation) is None and (near := _near_type(kind)):
            raise Fault(place, f"unknown type of mention {shown(kind)}; did you mean {near}?")

    def is_induction(self, relation: Relation) -> bool:
        """Return whether a relation says that a chemical induces a disease.

        Raises:
            Fault: its kind is named for another field.
        """
        given = self.names.get(relation.kind)
        if given is not None and given not in _OF_RELATIONS:
            raise Fault(relation.place, _misplaced(relation.kind, given, _OF_RELATIONS))
        return given is not None or key_of(relation.kind) in _INDUCTIONS

    def is_named(self, relation: Relation) -> bool:
        """Return whether the user names the kind of a relation, which may join other types too."""
        return relation.kind in self.names


def _misplaced(kind: str, field: str, fields: tuple[str, ...]) -> str:
    return f"--map names {shown(kind)} as {field}; here {' or '.join(fields)} is possible"


@functools.lru_cache(maxsize=1024)
def _near_type(name: str) -> str | None:
    near = difflib.get_close_matches(key_of(name), _FIELD_OF_TYPE, n=1, cutoff=_NEARLY)
    return near[0] if near else None
