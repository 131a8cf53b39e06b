"""A command that is killed at any moment goes on where it was, and asks for nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
from command import KILLED, Answer
from forked_command import run_forked
from kills import Kill, kills_of, read_trace, run_to_kill, spread
from played_teacher import MODEL, Played, Teacher, record, teaching, text_of
from running_command import RunningCommand, start
from tiny_model import contents, lines

from fieldsmith.labelling.connect import server_task
from fieldsmith.plugins import load

NOTES = 6

Order = Callable[[Teacher, Path], list[object]]


def answer(body: object) -> Played:
    assert isinstance(body, dict)
    number = int(text_of(body).rstrip(".").rpartition(" ")[2])
    if number == 2:
        return Played("I do not know.")
    return record(chemicals=["aspirin"], diseases=["rash", "invented"][: 1 + number % 2])


def write_notes(folder: Path, count: int) -> Path:
    rows = [{"id": str(n), "text": f"Aspirin caused rash in case {n}."} for n in range(count)]
    path = folder / "notes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def order(teacher: Teacher, notes: Path, folder: Path, *more: object) -> list[object]:
    asked = ("--teacher", teacher.address, "--teacher-model", MODEL, "--licence", "mit")
    files = ("--output", folder / "labels.jsonl", "--pairs", folder / "pairs.jsonl")
    return ["label", "--plugin", "medical_ner", notes, *asked, *files, "--concurrency", 1, *more]


def kept(folder: Path) -> int:
    """Return how many answers are on the disk."""
    path = folder / "labels.answers.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


@dataclass(frozen=True)
class Case:
    """What an uninterrupted command writes, and at which moments it can be killed."""

    notes: Path
    files: dict[str, bytes]
    kills: list[Kill]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("kills")
    notes, whole = write_notes(folder, NOTES), folder / "whole"
    whole.mkdir()
    # What is loaded here is not loaded in each command; the other two are patched in it.
    server_task(load("medical_ner"), {})
    for name in ("safetensors.torch", "transformers.tokenization_utils_tokenizers"):
        import_module(name)
    with teaching(answer) as teacher:
        arguments = order(teacher, notes, whole)
        ended = run_to_kill(arguments, folder, below=whole, trace=folder / "acts")
    assert ended.code == 0, ended.errors
    assert len(teacher.asked) == NOTES
    return Case(notes, contents(whole), kills_of(read_trace(folder / "acts")))


def killed_and_resumed(case: Case, kill: Kill, folder: Path) -> Answer:
    folder.mkdir()
    with teaching(answer) as teacher:
        arguments = order(teacher, case.notes, folder)
        ended = run_to_kill(arguments, case.notes.parent, below=folder, kill=kill)
        assert ended.code == KILLED, ended.errors
        before, asked = kept(folder), len(teacher.asked)
        assert before <= asked <= before + 1  # one may have been on its way to the disk
        resumed = run_forked(arguments, case.notes.parent)
        assert resumed.code == 0, resumed.errors
        assert len(teacher.asked) - asked == NOTES - before
    left = {name: data for name, data in contents(folder).items() if not name.endswith(".lock")}
    assert left == case.files
    return resumed


def test_a_killed_command_goes_on(case: Case, tmp_path: Path) -> None:
    assert len(case.kills) > 20
    for number, kill in enumerate(spread(case.kills, 4)):
        killed_and_resumed(case, kill, tmp_path / str(number))


@pytest.mark.slow
def test_a_command_killed_at_many_moments_goes_on(case: Case, tmp_path: Path) -> None:
    for number, kill in enumerate(spread(case.kills, 24)):
        killed_and_resumed(case, kill, tmp_path / str(number))


@pytest.mark.slow
def test_a_command_killed_among_many_requests_goes_on(
    tmp_path: Path, commands: list[RunningCommand]
) -> None:
    notes = write_notes(tmp_path, 200)
    with teaching(answer) as teacher:
        arguments = order(teacher, notes, tmp_path, "--concurrency", 8)
        running = start(tmp_path, *arguments)
        commands.append(running)
        running.wait_for(lambda: kept(tmp_path) > 40)
        running.process.kill()
        assert running.ended().code == KILLED
        before = Counter(
            line["key"] for line in lines(tmp_path / "labels.answers.jsonl")[: kept(tmp_path)]
        )
        asked = len(teacher.asked)
        assert asked < 200
        again = run_forked(arguments, tmp_path)
        assert again.code == 0, again.errors
        assert len(teacher.asked) - asked == 200 - len(before)
    after = Counter(line["key"] for line in lines(tmp_path / "labels.answers.jsonl"))
    assert set(after.values()) == {1}
    assert len(after) == 200
    assert len(lines(tmp_path / "labels.jsonl")) == 199
