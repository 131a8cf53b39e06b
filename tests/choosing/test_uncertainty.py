"""How unsure a model is of a document, by numbers that were worked out by hand."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from random_extractor import extractor

from fieldsmith import Document, Prediction
from fieldsmith.choosing.uncertainty import UnsureLeaf, disagreement, uncertainty
from fieldsmith.extraction.postprocess import WindowAnswer
from fieldsmith.tagging.decoder import FieldTags, TaggedSpan
from fieldsmith.tagging.ensemble import Ensemble
from fieldsmith.tagging.gazetteer import Counted, FieldNames, Gazetteer
from fieldsmith.windows.cutting import Window

TEXT = "aspirin helps"
SCHEMA = {
    "type": "object",
    "properties": {
        "drugs": {"type": "array", "items": {"type": "string", "x-source": "verbatim"}},
        "title": {"type": ["string", "null"], "x-source": "verbatim"},
    },
    "required": ["drugs", "title"],
}


class _NoTagger:
    """Tags are given with the answers here; nothing asks for others."""


def ensemble(known: Mapping[str, Counted] | None = None) -> Ensemble:
    gazetteer = Gazetteer({"drugs": FieldNames(known)}) if known else None
    return Ensemble(SCHEMA, _NoTagger(), gazetteer)  # type: ignore[arg-type]


def tags(*found: tuple[int, int, float]) -> FieldTags:
    """Return tags of the two words of the text, the same probability for each found span."""
    own = np.zeros(2)
    for start, _end, sure in found:
        own[0 if start == 0 else 1] = sure
    made = FieldTags([0, 8], [7, 13], own, None)
    made.values = [TaggedSpan((start, end), sure) for start, end, sure in found]
    return made


def answer(
    record: dict[str, Any] | None, confidence: Mapping[str, float], **given: Any
) -> WindowAnswer:
    window = Window(Document("a", TEXT), 0)
    return WindowAnswer(window, "{}", record=record, confidence=confidence, **given)


def predicted(record: dict[str, Any] | None, confidence: Mapping[str, float]) -> Prediction:
    return Prediction(Document("a", TEXT), ("{}",), record=record, confidence=confidence)


def test_it_is_the_mean_of_what_each_leaf_lacks_to_certainty() -> None:
    record = {"drugs": ["aspirin", "helps"], "title": None}
    confidence = {"/drugs/0": 0.9, "/drugs/1": 0.4, "/title": 0.8}
    found = uncertainty(predicted(record, confidence), [answer(record, confidence)], None)
    assert found is not None
    assert found.value == pytest.approx((0.1 + 0.6 + 0.2) / 3)
    assert found.leaf == UnsureLeaf("drugs", "helps", 0.4)
    assert found.disagreement is None


def test_a_document_without_a_leaf_has_the_probability_of_its_answer() -> None:
    record: dict[str, Any] = {"drugs": []}
    answers = [answer(record, {}, probability=0.9), answer(record, {}, probability=0.5)]
    found = uncertainty(predicted(record, {}), answers, None)
    assert found is not None
    assert found.value == pytest.approx((0.1 + 0.5) / 2)
    assert found.leaf is None


def test_an_answer_without_a_record_is_as_uncertain_as_can_be() -> None:
    found = uncertainty(predicted(None, {}), [answer(None, {})], None)
    assert found is not None
    assert found.value == 1.0


def test_a_document_that_was_not_asked_about_has_none() -> None:
    window = Window(Document("a", TEXT), 0)
    prediction = Prediction(Document("a", TEXT), error="length")
    assert uncertainty(prediction, [WindowAnswer(window, error="length")], None) is None


def test_the_probability_of_an_answer_is_that_of_the_tokens_that_the_model_chose() -> None:
    asked = extractor(SCHEMA, 24)
    ((_number, found),) = asked.answer_windows([Document("a", TEXT)])
    (generated,) = asked.generate([found.window], lambda _count: None)
    assert not isinstance(generated, str)
    chosen = [math.exp(logprob) for logprob in generated.logprobs if logprob < 0]
    assert 1 < len(chosen) < len(generated.logprobs)
    assert found.probability == pytest.approx(statistics.geometric_mean(chosen))


def test_signals_that_agree_are_no_doubt_and_others_are_measured() -> None:
    record: dict[str, Any] = {"drugs": ["aspirin"], "title": None}
    given = {"/drugs/0": 0.8, "/title": 1.0}
    same = answer(record, given, tags={"drugs": tags((0, 7, 0.8)), "title": tags()})
    assert disagreement([same], ensemble()) == pytest.approx(0.0, abs=1e-6)
    other = answer(record, given, tags={"drugs": tags((8, 13, 0.6)), "title": tags()})
    # aspirin: the answer alone; helps: the tags alone.
    assert disagreement([other], ensemble()) == pytest.approx(1.0, abs=1e-5)
    weaker = answer(record, given, tags={"drugs": tags((0, 7, 0.2)), "title": tags((8, 13, 0.5))})
    wanted = (0.6 + 0.5) / (0.8 + 0.5)
    assert disagreement([weaker], ensemble()) == pytest.approx(wanted, abs=1e-5)
    assert disagreement([weaker, same], ensemble()) == pytest.approx(1.1 / (1.3 + 0.8), abs=1e-5)
    found = uncertainty(predicted(record, given), [weaker], ensemble())
    assert found is not None
    assert found.value == pytest.approx((0.1 + wanted) / 2, abs=1e-5)
    assert found.disagreement == pytest.approx(wanted, abs=1e-5)


def test_a_gazetteer_speaks_with_the_tags_of_what_it_counts() -> None:
    record: dict[str, Any] = {"drugs": ["aspirin"], "title": None}
    one = answer(record, {"/drugs/0": 0.8}, tags={"drugs": tags((0, 7, 0.2))})
    known = {"aspirin": Counted(9, 9)}  # a share of 0.95
    assert disagreement([one], ensemble(known)) == pytest.approx((0.8 - 0.575) / 0.8, abs=1e-5)
