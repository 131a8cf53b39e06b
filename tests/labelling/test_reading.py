"""The record of a teacher's answer: strictly read, and nothing that the window does not hold."""

from __future__ import annotations

import json

import pytest
from invented_plugins import NAMES

from fieldsmith import Document, Schema
from fieldsmith.labelling.reading import Sample, read_sample
from fieldsmith.labelling.teacher import Reply, Usage
from fieldsmith.schema.records import InvalidRecordError
from fieldsmith.windows.cutting import Window

TEXT = "Ada Lovelace met Mr.\nBab-\nbage, and Ada wrote to him."


def sample(text: str, schema: Schema = NAMES, *, finished: bool = True) -> Sample:
    reply = Reply(text, finished, Usage(), "2026-11-30")
    return read_sample(reply, Window(Document("one", TEXT), 0), schema)


def names(*found: str) -> str:
    return json.dumps({"names": found})


def test_a_value_is_kept_aligned_or_dropped() -> None:
    read = sample(names("Ada Lovelace", "MR. BABBAGE", "Byron", "Love"))
    assert read.record == {"names": ["Ada Lovelace", "Mr.\nBab-\nbage"]}
    assert (read.aligned, read.dropped, read.repeats) == (1, 2, 0)


def test_repeats_are_left_out_and_counted() -> None:
    read = sample(names("Ada", "ada", "Ada", "Ada Lovelace"))
    assert read.record == {"names": ["Ada", "Ada Lovelace"]}
    assert read.repeats == 1


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"names": ["Ada"]}\n```',
        'Here it is:\n```\n{"names": ["Ada"]}\n```\nAnything else?',
        '  \n{"names": ["Ada"]}\n ',
        '```json\r\n{"names": ["Ada"]}\r\n```\r\n',
    ],
)
def test_an_answer_may_stand_in_a_code_fence(text: str) -> None:
    assert sample(text).record == {"names": ["Ada"]}


@pytest.mark.parametrize(
    "text",
    [
        '<think>\nIs it {"names": []}?\n</think>\n\n{"names": ["Ada"]}',
        'Ada it is.\n</think>\n{"names": ["Ada"]}',  # the prompt has begun the thoughts
        '<think></think><think>more</think>\n```json\n{"names": ["Ada"]}\n```',
        '<think>I end with </think>, then answer.</think>{"names": ["Ada"]}',
        '<think>```\n{}\n```</think>Here it is:\n```\n{"names": ["Ada"]}\n```',
        '{"names": ["Ada", "</think>"]}',
    ],
)
def test_what_is_thought_before_an_answer_is_none_of_it(text: str) -> None:
    assert sample(text).record == {"names": ["Ada"]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<think>nothing", "not JSON"),
        ("<think>nothing</think>", "the answer is empty"),
        ('{"names": ["Ada"', "not JSON"),
        ("{'names': ['Ada']}", "not JSON"),
        ('{"names": ["Ada"],}', "not JSON"),
        ('{"names": ["Ada"]} and more', "not JSON"),
        ('```\n{"names": ["Ada"]}\n```\n```\n{"names": ["Mr."]}\n```', "not JSON"),
        ('{"names": ["Ada"], "names": []}', "given twice"),
        ('{"names": ["\\ud800"]}', "surrogate"),
        ('{"names": "Ada"}', "/names"),
        ('{"people": ["Ada"]}', "people"),
        ('["Ada"]', "the record"),
        ("", "the answer is empty"),
    ],
)
def test_what_is_no_record_is_not_repaired(text: str, reason: str) -> None:
    with pytest.raises(InvalidRecordError, match=reason):
        sample(text)


def test_an_answer_that_was_cut_off_is_none_even_if_it_is_whole() -> None:
    with pytest.raises(InvalidRecordError, match="cut off"):
        sample(names("Ada"), finished=False)


def test_a_record_that_lacks_what_it_needs_is_none() -> None:
    schema = {**NAMES, "properties": {"names": {**NAMES["properties"]["names"], "minItems": 1}}}
    with pytest.raises(InvalidRecordError, match="does not hold"):
        sample(names("Byron"), schema)
