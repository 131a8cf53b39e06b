"""Two processes on one output or one run: one writes, the other is refused in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from command import EXTRACT, Command, Moment, extract
from running_command import RunningCommand, start
from tiny_model import Trained, Workplace, contents

from fieldsmith.files.locks import lock_file, locked
from fieldsmith.runs.folder import Run

REFUSED = "another process"


def test_two_predictions_into_one_output(
    trained: Trained, workplace: Workplace, tmp_path: Path, commands: list[RunningCommand]
) -> None:
    """At once, as two shells would start them: whichever is first writes all lines."""
    folder = tmp_path / "out"
    folder.mkdir()
    output = folder / "p.jsonl"
    order = ("predict", trained.run, workplace.many, "--output", output)
    commands += [start(tmp_path, *order) for _ in range(2)]
    answers = [running.ended() for running in commands]
    codes = sorted(answer.code for answer in answers)
    if codes == [0, 1]:
        refusal = next(each.errors for each in answers if "extract: error" in each.errors)
        assert refusal.splitlines()[-1].endswith(
            f"{output}: another process writes it; wait for it, or choose another --output"
        )
    else:  # one had ended before the other began to write
        assert codes == [0, 0]
    assert len(output.read_bytes().splitlines()) == 75
    assert list(contents(folder)) == [output.name]


def test_a_lock_of_an_output_is_refused_by_each_name_of_it(
    trained: Trained, workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    output, link = tmp_path / "p.jsonl", tmp_path / "link"
    link.symlink_to(output.name)
    with locked(output, "held"):
        for name in (output, link):
            answer = command("predict", trained.run, workplace.unseen, "--output", name)
            assert answer.code == 1
            assert REFUSED in answer.errors
    assert not output.exists()


@pytest.mark.slow
def test_a_killed_prediction_leaves_no_lock(
    trained: Trained, workplace: Workplace, tmp_path: Path
) -> None:
    output = tmp_path / "p.jsonl"
    order = ("predict", trained.run, workplace.unseen, "--output", output)
    extract(*order, kill=Moment("os.rename", output.name))
    assert lock_file(output).exists()
    answer = extract(*order)
    assert answer.code == 0, answer.errors
    assert list(contents(tmp_path)) == [output.name]


def test_a_run_that_is_trained_is_not_trained_or_resumed_again(
    run: Path, workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    before = contents(run)
    with Run(run).locked():
        answer = command("train", "--resume", run)
        assert answer.code == 1
        assert answer.errors.endswith(
            f"{run / 'run.json'}: another process trains this run; wait until it has ended\n"
        )
    assert contents(run) == before
    new = tmp_path / "new"
    with Run(new).locked():
        answer = command(*workplace.order(new))
        assert answer.code == 1
        assert REFUSED in answer.errors
    assert list(new.iterdir()) == []


def test_two_evaluations_of_a_run_keep_each_others_scores(run: Path) -> None:
    folder = Run(run)
    scores = folder.metrics()
    one = scores["validation"]
    names = [f"corpus-{number}" for number in range(8)]
    writers = [threading.Thread(target=folder.write_metrics, args=(name, one)) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert folder.metrics() == {**scores, **dict.fromkeys(names, one)}


# What is read, and what is not


def test_the_output_is_no_input(
    trained: Trained, workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_bytes(workplace.unseen.read_bytes())
    output = folder / "out.jsonl"
    first = command("predict", trained.run, folder, "--output", output)
    assert first.code == 0, first.errors
    whole = output.read_bytes()
    assert len(whole.splitlines()) == 12
    second = command("predict", trained.run, folder, "--output", output)
    assert second.code == 0, second.errors
    assert output.read_bytes() == whole
    # Interrupted, it is resumed: what it left is no input either.
    extract(
        "predict", trained.run, folder, "--output", output, kill=Moment("os.rename", "out.jsonl")
    )
    assert (folder / "out.jsonl.partial").exists()
    third = command("predict", trained.run, folder, "--output", output)
    assert third.code == 0, third.errors
    assert output.read_bytes() == whole
    assert sorted(contents(folder)) == ["a.txt", "out.jsonl"]


@pytest.mark.parametrize("name", ["y.partial", "y.partial.json", ".y.lock"])
def test_an_input_with_the_name_of_a_working_file_is_kept(
    trained: Trained, workplace: Workplace, tmp_path: Path, command: Command, name: str
) -> None:
    mine = tmp_path / name
    mine.write_bytes(workplace.unseen.read_bytes())
    given = mine if name.endswith("partial") else workplace.unseen
    answer = command("predict", trained.run, given, "--output", tmp_path / "y")
    assert answer.code == 0, answer.errors
    assert len((tmp_path / "y").read_bytes().splitlines()) == 12
    assert mine.read_bytes() == workplace.unseen.read_bytes()
    assert sorted(contents(tmp_path)) == sorted([name, "y"])


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_an_input_is_not_written_over_by_another_name(
    trained: Trained, workplace: Workplace, tmp_path: Path, command: Command, link: object
) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_bytes(workplace.unseen.read_bytes())
    assert callable(link)
    link(mine, tmp_path / "other.txt")
    answer = command("predict", trained.run, mine, "--output", tmp_path / "other.txt")
    assert answer.code == 1
    assert "is an input too" in answer.errors
    assert mine.read_bytes() == workplace.unseen.read_bytes()


GARBLED: dict[str, Callable[[bytes], bytes]] = {
    "no JSON": lambda line: b"noise\n",
    "half": lambda line: line[: len(line) // 2] + b"\n",
    "of another document": lambda line: line.replace(b'"id":"3', b'"id":"9', 1),
    "another form": lambda line: line.replace(b":", b": ", 1),
    "empty": lambda line: b"\n",
    "a byte": lambda line: b"\xff" + line[1:],
    "deep": lambda line: b"[" * 9999 + b"\n",
}


@pytest.fixture(scope="module")
def interrupted(trained: Trained, workplace: Workplace) -> Path:
    """A folder in which a prediction was killed after its last line."""
    folder = workplace.folder / "interrupted"
    order = ("predict", trained.run, workplace.many, "--output", folder / "p.jsonl")
    extract(*order, kill=Moment("os.rename", "p.jsonl"))
    return folder


@pytest.mark.parametrize("kind", GARBLED)
def test_a_line_that_was_garbled_is_written_anew(
    interrupted: Path,
    trained: Trained,
    workplace: Workplace,
    tmp_path: Path,
    command: Command,
    kind: str,
) -> None:
    folder = Path(shutil.copytree(interrupted, tmp_path / "out"))
    output, partial = folder / "p.jsonl", folder / "p.jsonl.partial"
    written = partial.read_bytes()
    lines = written.splitlines(keepends=True)
    line, rest = (40, 43) if kind == "half" else (70, 11)  # from its group on
    lines[line] = GARBLED[kind](lines[line])
    partial.write_bytes(b"".join(lines))
    answer = command("predict", trained.run, workplace.many, "--output", output)
    assert answer.code == 0, answer.errors
    assert f"75 lines, {rest} of them written now" in answer.errors
    assert output.read_bytes() == written


# Devices, pipes and links


def test_predictions_go_through_a_device_and_a_link(
    trained: Trained, workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    order = ("predict", trained.run, workplace.unseen, "--output")
    answer = command(*order, "/dev/full")
    assert answer.code == 1
    assert answer.errors.splitlines()[-1] == (
        "extract: error: /dev/full: cannot be written (No space left on device)"
    )
    assert Path("/dev/full").is_char_device()
    (tmp_path / "link").symlink_to("target.jsonl")
    answer = command(*order, tmp_path / "link")
    assert answer.code == 0, answer.errors
    assert (tmp_path / "link").is_symlink()
    whole = (tmp_path / "target.jsonl").read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    answer = command(*order, pipe)
    reader.join(30)
    assert answer.code == 0, answer.errors
    assert got == [whole]
    assert pipe.is_fifo()


@pytest.mark.parametrize("kind", ["device", "pipe", "link"])
def test_every_command_that_writes_a_file_writes_through(
    trained: Trained, workplace: Workplace, tmp_path: Path, command: Command, kind: str
) -> None:
    predictions = tmp_path / "p.jsonl"
    assert command("predict", trained.run, workplace.unseen, "--output", predictions).code == 0
    for number, arguments in enumerate(
        [
            ("export", predictions, "--format", "jsonl", "--output"),
            ("report", trained.run, "--html"),
            ("audit", "--plugin", "medical_ner", "--data", workplace.corpus, "--export"),
        ]
    ):
        output = tmp_path / f"{kind}-{number}"
        if kind == "device":
            answer = command(*arguments, "/dev/full")
            assert answer.code == 1
            assert "/dev/full: cannot be written (No space left on device)" in answer.errors
            assert Path("/dev/full").is_char_device()
        elif kind == "link":
            output.symlink_to(f"target-{number}")
            assert command(*arguments, output).code == 0
            assert output.is_symlink()
            assert (tmp_path / f"target-{number}").stat().st_size
        else:
            os.mkfifo(output)
            got: list[bytes] = []
            reader = threading.Thread(
                target=lambda path, into: into.append(path.read_bytes()), args=(output, got)
            )
            reader.start()
            assert command(*arguments, output).code == 0
            reader.join(30)
            assert got[0]
            assert output.is_fifo()


def test_standard_output_that_is_full_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [EXTRACT, "plugins"], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == b"extract: error: cannot be written (No space left on device)\n"


@pytest.mark.parametrize("name", ["device", "pipe", "file"])
def test_a_folder_is_not_made_of_something_else(
    workplace: Workplace, trained: Trained, tmp_path: Path, command: Command, name: str
) -> None:
    path = Path("/dev/full") if name == "device" else tmp_path / name
    if name == "pipe":
        os.mkfifo(path)
    elif name == "file":
        path.write_text("mine")
    mode = path.stat().st_mode
    for arguments in (workplace.order(path), ("base", "smollm2", "--output", path)):
        answer = command(*arguments)
        assert answer.code == 1
        assert answer.errors.count("extract: error: ") == 1
    assert path.stat().st_mode == mode
