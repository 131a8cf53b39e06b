"""Answers are kept, and are there again."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldsmith.errors import InputError
from fieldsmith.labelling.answer_file import open_answers
from fieldsmith.labelling.teacher import Reply, Usage

KEYS = ["0" * 64, "ab" * 32]
REPLIES = [
    Reply("{}\nä\ud800", True, Usage(3, 4, 1), "2026-11-30", "v", "f", "json_schema"),
    Reply("x", False, Usage(5, 6, 1), "2026-12-01", confidence={"/a/0": 0.25}),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "answers.jsonl"
    with open_answers(path) as answers:
        for key, reply in zip(KEYS, REPLIES, strict=True):
            answers.add(key, reply)
            assert answers.get(key) == reply
    return path


def test_what_is_kept_is_there_again(path: Path) -> None:
    with open_answers(path) as answers:
        assert [answers.get(key) for key in KEYS] == REPLIES
        assert answers.spent == Usage(8, 10, 2)
        assert answers.get("c" * 64) is None
        assert "c" * 64 not in answers
        assert len(answers) == 2


@pytest.mark.parametrize("left", [1, 10, -1])
def test_half_a_line_is_cut_off_and_the_next_is_whole(path: Path, left: int) -> None:
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:left])
    with open_answers(path) as answers:
        assert answers.get(KEYS[1]) is None
        answers.add(KEYS[1], REPLIES[1])
    assert path.read_bytes() == first + second


@pytest.mark.parametrize(
    "line", ['{"id": "1"}', "[]", '{"key": "zz"}', "", '{"key": "00", "text": 1}', "no JSON"]
)
def test_a_line_that_is_none_is_one_error(path: Path, line: str) -> None:
    held = path.read_text() + f"{line}\n"
    path.write_text(held)
    with pytest.raises(InputError, match=rf"{path}:3: "), open_answers(path):
        pass
    assert path.read_text() == held
