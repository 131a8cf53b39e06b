"""Four commands lead from an empty folder to the scores of a model: fetch, label, train, evaluate.

The service is played by a local server, the teacher is a real model of this machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import KILLED, extract
from running_command import start
from stand_in_arxiv import PAPERS, arxiv
from tiny_model import Workplace, lines
from web_site import WebSite, serving

COUNT = 24

pytestmark = pytest.mark.slow


@pytest.fixture
def site() -> Iterator[WebSite]:
    papers = [
        replace(PAPERS[0], id=f"2405.9{number:04}", title=f"On foxes, part {number}")
        for number in range(COUNT)
    ]
    with serving(arxiv(papers, page=10)) as site:
        yield site


def orders(site: WebSite, teacher: Path) -> list[tuple[tuple[str | Path, ...], str]]:
    """Return the commands, each with a file that is there when it is halfway."""
    plugin = ("--plugin", "arxiv_metadata")
    short = [f"--set={each}" for each in ("epochs=2", "max_new_tokens=24", "checkpoint_steps=2")]
    return [
        (
            ("fetch", "arxiv", *plugin, "--since", "2024-01-01", "--service", site.address,
             "--delay", "0", "--output", "papers"),
            "papers/2405.90004.pdf",
        ),
        (
            ("label", *plugin, "papers", "--teacher", teacher, "--licence", "own",
             "--output", "labels.jsonl", "--set=max_new_tokens=48"),
            "labels.answers.jsonl",
        ),
        (
            ("train", *plugin, "--data", "labels.jsonl", "--output", "run",
             "--allow-unlearnable", *short),
            "run/checkpoints/checkpoint-2",
        ),
        (("evaluate", "run", "--split", "test", "--json"), ""),
    ]  # fmt: skip


def killed_at(order: tuple[str | Path, ...], sign: Path, folder: Path) -> bool:
    """Run a command and kill it once a file is there; say whether it was killed."""
    running = start(folder, *order)
    until = time.monotonic() + 300
    while not sign.exists() and running.process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    running.process.kill()
    return running.ended().code == KILLED


def test_four_commands_killed_on_the_way(
    site: WebSite, workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answers: list[Any] = []
    for order, sign in orders(site, workplace.model):
        if sign:
            assert killed_at(order, tmp_path / sign, tmp_path), f"{order[0]} ended before it"
        is_training = order[0] == "train"
        answers.append(extract(*(("train", "--resume", "run") if is_training else order)))
        assert answers[-1].code == 0, answers[-1].errors
    labels = lines(tmp_path / "labels.jsonl")
    assert sorted(row["id"] for row in labels) == sorted(
        path.name for path in (tmp_path / "papers").glob("*.pdf")
    )
    assert len(labels) == COUNT
    assert {row["teacher"]["licence"] for row in labels} == {"own"}
    found = json.loads(answers[-1].output)
    assert found["documents"] > 0
    assert set(found["metrics"]) >= {"title_levenshtein/f1", "score"}
    info = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
    assert info["counts"]["documents"]["read"] == len(labels)
