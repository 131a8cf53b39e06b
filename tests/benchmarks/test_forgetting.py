"""The benchmark of what a learning rate costs: its table, and one small case from end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_model import SETTINGS, Workplace, as_yaml, embedded_recipe

from benchmarks.forgetting import listed, main


def figure(base: float, tuned: float, *, lower_is_better: bool) -> dict[str, object]:
    change = {"value": tuned - base, "low": tuned - base - 0.1, "high": tuned - base + 0.1}
    return {
        "base": base,
        "tuned": tuned,
        "difference": change,
        "lower_is_better": lower_is_better,
    }


def test_the_table_has_the_score_once_and_all_figures() -> None:
    words: dict[str, Any] = {
        "figure": "accuracy",
        **figure(0.6, 0.5, lower_is_better=False),
        "also": {"perplexity": figure(6.0, 8.5, lower_is_better=True)},
    }
    rates: dict[str, dict[str, Any]] = {
        "0.0002": {"validation": 0.75, "tasks": {"words": words}},
        "0.002": {"validation": None, "tasks": {"words": words}},
    }
    _head, _rule, *rows = listed(rates).splitlines()
    assert rows == [
        "| 0.0002 | 0.750 | words | accuracy ↑ | 0.600 | 0.500 | -0.100 (-0.200 to +0.000) |",
        "| 0.0002 |  | words | perplexity ↓ | 6.000 | 8.500 | +2.500 (+2.400 to +2.600) |",
        "| 0.002 | – | words | accuracy ↑ | 0.600 | 0.500 | -0.100 (-0.200 to +0.000) |",
        "| 0.002 |  | words | perplexity ↓ | 6.000 | 8.500 | +2.500 (+2.400 to +2.600) |",
    ]


@pytest.mark.slow
def test_runs_are_trained_measured_and_kept(
    workplace: Workplace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "old.jsonl"
    texts.write_text('{"text": "A walnut does not like to be cut."}\n', encoding="utf-8")
    values = {**embedded_recipe(), **SETTINGS}
    dropped = ("learning_rate", "seed", "max_steps")
    chosen = [f"--set={k}={as_yaml(v)}" for k, v in values.items() if k not in dropped]
    order = ["--plugin=medical_ner", f"--data={workplace.corpus}", f"--model={workplace.model}"]
    order += ["--rates=5e-3,2e-2", "--steps=2", f"--ability={texts}", f"--output={tmp_path}/out"]
    main([*order, *chosen])
    found = json.loads((tmp_path / "out" / "forgetting.json").read_text(encoding="utf-8"))
    assert list(found["rates"]) == ["0.005", "0.02"]
    small, large = (each["tasks"]["old"] for each in found["rates"].values())
    assert small["base"] == large["base"]
    assert small["tuned"] != large["tuned"]
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/run.json")}
    assert len(written) == 2
    main([*order, *chosen])
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert "| 0.02 |" in capsys.readouterr().out
