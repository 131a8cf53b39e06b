"""Predictions as a folder of parquet files: the lines of the JSONL, resumable as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import Command, extract
from pyarrow import parquet
from tiny_model import Trained, Workplace

from fieldsmith import Document
from fieldsmith.data import Prediction
from fieldsmith.errors import OutputError
from fieldsmith.extraction.partition_folder import open_partitions
from fieldsmith.extraction.prediction_file import encoded, prediction_line

SIZE = 300  # documents of a group: three make a partition
KEY, OTHER = "a" * 64, "b" * 64
ROWS = [Document(f"d{number}", f"text {number}") for number in range(2000)]


class StopError(Exception):
    """Stands for a kill: the command writes nothing more."""


def groups(first: int = 0, *, stop: int = 100) -> Iterator[list[bytes]]:
    for number, start in enumerate(range(0, len(ROWS), SIZE)):
        if number >= stop:
            raise StopError
        if number >= first:
            yield [
                encoded(
                    prediction_line(
                        Prediction(row, record={"n": row.id}, windows=(1, 1)), "made_up"
                    )
                )
                for row in ROWS[start : start + SIZE]
            ]


def begun(output: Path, stop: int) -> None:
    with open_partitions(output) as folder:
        assert folder.groups_done(KEY, SIZE, ROWS) == 0
        with pytest.raises(StopError):
            folder.write(groups(stop=stop), len(ROWS))
    assert not output.exists()


def finish(output: Path, key: str = KEY) -> int:
    """Write the rest; return how many groups were there."""
    with open_partitions(output) as folder:
        done = folder.groups_done(key, SIZE, ROWS)
        folder.write(groups(done), len(ROWS))
    return done


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    assert finish(tmp_path / "whole.parquet") == 0
    return contents(tmp_path / "whole.parquet")


def test_partitions_hold_all_rows_in_order(tmp_path: Path, whole: dict[str, bytes]) -> None:
    assert sorted(whole) == [f"part-00000{number}.parquet" for number in range(3)]
    table = parquet.read_table(tmp_path / "whole.parquet")
    assert table["id"].to_pylist() == [row.id for row in ROWS]
    assert [json.loads(record)["n"] for record in table["record"].to_pylist()] == [
        row.id for row in ROWS
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"whole.parquet"}


@pytest.mark.parametrize(("stop", "done"), [(0, 0), (2, 0), (3, 3), (5, 3), (6, 6)])
def test_whole_partitions_stay(
    tmp_path: Path, whole: dict[str, bytes], stop: int, done: int
) -> None:
    output = tmp_path / "out.parquet"
    begun(output, stop)
    assert finish(output) == done
    assert contents(output) == whole


def test_damaged_partitions_are_written_anew(tmp_path: Path, whole: dict[str, bytes]) -> None:
    output = tmp_path / "out.parquet"
    begun(output, 6)
    part = tmp_path / "out.parquet.partial" / "part-000001.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    part.with_name(".0123456789abcdef.part-000002.parquet.new").write_bytes(b"half")
    assert finish(output) == 3
    assert contents(output) == whole


def test_partitions_of_another_job_are_deleted(tmp_path: Path, whole: dict[str, bytes]) -> None:
    output = tmp_path / "out.parquet"
    begun(output, 3)
    assert finish(output, OTHER) == 0
    assert contents(output) == whole
    assert finish(output) == 0, "a folder that is whole is written anew"


def test_what_is_no_folder_of_predictions_is_not_replaced(tmp_path: Path) -> None:
    file, folder = tmp_path / "file.parquet", tmp_path / "folder.parquet"
    file.write_text("mine")
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    for output in (file, folder):
        with pytest.raises(OutputError), open_partitions(output):
            pass
    assert file.read_text() == (folder / "notes.txt").read_text() == "mine"


def test_one_process_at_a_time_writes(tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    with (
        open_partitions(output),
        pytest.raises(OutputError, match="another process writes it"),
        open_partitions(output),
    ):
        pass


def test_the_folder_is_no_input(trained: Trained, tmp_path: Path, command: Command) -> None:
    (tmp_path / "note.txt").write_text("aspirin and rash.")
    output = tmp_path / "out.parquet"
    for _ in range(2):
        answer = command("predict", trained.run, tmp_path, "--output", output)
        assert answer.code == 0, answer.errors
        assert "1 lines, 1 of them written now" in answer.errors
    part = output / "part-000000.parquet"
    answer = command("predict", trained.run, part, "--output", output)
    assert answer.code == 1
    assert "is an input too" in answer.errors
    assert part.is_file()


def test_the_columns_are_the_lines(
    trained: Trained, workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    lines = extract("predict", str(trained.run), workplace.unseen).output.splitlines()
    answer = command("predict", trained.run, workplace.unseen, "--output", tmp_path / "o.parquet")
    assert answer.code == 0, answer.errors
    rows = parquet.read_table(tmp_path / "o.parquet").to_pylist()
    nested = {"record", "spans", "confidence", "status", "occurrences", "normalised"}
    for row, line in zip(rows, map(json.loads, lines), strict=True):
        held = {name: value for name, value in row.items() if value is not None}
        assert {
            name: json.loads(value) if name in nested else value for name, value in held.items()
        } == line
