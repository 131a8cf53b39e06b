"""Several processes train one adapter: what ``--gpus N`` starts, here on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import extract
from tiny_model import Workplace, lines


@pytest.mark.slow
def test_two_processes_share_the_rows_and_write_one_run(
    workplace: Workplace, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    answer = subprocess.run(
        [*launcher, "-m", "fieldsmith.cli", *workplace.order(run, epochs=2, batch_size=4)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert answer.returncode == 0, answer.stderr
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert info["device"]["processes"] == 2
    steps_an_epoch = -(-info["counts"]["windows"]["trained"] // (2 * 4))
    assert lines(run / "log.jsonl")[-1]["step"] == 2 * steps_an_epoch
    assert (run / "adapter" / "adapter_model.safetensors").is_file()
    assert answer.stdout.rstrip().endswith(str(run))
    assert answer.stderr.count("documents:") == 1  # one process speaks


def test_more_gpus_than_there_are_is_one_line(workplace: Workplace, tmp_path: Path) -> None:
    answer = extract(*workplace.order(tmp_path / "run"), "--gpus", "64")
    assert answer.code == 1
    assert answer.errors.startswith("extract: error: --gpus 64: ")
    assert not (tmp_path / "run").exists()
