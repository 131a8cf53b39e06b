"""Bounds of lists: what is measured in training, and how a list ends that repeats an item."""

from __future__ import annotations

import json
from typing import Any

from random_extractor import extractor
from tiny_model import random_model

from fieldsmith import Document, Schema
from fieldsmith.decoding.list_bounds import bound_lists, measure_lists
from fieldsmith.extraction.extractor import Extractor

WORDS = ("aspirin", "lidocaine", "nausea", "morphine", "7", "x1")

NAME = {"type": "string", "x-source": "verbatim"}
SCHEMA: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["names"],
    "properties": {
        "names": {"type": "array", "items": NAME},
        "few": {"type": "array", "items": NAME, "maxItems": 3},
        "groups": {"type": ["array", "null"], "items": {"$ref": "#/$defs/group"}},
    },
    "$defs": {
        "group": {
            "type": "object",
            "properties": {"members": {"type": "array", "items": NAME}},
        }
    },
}


def record(**values: Any) -> dict[str, Any]:
    return {"names": [], **values}


def test_the_longest_list_of_each_place_is_measured() -> None:
    longest: dict[str, int] = {}
    measure_lists(record(names=["a"] * 9, few=["b"]), SCHEMA, longest)
    groups = [{"members": ["a"] * 30}, {"members": ["b"]}]
    measure_lists(record(names=["a"], groups=groups), SCHEMA, longest)
    measure_lists(record(groups=None), SCHEMA, longest)
    assert longest == {
        "/properties/names": 9,
        "/properties/few": 1,
        "/properties/groups": 2,
        "/$defs/group/properties/members": 30,
    }


def test_a_list_is_bounded_by_twice_the_longest_or_by_its_schema() -> None:
    before = json.dumps(SCHEMA)
    longest = {"/properties/few": 1, "/properties/names": 9, "/properties/groups": 2}
    bounded = bound_lists(SCHEMA, {**longest, "/$defs/group/properties/members": 30})
    members = bounded["$defs"]["group"]["properties"]["members"]
    properties = bounded["properties"]
    found = [part["maxItems"] for part in (*properties.values(), members)]
    assert found == [18, 3, 16, 60]
    assert bound_lists(SCHEMA, {}) == SCHEMA
    assert json.dumps(SCHEMA) == before


def test_only_without_a_bound_does_a_repeated_item_end_its_list() -> None:
    # Texts of one word: every item after the first one repeats it.
    names = {**SCHEMA["properties"]["names"], "minItems": 1}
    task = extractor({**SCHEMA, "properties": {"names": names}}, 400).task
    model = random_model("Qwen3")

    def longest_answer(longest: dict[str, int]) -> int:
        made = Extractor.around(model, task, longest=longest)
        answers = made.predict([Document(word, word) for word in WORDS])
        assert {len((answer.record or {})["names"]) for answer in answers} == {1}
        return max(len(json.loads(answer.raw[0])["names"]) for answer in answers)

    assert longest_answer({}) == 2
    assert 2 < longest_answer({"/properties/names": 1}) <= 16
