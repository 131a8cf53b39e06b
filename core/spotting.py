"""A second opinion on what a window holds: the tags of its tokens, see ``tagging``.

The model has read the whole text when it tags a token, and says of each how sure it is, while an
answer has to be written from left to right and passes over what it did not begin. So both are
heard: what they agree on is surer than what one of them found. Of lists a lexicon of the training
documents is heard as well, where there is one.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from .attention import added, prefix_mask
from .data import Message, Record, Schema, Span
from .grounding import chunks, occurrences, stands
from .lexicon import Lexicon, Names
from .prompts import Place, PromptFormat
from .reader import rows_at_once
from .schema import field_schema, first_problem, pointer_of
from .tagging import UNTAGGED, Tags

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_LIKELY = 0.5
"""What was not written joins a list if the tags, or all that is known, say so rather than not."""

_TAGS = 0.7
"""Share of the tags in a confidence; measured, see docs/measurements.md."""

_KNOWN = 0.5
"""Share of the lexicon in the confidence in what it knows; measured, see docs/measurements.md."""

_LEAST = 1e-9
"""No probability is less, so that it has a logarithm."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Spot:
    """A span of a text that the tags take for a value.

    confidence: in (0, 1].
    """

    span: Span
    confidence: float


class Opinion:
    """What the tags of a text say of one field.

    starts, ends: where its tokens stand, ascending.
    begins, inside: how likely each is the first of a value, and a later one; ``inside`` is None
        where the tokenizer has one token for both, which is then in ``begins``.
    own: how likely each is of a value.
    spots: the values that the tags find: of a list all, of a string the best one.
    """

    def __init__(
        self, starts: Sequence[int], ends: Sequence[int], begins: Floats, inside: Floats | None
    ) -> None:
        self._starts, self._ends = starts, ends
        self._begins, self._inside = begins, inside
        self.own = begins if inside is None else begins + inside
        self.spots: Sequence[Spot] = ()

    def of(self, span: Span) -> float:
        """Return how sure it is that a value stands there, no more and no less.

        The geometric mean of the probabilities of its tokens; where there are tags for it, times
        the probabilities that the first token begins a value if it is of one, and that none goes on
        after the last.
        """
        first, last = bisect_right(self._ends, span[0]), bisect_left(self._starts, span[1]) - 1
        if last < first:
            return 0.0
        sure = self.mean(first, last)
        if self._inside is not None:
            sure *= float(self._begins[first] / max(self.own[first], _LEAST))
            if last + 1 < len(self._inside):
                sure *= 1 - float(self._inside[last + 1])
        return _rounded(sure)

    def logarithms(self) -> Iterator[tuple[float, float, float]]:
        """Yield for each token how likely it begins a value, goes on with one, or is of none."""
        inside = self._begins if self._inside is None else self._inside
        return zip(
            *(_logarithm(part) for part in (self._begins, inside, 1 - self.own)), strict=True
        )

    def mean(self, first: int, last: int) -> float:
        """Return the geometric mean of the probabilities that tokens are of a value."""
        return _rounded(float(np.exp(np.mean(_logarithm(self.own[first : last + 1])))))


class Spotter:
    """Reads the tags of windows with the model that answers.

    Lists of verbatim strings and verbatim strings at the top of the schema are looked for.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        schema: Schema,
        prompts: PromptFormat,
        *,
        prefix: bool,
        lexicon: Lexicon | None = None,
    ) -> None:
        """Prepare a schema.

        prefix: whether the tokens of a prompt see each other.
        lexicon: what is known of lists of verbatim strings, if anything.
        """
        from peft import PeftModel

        answering: Any = model  # an adapter that is not merged stands around it
        is_adapted = isinstance(answering, PeftModel)
        self._model = answering.get_base_model() if is_adapted else answering
        self._prefix = prefix
        self._prompts, self._schema = prompts, schema
        self._lexicon = lexicon or Lexicon({})
        self._tags = Tags(schema, prompts)
        self._lists = [f for f in self._tags.of if _is_list(f, schema)]
        self._strings = [f for f in self._tags.of if "/" not in f and f not in self._lists]

    def opinions(
        self, windows: Sequence[tuple[str, Sequence[Message]]], batch_size: int
    ) -> list[dict[str, Opinion]]:
        """Return what the tags of each window say, by field.

        windows: texts, and the prompts that hold them.
        batch_size: prompts that are read at once; those of like length are.
        """
        prompts = [self._prompts.prompt(messages) for _text, messages in windows]
        order = sorted(range(len(windows)), key=lambda number: -len(prompts[number]))
        found: list[dict[str, Opinion]] = [{} for _ in windows]
        while order:
            rows = rows_at_once([len(prompts[number]) for number in order[:batch_size]])
            numbers, order = order[:rows], order[rows:]
            read = self._probabilities([prompts[number] for number in numbers])
            for number, probabilities in zip(numbers, read, strict=True):
                text, messages = windows[number]
                places = self._prompts.places(messages, text)
                found[number] = self._of_window(text, places, probabilities)
        return found

    def _probabilities(self, prompts: Sequence[Sequence[int]]) -> list[Floats]:
        """Return the probability of each tag for each token of some prompts."""
        width, device = max(map(len, prompts)), self._model.device
        pad = self._prompts.end
        ids = torch.tensor([[*p, *[pad] * (width - len(p))] for p in prompts], device=device)
        mask = torch.tensor([[1] * len(p) + [0] * (width - len(p)) for p in prompts], device=device)
        attention = mask
        if self._prefix:
            seen, values = prefix_mask(mask, torch.full_like(ids, UNTAGGED)), added(self._model)
            attention = torch.where(seen, *values) if values else seen
        head = self._model.get_output_embeddings().weight[self._tags.ids]
        with torch.inference_mode():
            decoder = self._model.get_decoder()
            hidden = decoder(input_ids=ids, attention_mask=attention, use_cache=False)[0]
            scores = functional.linear(hidden, head.to(hidden.dtype)).double().softmax(dim=-1)
        read: Floats = scores.cpu().numpy()
        return [rows[: len(prompt)] for rows, prompt in zip(read, prompts, strict=True)]

    def _of_window(
        self, text: str, places: Sequence[Place], probabilities: Floats
    ) -> dict[str, Opinion]:
        if not places:
            return {}
        starts, ends = [place.start for place in places], [place.end for place in places]
        rows = probabilities[[place.token for place in places]]
        borders = _borders(text)
        found: dict[str, Opinion] = {}
        for field in (*self._lists, *self._strings):
            begins, inside = self._tags.of[field]
            column = rows[:, self._tags.ids.index(begins)]
            other = None if inside == begins else rows[:, self._tags.ids.index(inside)]
            opinion = Opinion(starts, ends, column, other)
            is_list = field in self._lists
            runs = _runs(opinion) if is_list else _best_run(opinion)
            spots = []
            for first, last in runs:
                run = starts[first], ends[last]
                span = _whole(text, borders, *run)
                if stands(text, span):
                    sure = opinion.of(run) if is_list else opinion.mean(first, last)
                    spots.append(Spot(span, sure))
            opinion.spots = spots
            found[field] = opinion
        return found

    def join(
        self,
        text: str,
        record: Record,
        confidence: Mapping[str, float],
        opinions: Mapping[str, Opinion],
    ) -> tuple[Record, dict[str, float]]:
        """Return a window's record with what the tags found, and the confidence in each leaf.

        The confidence is the mean of both opinions, in which the tags weigh more; for an item that
        the lexicon knows, the mean of that and the lexicon's share. Of what was found beside the
        answer the likeliest joins, as far as the schema has it.
        """
        joined, sure = dict(record), dict(confidence)
        for field, opinion in opinions.items():
            if field not in record:  # not annotated
                continue
            fit = partial(_fits, joined, field, self._schema)
            if field in self._lists:
                items, names = record[field] or [], self._lexicon.of(field)
                value, both = _join_list(text, field, items, confidence, opinion, names, fit)
                if not value:  # it may be null
                    continue
                sure.pop(pointer_of([field]), None)
            else:
                value, both = _join_string(text, field, record[field], confidence, opinion, fit)
            joined[field] = value
            sure |= both
        return joined, sure


def _fits(record: Record, field: str, schema: Schema, value: Any) -> bool:
    """Say whether the schema has a record with this value of a field."""
    return first_problem({**record, field: value}, schema) is None


def _logarithm(probabilities: Floats) -> list[float]:
    logarithms: list[float] = np.log(np.maximum(probabilities, _LEAST)).tolist()
    return logarithms


def _is_list(field: str, schema: Schema) -> bool:
    pointer = pointer_of([field])
    return "/" not in field and "items" in field_schema(pointer, schema)


def _runs(opinion: Opinion) -> list[tuple[int, int]]:
    """Return the first and last token of each value, on the likeliest path through a text.

    Outside, at the beginning of a value or inside of one: one can only go inside from a value that
    has begun (Viterbi 1967, "Error bounds for convolutional codes and an asymptotically optimum
    decoding algorithm").
    """
    out, within = 0.0, -math.inf  # the best paths that end outside, and within a value
    steps = []
    for begins, goes_on, outside in opinion.logarithms():
        before = max(out, within)
        steps.append((within > out, before + begins > within + goes_on))
        out, within = before + outside, max(before + begins, within + goes_on)
    runs: list[tuple[int, int]] = []
    is_within, last = within > out, len(steps) - 1
    for place, (was_within, begun) in reversed(list(enumerate(steps))):
        if not is_within or begun:
            runs += [(place, last)] if is_within else []
            is_within, last = was_within, place - 1
    return runs[::-1]


def _best_run(opinion: Opinion) -> list[tuple[int, int]]:
    """Return the first and last token of the likeliest path that holds one value; [] if none is.

    Against no value at all, a segment is worth the sum of its log odds; the best one is found in
    one pass (Kadane's algorithm: Bentley 1984, "Programming pearls: algorithm design techniques").
    """
    best, total, start = (0.0, -1, -1), -math.inf, 0
    for place, (begins, goes_on, outside) in enumerate(opinion.logarithms()):
        if begins >= total + goes_on:
            total, start = begins - outside, place
        else:
            total += goes_on - outside
        if total > best[0]:
            best = total, start, place
    return [best[1:]] if best[1] >= 0 else []


def _borders(text: str) -> list[int]:
    """Return where a value may begin or end."""
    borders = [0]
    for chunk in chunks(text):
        borders.append(borders[-1] + len(chunk))
    return borders


def _whole(text: str, borders: Sequence[int], start: int, end: int) -> Span:
    """Return a span with the rest of its words, and without white space at its ends."""
    start = borders[bisect_right(borders, start) - 1]
    end = borders[bisect_left(borders, end)]
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def _join_list(
    text: str,
    field: str,
    items: list[Any],
    confidence: Mapping[str, float],
    opinion: Opinion,
    names: Names,
    fit: Callable[[Any], bool],
) -> tuple[list[Any], dict[str, float]]:
    """Return a list, with what it lacks and is likely, and the confidences."""
    sure: dict[str, float] = {}
    spots: dict[str, Spot] = {}
    for spot in sorted(opinion.spots, key=lambda spot: -spot.confidence):
        spots.setdefault(text[slice(*spot.span)].casefold(), spot)
    likely = {value for value, spot in spots.items() if spot.confidence >= _LIKELY}
    for span in names.likely(text):
        spot = Spot(span, opinion.of(span))
        value = text[slice(*span)].casefold()
        if value not in spots or spot.confidence > spots[value].confidence:
            spots[value] = spot
    for number, item in enumerate(items):
        pointer = pointer_of([field, number])
        tagged = 0.0
        if isinstance(item, str):
            tagged = max(map(opinion.of, occurrences(text, item)), default=0.0)
            if item.casefold() in spots:  # in other letters, maybe
                tagged = max(tagged, spots[item.casefold()].confidence)
        sure[pointer] = _known(_mean(confidence.get(pointer, 0.0), tagged), names, item)
    written = {item.casefold() for item in items if isinstance(item, str)}
    found: list[tuple[float, str]] = []
    for value in spots.keys() - written:
        item = text[slice(*spots[value].span)]
        confident = _known(_mean(0.0, spots[value].confidence), names, item)
        if value in likely or confident >= _LIKELY:
            found.append((confident, item))
    found.sort(reverse=True)
    while found and not fit([*items, *(item for _sure, item in found)]):
        found.pop()
    for number, (confident, _item) in enumerate(found, len(items)):
        sure[pointer_of([field, number])] = confident
    return [*items, *(item for _sure, item in found)], sure


def _join_string(
    text: str,
    field: str,
    value: Any,
    confidence: Mapping[str, float],
    opinion: Opinion,
    fit: Callable[[Any], bool],
) -> tuple[Any, dict[str, float]]:
    """Return the string of the surer side, or the one that is written, and the confidence."""
    pointer = pointer_of([field])
    written = confidence.get(pointer, 0.0)
    spot = next(iter(opinion.spots), None)
    likely = spot.confidence if spot else 0.0
    if value is None:
        stays, other = _mean(written, 1 - likely), _mean(0.0, likely)
    else:  # each is worth what its own side gives it, and confirmed by what both have in common
        shared = _shared(text, value, spot.span) if spot and isinstance(value, str) else 0.0
        stays, other = _mean(written, likely * shared), _mean(written * shared, likely)
    if spot and other > stays and fit(text[slice(*spot.span)]):
        return text[slice(*spot.span)], {pointer: other}
    return value, {pointer: stays}


def _shared(text: str, value: str, span: Span) -> float:
    """Return how much of a value and a span is common to both: Jaccard's index of characters."""
    if value.casefold() == text[slice(*span)].casefold():
        return 1.0
    best = 0.0
    for start, end in occurrences(text, value):
        common = min(end, span[1]) - max(start, span[0])
        best = max(best, common / (max(end, span[1]) - min(start, span[0])))
    return best


def _mean(written: float, tagged: float) -> float:
    return _rounded((1 - _TAGS) * written + _TAGS * tagged)


def _known(sure: float, names: Names, item: Any) -> float:
    """Return how sure an item of a list is, what is known of it included."""
    share = names.share(item) if isinstance(item, str) else None
    return sure if share is None else _rounded((1 - _KNOWN) * sure + _KNOWN * share)


def _rounded(confidence: float) -> float:
    return round(min(max(confidence, 1e-6), 1.0), 6)
