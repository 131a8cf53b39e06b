"""Out of memory while training: reported in one line, resumed, and avoided with --auto-batch."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Answer, Command, extract, run_installed
from forked_command import run_forked
from small_device import small_device
from tiny_model import Trained, Workplace, contents, info, lines

from fieldsmith.model.out_of_memory import is_out_of_memory
from fieldsmith.settings import Settings
from fieldsmith.training.backoff import halved

# As the books are written, which is before the weights are loaded, the address space is closed but
# for what the variable says: from then on the C library refuses what torch asks for.
_LITTLE_SPACE = """
import os, resource, sys

closed = False


def close(name, arguments):
    global closed
    if closed or name != "os.rename" or not str(arguments[1]).endswith("trained_on.jsonl"):
        return
    closed = True
    import bitsandbytes, peft, trl, trl.trainer.sft_trainer  # not to fail within an import
    import fieldsmith.training.trainer
    with open("/proc/self/status") as status:
        size = next(int(line.split()[1]) for line in status if line.startswith("VmSize"))
    limit = size * 1024 + int(os.environ["SPACE"])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


sys.addaudithook(close)
"""
# Bytes. The whole batch wants about three times as many, give or take what the heap has free;
# with a third of this it still comes to its end once it is halved often enough.
_LITTLE = 3 * 10**8


@pytest.fixture
def holds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make this process's device hold batches of some rows and no more."""

    def shrink(rows: int, first: int = 1, *, scoring: bool = False) -> None:
        look_up = small_device(rows, first, scoring=scoring)
        monkeypatch.setattr(torch.nn.functional, "embedding", look_up)

    return shrink


def error_of(answer: Answer) -> str:
    """Return the one line that an expected error is."""
    assert answer.code == 1, answer.errors
    assert "Traceback" not in answer.errors
    last = answer.errors.splitlines()[-1]
    assert last.startswith("extract: error: ")
    assert answer.errors.count("extract: error: ") == 1
    return last


def test_it_is_one_line_with_the_plan_beside_it_and_the_run_continues(
    workplace: Workplace, trained: Trained, tmp_path: Path
) -> None:
    run, embedding = tmp_path / "run", small_device(8, first=6)

    def shrink() -> None:
        torch.nn.functional.embedding = embedding

    line = error_of(run_forked(workplace.order(run), prepare=shrink))
    assert "out of memory while training after step 5, with batch_size 16" in line
    assert "extract plan counts 0." in line
    assert f"extract train --resume {run} --auto-batch" in line
    assert (run / "checkpoints" / "checkpoint-4").is_dir()

    # Where the memory holds it after all, the run ends as one that was never short of it.
    answer = extract("train", "--resume", run)
    assert answer.code == 0, answer.errors
    ours, theirs = contents(run), contents(trained.run)
    for name in ("adapter/adapter_model.safetensors", "log.jsonl", "predictions/validation.jsonl"):
        assert ours[name] == theirs[name], name
    assert ours["run.json"] == theirs["run.json"]


def test_auto_batch_continues_from_the_checkpoint_with_half_the_batch(
    workplace: Workplace, command: Command, holds: Callable[..., None], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    holds(4, first=6)
    answer = command(*workplace.order(run, max_steps=6), "--auto-batch")
    assert answer.code == 0, answer.errors
    assert info(run)["lowered"] == [
        {
            "step": 5,
            "from": {"batch_size": 16, "accumulation": 1},
            "to": {"batch_size": 8, "accumulation": 2},
        },
        {
            "step": 4,
            "from": {"batch_size": 8, "accumulation": 2},
            "to": {"batch_size": 4, "accumulation": 4},
        },
    ]
    assert info(run)["settings"]["batch_size"]["value"] == 16  # what was asked for
    assert "continuing with batch_size 8, accumulation 2 instead of batch_size 16" in answer.errors
    assert "resuming from step 4 of" in answer.errors


def test_an_optimiser_step_reads_the_same_rows_in_smaller_batches(
    workplace: Workplace, command: Command, holds: Callable[..., None], tmp_path: Path
) -> None:
    """Without dropout the losses of all steps are those of the larger batch, but for rounding."""
    common: dict[str, Any] = {
        "lora_dropout": 0.0,
        "max_steps": 8,
        "logging_steps": 1,
        "precision": "fp32",
        "eval_documents": 0,
    }
    whole, smaller = tmp_path / "whole", tmp_path / "smaller"
    assert command(*workplace.order(whole, **common)).code == 0
    holds(8)
    answer = command(*workplace.order(smaller, **common), "--auto-batch")
    assert answer.code == 0, answer.errors
    assert [noted["step"] for noted in info(smaller)["lowered"]] == [0]
    for one, other in zip(losses(whole), losses(smaller), strict=True):
        assert one == pytest.approx(other, rel=2e-3)


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in lines(run / "log.jsonl") if "loss" in line]


@pytest.mark.slow
def test_a_killed_run_with_a_smaller_batch_continues_with_it(
    workplace: Workplace, command: Command, holds: Callable[..., None], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    holds(8, first=6)
    error_of(command(*workplace.order(run, max_steps=8)))
    holds(8)
    answer = command("train", "--resume", run, "--auto-batch")
    assert answer.code == 0, answer.errors
    assert len(info(run)["lowered"]) == 1
    assert info(run)["training"]["steps"] == 8


def test_a_batch_of_one_row_is_not_halved(
    workplace: Workplace, command: Command, holds: Callable[..., None], tmp_path: Path
) -> None:
    holds(0)
    line = error_of(command(*workplace.order(tmp_path / "run", batch_size=2), "--auto-batch"))
    assert "with batch_size 1" in line
    assert "activation_checkpointing=true" in line
    assert [noted["to"]["batch_size"] for noted in info(tmp_path / "run")["lowered"]] == [1]


def test_several_processes_are_told_of_a_smaller_batch_for_a_new_run(
    workplace: Workplace,
    command: Command,
    holds: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fieldsmith.training.train.process_count", lambda: 4)
    holds(0)
    order = workplace.order(tmp_path / "run", batch_size=2, activation_checkpointing="yes")
    line = error_of(command(*order))
    assert "train anew with --set batch_size=1 --set accumulation=2 or a smaller" in line
    assert "--auto-batch" not in line


@pytest.mark.slow
def test_short_of_memory_while_scoring_fewer_prompts_are_answered_at_once(
    workplace: Workplace, command: Command, holds: Callable[..., None], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    order = workplace.order(run, max_steps=2, merge="no", eval_batch_size=16)
    # The first batches without gradients are those of the validation loss.
    holds(8, first=4, scoring=True)
    answer = command(*order, "--auto-batch")
    assert answer.code == 0, answer.errors  # the scores at the end are made so, too
    assert info(run)["settings"]["eval_batch_size"] == {"value": 8, "from": "auto-batch"}
    assert info(run)["lowered"][0]["to"] == {"eval_batch_size": 8}


@pytest.mark.slow
def test_the_allocator_of_the_cpu_refuses(workplace: Workplace, tmp_path: Path) -> None:
    """No fault is injected here: the address space is too small, and torch's allocator fails."""
    data = tmp_path / "long.jsonl"
    text = " ".join("aspirin caused rash in 12 patients." for _ in range(12))
    rows = (
        {"id": f"d{n}", "text": f"Case {n}. {text}", "record": record(), "split": "train"}
        for n in range(96)
    )
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_LITTLE_SPACE, encoding="utf-8")
    short = {"PYTHONPATH": str(site), "SPACE": str(_LITTLE)}
    run = tmp_path / "run"
    order = workplace.order(
        run,
        data=data,
        max_steps=1,
        batch_size=96,
        precision="fp32",
        window="document",
        attention="eager",
    )
    line = error_of(run_installed(*order, environment=short))
    assert "out of memory while training after step 0, with batch_size 96" in line
    assert "extract plan counts" in line
    answer = run_installed("train", "--resume", run, "--auto-batch", environment=short)
    assert answer.code == 0, answer.errors
    lowered = info(run)["lowered"]
    assert lowered
    assert all(noted["to"]["batch_size"] * noted["to"]["accumulation"] == 96 for noted in lowered)


def record() -> dict[str, list[Any]]:
    return {"chemicals": ["aspirin"], "diseases": ["rash"], "relations": []}


def test_a_trained_run_whose_scoring_does_not_fit_says_how_to_go_on(
    workplace: Workplace, command: Command, holds: Callable[..., None], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    holds(0, scoring=True)
    order = workplace.order(run, max_steps=1, merge="no", eval_documents=0, data=workplace.corpus)
    line = error_of(command(*order))
    assert "the adapter is trained, but out of memory while scoring validation" in line
    assert (run / "adapter").is_dir()


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 12, 15, 64])
def test_the_effective_batch_stays(rows: int) -> None:
    settings = Settings(batch_size=rows, accumulation=3)
    changed = halved(settings)
    assert bool(changed) == (rows > 1)
    if changed:
        assert changed["batch_size"] * changed["accumulation"] == rows * 3
        assert changed["batch_size"] < rows


_KEEP_A_HEAP = """
import ctypes
from fieldsmith.model.out_of_memory import trim_heap


def resident():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * 4096


library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
blocks = [library.malloc(65536) for _ in range(2000)]
for block in blocks:
    ctypes.memset(block, 1, 65536)
for block in blocks[:-1]:  # the last one keeps glibc from giving back what stands below it
    library.free(ctypes.c_void_p(block))
held = resident()
trim_heap()
print(held - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps nothing")
def test_freed_memory_goes_back_to_the_system() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _KEEP_A_HEAP], capture_output=True, check=True, text=True
    )
    assert int(done.stdout) > 0.9 * 2000 * 65536


def test_it_does_so_all_along_a_training(
    workplace: Workplace, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned: list[int] = []
    monkeypatch.setattr("fieldsmith.training.callbacks.trim_heap", lambda: returned.append(1))
    monkeypatch.setattr("fieldsmith.training.callbacks._FREED", 2)
    answer = command(*workplace.order(tmp_path / "run", max_steps=5, eval_documents=0))
    assert answer.code == 0, answer.errors
    assert len(returned) == 2


def test_other_errors_are_no_lack_of_memory() -> None:
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("can't allocate memory"))
