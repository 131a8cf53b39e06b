"""Combine the generated answer, the tags and the gazetteer into one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..data import Record, Schema, Span
from ..model.attention import PromptAttention
from ..model.prompts import PromptFormat
from ..schema.pointers import pointer_of
from ..schema.records import first_problem
from ..settings import Settings
from ..text.grounding import occurrences
from .decoder import FieldTags, TaggedSpan, Tagger, clamped
from .gazetteer import FieldNames, Gazetteer
from .labels import is_list_of_strings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LIKELY = 0.5
"""Minimum confidence for adding a value to a list that the generated answer does not contain."""


@dataclass(frozen=True)
class Shares:
    """How much each signal weighs in a confidence; the defaults serve where nothing was measured.

    Attributes:
        tags: weight of the tags, in [0, 1]; the generated answer has the rest.
        gazetteer: weight of the gazetteer in the values that it holds, in [0, 1]; answer and tags
            together have the rest.
    """

    tags: float = 0.7
    gazetteer: float = 0.5

    @staticmethod
    def initial(settings: Settings) -> Shares:
        """Return the weights that the settings fix, and the defaults for the others."""
        fixed = {"tags": settings.tag_share, "gazetteer": settings.gazetteer_share}
        return Shares(**{name: share for name, share in fixed.items() if share is not None})


@dataclass(frozen=True)
class _Candidate:
    """A value of a list with what each signal says of it, in [0, 1].

    Attributes:
        value: as the answer has it, else as the document does.
        written: confidence of the generated answer; 0.0 if it does not hold the value.
        tagged: confidence of the tags.
        known: share of training documents with this text in which it is a value; None: unknown.
        is_written: whether the generated answer holds it.
        is_tagged: whether the tags alone find it, more likely than not.
    """

    value: Any
    written: float
    tagged: float
    known: float | None
    is_written: bool = True
    is_tagged: bool = False

    @property
    def read(self) -> float:
        """What the signals beside the answer say together."""
        return self.tagged if self.known is None else (self.tagged + self.known) / 2

    def confidence(self, shares: Shares) -> float:
        both = _mean(self.written, self.tagged, shares)
        if self.known is None:
            return both
        return clamped((1 - shares.gazetteer) * both + shares.gazetteer * self.known)


@dataclass(frozen=True)
class Ensemble:
    """The signals beside the generated answer, for a model that was trained on tags.

    Attributes:
        schema: the schema of a record; a value that it refuses is not added.
        tagger: tags the text of a window.
        gazetteer: counts of the training documents' values; None if there are none.
        shares: the weight of each signal.
    """

    schema: Schema
    tagger: Tagger
    gazetteer: Gazetteer | None = None
    shares: Shares = field(default_factory=Shares)

    @staticmethod
    def of_model(
        model: PreTrainedModel, schema: Schema, prompts: PromptFormat, attention: PromptAttention
    ) -> Ensemble:
        """Return the ensemble of a model, without a gazetteer.

        Args:
            model: the model that also generates the answers.
            schema: the schema of a record.
            prompts: the tokenizer and its chat template.
            attention: which tokens of a prompt attend to each other.
        """
        return Ensemble(schema, Tagger(model, schema, prompts, attention=attention))

    def combine(
        self,
        text: str,
        record: Record,
        confidence: Mapping[str, float],
        tags: Mapping[str, FieldTags],
    ) -> tuple[Record, dict[str, float]]:
        """Return a window's record with the values that tags and gazetteer add.

        Args:
            text: the window's text.
            record: what was generated for it.
            confidence: JSON Pointer -> confidence of what was generated, in [0, 1].
            tags: field -> tag probabilities over the text.

        Returns:
            The record, and the confidence of each of its leaves by JSON Pointer.
        """
        gazetteer = self.gazetteer or Gazetteer({})
        return combine(text, record, confidence, tags, self.schema, gazetteer, self.shares)

    def signals(
        self,
        text: str,
        record: Record,
        confidence: Mapping[str, float],
        tags: Mapping[str, FieldTags],
    ) -> list[tuple[float, float]]:
        """Return what is said of each value that the answer or another signal finds in a window.

        Args:
            text: see ``combine``.
            record: see ``combine``.
            confidence: see ``combine``.
            tags: see ``combine``.

        Returns:
            The confidence of the answer, and that of the tags, or the mean of tags and gazetteer
            where the gazetteer counts the value; 0.0 for a signal that does not find it.
        """
        gazetteer, found = self.gazetteer or Gazetteer({}), []
        for name, own in tags.items():
            if name not in record:  # not annotated
                continue
            items, sure = record[name] or [], confidence
            if not is_list_of_strings(name, self.schema):
                items = [] if record[name] is None else [record[name]]
                sure = {pointer_of([name, 0]): confidence.get(pointer_of([name]), 0.0)}
            candidates = _candidates(text, name, items, sure, own, gazetteer.field(name))
            found += [(each.written, each.read) for each in candidates]
        return found


def combine(
    text: str,
    record: Record,
    confidence: Mapping[str, float],
    tags: Mapping[str, FieldTags],
    schema: Schema,
    gazetteer: Gazetteer,
    shares: Shares,
) -> tuple[Record, dict[str, float]]:
    """Combine the three signals of a window; see ``Ensemble.combine``."""
    combined, sure = dict(record), dict(confidence)
    for name, found in tags.items():
        if name not in record:  # not annotated
            continue
        if is_list_of_strings(name, schema):
            items = record[name] or []
            candidates = _candidates(text, name, items, confidence, found, gazetteer.field(name))
            values, both = _filtered(candidates, combined, name, schema, shares)
            if not values:  # it may be null
                continue
            sure.pop(pointer_of([name]), None)
            combined[name] = values
        else:
            combined[name], both = _surer_string(
                text, name, combined, confidence, found, schema, shares
            )
        sure |= both
    return combined, sure


def _candidates(
    text: str,
    field: str,
    items: list[Any],
    confidence: Mapping[str, float],
    tags: FieldTags,
    names: FieldNames,
) -> list[_Candidate]:
    """Return the items of a list, then what tags and gazetteer find besides."""
    spans = _spans(text, tags, names)
    candidates = []
    for number, item in enumerate(items):
        tagged, known = 0.0, None
        if isinstance(item, str):
            known = names.share(item)
            tagged = max(map(tags.confidence, occurrences(text, item)), default=0.0)
            if item.casefold() in spans:  # in other letters, maybe
                tagged = max(tagged, spans[item.casefold()].confidence)
        written = confidence.get(pointer_of([field, number]), 0.0)
        candidates.append(_Candidate(item, written, tagged, known))
    likely = {
        text[slice(*found.span)].casefold() for found in tags.values if found.confidence >= LIKELY
    }
    for form in spans.keys() - {item.casefold() for item in items if isinstance(item, str)}:
        value, tagged = text[slice(*spans[form].span)], spans[form].confidence
        known = names.share(value)
        candidates.append(_Candidate(value, 0.0, tagged, known, False, form in likely))
    return candidates


def _spans(text: str, tags: FieldTags, names: FieldNames) -> dict[str, TaggedSpan]:
    """Return the surest span of each case-folded value that the tags or the gazetteer find."""
    known = [TaggedSpan(span, tags.confidence(span)) for span in names.likely(text)]
    spans: dict[str, TaggedSpan] = {}
    for found in sorted([*tags.values, *known], key=lambda found: -found.confidence):
        spans.setdefault(text[slice(*found.span)].casefold(), found)
    return spans


def _filtered(
    candidates: list[_Candidate], record: Record, field: str, schema: Schema, shares: Shares
) -> tuple[list[Any], dict[str, float]]:
    """Return the written values and the likely others, the surest as far as the schema allows."""
    written = [candidate for candidate in candidates if candidate.is_written]
    added = [
        candidate
        for candidate in candidates
        if not candidate.is_written
        and (candidate.is_tagged or candidate.confidence(shares) >= LIKELY)
    ]
    added.sort(key=lambda each: (each.confidence(shares), each.value), reverse=True)
    while added and not _fits(record, field, [c.value for c in (*written, *added)], schema):
        added.pop()
    kept = [*written, *added]
    confidence = {
        pointer_of([field, number]): candidate.confidence(shares)
        for number, candidate in enumerate(kept)
    }
    return [candidate.value for candidate in kept], confidence


def _surer_string(
    text: str,
    field: str,
    record: Record,
    confidence: Mapping[str, float],
    tags: FieldTags,
    schema: Schema,
    shares: Shares,
) -> tuple[Any, dict[str, float]]:
    """Return the written string or the tagged one, whichever has the higher confidence."""
    value, pointer = record[field], pointer_of([field])
    written = confidence.get(pointer, 0.0)
    best = next(iter(tags.values), None)
    likely = best.confidence if best else 0.0
    if value is None:
        stays, other = _mean(written, 1 - likely, shares), _mean(0.0, likely, shares)
    else:  # each has its own signal, and of the other as much as both values have in common
        shared = _overlap(text, value, best.span) if best and isinstance(value, str) else 0.0
        stays = _mean(written, likely * shared, shares)
        other = _mean(written * shared, likely, shares)
    if best and other > stays and _fits(record, field, text[slice(*best.span)], schema):
        return text[slice(*best.span)], {pointer: other}
    return value, {pointer: stays}


def _overlap(text: str, value: str, span: Span) -> float:
    """Return the Jaccard index of the characters of a value and of a span, in [0, 1]."""
    if value.casefold() == text[slice(*span)].casefold():
        return 1.0
    best = 0.0
    for start, end in occurrences(text, value):
        common = min(end, span[1]) - max(start, span[0])
        best = max(best, common / (max(end, span[1]) - min(start, span[0])))
    return best


def _fits(record: Record, field: str, value: Any, schema: Schema) -> bool:
    """Say whether a record is valid with another value of a field."""
    return first_problem({**record, field: value}, schema) is None


def _mean(written: float, tagged: float, shares: Shares) -> float:
    return clamped((1 - shares.tags) * written + shares.tags * tagged)
