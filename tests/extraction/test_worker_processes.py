"""Several processes of a machine write and score what one process does, whatever is killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch
from command import Command, extract
from forked_command import run_forked
from many_texts import lines_in, write_texts
from running_command import RunningCommand, kill, start
from tiny_model import Trained, Workplace, contents, lines, without_cost

from fieldsmith.data import Document
from fieldsmith.errors import FieldsmithError, InputError
from fieldsmith.extraction import worker_processes
from fieldsmith.extraction.extractor import checked_task
from fieldsmith.extraction.worker_processes import (
    WorkerProcesses,
    open_predictor,
    worker_environments,
)
from fieldsmith.runs.folder import Run

GROUP = 32  # documents; the tiny model answers eight prompts at once

DOCUMENTS = 8 * GROUP + 5

END = 15  # seconds after which the last process of a killed command has noticed it

TEXT = "aspirin caused rash in 3 patients."


@pytest.fixture(scope="module")
def plain(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with documents and their predictions by one process."""
    folder = tmp_path_factory.mktemp("plain")
    write_texts(folder / "in.jsonl", DOCUMENTS)
    order = "predict", trained.run, folder / "in.jsonl", "--output", folder / "out.jsonl"
    answer = run_forked(order, folder)
    assert answer.code == 0, answer.errors
    return folder


@pytest.fixture
def order(trained: Trained, plain: Path, tmp_path: Path) -> tuple[object, ...]:
    """The same command by two processes, to another output."""
    output = tmp_path / "out.jsonl"
    return (
        "predict", trained.run, plain / "in.jsonl", "--output", output, "--processes", "2",
    )  # fmt: skip


# What starts no process


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert cards(2, 3) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, GPU-ab12,2")
    assert cards(3, 3) == ["5", "GPU-ab12", "2"]


def cards(processes: int, gpus: int) -> list[str]:
    found = worker_environments(processes, gpus)
    return [environment["CUDA_VISIBLE_DEVICES"] for environment in found]


def test_each_computes_with_the_threads_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    first, second = worker_environments(2, 0)
    assert first == second
    assert first["OMP_NUM_THREADS"] == str(torch.get_num_threads())
    assert first["OMP_WAIT_POLICY"] == "PASSIVE", "workers share the cores"
    assert first["CUDA_VISIBLE_DEVICES"] == ""
    assert "LOCAL_RANK" not in first
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert worker_environments(2, 0)[0]["OMP_NUM_THREADS"] == "7"


@pytest.mark.parametrize("name", ["predict", "evaluate"])
def test_more_processes_than_gpus_are_refused(
    run: Path, workplace: Workplace, command: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    inputs = [workplace.unseen] if name == "predict" else []
    answer = command(name, run, *inputs, "--processes", "3")
    assert (answer.code, answer.output) == (1, "")
    (line,) = answer.errors.splitlines()
    assert line.startswith("extract: error: --processes 3: this machine has 2 GPUs, and each ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "RUN", "INPUT", "--processes", "0"],
        ["predict", "RUN", "INPUT", "--processes", "2", "--engine", "http://localhost:1"],
        ["predict", "RUN", "INPUT", "--processes", "2", "--engine", "ray"],
        ["predict", "--plugin=medical_ner", "--model=embedded", "INPUT", "--processes", "2"],
        ["evaluate", "RUN", "--processes", "2", "--engine", "http://localhost:1"],
        ["evaluate", "--plugin=medical_ner", "--model=embedded", "--processes", "2"],
        [
            "evaluate", "--plugin=medical_ner", "--predictions=INPUT", "--data=INPUT",
            "--processes", "2",
        ],
    ],
)  # fmt: skip
def test_what_only_one_process_does_is_wrong_usage(
    trained: Trained, workplace: Workplace, command: Command, arguments: list[str]
) -> None:
    paths = {"RUN": str(trained.run), "INPUT": str(workplace.unseen)}
    answer = command(*(paths.get(argument, argument) for argument in arguments))
    assert (answer.code, answer.output) == (2, "")
    assert "--processes" in answer.errors


# Two workers, asked directly


@pytest.fixture(scope="module")
def workers(trained: Trained) -> Iterator[WorkerProcesses]:
    with open_predictor(Run.open(trained.run), 2) as found:
        assert isinstance(found, WorkerProcesses)
        yield found


def group(number: int) -> list[Document]:
    return [Document(f"{number}-{row}", TEXT) for row in range(number % 3 + 1)]


@pytest.mark.slow
def test_few_groups_are_read_ahead(workers: WorkerProcesses) -> None:
    count, read, done = 60, 0, 0

    def groups() -> Iterator[list[Document]]:
        nonlocal read
        for number in range(count):
            read += 1
            yield group(number)

    def advance(documents: int) -> None:
        nonlocal done
        done += documents

    for number, predictions in enumerate(workers.predict_groups(groups(), advance)):
        assert [each.document for each in predictions] == group(number)
        assert all(each.record is not None for each in predictions)
        assert read <= number + 2 * 4
    assert number == count - 1
    assert done == sum(len(group(number)) for number in range(count))
    assert workers.peak_memory_mb() > 100


def test_an_error_of_what_reads_the_documents_comes_after_the_groups_before_it(
    workers: WorkerProcesses,
) -> None:
    def groups() -> Iterator[list[Document]]:
        yield from map(group, range(3))
        raise InputError("row 4 cannot be read")

    answered = workers.predict_groups(groups())
    assert [len(next(answered)) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(InputError, match=r"^row 4 cannot be read$"):
        next(answered)


def test_a_bug_in_a_worker_is_raised_in_its_place_with_its_traceback(
    workers: WorkerProcesses,
) -> None:
    wrong: Sequence[Document] = [None]  # type: ignore[list-item]
    answered = workers.predict_groups([group(2), wrong, group(1)])
    assert len(next(answered)) == 3
    with pytest.raises(AttributeError, match="'NoneType'") as raised:
        next(answered)
    (note,) = raised.value.__notes__
    assert note.startswith("in a worker process:\nTraceback")
    assert len(next(workers.predict_groups([group(1)]))) == 2


# The command


def test_two_processes_write_what_one_process_writes(
    order: tuple[object, ...], plain: Path, tmp_path: Path, command: Command
) -> None:
    answer = command(*order)
    assert (answer.code, answer.output) == (0, ""), answer.errors
    known = "processes: 2", "predicting: ", str(tmp_path)
    assert all(line.startswith(known) for line in answer.errors.splitlines()), answer.errors
    assert (tmp_path / "out.jsonl").read_bytes() == (plain / "out.jsonl").read_bytes()
    assert list(contents(tmp_path)) == ["out.jsonl"]


@pytest.mark.slow
@pytest.mark.parametrize("base", [False, True])
def test_two_processes_score_what_one_process_scores(
    run: Path, workplace: Workplace, tmp_path: Path, command: Command, base: bool
) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    options = ["--data", workplace.many, "--json", *(["--base"] if base else [])]
    one = command("evaluate", run, *options)
    two = command("evaluate", other, *options, "--processes", "2")
    assert (one.code, two.code) == (0, 0), two.errors
    summaries = [without_cost({"many": json.loads(each.output)}) for each in (one, two)]
    assert summaries[0] == summaries[1]
    assert json.loads(two.output)["peak_memory_mb"] > 100
    scores = [without_cost(Run(folder).metrics()) for folder in (run, other)]
    assert scores[0] == scores[1]
    files = [contents(folder / "predictions") for folder in (run, other)]
    assert files[0] == files[1]
    assert len(lines(run / "predictions" / "many.txt.jsonl")) == 75


@pytest.mark.slow
def test_a_killed_worker_ends_the_command_and_one_process_goes_on(
    order: tuple[object, ...],
    plain: Path,
    tmp_path: Path,
    command: Command,
    commands: list[RunningCommand],
) -> None:
    output = tmp_path / "out.jsonl"
    killed = start(tmp_path, *order)
    commands.append(killed)
    killed.wait_for(lambda: lines_in(output))
    kill(killed.workers()[1])
    answer = killed.ended()
    assert (answer.code, answer.output) == (1, "")
    line = answer.errors.splitlines()[-1]
    assert line.startswith("extract: error: process 2 of 2 was killed by signal 9 "), answer.errors
    assert "Traceback" not in answer.errors
    assert killed.left(END) == []
    begun = lines_in(output)
    assert 0 < begun < DOCUMENTS
    answer = command(*order[:-2])
    assert answer.code == 0, answer.errors
    assert f"{DOCUMENTS - begun} of them written now" in answer.errors
    assert output.read_bytes() == (plain / "out.jsonl").read_bytes()


def test_no_worker_outlives_a_command_that_is_killed(
    order: tuple[object, ...], tmp_path: Path, commands: list[RunningCommand]
) -> None:
    command = start(tmp_path, *order)
    commands.append(command)
    command.wait_for(lambda: len(command.workers()) == 2)  # which begin to load the model
    kill(psutil.Process(command.process.pid))
    answer = command.ended()
    assert answer.code == -signal.SIGKILL
    assert command.left(END) == []
    assert command.errors.read_text().splitlines()[1:] == []


@pytest.mark.slow
def test_ctrl_c_ends_it_at_once(
    order: tuple[object, ...], tmp_path: Path, commands: list[RunningCommand]
) -> None:
    command = start(tmp_path, *order)
    commands.append(command)
    command.wait_for(lambda: lines_in(tmp_path / "out.jsonl"))
    os.killpg(command.process.pid, signal.SIGINT)
    answer = command.ended()
    assert answer.code == 130
    assert answer.errors.splitlines()[-1] == "extract: interrupted"
    assert "Traceback" not in answer.errors
    assert command.left(5) == []


@pytest.mark.slow
def test_a_model_that_does_not_load_is_the_error_of_one_process(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is damaged after this process has looked at it."""
    opened = Run.open(run)
    task = checked_task(opened)
    monkeypatch.setattr(worker_processes, "checked_task", lambda _run: task)
    (run / "adapter" / "adapter_model.safetensors").unlink()
    said = []
    for processes in (1, 2):
        with pytest.raises(FieldsmithError) as raised, open_predictor(opened, processes):
            pass
        said.append((type(raised.value), str(raised.value)))
    assert said[0] == said[1]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1000])
def test_many_documents_survive_many_kills(
    trained: Trained, tmp_path: Path, commands: list[RunningCommand], count: int
) -> None:
    """Six kills at random moments, of a worker or of the command; one process does the rest."""
    moments = random.Random(count)
    source = write_texts(tmp_path / "in.jsonl", count)
    expected, output = tmp_path / "expected.jsonl", tmp_path / "out.jsonl"
    answer = extract("predict", trained.run, source, "--output", expected)
    assert answer.code == 0, answer.errors
    order = ("predict", trained.run, source, "--output", output, "--processes")
    for at in sorted(moments.uniform(0, 0.8 * count) for _ in range(6)):
        command = start(tmp_path, *order, moments.choice([2, 3]))
        commands.append(command)
        command.wait_for(partial(answers_after, command, output, at))
        if moments.random() < 0.5:
            kill(moments.choice(command.workers()))
            assert command.ended().code == 1
        else:
            kill(psutil.Process(command.process.pid))
            assert command.ended().code == -signal.SIGKILL
        assert command.left(END) == []
    answer = extract(*order[:-1])
    assert answer.code == 0, answer.errors
    assert output.read_bytes() == expected.read_bytes()


def answers_after(command: RunningCommand, output: Path, count: float) -> bool:
    """Say whether there are workers, and so many lines."""
    return lines_in(output) >= count and bool(command.workers())
