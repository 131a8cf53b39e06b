"""Tasks of general ability: those of the package, and what a user's file is refused for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fieldsmith.ability.measure import choose
from fieldsmith.ability.tasks import LOCAL, Passage, Question, Text, local_task, read_task
from fieldsmith.errors import InputError, SettingsError

QUESTION = {"question": "Which is red?", "choices": ["blood", "snow"], "answer": "blood"}
PASSAGE = {"passage": "He lost his hat, and she found the hat"}


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_the_tasks_of_the_package_are_large_enough_and_have_no_pattern() -> None:
    tasks = {name: local_task(name) for name in LOCAL}
    questions = [row for row in tasks["general_knowledge"].rows if isinstance(row, Question)]
    assert len(questions) >= 60
    assert {len(row.choices) for row in questions} == {4}
    places = [[row.answer for row in questions].count(place) for place in range(4)]
    assert min(places) > len(questions) / 8
    longest = sum(max(row.choices, key=len) == row.choices[row.answer] for row in questions)
    assert longest < len(questions) * 0.4
    passages = [row for row in tasks["last_word"].rows if isinstance(row, Passage)]
    assert len(passages) >= 60
    assert len({row.last_word for row in passages}) > len(passages) * 0.9
    texts = [row for row in tasks["held_back_prose"].rows if isinstance(row, Text)]
    assert sum(len(row.text) for row in texts) > 10_000


def test_a_file_is_a_task_in_jsonl_and_in_yaml(tmp_path: Path) -> None:
    task = read_task(written(tmp_path / "mine.jsonl", QUESTION))
    assert (task.name, task.kind, task.source) == ("mine", "questions", "mine.jsonl")
    assert task.rows == (Question("Which is red?", ("blood", "snow"), 0),)
    yaml = tmp_path / "other.yaml"
    yaml.write_text("- passage: He lost his hat, and she found the hat\n", encoding="utf-8")
    assert read_task(yaml).rows == (Passage("He lost his hat, and she found the", "hat"),)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "Which?"}, "choices: a list of two or more is wanted"),
        (QUESTION | {"choices": ["blood"]}, "choices: a list of two or more is wanted"),
        (QUESTION | {"choices": ["blood", 3]}, "choices: 2: a text is wanted, not 3; put it in"),
        (QUESTION | {"choices": ["blood", "blood "]}, "choices: 'blood' comes twice; delete one"),
        (QUESTION | {"answer": "Blood"}, "answer: 'Blood' is none of the choices; write it as"),
        (QUESTION | {"question": " "}, "question: a text is wanted, not ' '"),
        (QUESTION | {"anser": 1}, "unknown key 'anser'; did you mean answer?"),
        ({"passage": "hat"}, "passage: two words or more are wanted, not 'hat'"),
        ({"passage": "the hat."}, "passage: ends in '.'; it has to end in the word"),
        ({"text": None}, "text: a text is wanted, not None"),
        ({"texts": "A."}, "has none of the keys question, passage, text; give it one"),
        (PASSAGE, "is the same as 1; delete one"),
        ({"text": "A."}, "is one of texts, and the rows before it are passages; put each kind"),
    ],
)
def test_a_row_that_is_wrong_is_refused_with_its_place(
    row: object, message: str, tmp_path: Path
) -> None:
    file = written(tmp_path / "rows.jsonl", PASSAGE, row)
    with pytest.raises(InputError) as refused:
        read_task(file)
    if "rows before" not in message and "same as" not in message:
        with pytest.raises(InputError) as refused:
            read_task(written(file, row))
    line = 2 if "rows before" in message or "same as" in message else 1
    assert str(refused.value).startswith(f"{file}:{line}: {message}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", "", "holds no rows; a task needs at least one"),
        ("a.jsonl", "{", ":1: not JSON"),
        ("a.yaml", "passage: one", "a list of rows is wanted"),
        ("a.yaml", "- one\n", "row 1: a mapping is wanted, not 'one'"),
        ("a.yaml", "- {passage: a b, passage: c d}\n", "a key comes twice in one mapping"),
        ("gone.jsonl", None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_file_that_is_no_task_is_refused(
    name: str, text: str | None, message: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        choose([str(tmp_path / name)])
    assert message in str(refused.value)
    assert str(tmp_path / name) in str(refused.value)


def test_names_are_chosen_once(tmp_path: Path) -> None:
    file = written(tmp_path / "mine.jsonl", PASSAGE)
    chosen = choose(["last_word, held_back_prose", str(file)])
    assert [task.name for task in chosen.local] == ["last_word", "held_back_prose", "mine"]
    assert [task.name for task in choose(["local"]).local] == list(LOCAL)
    with pytest.raises(InputError, match="two tasks are called last_word; leave one out"):
        choose(["local", "last_word"])
    with pytest.raises(InputError, match="names no task"):
        choose([","])


def test_without_lm_eval_its_tasks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lm_eval", None)
    monkeypatch.setitem(__import__("sys").modules, "lm_eval.tasks", None)
    with pytest.raises(SettingsError, match=r"pip install 'fieldsmith\[ability\]'"):
        choose(["original"])
    with pytest.raises(SettingsError, match=r"--ability last_wrod: .* did you mean last_word\?"):
        choose(["last_wrod"])
    with pytest.raises(SettingsError, match=r"--ability locl: .* did you mean local\?"):
        choose(["locl"])
