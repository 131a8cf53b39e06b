"""What the rows of a training decide: an automatic batch, and a warm-up in steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from command import Command
from safetensors.torch import load_file
from tiny_model import Workplace, info, lines

from fieldsmith.errors import RunError
from fieldsmith.recipes import read_preset
from fieldsmith.settings import EMBEDDED, Resolved, Settings, resolve
from fieldsmith.training.row_settings import (
    NO_PLANNER,
    NoPlanner,
    fit_schedule,
    fit_to_rows,
    same_rows_a_step,
)
from fieldsmith.windows.rows import Row


@dataclass
class Holds(NoPlanner):
    """A planner by which so many rows fit."""

    rows: int
    asked: list[int] = field(default_factory=list)

    def largest_batch(self, settings: Settings, rows: Sequence[Row], most: int) -> int:
        self.asked.append(most)
        return min(self.rows, most)


def rows(count: int) -> list[Row]:
    return [Row([1, 2], [1, 2])] * count


def resolved(**chosen: Any) -> Resolved:
    return resolve(read_preset("llama-3.2-3b"), "any", {}, chosen)


@pytest.mark.parametrize(
    ("fits", "processes", "chosen", "wanted"),
    [
        (100, 1, {}, (16, 1)),
        (4, 1, {}, (4, 4)),
        (1, 1, {}, (1, 16)),
        (4, 2, {}, (4, 2)),
        (100, 64, {}, (1, 1)),
        (100, 1, {"accumulation": 4}, (4, 4)),
        (2, 1, {"accumulation": 4}, (2, 4)),
    ],
)
def test_an_automatic_batch_keeps_the_rows_of_a_step(
    fits: int,
    processes: int,
    chosen: dict[str, Any],
    wanted: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fieldsmith.training.row_settings.process_count", lambda: processes)
    settings = fit_to_rows(resolved(batch_size="auto", **chosen), rows(100), Holds(fits))
    assert (settings.values.batch_size, settings.values.accumulation) == wanted
    assert settings.origins["batch_size"] == "plan"
    assert settings.origins["accumulation"] == ("user" if chosen else "plan")


def test_a_batch_that_is_set_stays() -> None:
    holds = Holds(1)
    asked = resolved(batch_size=8, warmup=0.1)
    assert fit_to_rows(asked, rows(100), holds) == asked
    assert holds.asked == []


@pytest.mark.parametrize(
    ("chosen", "count", "wanted"),
    [
        ({}, 512, 9),  # 96 steps; the preset says 100
        ({}, 8192, 100),  # 1,536 steps
        ({"warmup": 0.05}, 512, 0.05),
        ({"warmup": 40}, 512, 40),  # the user knows the rows
        ({"warmup": 97}, 512, 9),
        ({}, 3, 0),
        ({"warmup": 0.05, "max_steps": 1}, 512, 0),  # the only step would have no learning rate
        ({"warmup": 1, "max_steps": 1}, 512, 0),
        ({"warmup": 0.95, "max_steps": 5}, 512, 4),
        ({"warmup": 0.05, "max_steps": 2}, 512, 0.05),  # one step of warm-up, one after it
        ({"packing": True}, 8192, 0),  # two tokens a row: three steps, of sequences
    ],
)
def test_the_rate_falls_after_a_warm_up_of_a_tenth_at_most(
    chosen: dict[str, Any], count: int, wanted: float
) -> None:
    settings = fit_to_rows(resolved(**chosen), rows(count), NO_PLANNER)
    assert settings.values.warmup == wanted
    changed = wanted not in (100, chosen.get("warmup"))
    assert (settings.origins["warmup"] == "plan") == changed


def test_the_only_step_of_a_training_changes_its_adapter(
    workplace: Workplace, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    workplace.train(run, max_steps=1, eval_documents=1, score_documents=1)
    weights = load_file(run / "adapter" / "adapter_model.safetensors")
    changed = [weight for name, weight in weights.items() if "lora_B" in name]
    assert changed
    assert all(weight.any() for weight in changed)


@pytest.mark.parametrize(
    ("chosen", "origin", "count", "processes", "wanted"),
    [
        ({}, "preset", 1600, 1, (4, 4)),  # 200 steps in two epochs
        ({}, "preset", 1500, 1, (4, 2)),
        ({}, "preset", 700, 1, (4, 1)),
        ({}, "preset", 300, 1, (2, 1)),
        ({}, "preset", 3, 1, (2, 1)),  # a step reads two rows at least
        ({}, "preset", 300, 2, (1, 1)),  # of two processes
        ({"max_steps": 10}, "preset", 100, 1, (4, 4)),
        ({"min_steps": 0}, "preset", 100, 1, (4, 4)),
        ({}, "user", 100, 1, (4, 4)),
    ],
)
def test_a_step_reads_fewer_rows_where_there_are_few(
    chosen: dict[str, Any], origin: str, count: int, processes: int, wanted: tuple[int, int]
) -> None:
    asked = resolved(epochs=2, warmup=0.1, **{"min_steps": 200, **chosen})
    asked = replace(asked, origins={**asked.origins, "batch_size": origin})
    settings = fit_schedule(asked, rows(count), processes)
    assert (settings.values.batch_size, settings.values.accumulation) == wanted
    changed = {name: settings.origins[name] for name in ("batch_size", "accumulation")}
    kept = {"batch_size": origin, "accumulation": asked.origins["accumulation"]}
    assert changed == (kept if wanted == (4, 4) else dict.fromkeys(kept, "plan"))


def test_a_run_stores_what_was_chosen_and_is_resumed_by_it(
    workplace: Workplace, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = list(workplace.order(tmp_path / "run", batch_size="auto", epochs=1, warmup=50))
    order += ["--set", "scheduler=linear", "--set", "logging_steps=1", "--set", "eval_documents=0"]
    free = {"bytes": 10**12}
    monkeypatch.setattr("fieldsmith.planning.planner.free_memory", lambda _device: free["bytes"])
    answer = command(*order)
    assert answer.code == 0, answer.errors
    stored = info(tmp_path / "run")["settings"]
    assert stored["batch_size"] == {"value": 16, "from": "plan"}
    assert stored["accumulation"]["value"] == 1
    assert "batch_size: 16\n" in answer.errors
    steps = info(tmp_path / "run")["training"]["steps"]
    assert stored["warmup"]["value"] == steps // 10
    assert f"steps instead of 50, as there are {steps} in all" in answer.errors
    rates = [line["learning_rate"] for line in lines(tmp_path / "run" / "log.jsonl")]
    assert rates[-1] < max(rates)

    free["bytes"] = 1  # nothing fits now, and nothing is chosen again
    for path in (tmp_path / "run" / "adapter").iterdir():
        path.unlink()
    answer = command("train", "--resume", tmp_path / "run")
    assert answer.code == 0, answer.errors
    assert info(tmp_path / "run")["settings"] == stored


@pytest.mark.parametrize(("gibibytes", "fewer"), [(1000.0, False), (0.5, True)])
def test_the_plan_shows_the_batch_that_fits(
    gibibytes: float, fewer: bool, workplace: Workplace, command: Command
) -> None:
    order = ["--plugin", "medical_ner", "--data", workplace.corpus, "--preset", EMBEDDED]
    chosen = ["--set=batch_size=auto", "--set=window=document", "--memory", gibibytes]
    answer = command("plan", *order, *chosen, "--json")
    assert answer.code == 0, answer.errors
    found = json.loads(answer.output)
    assert (found["batch"]["rows"] < 16) == fewer
    assert found["accumulation"] * found["batch"]["rows"] == 16
    if not fewer:
        assert found["verdict"] == "fits"


@pytest.mark.parametrize(
    ("begun", "now", "accumulation"), [(2, 1, 8), (2, 4, 2), (1, 2, 2), (4, 4, 4)]
)
def test_another_number_of_processes_accumulates_more_or_less(
    begun: int, now: int, accumulation: int
) -> None:
    settings = Settings(accumulation=4)
    assert same_rows_a_step(settings, begun, now).accumulation == accumulation


@pytest.mark.parametrize(
    ("parallel", "begun", "now", "said"),
    [
        ("ddp", 2, 3, "resume it with --processes 1, 2, 4 or 8"),
        ("zero3", 2, 1, "resume it with --processes 2"),
    ],
)
def test_processes_that_cannot_resume_a_run_are_refused(
    parallel: Any, begun: int, now: int, said: str
) -> None:
    with pytest.raises(RunError, match=said):
        same_rows_a_step(Settings(accumulation=4, parallel=parallel), begun, now)
