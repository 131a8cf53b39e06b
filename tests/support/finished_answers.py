"""Answers that come to their limit, with values that can be neither null nor empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fieldsmith import Document, Schema
from fieldsmith.decoding.grammar import Grammars
from fieldsmith.decoding.sequence import Generated, Prompt

if TYPE_CHECKING:
    from fieldsmith.engines.engine import Engine
    from fieldsmith.extraction.extractor import Extractor


def _object(members: Schema) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": members,
        "required": list(members),
    }


SPANS: Schema = {"type": "array", "items": {"type": "string", "x-source": "verbatim"}}
NOTES: Schema = {"type": "array", "items": {"type": "string", "maxLength": 9}}
NEEDED = {
    "values": _object(
        {
            "chemicals": SPANS,
            "rank": {"type": "integer", "minimum": 0, "maximum": 99},
            "inner": _object({"notes": NOTES, "on": {"type": "boolean"}}),
            "kind": {"enum": ["red", "blue"]},
            "day": {"type": "string", "format": "date"},
        }
    ),
    "a string without end": _object(
        {"note": {"type": ["string", "null"], "minLength": 400}, "rank": {"type": "integer"}}
    ),
    "strings": _object(
        {
            "text": {"type": "string", "minLength": 3},
            "code": {"type": "string", "pattern": "^[A-Z]{2}\\d$"},
        }
    ),
}
"""Schemas with values that can be neither null nor empty."""


def require_same_finish(
    extractor: Extractor, engine: Engine, documents: Sequence[Document], name: str, limit: int
) -> None:
    """Require that an engine finishes answers as our decoder does.

    Args:
        extractor: with the model in transformers.
        engine: with the same model.
        documents: what is answered.
        name: of the schema.
        limit: tokens of an answer, at most.
    """
    grammars = Grammars(NEEDED[name], extractor.vocabulary, end_repeats=False)
    prompts = [
        Prompt(extractor.task.prompt(document), grammars.for_text(document.text))
        for document in documents
    ]
    settings = replace(extractor.task.settings, max_new_tokens=limit)
    ours, theirs = (
        each.answer(prompts, settings, extractor.vocabulary, lambda _count: None)
        for each in (extractor.engine, engine)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert isinstance(one, Generated)
        assert isinstance(other, Generated), other
        assert (other.text, other.finished, other.shortened) == (
            one.text,
            one.finished,
            one.shortened,
        )
    assert any(one.shortened or not one.finished for one in ours if isinstance(one, Generated))
