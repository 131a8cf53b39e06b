"""What a training asks the plan for, and what is planned on a GPU that is not here."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from command import Command
from tiny_model import Workplace

from fieldsmith.data import IGNORED
from fieldsmith.errors import SettingsError
from fieldsmith.model.kv_cache import CACHE_SHARE, slot_bytes
from fieldsmith.planning.estimator import MemoryEstimator, upper_bound, usable
from fieldsmith.planning.planner import MemoryPlanner
from fieldsmith.settings import Settings
from fieldsmith.windows.rows import Row

ROWS = [Row([5] * 400, [IGNORED] * 300 + [5] * 100)] * 16


@pytest.fixture(scope="module")
def settings(workplace: Workplace) -> Settings:
    return Settings(model=str(workplace.model), batch_size=0, max_new_tokens=100)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.slow)])
def test_the_largest_batch_fits_with_what_is_kept(device: Any, settings: Settings) -> None:
    def most(rows: int) -> int:
        estimator = MemoryPlanner(device).estimator(replace(settings, batch_size=rows), ROWS)
        return upper_bound(estimator.memory(replace(settings, batch_size=rows)), device)

    fits = most(4)
    assert MemoryPlanner(device, fits).largest_batch(settings, ROWS, 16) == 4
    assert MemoryPlanner(device, fits - 1).largest_batch(settings, ROWS, 16) < 4
    assert MemoryPlanner(device, 1).largest_batch(settings, ROWS, 16) == 1


def test_where_nothing_is_known_the_batch_is_the_default(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not torch.cuda.is_available():
        assert MemoryPlanner("cuda").largest_batch(settings, ROWS, 16) == 4
        assert MemoryPlanner("cuda").largest_batch(settings, ROWS, 2) == 2

    def refuse(*_: object) -> None:
        raise SettingsError("its memory cannot be planned")

    monkeypatch.setattr(MemoryEstimator, "memory", refuse)
    assert MemoryPlanner(None, 10**12).largest_batch(settings, ROWS, 16) == 4


def test_a_tenth_of_a_gpu_is_left() -> None:
    assert usable(1000, "cpu") == 1000
    assert usable(1000, "cuda") == 900


@pytest.mark.slow
def test_a_verdict_leaves_a_tenth_of_a_gpu(workplace: Workplace, command: Command) -> None:
    order = ["plan", "--plugin", "medical_ner", "--data", workplace.corpus, "--device", "cuda"]
    total = json.loads(command(*order, "--json").output)["memory"]["total"]
    for share, verdict in ((1.2, "fits"), (1.05, "tight"), (0.9, "does not fit")):
        answer = command(*order, "--memory", total * share / 2**30)
        assert f"{verdict}: " in answer.output, answer
        assert "torch keeps (a tenth is left for it)" in answer.output
        assert "MALLOC" not in answer.output


def test_fewer_documents_are_answered_at_once_where_memory_is_short(settings: Settings) -> None:
    whole = MemoryPlanner("cuda").estimator(settings, ROWS)
    some = replace(settings, batch_size=1, eval_batch_size=16, merge="no")
    memory = whole.memory(some)
    assert memory.answered == 16
    row = slot_bytes(whole.config, torch.bfloat16) * (300 + 100)
    free = memory.scoring - memory.answering + int(8 * row / CACHE_SHARE)
    fewer = MemoryEstimator(whole.config, ROWS, "cuda", "bf16", free).memory(some)
    assert fewer.answered == 8
    assert fewer.scoring < memory.scoring
