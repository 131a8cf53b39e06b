"""Scoring: in the memory that is free, and with nothing left of the model that was trained."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bitsandbytes.nn import Linear4bit
from command import Command
from tiny_model import Trained, Workplace, lines
from transformers import PreTrainedModel

from fieldsmith.decoding import generate
from fieldsmith.evaluation import evaluate
from fieldsmith.model import kv_cache
from fieldsmith.model.forward import ForwardPass


@pytest.fixture
def without_collector() -> Iterator[None]:
    """No collection by chance: memory of a GPU that runs short does not start one either."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_nothing_of_the_trained_model_is_alive_when_the_run_is_scored(
    workplace: Workplace,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    without_collector: None,
) -> None:
    alive: list[int] = []
    score = evaluate.evaluate_run

    def count_and_score(*arguments: Any, **options: Any) -> Any:
        kept = [o for o in gc.get_objects() if isinstance(o, (PreTrainedModel, Linear4bit))]
        alive.append(len(kept) - before)
        del kept
        return score(*arguments, **options)

    monkeypatch.setattr(evaluate, "evaluate_run", count_and_score)
    before = sum(isinstance(o, (PreTrainedModel, Linear4bit)) for o in gc.get_objects())
    short: dict[str, Any] = {"max_steps": 1, "max_new_tokens": 20, "score_documents": 2}
    answer = command(*workplace.order(tmp_path / "run", **short), "--test")
    assert answer.code == 0, answer.errors
    assert alive == [0, 0], "before validation, and before test"


def test_fewer_are_answered_at_once_where_memory_holds_no_more(
    run: Path, trained: Trained, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []

    class Watched(ForwardPass):
        def __init__(self, model: PreTrainedModel, count: int) -> None:
            rows.append(count)
            monkeypatch.setattr(kv_cache, "free_memory", free)  # for the next one
            super().__init__(model, count)

    def free(_device: object) -> int:
        return 1

    monkeypatch.setattr(generate, "ForwardPass", Watched)
    for _time in range(2):
        assert command("evaluate", run, "--split", "validation").code == 0
    assert rows[0] > 1
    assert rows[-1] == 1
    assert len(lines(run / "predictions" / "validation.jsonl")) == len(
        lines(trained.run / "predictions" / "validation.jsonl")
    )
