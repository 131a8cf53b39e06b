"""Whatever a teacher answers: a label is valid, and its verbatim leaves stand in the document."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invented_plugins import plugin_of, shipped_prompts

from fieldsmith import Document, Schema
from fieldsmith.labelling.answer_file import AnswerFile, open_answers
from fieldsmith.labelling.budget import Budget
from fieldsmith.labelling.chat_teacher import ChatTeacher
from fieldsmith.labelling.documents import Labelling, labelled
from fieldsmith.labelling.teacher import Reply, Usage
from fieldsmith.schema.navigation import is_verbatim
from fieldsmith.schema.pointers import leaves
from fieldsmith.schema.records import first_problem
from fieldsmith.settings import Settings
from fieldsmith.task import Task

VERBATIM = {"type": ["string", "null"], "x-source": "verbatim"}
SCHEMA: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "title": VERBATIM,
        "names": {"type": "array", "items": {"type": "string", "x-source": "verbatim"}},
        "kind": {"type": "string"},
        "uses": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "x-key": ["name"],
                "properties": {"name": {"type": "string", "x-source": "verbatim"}, "of": VERBATIM},
            },
        },
    },
}

WORDS = st.sampled_from(
    ["Ada", "ada", "ADA", "infor-\nmation", "information", "IL-6", "il 6", "ﬁne", "fine", "Zoë",
     "zoe\u0308", "東京", "a", "-", ".", "\n", "  ", "“x”", '"x"', "co\u00adop"]
)  # fmt: skip
TEXTS = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)
VALUES = WORDS | st.lists(WORDS, min_size=1, max_size=3).map(" ".join) | st.text(max_size=4)
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "title": st.none() | VALUES,
        "names": st.lists(VALUES, max_size=4),
        "kind": VALUES,
        "uses": st.lists(
            st.fixed_dictionaries({"name": VALUES}, optional={"of": st.none() | VALUES}),
            max_size=3,
        ),
        "extra": VALUES,
    },
).map(json.dumps) | st.text(max_size=9)


@pytest.fixture(scope="module")
def labelling() -> Labelling:
    plugin = plugin_of(SCHEMA)
    teacher = ChatTeacher("http://nowhere", "big", SCHEMA, Budget())  # is not asked anything
    cut = Settings(window="tokens", window_size=24, window_overlap=6, model="none")
    return Labelling(teacher, Task(plugin, cut, shipped_prompts()), "mit", 3)


def row_of(
    labelling: Labelling, document: Document, given: list[str], answers: AnswerFile
) -> dict[str, Any] | None:
    questions = labelling.questions(document)
    for number, question in enumerate(each for window in questions for each in window):
        if question.key not in answers:
            text = given[number % len(given)]
            answers.add(question.key, Reply(text, True, Usage(1, 1, 1), "2026-11-30"))
    found = labelled(labelling, document, questions, answers, {})
    assert (found.row is None) == bool(found.reason)
    return None if found.row is None else dict(found.row)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(text=TEXTS, said=st.lists(ANSWERS, min_size=1, max_size=6), samples=st.integers(1, 3))
def test_no_label_holds_what_does_not_stand_in_its_document(
    labelling: Labelling, tmp_path: Path, text: str, said: list[str], samples: int
) -> None:
    path = tmp_path / "answers.jsonl"
    path.unlink(missing_ok=True)
    document = Document("one", text)
    with open_answers(path) as answers:
        row = row_of(replace(labelling, samples=samples), document, said, answers)
    if row is None:
        return
    assert first_problem(row["record"], SCHEMA) is None
    for pointer, leaf in leaves(row["record"]):
        if is_verbatim(pointer, SCHEMA) and leaf is not None:
            assert str(leaf) in text
    assert set(row.get("confidence", {})) <= {
        pointer for pointer, leaf in leaves(row["record"]) if leaf is not None
    }


def test_the_property_is_met_by_labels_and_not_by_failures_alone(
    labelling: Labelling, tmp_path: Path
) -> None:
    text = "Ada wrote infor-\nmation. Zoë read IL-6."
    said = json.dumps({"names": ["ADA", "information", "Byron"], "uses": [{"name": "il-6"}]})
    with open_answers(tmp_path / "answers.jsonl") as answers:
        row = row_of(labelling, Document("one", text), [said], answers)
    assert row is not None
    assert row["record"] == {"names": ["Ada", "infor-\nmation"], "uses": [{"name": "IL-6"}]}
    assert set(row["confidence"].values()) == {1.0}


LEAVES = 10_000

STEMS = ["aspirin", "IL-", "il ", "ﬁbrosis", "infor-\nmation", "naïve", "nai\u0308ve", "β-", "東京",
         "co\u00adop", "“x”", "STRASSE", "straße", "İstanbul", "אספירין", "\u200bzero", "5 mg", "‐",
         "a", "...", "</think>", "\\", '"', "{", "\N{MATHEMATICAL BOLD CAPITAL A}"]  # fmt: skip
"""Beginnings of words whose spellings are apart in case, hyphens, space, form or width."""

LIES: Sequence[Callable[[str], str]] = [
    str.upper, str.lower, str.title, str.swapcase, str.casefold,
    lambda value: value.replace("-", ""), lambda value: value.replace(" ", "-"),
    lambda value: value.replace(" ", ""), lambda value: value.replace(" ", " \n "),
    lambda value: value.replace("\n", ""), lambda value: f" {value}\t", lambda value: value[:-1],
    lambda value: value[1:], lambda value: f"{value}.", lambda value: f"{value} {value}",
    lambda value: value[::-1], lambda value: f"{value}x", lambda value: value.replace("-", "‐"),
]  # fmt: skip
"""What a teacher makes of what it has read, beside leaving it as it is."""


def hostile(chance: random.Random) -> Iterator[tuple[str, str]]:
    """Yield texts, each with an answer that invents, cuts, repeats, and spells otherwise."""
    elsewhere = ["Byron"]
    while True:
        words = [f"{chance.choice(STEMS)}{chance.randrange(10_000)}" for _ in range(240)]

        def value(words: Sequence[str] = words, elsewhere: Sequence[str] = elsewhere) -> str:
            if chance.random() < 0.1:
                return chance.choice(elsewhere)
            start, count = chance.randrange(len(words)), chance.choice([1, 1, 1, 2, 3])
            said = " ".join(words[start : start + count])
            return said if chance.random() < 0.6 else chance.choice(LIES)(said)

        record = {
            "title": value(),
            "names": [value() for _ in range(160)] * chance.choice([1, 1, 2]),
            "uses": [{"name": value(), "of": value()} for _ in range(40)],
        }
        said = json.dumps(record, ensure_ascii=chance.random() < 0.5)
        yield (
            " ".join(words),
            chance.choice(["{}", "```json\n{}\n```", "<think>?</think>{}"]).replace("{}", said),
        )
        elsewhere = words


def test_ten_thousand_leaves_of_hostile_teachers_stand_in_their_documents(
    labelling: Labelling, tmp_path: Path
) -> None:
    whole = replace(labelling.task, settings=Settings(window="document", model="none"))
    one = replace(labelling, task=whole, samples=1)
    count = dropped = aligned = documents = 0
    with open_answers(tmp_path / "answers.jsonl") as answers:
        for text, said in hostile(random.Random(0)):
            documents += 1
            row = row_of(one, Document(str(documents), text), [said], answers)
            assert row is not None
            found = [str(leaf) for pointer, leaf in leaves(row["record"])
                     if leaf is not None and is_verbatim(pointer, SCHEMA)]  # fmt: skip
            assert [leaf for leaf in found if leaf not in text] == []
            count, dropped = count + len(found), dropped + row["dropped"]
            aligned += row["aligned"]
            if count >= LEAVES:
                break
    assert min(dropped, aligned) > count / 10  # they did invent, and spelt otherwise
