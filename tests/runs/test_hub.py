"""A run on a model of the hub reads the commit that it began with, whatever is pushed later."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command import Answer
from forked_command import read_hub_variables, run_forked
from safetensors.torch import load_file, save_file
from stand_in_hub import Hub, serving
from tiny_model import Workplace, contents, info

BEFORE, AFTER = "a" * 40, "b" * 40


def online(hub: Hub, cache: Path, order: Sequence[object]) -> Answer:
    """Run a command against a hub, with a cache that may be empty."""
    variables = {"HF_ENDPOINT": hub.address, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "0"}
    variables["HF_HUB_DISABLE_XET"] = "1"
    return run_forked(order, environment=variables, prepare=read_hub_variables)


@pytest.fixture
def hub(workplace: Workplace, tmp_path: Path) -> Hub:
    """The tiny model, and a later commit in which nothing of its weights is left."""
    later = Path(shutil.copytree(workplace.model, tmp_path / "later"))
    weights = {n: torch.zeros_like(w) for n, w in load_file(later / "model.safetensors").items()}
    save_file(weights, later / "model.safetensors", {"format": "pt"})
    return Hub("people/tiny", {BEFORE: workplace.model, AFTER: later}, BEFORE)


def order(hub: Hub, workplace: Workplace, run: Path) -> list[object]:
    """Return the arguments of a short training on the model of the hub."""
    chosen = list(workplace.order(run, max_steps=2, eval_documents=0, max_length=512))
    chosen[chosen.index("--model") + 1] = hub.repository
    return list(chosen)


def test_a_new_commit_changes_nothing(hub: Hub, workplace: Workplace, tmp_path: Path) -> None:
    run, cache = tmp_path / "run", tmp_path / "cache"
    with serving(hub):
        answer = online(hub, cache, order(hub, workplace, run))
        assert answer.code == 0, answer.errors
        assert info(run)["base_model"] == {"name": hub.repository, "commit": BEFORE}
        assert info(run)["settings"]["revision"] == {"value": BEFORE, "from": "main of the hub"}
        before = contents(run)

        hub.head = AFTER
        hub.asked.clear()
        shutil.rmtree(run / "adapter")  # as if it had been killed before its end
        shutil.rmtree(run / "predictions")
        (run / "metrics.json").unlink()
        # On another machine, too, which has nothing of the model yet.
        answer = online(hub, tmp_path / "elsewhere", ("train", "--resume", run))
        assert answer.code == 0, answer.errors
    after = contents(run)
    for name in ("run.json", "adapter/adapter_model.safetensors", "predictions/validation.jsonl"):
        assert after[name] == before[name], name
    read = {path.rpartition("/")[2] for path in hub.asked if "/main/" in path or AFTER in path}
    assert read <= {"config.json"}, "PEFT compares the size of the vocabulary"
    assert any(path.endswith(f"{BEFORE}/model.safetensors") for path in hub.asked)


def test_a_model_that_the_hub_does_not_have_is_one_line(
    hub: Hub, workplace: Workplace, tmp_path: Path
) -> None:
    gone = replace(hub, repository="people/gone", commits={})
    with serving(gone):
        answer = online(gone, tmp_path / "cache", order(gone, workplace, tmp_path / "run"))
    assert answer.code == 1
    last = answer.errors.splitlines()[-1]
    assert last.startswith("extract: error: model people/gone: its config cannot be read: ")
    assert not (tmp_path / "run").exists()
