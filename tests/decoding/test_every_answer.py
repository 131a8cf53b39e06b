"""Whatever the schema, the document and the model: what comes out is a valid, grounded record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_extractor import extractor

from fieldsmith import Document, Schema
from fieldsmith.decoding.partial_json import complete_record
from fieldsmith.extraction.prediction_file import prediction_line
from fieldsmith.schema.navigation import is_verbatim
from fieldsmith.schema.pointers import leaves
from fieldsmith.schema.records import first_problem
from fieldsmith.tagging import ensemble

if TYPE_CHECKING:
    pass

_SPAN: Schema = {"type": "string", "x-source": "verbatim"}
_SCALARS: list[Schema] = [
    {"type": ["string", "null"], "x-source": "verbatim"},
    {"anyOf": [_SPAN, {"type": "null"}]},
    {"$ref": "#/$defs/span"},
    {"type": "string", "maxLength": 12},
    {"type": ["string", "null"]},
    {"type": "integer", "minimum": 0, "maximum": 99},
    {"type": ["number", "null"]},
    {"type": "boolean"},
    {"enum": ["red", 'a "quote"', None, 3]},
    {"type": ["string", "null"], "format": "date"},
]


def _object(members: dict[str, Schema], required: set[str]) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": members,
        "required": sorted(required & members.keys()),
    }


_KEYS = st.sampled_from(
    ["a", "names", 'k"ey', "back\\slash", "ü", "/~", "line\nbreak", "<|eot_id|>"]
)


def _objects(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.builds(_object, st.dictionaries(_KEYS, inner, min_size=1, max_size=4), st.sets(_KEYS))


_VALUES = st.recursive(
    st.sampled_from(_SCALARS),
    lambda inner: st.one_of(
        st.builds(lambda items, most: {"type": "array", "items": items, "maxItems": most},
                  inner, st.integers(1, 5)),
        _objects(inner),
        st.builds(lambda one: {"anyOf": [one, {"type": "null"}]}, _objects(inner)),
    ),
    max_leaves=6,
)  # fmt: skip

schemas = _objects(_VALUES).map(lambda schema: {**schema, "$defs": {"span": _SPAN}})

documents = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "aspirin",
                "naïve",
                'a "quoted" word',
                "back\\slash",
                "\\u0041",
                "\n",
                "\t",
                "\r\n",
                "\x00\x07\x1f\x7f",
                "\u2028",
                "<|eot_id|>",
                "<|begin_of_text|>",
                "</s>",
                "<think>",
                "{",
                '"]}',
                "化学物质",
                "阿司匹林导致皮疹",
                "الأسبرين يسبب الطفح",
                "e\u0301te\u0301",
                "👩‍🔬🇩🇪👍🏽",
                "ไทย",
                "(S)-X",
                "5\u00a0mg",
                "\ufeff",
                "\U0001f9ec",
            ]
        ),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    ),
    min_size=1,
    max_size=12,
).map(" ".join)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(schema=schemas, text=documents, limit=st.integers(1, 60), tags=st.booleans())
def test_what_comes_out_parses_validates_and_is_where_it_says(
    schema: Schema, text: str, limit: int, tags: bool
) -> None:
    # The tags of random weights are likely of nothing: whatever they say is let in.
    with patch.object(ensemble, "LIKELY", 0.0):
        asked = extractor(schema, limit, tags=tags, known=text)
        prediction = asked.predict([Document("one", text)])[0]
    if prediction.record is None:
        assert prediction.error
        other = ("the windows together", "a field must be filled from the text")
        if text.strip() and not prediction.error.startswith(other):
            assert prediction.error.startswith("length")
            assert complete_record("{", schema) is None
        return
    assert first_problem(prediction.record, schema) is None
    json.dumps(prediction.record, allow_nan=False)
    found = dict(leaves(prediction.record))
    assert prediction.grounding.keys() == found.keys()
    for pointer, leaf in found.items():
        grounding = prediction.grounding[pointer]
        if grounding.status == "verbatim":
            assert all(text[start:end] == leaf for start, end in grounding.spans)
            assert text[slice(*prediction.spans[pointer])] == leaf
        if isinstance(leaf, str) and is_verbatim(pointer, schema):
            assert grounding.status == "verbatim"
    assert all(0 < value <= 1 for value in prediction.confidence.values())


_FIXED: list[Schema] = [
    {"type": "integer", "minimum": 0, "maximum": 99},
    {"type": "boolean"},
    {"enum": ["red", "blue"]},
    {"const": "record"},
    {"type": "string", "pattern": "^[A-Z]{2}\\d$"},
    {"type": "string", "format": "date"},
    {"type": "array", "prefixItems": [{"type": "boolean"}], "items": False, "minItems": 1},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
    {"$ref": "#/$defs/inner"},
]
_LISTS: Schema = {"type": "array", "items": {"type": "string", "maxLength": 9}}
_INNER = _object({"notes": _LISTS, "rank": _FIXED[0]}, {"rank"})


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    fixed=st.dictionaries(st.sampled_from("abcd"), st.sampled_from(_FIXED), min_size=1),
    lists=st.sets(st.sampled_from(["aa", "bb", "cc", "dd"])),
    limit=st.integers(120, 200),
)
def test_an_answer_without_end_is_finished_by_the_values_that_it_needs(
    fixed: dict[str, Schema], lists: set[str], limit: int
) -> None:
    members = fixed | dict.fromkeys(lists, _LISTS)
    schema = _object({key: members[key] for key in sorted(members)}, set(members))
    schema = {**schema, "$defs": {"inner": _INNER}}
    prediction = extractor(schema, limit)("Ann Oke gave aspirin to 12 patients.")
    assert prediction.record is not None, (prediction.error, prediction.raw)
    assert fixed.keys() <= prediction.record.keys()
    assert all(0 < value <= 1 for value in prediction.confidence.values())


def test_what_is_left_out_to_finish_an_answer_is_counted() -> None:
    note = {"type": ["string", "null"], "minLength": 400}
    schema = _object({"note": note, "rank": _FIXED[0]}, {"note", "rank"})
    texts = ["Ann Oke", "Zoë", "5 mg", "aspirin", "fever and rash", "1 2 3", "a b c d", "none"]
    asked = extractor(schema, 100)
    found = asked.predict([Document(text, text) for text in texts])
    assert all("/rank" in prediction.confidence for prediction in found)
    assert all(prediction.record["note"] is None for prediction in found if prediction.record)
    cut = [prediction for prediction in found if prediction.truncated]
    assert cut
    assert all(prediction.record for prediction in cut)


def test_a_text_that_has_nothing_to_copy_is_an_error_of_its_own_where_something_has_to_be() -> None:
    schema = _object({"name": _SPAN}, {"name"})
    lone, other = extractor(schema, 40).predict(
        [Document("mark", " \u0301"), Document("word", "aspirin")]
    )
    assert lone.record is None
    assert lone.error == "a field must be filled from the text, and nothing in the text can fill it"
    assert other.record == {"name": "aspirin"}


def test_the_normal_form_of_a_leaf_is_beside_the_record() -> None:
    name = {**_SPAN, "x-normalise": ["spaces", "casefold"]}
    schema = _object({"name": name, "other": _SPAN}, {"name", "other"})
    prediction = extractor(schema, 60)("Ann\nOke")
    assert prediction.record is not None
    assert prediction.record["name"] != prediction.record["name"].casefold()
    normal = " ".join(prediction.record["name"].casefold().split())
    assert prediction.normalised == {"/name": normal}
    assert prediction_line(prediction, "toy")["normalised"] == {"/name": normal}


@pytest.mark.parametrize("text", ["", " \n", "\ufeff"])
def test_a_document_that_says_nothing_is_no_crash(text: str) -> None:
    schema = _object({"names": {"type": "array", "items": _SPAN}}, {"names"})
    prediction = extractor(schema, 20)(text)
    assert (prediction.record is None) == bool(prediction.error)
