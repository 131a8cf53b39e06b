"""What an unconstrained model wrote: only what is in the document stays in a record."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import accumulate

import pytest
from random_extractor import extractor

from fieldsmith import Document, Prediction, Record, Schema
from fieldsmith.decoding.sequence import Generated
from fieldsmith.extraction.postprocess import read_answer
from fieldsmith.windows.cutting import Window

SCHEMA: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["names", "pairs"],
    "properties": {
        "names": {"type": "array", "items": {"type": "string", "x-source": "verbatim"}},
        "title": {"type": ["string", "null"], "x-source": "verbatim"},
        "topic": {"type": "string", "x-source": "inferred"},
        "pairs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "x-source": "verbatim"},
                    "rank": {"type": "integer"},
                },
            },
        },
    },
}

TEXT = "Zinc and velmol. Later, velmol and gold."


def read(text: str, *, finished: bool = True, constrained: bool = False) -> Prediction:
    """Return the prediction for an answer, each character of it a token at 1/2."""
    document = Document("one", TEXT)
    ends = tuple(accumulate(1 for _ in text))
    result = Generated((0,) * len(text), text, ends, (math.log(0.5),) * len(text), finished)
    asking = extractor(SCHEMA, 20)
    asking = asking if constrained else replace(asking, grammars=None)
    answer = read_answer(Window(document, 0), result, asking.task, asking.grammars)
    (prediction,) = asking.predict_answered([document], [[answer]])
    return prediction


def answered(record: Record) -> Prediction:
    return read(json.dumps(record, separators=(",", ":")))


def test_what_is_not_in_the_document_is_left_out_and_counted() -> None:
    prediction = answered(
        {
            "names": ["velmol", "velmolol", "gold", "elmo"],
            "title": "Invented",
            "topic": "metals",
            "pairs": [{"name": "nowhere", "rank": 1}, {"name": "Zinc", "rank": 2}],
        }
    )
    assert prediction.record == {
        "names": ["velmol", "gold"],
        "title": None,
        "topic": "metals",
        "pairs": [{"name": "Zinc", "rank": 2}],
    }
    assert prediction.ungrounded == 4  # two names, the title, a pair
    for pointer, (start, end) in prediction.spans.items():
        assert pointer.startswith(("/names", "/pairs"))
        assert TEXT[start:end] in ("velmol", "gold", "Zinc")
    assert set(prediction.confidence) >= {"/names/0", "/names/1", "/topic", "/pairs/0/name"}


def test_what_is_there_stays_as_it_is() -> None:
    record: Record = {"names": ["Zinc", "gold"], "title": "velmol", "topic": "x", "pairs": []}
    prediction = answered(record)
    assert prediction.record == record
    assert prediction.ungrounded == 0


@pytest.mark.parametrize("text", ["[]", "{", '{"names":[1],"pairs":[]}'])
def test_what_is_no_record_is_an_error(text: str) -> None:
    found = read(text)
    assert found.record is None
    assert found.error
    assert found.windows == (0, 1)
    assert not found.constrained


def test_what_was_whole_when_it_was_cut_off_stays_and_the_rest_has_no_confidence() -> None:
    found = read('{"names": ["velmol", "gold", "Zi', finished=False)
    assert found.record == {"names": ["velmol", "gold"], "pairs": []}
    assert found.truncated == 1
    # The text is not compact, so only what stands at the same place as in the record is known.
    found = read('{"names":["velmol","gold"],"title":"Zi', finished=False)
    assert found.record == {"names": ["velmol", "gold"], "pairs": []}
    assert found.confidence == pytest.approx({"/names/0": 0.5**7, "/names/1": 0.5**5}, abs=1e-6)


def test_repeats_leave_their_list_and_take_no_confidence_along() -> None:
    found = read('{"names":["gold","velmol","gold","Zinc"],"pairs":[]}', constrained=True)
    assert found.record == {"names": ["gold", "velmol", "Zinc"], "pairs": []}
    assert found.repeats == 1
    assert found.confidence == pytest.approx(
        {"/names/0": 0.5**5, "/names/1": 0.5**7, "/names/2": 0.5**5}, abs=1e-6
    )
