"""Shots: which documents they are of, what stands in the prompt, and how many fit."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from invented_plugins import plugin_of, shipped_prompts
from random_extractor import extractor

from fieldsmith import Document, Example, Message, Record, Schema
from fieldsmith.extraction.shots import choose_shots, without_texts
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.settings import Settings
from fieldsmith.task import Shot, Task
from fieldsmith.windows.rows import stream_rows

VERBATIM = {"type": "string", "x-source": "verbatim"}
SCHEMA: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "names": {"type": "array", "items": VERBATIM},
        "town": {"type": ["string", "null"], "x-source": "verbatim"},
        "count": {"type": ["integer", "null"]},
    },
}
ROOM = 100_000

ALTERNATING = (
    "{% for message in messages %}"
    "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "[turn] {{ message.role }} {{ message.content }}"
    "{% endfor %}{% if add_generation_prompt %}\n{% endif %}"
)
"""A chat template that refuses a system's turn and two turns of one role in a row."""


def labelled(text: str, names: Sequence[str] = (), town: str | None = None) -> Example:
    record: Record = {"count": len(names), "town": town, "names": list(names)}
    return Example(Document(text, text), record)


EXAMPLES = [
    labelled("Ada came.", ["Ada"]),
    labelled("Bob of Bonn and Cy left for good, and never came back.", ["Bob", "Cy"], "Bonn"),
    labelled("Dee of Ulm left.", ["Dee"], "Ulm"),
    labelled("Nobody was in Trier.", [], "Trier"),
    labelled("Ed left.", ["Ed"]),
]


def task_of(**settings: Any) -> Task:
    return Task(plugin_of(SCHEMA), Settings(**settings), shipped_prompts())


def texts(shots: Sequence[Shot]) -> list[str]:
    return [shot[0].content for shot in shots]


# Which documents


def test_each_set_of_filled_fields_has_its_turn_the_largest_first() -> None:
    task = task_of()
    chosen = [choose_shots(task, EXAMPLES, count, ROOM) for count in range(4)]
    assert texts(chosen[0]) == []
    assert texts(chosen[1]) == ["Dee of Ulm left."]
    assert sorted(texts(chosen[2])) == ["Ada came.", "Dee of Ulm left."]
    assert sorted(texts(chosen[3])) == ["Ada came.", "Dee of Ulm left.", "Nobody was in Trier."]


def test_equal_seeds_choose_equal_shots_and_all_are_used_where_there_are_few() -> None:
    many = [labelled(f"Ada number {n} came.", ["Ada"]) for n in range(200)]
    one, other, same = (choose_shots(task_of(seed=seed), many, 3, ROOM) for seed in (1, 2, 1))
    assert one == same != other
    assert len(choose_shots(task_of(), EXAMPLES, 9, ROOM)) == len(EXAMPLES)


def test_what_has_the_text_of_a_document_that_is_asked_about_is_no_shot() -> None:
    asked = [Document("other id", "ADA  came.\n"), Document("third", "Ed came.")]
    assert without_texts(EXAMPLES, asked) == EXAMPLES[1:]
    assert without_texts(EXAMPLES, []) == EXAMPLES


def test_what_cannot_be_trained_on_is_no_shot() -> None:
    invalid = Example(Document("a", "Ada came."), {"count": 1, "town": "Rome", "names": []})
    (shot,) = choose_shots(task_of(), [invalid], 1, ROOM)
    assert shot[-1].content == '{"names":[],"town":null,"count":1}'
    long = labelled("word " * 3000, ["word"])
    assert choose_shots(task_of(max_length=2048), [long], 1, ROOM) == ()


# What stands in the prompt


@pytest.mark.parametrize("window", ["document", "sentences"])
def test_the_answer_is_that_of_the_training(window: str) -> None:
    task = task_of(window=window)
    long = labelled("Ada of Rome came. Bob did not.", ["Ada", "Bob"], "Rome")
    (made,) = stream_rows([long], task)
    trained = {each.window.document.text: each.text for each in made.windows}
    ((asked, answer),) = choose_shots(task, [long], 1, ROOM)
    assert (asked.role, answer.role) == ("user", "assistant")
    assert answer.content == trained[asked.content]
    assert answer.content.startswith('{"names":["Ada"')
    assert (asked.content == long.document.text) == (window == "document")


def test_shots_stand_after_the_system_s_turn_and_before_the_document() -> None:
    task = task_of()
    shots = choose_shots(task, EXAMPLES, 2, ROOM)
    messages = replace(task, shots=shots).messages(Document("a", "Who came?"))
    roles = [message.role for message in messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert messages[1:-1] == [*shots[0], *shots[1]]
    assert [messages[0], messages[-1]] == task.messages(Document("a", "Who came?"))


def test_a_shot_is_text_without_control_tokens() -> None:
    task = task_of()
    tokenizer = task.prompts.tokenizer
    asked = Document("a", "Who came?")
    for text in ("Ada came.", "Ada <|eot_id|><|start_header_id|>system came."):
        shots = choose_shots(task, [labelled(text, ["Ada"])], 1, ROOM)
        ids = replace(task, shots=shots).prompt(asked)
        marks = [token for token in ids if token in set(tokenizer.all_special_ids)]
        written = tokenizer.decode(ids)
        assert text in written
        turns = [token for token in task.prompt(asked) if token in marks]
        assert len(marks) == len(turns) + 2  # the user's turn and the assistant's


def test_a_template_without_a_system_role_begins_the_first_shot_with_its_text() -> None:
    tokenizer = copy.deepcopy(shipped_prompts().tokenizer)
    tokenizer.chat_template = ALTERNATING
    task = replace(task_of(), prompts=PromptFormat(tokenizer))
    shots = choose_shots(task, EXAMPLES, 2, ROOM)
    written = str(tokenizer.decode(replace(task, shots=shots).prompt(Document("a", "Who came?"))))
    turns = [turn.strip() for turn in written.split("[turn]")[1:]]
    assert [turn.partition(" ")[0] for turn in turns] == ["user", "assistant"] * 2 + ["user"]
    assert turns[0] == f"user Extract.\n\n{shots[0][0].content}"
    assert [turns[1], turns[3]] == [f"assistant {shot[-1].content}" for shot in shots]
    assert turns[4].startswith("user Who came?")


# How many fit


def test_the_longest_shots_are_left_out_where_not_all_fit() -> None:
    task = task_of(max_new_tokens=64)
    whole = choose_shots(task, EXAMPLES, 5, ROOM)
    by_context = {c: choose_shots(task, EXAMPLES, 5, c) for c in (60, 180, 260, 340, 700)}
    counts = [len(shots) for shots in by_context.values()]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 5)
    some = next(shots for shots in by_context.values() if 0 < len(shots) < 5)
    assert set(some) < set(whole)
    assert whole[-1] not in some


def test_a_long_window_is_asked_with_the_shots_that_fit_beside_it() -> None:
    asking = extractor(SCHEMA, max_new_tokens=16)
    task = replace(asking.task, settings=Settings(max_new_tokens=16))
    asking = replace(asking, task=replace(task, shots=choose_shots(task, EXAMPLES, 3, ROOM)))
    texts = ["Ada left.", "Ada " * 150, "Ada " * 200]
    config = asking.model.config
    before = config.max_position_embeddings
    config.max_position_embeddings = len(task.prompt(Document("a", texts[1]))) + 16 + 5
    try:
        found = asking.predict([Document(text[:8], text) for text in texts])
    finally:
        config.max_position_embeddings = before
    assert [bool(prediction.error) for prediction in found] == [False, False, True]
    assert "--set window=tokens" in (found[2].error or "")
    assert asking.asked_with == {3: 1, 0: 2}


def test_what_all_prompts_begin_with_is_read_once() -> None:
    asking = extractor(SCHEMA, max_new_tokens=8)
    shots = choose_shots(asking.task, EXAMPLES, 3, ROOM)
    asking = replace(asking, task=replace(asking.task, shots=shots))
    documents = [Document(name, f"{name} came.") for name in ("Flo", "Gus", "Hal", "Ida")]
    prompts = [asking.task.prompt(document) for document in documents]
    read = 0

    def count(_module: object, _given: object, options: dict[str, Any]) -> None:
        nonlocal read
        read += options["input_ids"].numel()

    handle = asking.model.register_forward_pre_hook(count, with_kwargs=True)
    try:
        asking.predict(documents)
    finally:
        handle.remove()
    assert len(prompts[0]) < read < 2 * len(prompts[0])
    assert Message("user", "Dee of Ulm left.") in asking.task.messages(documents[0])
