"""Two processes on the CPU split a training in each way, and end where one process ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from command import EXTRACT, Answer, extract
from safetensors.torch import load_file
from tiny_model import Workplace, info, lines

CAUSAL = {"window": "sentences", "attention": "sdpa", "prefix_lm": False, "tagging_weight": 0}
"""Beside the embedded model's recipe, in which the tiny model was trained."""

STEPS = {"max_steps": 4, "epochs": 9, "logging_steps": 1, "eval_documents": 4, "score_documents": 4}
PLAIN = {"lora_dropout": 0, "precision": "fp32", "batch_size": 4, "warmup": 0, "gazetteer": False}
WAYS = ("ddp", "fsdp", "zero2", "zero3")


def train(place: Workplace, run: Path, way: str, processes: int = 2, **settings: object) -> Answer:
    """Train four steps of eight rows each."""
    chosen = {**CAUSAL, **STEPS, **PLAIN, "parallel": way, **settings}
    chosen.setdefault("accumulation", 2 // processes)
    order = place.order(run, data=None, **chosen)
    if processes > 1:
        order = (*order, "--processes", str(processes))
    return extract(*order, timeout=900)


def trained(place: Workplace, run: Path, way: str, processes: int = 2, **settings: object) -> Path:
    answer = train(place, run, way, processes, **settings)
    assert answer.code == 0, answer.errors
    return run


@pytest.fixture(scope="module")
def alone(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process, with the same rows in each step."""
    return trained(workplace, tmp_path_factory.mktemp("alone") / "run", "auto", 1)


def assert_equal_training(run: Path, alone: Path, tolerance: float = 1e-3) -> None:
    """Check that losses, gradients and weights of a run are those of another one."""
    steps = [line for line in lines(run / "log.jsonl") if "loss" in line]
    expected = [line for line in lines(alone / "log.jsonl") if "loss" in line]
    assert len(steps) == len(expected) > 2
    for step, other in zip(steps, expected, strict=True):
        assert step["step"] == other["step"]
        assert step["loss_tokens"] == other["loss_tokens"], "the step has read other rows"
        assert step["loss"] == pytest.approx(other["loss"], abs=tolerance)
        assert step["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-2)
    weights, others = _adapter(run), _adapter(alone)
    assert weights.keys() == others.keys()
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, others[name], atol=tolerance, rtol=0)


def _adapter(run: Path) -> dict[str, torch.Tensor]:
    names = ("adapter_model.safetensors", "model.safetensors")
    file = next(run / "adapter" / name for name in names if (run / "adapter" / name).is_file())
    return load_file(file)


def logits(place: Workplace, run: Path) -> torch.Tensor:
    """Return what plain PEFT computes with a run's adapter."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(place.model)
    model: Any = PeftModel.from_pretrained(base, run / "adapter")
    with torch.no_grad():
        result: torch.Tensor = model.eval()(input_ids=torch.arange(5, 45)[None]).logits
    return result


def assert_split(run: Path, way: str) -> None:
    """Check how much of the weights a process holds, which the training measures by its tensors."""
    if way == "ddp":
        assert "weights" not in info(run)
        return
    weights = info(run)["weights"]
    share = weights["held"] / weights["bytes"]
    # DeepSpeed leaves weights of less than ten times the width whole, which are many here.
    most = {"zero2": 1, "fsdp": 0.51, "zero3": 0.6}[way]
    assert (1 if way == "zero2" else 0.49) <= share <= most


@pytest.mark.parametrize(
    "way", ["fsdp", *(pytest.param(w, marks=pytest.mark.slow) for w in ("ddp", "zero2", "zero3"))]
)
def test_in_4_bit_a_split_training_is_that_of_one_process(
    workplace: Workplace, tmp_path: Path, alone: Path, way: str
) -> None:
    run = trained(workplace, tmp_path / "run", way)
    assert_equal_training(run, alone)
    assert_split(run, way)
    torch.testing.assert_close(logits(workplace, run), logits(workplace, alone), atol=1e-3, rtol=0)
    assert info(run)["processes"] == 2
    assert json.loads((run / "metrics.json").read_bytes())["validation"]["documents"] == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"quantize": "none"}, id="plain weights"),
        pytest.param({"merge": "no", "activation_checkpointing": True}, id="answers while split"),
        pytest.param(
            {"prefix_lm": True, "tagging_weight": 1, "attention": "eager", "gazetteer": True},
            id="tags",
        ),
        pytest.param({"tuning": "full", "quantize": "none", "learning_rate": 5e-4}, id="full"),
        pytest.param(
            {"packing": True, "lora_plus_ratio": 4, "dora": True, "quantize": "none"},
            id="packed, DoRA",
        ),
        pytest.param({"quantize": "none", "lora_init": "pissa"}, id="PiSSA"),
    ],
)
@pytest.mark.parametrize("way", ["fsdp", "zero3"])
def test_whatever_is_trained_a_split_training_is_that_of_one_process(
    workplace: Workplace, tmp_path: Path, way: str, settings: dict[str, Any]
) -> None:
    one = trained(workplace, tmp_path / "one", "auto", 1, **settings)
    two = trained(workplace, tmp_path / "two", way, **settings)
    assert_equal_training(two, one)
    assert_split(two, way)
    scores = [
        [line["score"] for line in lines(run / "log.jsonl") if "score" in line]
        for run in (one, two)
    ]
    assert scores[0] == scores[1] != []


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_smollm2_is_split_as_one_process_trains_it(
    workplace: Workplace, tmp_path: Path, way: str
) -> None:
    own = {"max_steps": 2, "batch_size": 1, "learning_rate": 2e-4}
    own |= {"eval_documents": 0, "score_documents": 1}
    runs = []
    for processes in (1, 2):
        settings = {**CAUSAL, **STEPS, **PLAIN, **own, "parallel": way if processes > 1 else "auto"}
        settings["accumulation"] = 2 // processes
        order = list(workplace.order(tmp_path / str(processes), data=None, **settings))
        order[order.index("--model") + 1] = "smollm2-135m"
        more = ("--processes", "2") if processes > 1 else ()
        answer = extract(*order, *more, timeout=1800)
        assert answer.code == 0, answer.errors
        runs.append(tmp_path / str(processes))
    losses = [[row["loss"] for row in lines(run / "log.jsonl") if "loss" in row] for run in runs]
    assert losses[1] == pytest.approx(losses[0], abs=1e-3)
    assert_split(runs[1], way)


@pytest.mark.slow
def test_rows_that_do_not_fill_the_batches_are_read_once(
    workplace: Workplace, tmp_path: Path
) -> None:
    """96 rows in batches of 20 leave one process without a row at the end of an epoch."""
    odd = {"batch_size": 20, "max_steps": 0, "epochs": 1, "eval_documents": 0}
    one = trained(workplace, tmp_path / "one", "auto", 1, **odd)
    two = trained(workplace, tmp_path / "two", "ddp", 2, **odd)
    assert_equal_training(two, one)
    total = sum(line.get("loss_tokens", 0) for line in lines(two / "log.jsonl"))
    assert total == info(two)["counts"]["tokens"]["with_loss"]


# Rows whose tokens two processes share


def shared_rows(
    place: Workplace, run: Path, way: str, processes: int = 2, **settings: object
) -> Path:
    """Train with two processes to a row, and as many rows a step as one process reads."""
    settings.setdefault("accumulation", 4 // processes)
    return trained(place, run, way, processes, sequence_parallel=2, **settings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "settings"),
    [
        pytest.param("zero2", {}, id="zero2, 4 bit"),
        pytest.param("zero3", {}, id="zero3, 4 bit"),
        pytest.param("zero3", {"quantize": "none"}, id="plain weights"),
        pytest.param(
            "zero3", {"merge": "no", "activation_checkpointing": True}, id="answers while split"
        ),
        pytest.param(
            "zero3", {"tuning": "full", "quantize": "none", "learning_rate": 5e-4}, id="full"
        ),
    ],
)
def test_two_processes_to_a_row_train_as_one_process_does(
    workplace: Workplace, tmp_path: Path, way: str, settings: dict[str, Any]
) -> None:
    one = trained(workplace, tmp_path / "one", "auto", 1, **settings)
    two = shared_rows(workplace, tmp_path / "two", way, **settings)
    assert_equal_training(two, one)
    scores = [
        [line["score"] for line in lines(run / "log.jsonl") if "score" in line]
        for run in (one, two)
    ]
    assert scores[0] == scores[1] != []


@pytest.mark.slow
def test_two_pairs_of_processes_read_the_rows_of_two_processes(
    workplace: Workplace, tmp_path: Path, alone: Path
) -> None:
    assert_equal_training(shared_rows(workplace, tmp_path / "run", "zero3", 4), alone)


@pytest.mark.slow
def test_shared_rows_that_do_not_fill_the_batches_are_read_once(
    workplace: Workplace, tmp_path: Path
) -> None:
    """96 rows in batches of 20 leave the last one with 16 rows."""
    odd = {"batch_size": 20, "max_steps": 0, "epochs": 2, "eval_documents": 0, "accumulation": 2}
    one = trained(workplace, tmp_path / "one", "auto", 1, **odd)
    two = shared_rows(workplace, tmp_path / "two", "zero3", **odd)
    assert_equal_training(two, one)
    total = sum(line.get("loss_tokens", 0) for line in lines(two / "log.jsonl"))
    assert total == 2 * info(two)["counts"]["tokens"]["with_loss"]


@pytest.mark.slow
def test_a_killed_training_of_shared_rows_ends_as_an_unbroken_one(
    workplace: Workplace, tmp_path: Path
) -> None:
    chosen: dict[str, Any] = {"checkpoint_steps": 2, "accumulation": 1}
    whole = shared_rows(workplace, tmp_path / "whole", "zero3", **chosen)
    run = tmp_path / "run"
    killed_after_a_checkpoint(workplace, run, "zero3", one_rank=False, sequence_parallel=2)
    answer = extract("train", "--resume", run, timeout=900)
    assert answer.code == 0, answer.errors
    for name, tensor in _adapter(run).items():
        assert torch.equal(tensor, _adapter(whole)[name]), "the resumed training is another one"


@pytest.mark.slow
def test_processes_that_cannot_share_rows_are_one_line(
    workplace: Workplace, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    chosen = {**CAUSAL, **STEPS, **PLAIN, "parallel": "zero3", "sequence_parallel": 2}
    answer = extract(*workplace.order(run, data=None, **chosen), "--processes", "3")
    assert answer.code == 1
    assert answer.errors.strip().splitlines()[-1] == (
        "extract: error: sequence_parallel 2: the number of processes is 3; start the training "
        "with --processes 2, or a multiple of it"
    )
    assert not run.exists()


# Killed, and resumed


def killed_after_a_checkpoint(
    place: Workplace, run: Path, way: str, *, one_rank: bool, **settings: object
) -> subprocess.CompletedProcess[str]:
    """Kill a training of two processes, or one of them, once it has a checkpoint."""
    chosen = {**CAUSAL, **STEPS, **PLAIN, "accumulation": 1, "parallel": way, "checkpoint_steps": 2}
    chosen |= settings
    order = (*place.order(run, data=None, **chosen), "--processes", "2")
    command = subprocess.Popen(
        [EXTRACT, *order], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + 300
        while not list(run.glob("checkpoints/checkpoint-*")):
            assert command.poll() is None, command.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)
        ranks = psutil.Process(command.pid).children(recursive=True)
        victim = next(p for p in ranks if p.environ().get("RANK") == "1") if one_rank else command
        os.kill(victim.pid, signal.SIGKILL)
        output, errors = command.communicate(timeout=60)
    finally:
        command.kill()
    gone, alive = psutil.wait_procs(ranks, timeout=30)
    assert not alive, "a process outlived the command"
    assert len(gone) >= 2
    return subprocess.CompletedProcess(order, command.returncode, output, errors)


@pytest.mark.slow
@pytest.mark.parametrize("one_rank", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_training_that_was_killed_ends_as_an_unbroken_one(
    workplace: Workplace, tmp_path: Path, alone: Path, way: str, one_rank: bool
) -> None:
    whole = trained(workplace, tmp_path / "whole", way, checkpoint_steps=2)
    run = tmp_path / "run"
    ended = killed_after_a_checkpoint(workplace, run, way, one_rank=one_rank)
    if one_rank:
        assert ended.returncode == 1
        last = ended.stderr.rstrip().splitlines()[-1]
        assert last.startswith("extract: error: process 1 of 2 was killed (SIGKILL)"), ended.stderr
    other = tmp_path / "other"
    shutil.copytree(run, other)
    answer = extract("train", "--resume", run, timeout=900)
    assert answer.code == 0, answer.errors
    for name, tensor in _adapter(run).items():
        assert torch.equal(tensor, _adapter(whole)[name]), "the resumed training is another one"
    answer = extract("train", "--resume", other, "--processes", "1", timeout=900)
    if way.startswith("zero"):
        assert answer.code == 1
        assert "resume it with --processes 2" in answer.errors
    else:
        assert answer.code == 0, answer.errors
        assert "accumulation 2 in place of 1 a step reads the same rows" in answer.errors
        assert_equal_training(other, alone)


@pytest.mark.slow
def test_all_weights_in_parts_are_resumed_by_any_number_of_processes(
    workplace: Workplace, tmp_path: Path
) -> None:
    full: dict[str, Any] = {"tuning": "full", "quantize": "none", "learning_rate": 5e-4}
    whole = trained(workplace, tmp_path / "whole", "fsdp", checkpoint_steps=2, **full)
    run = tmp_path / "run"
    killed_after_a_checkpoint(workplace, run, "fsdp", one_rank=False, **full)
    (checkpoint,) = run.glob("checkpoints/checkpoint-*")
    assert len(list((checkpoint / "optimizer_0").glob("*.distcp"))) == 2
    other = tmp_path / "other"
    shutil.copytree(run, other)
    for folder, processes in ((run, "2"), (other, "1")):
        answer = extract("train", "--resume", folder, "--processes", processes, timeout=900)
        assert answer.code == 0, answer.errors
        assert_equal_training(folder, whole)
