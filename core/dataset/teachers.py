"""Models that labelled a data set, and what their licences want of a model that learns from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..data import Example, Teacher
from .teacher_licences import licence_id, licence_named

ACCEPTS = "--accept-licence"
"""The option that accepts a licence, with its id."""


@dataclass(frozen=True)
class LabelledBy:
    """A model that labelled documents of a training.

    Attributes:
        teacher: the model with its licence.
        documents: how many of the documents it labelled.
    """

    teacher: Teacher
    documents: int

    def as_json(self) -> dict[str, Any]:
        """Return what run.json, model cards and repositories say of it."""
        licence = licence_named(self.teacher.licence)
        return {
            "model": self.teacher.model,
            "licence": self.teacher.licence,
            "documents": self.documents,
            "licence_name": licence.name,
            "url": licence.url,
            "clause": licence.clause,
            "quote": licence.quote,
        }


def accepted_licence(named: str) -> str:
    """Return the name of an accepted licence among the accepted issues of a training."""
    return f"licence:{licence_id(named)}"


def teachers_of(examples: Iterable[Example]) -> list[LabelledBy]:
    """Return the models that labelled documents, in order of appearance."""
    counts = Counter(example.teacher for example in examples if example.teacher)
    return [LabelledBy(teacher, count) for teacher, count in counts.items()]


def required_beginning(teachers: Iterable[dict[str, Any]]) -> tuple[str, str]:
    """Return what the name of a distributed model has to begin with, and the licence that says so.

    Args:
        teachers: as run.json has them.

    Returns:
        Two empty strings where there is no such licence.
    """
    for each in teachers:
        licence = licence_named(str(each["licence"]))
        if licence.name_begins:
            return licence.name_begins, licence.line
    return "", ""
