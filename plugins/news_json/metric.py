"""The metric: counts of each field by equality and similarity, and of valid records."""

from __future__ import annotations

from collections.abc import Callable

import fieldsmith
from fieldsmith import Counts, Example, Prediction, Record

from .instruct import KEYS
from .snippets import one_line

Same = Callable[[str, str], bool]

INFERRED = ("Country", "Language")
"""Fields with closed lists of values, compared only by equality."""

SCORE = (
    "country_exact", "headline_levenshtein", "hit_sentence_levenshtein", "influencer_levenshtein",
    "language_exact", "opening_text_levenshtein", "source_levenshtein",
)  # fmt: skip


def counts(example: Example, prediction: Prediction) -> dict[str, Counts]:
    """Return (matched, predicted, gold) by name, for each field that the gold record has.

    - ``FIELD_exact``: equal without regard to white space.
    - ``FIELD_levenshtein``, only of spans: without regard to case and white space, at most a fifth
      of the longer value's characters differ.
    - ``complete``: the fields that both records fill, with any value; its recall is the share of
      the gold fields that were answered.
    - ``valid``: whether there is a valid record; its recall is the share of documents.

    A field that the gold record does not have is not annotated, so nothing is counted for it.
    """
    gold = example.record or {}
    predicted = prediction.record or {}
    annotated = [key for key in KEYS if key in gold]
    result: dict[str, Counts] = {}
    for key in annotated:
        name = key.lower().replace(" ", "_")
        result[f"{name}_exact"] = _counts(gold, predicted, key, _equal)
        if key not in (*INFERRED, "URL"):
            result[f"{name}_levenshtein"] = _counts(gold, predicted, key, _alike)
    filled = {key for key in annotated if gold[key]}
    answered = {key for key in annotated if predicted.get(key)}
    result["complete"] = Counts(
        float(len(filled & answered)), float(len(answered)), float(len(filled))
    )  # fmt: skip
    valid = float(prediction.record is not None)
    result["valid"] = Counts(valid, valid, 1.0)
    return result


def _counts(gold: Record, predicted: Record, key: str, same: Same) -> Counts:
    wanted, found = gold[key] or "", predicted.get(key) or ""
    right = bool(wanted and found) and same(wanted, found)
    return Counts(float(right), float(bool(found)), float(bool(wanted)))


def _equal(gold: str, predicted: str) -> bool:
    return one_line(gold) == one_line(predicted)


def _alike(gold: str, predicted: str) -> bool:
    return fieldsmith.MATCHINGS["levenshtein"](gold, predicted)
