"""The options of several processes: what is refused before any is started."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from command import Command
from launcher_environments import TORCHRUN
from tiny_model import Trained

from fieldsmith.model import devices

NODES = ["--nodes", "2", "--node-rank", "1", "--main-address", "localhost:1234"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--gpus", "2", "--processes", "2"], "give either --gpus N or --processes N"),
        (["--processes", "0"], "--processes"),
        (["--processes", "2", "--auto-batch"], "--auto-batch works with one process only"),
        (["--nodes", "2"], "--nodes, --node-rank and --main-address are given together"),
        ([*NODES, "--node-rank", "2"], "--node-rank 2: nodes are numbered from 0 to 1"),
        ([*NODES, "--main-address", "localhost"], "'localhost' is not HOST:PORT"),
        ([*NODES, "--main-address", "localhost:70000"], "'localhost:70000' is not HOST:PORT"),
        (NODES, "--nodes needs --output: a folder that all nodes see"),
    ],
)
def test_contradictions_are_wrong_usage(command: Command, arguments: list[str], said: str) -> None:
    answer = command("train", "--plugin", "medical_ner", *arguments)
    assert answer.code == 2
    assert said in answer.errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "epoch=3"], "unknown setting 'epoch': did you mean epochs?"),
        (["--plugin", "medical_nre"], "did you mean medical_ner?"),
        (["--gpus", "2"], "--gpus 2: this machine has 0; see extract doctor"),
        (["--output", "taken"], "taken: exists already; choose another --output"),
    ],
)
def test_what_is_wrong_is_found_before_processes_start(
    command: Command,
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    monkeypatch.setattr("fieldsmith.parallel.launcher.launch", None)
    plugin = [] if "--plugin" in arguments else ["--plugin", "medical_ner"]
    several = [] if "--gpus" in arguments else ["--processes", "2"]
    answer = command("train", *plugin, *several, *arguments)
    assert (answer.code, answer.output) == (1, "")
    assert answer.errors.startswith("extract: error: ")
    assert said in answer.errors
    assert answer.errors.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_run_is_opened_before_processes_start(command: Command, tmp_path: Path) -> None:
    answer = command("train", "--resume", tmp_path / "none", "--processes", "2")
    assert answer.code == 1
    assert "none: not a run folder" in answer.errors


@pytest.mark.parametrize("gpus", [1, 3])
def test_each_process_has_a_gpu_of_its_own(
    command: Command, monkeypatch: pytest.MonkeyPatch, gpus: int
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    answer = command("train", "--plugin", "medical_ner", "--processes", "4")
    assert answer.errors == (
        "extract: error: --processes 4: each trains on a GPU of its own, and this machine has "
        f"{gpus}; CUDA_VISIBLE_DEVICES= trains on the CPU\n"
    )


def test_a_gpu_of_apple_is_not_shared(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "pick_device", lambda: torch.device("mps"))
    answer = command("train", "--plugin", "medical_ner", "--processes", "2")
    assert answer.code == 1
    assert "several processes do not share a GPU of Apple's" in answer.errors


@pytest.mark.parametrize(
    "asked", [["--processes", "4"], ["--gpus", "1"], [*NODES, "--processes", "2"]]
)
def test_a_launcher_has_the_last_word(
    command: Command, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    for name, value in {**TORCHRUN, "TORCHELASTIC_ERROR_FILE": "", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    answer = command("train", "--plugin", "medical_ner", *asked)
    assert answer.code == 1
    assert "torchrun has started 2 processes (WORLD_SIZE), and this one" in answer.errors


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"MASTER_ADDR": ""}, "RANK and WORLD_SIZE: set, but not MASTER_ADDR; start"),
        ({"WORLD_SIZE": "many"}, "WORLD_SIZE is 'many', where a launcher of processes sets"),
    ],
)
def test_half_of_a_launcher_is_one_line(
    command: Command, monkeypatch: pytest.MonkeyPatch, changes: Mapping[str, str], said: str
) -> None:
    for name, value in {**TORCHRUN, "TORCHELASTIC_ERROR_FILE": "", "RANK": "0", **changes}.items():
        monkeypatch.setenv(name, value)
    answer = command("train", "--plugin", "medical_ner")
    assert answer.code == 1
    assert said in answer.errors
    assert answer.errors.count("\n") == 1


def test_a_run_of_several_processes_is_not_resumed_with_smaller_batches(
    trained: Trained, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldsmith.parallel.launcher.launch", None)
    run = Path(shutil.copytree(trained.run, tmp_path / "run"))
    stored = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**stored, "processes": 2}), encoding="utf-8")
    answer = command("train", "--resume", run, "--auto-batch")
    assert answer.code == 2
    assert "--auto-batch works with one process only; this training has 2" in answer.errors
