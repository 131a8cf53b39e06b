"""``extract doctor --parallel`` trains two steps in each way and says what works."""

from __future__ import annotations

import json

import pytest
from command import extract

from fieldsmith.doctor.parallel import check_parallel, trials


def test_offloading_is_tried_on_gpus_alone() -> None:
    ways = {(trial.parallel, trial.quantize) for trial in trials(gpu=False)}
    assert ways == {(w, q) for w in ("ddp", "fsdp", "zero2", "zero3") for q in ("none", "nf4")}
    added = [trial for trial in trials(gpu=True) if trial not in trials(gpu=False)]
    assert [(trial.parallel, trial.offload) for trial in added] == [
        ("fsdp", "params"),
        ("zero3", "params"),
    ]


def test_without_deepspeed_the_rest_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    monkeypatch.setattr("fieldsmith.doctor.parallel.find_spec", lambda _name: None)
    monkeypatch.setattr(
        "fieldsmith.doctor.parallel._tried",
        lambda trial, _count, _losses: found.append(trial.parallel),
    )
    rows = [row for row in check_parallel() if row is not None]
    assert found == ["ddp", "ddp", "fsdp", "fsdp"]
    assert {row.what for row in rows} == {"zero2", "zero3"}
    assert all(row.state == "warn" and "fieldsmith[deepspeed]" in row.advice for row in rows)


@pytest.mark.slow
def test_every_way_works_on_two_cpu_processes() -> None:
    answer = extract("doctor", "--parallel", "--json", timeout=1800)
    assert answer.code == 0, answer.errors
    rows = [row for row in json.loads(answer.output)["checks"] if "process" in row["detail"]]
    states = [(row["what"], row["state"]) for row in rows]
    assert states == [(way, "ok") for way in ("ddp", "fsdp", "zero2", "zero3") for _ in range(2)]
    shares = ["50%" in row["detail"] for row in rows]
    assert shares == [False, False, True, True, False, False, True, True]
