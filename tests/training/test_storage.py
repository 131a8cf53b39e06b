"""A training whose disk is full, whose files may not grow, or whose folder goes away: one line."""

from __future__ import annotations

import json
import shutil
import sys
from functools import partial
from pathlib import Path
from resource import RLIMIT_FSIZE, setrlimit

import pytest
from command import Answer, Command, Moment, extract
from forked_command import run_forked
from tiny_model import Trained, Workplace, contents, lines, without_cost


def one_line(answer: Answer) -> str:
    errors = [line for line in answer.errors.splitlines() if "extract: error: " in line]
    assert answer.code == 1, answer
    assert len(errors) == 1, answer.errors
    assert "Traceback" not in answer.errors
    return errors[0]


def limited(size: int, *arguments: str | Path) -> Answer:
    """Run the command with a limit on the size of each file that it writes."""
    limits = size, size
    return run_forked(arguments, prepare=lambda: setrlimit(RLIMIT_FSIZE, limits))


def delete_at(event: str, ending: str, run: Path) -> None:
    """Delete a run's folder before this process does something to a path with an ending."""

    def hook(name: str, arguments: tuple[object, ...]) -> None:
        if name == event and any(str(argument).endswith(ending) for argument in arguments):
            shutil.rmtree(run, ignore_errors=True)

    sys.addaudithook(hook)


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(10_000, marks=pytest.mark.slow),
        100_000,
        pytest.param(200_000, marks=pytest.mark.slow),
    ],
)
def test_files_that_may_not_grow(
    workplace: Workplace, trained: Trained, tmp_path: Path, size: int
) -> None:
    """Too small for weights, for the optimiser's state, for the tokenizer; then without a limit."""
    run = tmp_path / "run"
    line = one_line(limited(size, *workplace.order(run)))
    assert "File too large" in line or "could not be written whole" in line
    assert f"extract train --resume {run}" in line
    answer = extract("train", "--resume", run)
    assert answer.code == 0, answer.errors
    ours, unbroken = contents(run), contents(trained.run)
    scores = [json.loads(files.pop("metrics.json")) for files in (ours, unbroken)]
    assert without_cost(scores[0]) == without_cost(scores[1])
    assert ours == unbroken


@pytest.mark.parametrize(
    ("event", "ending"),
    [
        ("open", "log.jsonl"),
        pytest.param("open", "trainer_state.json", marks=pytest.mark.slow),
        pytest.param("os.rename", "/adapter", marks=pytest.mark.slow),
    ],
)
def test_a_run_folder_that_is_deleted(
    workplace: Workplace, tmp_path: Path, event: str, ending: str
) -> None:
    run = tmp_path / "run"
    line = one_line(
        run_forked(workplace.order(run), prepare=partial(delete_at, event, ending, run))
    )
    assert str(run) in line
    assert "was moved or deleted" in line


# Checkpoints


@pytest.fixture
def stopped(workplace: Workplace, tmp_path: Path) -> Path:
    """A run that was stopped after its first checkpoint."""
    run = tmp_path / "stopped"
    workplace.train(run, kill=Moment("os.rename", "checkpoints/checkpoint-6"))
    return run


def test_a_damaged_checkpoint_is_named(stopped: Path, tmp_path: Path, command: Command) -> None:
    checkpoint = stopped / "checkpoints" / "checkpoint-4"
    for name in (
        "adapter_model.safetensors", "optimizer.pt", "rng_state.pth", "scheduler.pt",
        "trainer_state.json", "training_args.bin",
    ):  # fmt: skip
        file = checkpoint / name
        whole = file.read_bytes()
        for content in (b"", b"noise" * 20, whole[: len(whole) // 2]):
            file.write_bytes(content)
            line = one_line(command("train", "--resume", stopped))
            assert file.name in line
        file.write_bytes(whole)


def test_a_damaged_log_is_named(stopped: Path, command: Command) -> None:
    log = stopped / "log.jsonl"
    whole = log.read_bytes()
    for content in (b"noise\n" + whole, b"[1]\n" + whole, b'{"step": "x"}\n' + whole):
        log.write_bytes(content)
        assert f"{log}:1: " in one_line(command("train", "--resume", stopped))
        assert log.read_bytes() == content


# Paths


@pytest.mark.slow
def test_rejects_name_paths_below_the_source_however_it_ended(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given relative, given absolute, and resumed."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    rows = [
        {"id": f"d{n}", "text": f"aspirin caused rash in {n} patients.",
         "record": {"chemicals": ["aspirin"], "diseases": [], "relations": []}, "split": "train"}
        for n in range(16)
    ]  # fmt: skip
    rows += [rows[0], {"id": "x", "text": " ", "split": "train", "record": rows[0]["record"]}]
    (corpus / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    settings = {"max_steps": 1, "eval_documents": 0}
    accepted = ("--allow-duplicate-ids",)
    for name, data in {"one": Path("corpus"), "two": corpus}.items():
        answer = extract(*workplace.order(tmp_path / name, data=data, **settings), *accepted)
        assert answer.code == 0, answer.errors
    extract(
        *workplace.order(tmp_path / "three", data=Path("corpus"), **settings),
        *accepted,
        kill=Moment("os.rename", "/trained_on.jsonl"),
    )
    shutil.rmtree(tmp_path / "three" / "predictions", ignore_errors=True)
    answer = extract("train", "--resume", tmp_path / "three")
    assert answer.code == 0, answer.errors
    rejects = [(tmp_path / name / "rejects.jsonl").read_bytes() for name in ("one", "two", "three")]
    assert rejects[0] == rejects[1] == rejects[2]
    assert {row["place"] for row in lines(tmp_path / "one" / "rejects.jsonl")} == {
        "a.jsonl:17", "a.jsonl:18",
    }  # fmt: skip
    assert str(tmp_path).encode() not in rejects[0]
