"""A verbatim field can only hold what stands in the document, whatever the model wrote."""

from __future__ import annotations

import json

import pytest
from invented import plugin_of, shipped_prompts

from fieldsmith import Document, Prediction, Record, Schema
from fieldsmith.decode import Generated
from fieldsmith.predict import _prediction
from fieldsmith.windows import Window

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


def answered(record: Record) -> Prediction:
    """Return the prediction for an answer that holds ``record``, each token at 1/2."""
    document = Document("one", TEXT)
    ids = shipped_prompts().answer(json.dumps(record, separators=(",", ":")))
    result = Generated(tuple(ids), (-0.6931471805599453,) * len(ids), finished=True)
    return _prediction(
        document, 1, [(Window(document, 0), result)], plugin_of(SCHEMA), shipped_prompts()
    )


def test_what_does_not_stand_in_the_document_is_left_out_and_counted() -> None:
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


def test_what_stands_there_stays_as_it_is() -> None:
    record: Record = {"names": ["Zinc", "gold"], "title": "velmol", "topic": "x", "pairs": []}
    prediction = answered(record)
    assert prediction.record == record
    assert prediction.ungrounded == 0


@pytest.mark.parametrize("text", ["[]", "{", '{"names":[1],"pairs":[]}'])
def test_what_is_no_record_is_an_error(text: str) -> None:
    document = Document("one", TEXT)
    ids = shipped_prompts().answer(text)
    result = Generated(tuple(ids), (0.0,) * len(ids), finished=True)
    found = _prediction(
        document, 1, [(Window(document, 0), result)], plugin_of(SCHEMA), shipped_prompts()
    )
    assert found.record is None
    assert found.error
    assert found.windows == (0, 1)
