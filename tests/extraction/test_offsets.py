"""Offsets of predictions count the characters of the file as it is, whatever its line ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command
from tiny_model import Trained

TEXT = "Aspirin and rash.\n\nMorphine was given\nto 3 patients. Nausea came after\n4 days.\n"

LINE_ENDS = {"LF": "\n", "CRLF": "\r\n", "CR": "\r", "LF CR": "\n\r"}
MARKS = {"no mark": "", "a byte order mark": "\ufeff"}


@pytest.mark.parametrize("source", ["a file", "a folder", "standard input"])
@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("ends", LINE_ENDS)
def test_offsets_count_the_characters_of_the_file(
    trained: Trained, tmp_path: Path, command: Command, ends: str, mark: str, source: str
) -> None:
    text = MARKS[mark] + TEXT.replace("\n", LINE_ENDS[ends])
    path = tmp_path / "in" / "note.txt"
    path.parent.mkdir()
    path.write_bytes(text.encode())
    if source == "standard input":
        answer = command("predict", trained.run, "-", stdin=text.encode())
    else:
        answer = command("predict", trained.run, path if source == "a file" else path.parent)
    assert answer.code == 0, answer.errors
    (row,) = map(json.loads, answer.output.splitlines())
    found = {pointer: text[start:end] for pointer, (start, end) in row["spans"].items()}
    assert found
    for pointer, value in found.items():
        leaf = row["record"]
        for part in pointer.split("/")[1:]:
            leaf = leaf[int(part) if part.isdecimal() else part]
        assert value == leaf
        assert value == value.strip("\ufeff\r\n")
