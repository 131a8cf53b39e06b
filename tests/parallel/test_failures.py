"""Which of several failed processes is the cause, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fieldsmith.parallel.failures import Ended, Failure, fail_alike, first_cause, last_line, report

BAD_DATA = Failure("rows.csv: no such file", "", True, 1)
BUG = Failure("KeyError: 'lost'", "Traceback", False, 1)
MISSES_A_PEER = Failure("RuntimeError: [pair.cc] Connection reset by peer", "Traceback", False, 1)
NCCL = Failure("DistBackendError: NCCL error in: ProcessGroupNCCL.cpp", "Traceback", False, 1)

TERMINATED, ABORTED, KILLED, SEGMENT = -15, -6, -9, -11


@pytest.mark.parametrize(
    ("ended", "cause"),
    [
        ([Ended(0, TERMINATED, 9), Ended(1, 1, 8, BAD_DATA)], 1),
        ([Ended(0, 1, 8.1, BUG), Ended(1, 1, 8, BUG)], 1),
        ([Ended(0, 1, 7, MISSES_A_PEER), Ended(1, KILLED, 8)], 1),
        ([Ended(0, 1, 7, NCCL), Ended(1, ABORTED, 8), Ended(2, 1, 9, BAD_DATA)], 2),
        ([Ended(0, ABORTED, 7), Ended(1, SEGMENT, 8)], 1),
        ([Ended(0, 3, 7, None, "what(): NCCL timeout"), Ended(1, 3, 8, None, "bad")], 1),
        # An error that a user can act on may name a server of theirs.
        ([Ended(0, 1, 7, Failure("hub: Connection reset by peer", "", True, 1))], 0),
        # As they were noticed: the launcher ended the others.
        ([Ended(1, TERMINATED, 9), Ended(0, 1, 8, MISSES_A_PEER)], 1),
        ([Ended(1, 1, 9, MISSES_A_PEER), Ended(0, TERMINATED, 9)], 1),
    ],
)
def test_the_cause_is_not_what_follows_from_it(ended: list[Ended], cause: int) -> None:
    assert first_cause(ended).rank == cause


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (Ended(1, 1, 0, BAD_DATA), "process 1 of 4: rows.csv: no such file"),
        (
            Ended(1, KILLED, 0),
            "process 1 of 4 was killed (SIGKILL): out of memory is the usual cause",
        ),
        (Ended(1, SEGMENT, 0, None, "bad"), "process 1 of 4 was ended by SIGSEGV: bad"),
        (Ended(1, -77, 0), "process 1 of 4 was ended by signal 77"),
        (Ended(1, 3, 0), "process 1 of 4 ended with exit code 3"),
    ],
)
def test_a_process_is_described_in_a_line(ended: Ended, said: str) -> None:
    assert ended.describe(4) == said


def test_processes_fail_alike_where_all_have_the_same_expected_error() -> None:
    both = [Ended(0, 1, 0, BAD_DATA), Ended(1, TERMINATED, 0, BAD_DATA)]
    assert fail_alike(both, 2)
    assert not fail_alike(both, 3)
    assert not fail_alike([both[0], Ended(1, TERMINATED, 0)], 2)
    assert not fail_alike([Ended(0, 1, 0, BUG), Ended(1, 1, 0, BUG)], 2)
    assert not fail_alike([both[0], Ended(1, 1, 0, MISSES_A_PEER)], 2)


def test_the_last_line_of_what_was_printed(tmp_path: Path) -> None:
    printed = tmp_path / "stderr.log"
    assert last_line(printed) == ""
    printed.write_bytes(b"one\ntwo \xff \n\n")
    assert last_line(printed) == "two �"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The error file of process 1 of 2, which torchrun has started."""
    for rank in "01":
        (tmp_path / rank).mkdir()
    file = tmp_path / "1" / "error.json"
    values = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    for name, value in {**values, "TORCHELASTIC_ERROR_FILE": str(file)}.items():
        monkeypatch.setenv(name, value)
    return file


def test_a_failure_is_reported_as_torch_reads_it(file: Path) -> None:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

    assert report(BAD_DATA) == "process 1 of 2: rows.csv: no such file"
    found = ProcessFailure(local_rank=1, pid=1, exitcode=1, error_file=str(file))
    assert found.message == "rows.csv: no such file"
    assert found.timestamp > 0
    assert Failure.from_json(found.error_file_data) == BAD_DATA
    report(BUG)
    assert json.loads(file.read_text(encoding="utf-8"))["message"] == "Traceback"


def test_under_torchrun_one_process_prints_what_all_have(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = file.parent.parent / "0" / "error.json"
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(first))
    assert report(BAD_DATA) == "rows.csv: no such file"
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
    assert report(BAD_DATA) == ""
    assert report(Failure("disk full", "", True, 1)) == "process 1 of 2: disk full"


def test_what_another_program_wrote_is_no_report_of_ours() -> None:
    assert Failure.from_json({"message": {"message": "KeyError", "extraInfo": {}}}) is None
    assert Failure.from_json([]) is None
