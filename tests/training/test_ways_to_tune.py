"""Full tuning, LoRA+ and PiSSA: resumed bit for bit, and what is saved is what was trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Command
from safetensors.torch import load_file
from tiny_model import Workplace, contents, info, lines

from fieldsmith.model.loading import load_for_inference
from fieldsmith.runs.folder import Run
from fieldsmith.training.trainer import ExtractionTrainer

CAUSAL: dict[str, Any] = {
    "prefix_lm": False, "tagging_weight": 0, "gazetteer": False, "prompt": "brief",
    "window": "sentences", "max_length": 400, "precision": "fp32", "quantize": "none",
    "attention": "sdpa", "batch_size": 16, "accumulation": 1, "max_steps": 8, "checkpoint_steps": 4,
    "logging_steps": 1, "activation_checkpointing": False,
}  # fmt: skip

WAYS: dict[str, dict[str, Any]] = {
    "packing": {"packing": True, "batch_size": 2},
    "full": {"tuning": "full", "learning_rate": 0.001},
    "loraplus": {"lora_plus_ratio": 8},
    "pissa": {"lora_init": "pissa"},
}


@pytest.fixture(scope="module")
def only_train(workplace: Workplace) -> Path:
    """Documents of training alone: nothing is scored."""
    folder = workplace.folder / "train-alone"
    folder.mkdir()
    shutil.copy(workplace.corpus / "train.txt", folder)
    return folder


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Path], None]:
    """A function that keeps a copy of the run folder, as it is after the checkpoint of a step."""

    def stop(step: int, copy: Path) -> None:
        save = ExtractionTrainer._save_checkpoint

        def and_copy(trainer: ExtractionTrainer, *arguments: Any) -> None:
            save(trainer, *arguments)
            if trainer.state.global_step == step:
                shutil.copytree(trainer.folder.parent, copy)

        monkeypatch.setattr(ExtractionTrainer, "_save_checkpoint", and_copy)

    return stop


@pytest.mark.parametrize(
    "way",
    ["packing", "full", *(pytest.param(w, marks=pytest.mark.slow) for w in ("loraplus", "pissa"))],
)
def test_a_training_is_resumed_bit_for_bit(
    way: str,
    workplace: Workplace,
    only_train: Path,
    tmp_path: Path,
    command: Command,
    stop_after: Callable[[int, Path], None],
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    stop_after(4, killed)
    order = workplace.order(whole, data=only_train, **{**CAUSAL, **WAYS[way]})
    answer = command(*order)
    assert answer.code == 0, answer.errors
    assert (killed / "checkpoints" / "checkpoint-4").is_dir()
    assert not (killed / "adapter").exists()
    answer = command("train", "--resume", killed)
    assert answer.code == 0, answer.errors
    assert "resuming from step 4 of 8" in answer.errors
    assert contents(killed) == contents(whole)


IDS = torch.arange(10, 60)[None]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """What a model gave for ``IDS`` each time that its training saved what inference loads."""
    logits: list[torch.Tensor] = []
    save = ExtractionTrainer.save_trained

    def and_read(
        trainer: ExtractionTrainer, folder: Path, state: dict[str, torch.Tensor] | None
    ) -> None:
        model: Any = trainer.model
        was_training = model.training
        with torch.no_grad():
            logits.append(model.eval()(input_ids=IDS).logits)
        model.train(was_training)
        save(trainer, folder, state)

    monkeypatch.setattr(ExtractionTrainer, "save_trained", and_read)
    return logits


@pytest.mark.parametrize("merge", ["yes", "no"])
@pytest.mark.parametrize("way", ["full", "pissa", "pissa, rank-stabilised"])
def test_what_is_saved_is_what_was_trained(
    way: str,
    merge: str,
    workplace: Workplace,
    only_train: Path,
    tmp_path: Path,
    command: Command,
    read: list[torch.Tensor],
) -> None:
    changed: dict[str, Any] = {**WAYS[way.partition(",")[0]], "merge": merge, "max_steps": 3}
    if "rank" in way:
        changed |= {"rslora": True}
    order = workplace.order(tmp_path / "run", data=only_train, **{**CAUSAL, **changed})
    answer = command(*order)
    assert answer.code == 0, answer.errors
    run = Run(tmp_path / "run")
    settings = run.settings().values
    model: Any = load_for_inference(settings, run.adapter)
    with torch.no_grad():
        torch.testing.assert_close(model(input_ids=IDS).logits, read[-1], rtol=1e-3, atol=1e-4)
        base: Any = load_for_inference(settings, None)
        assert (base(input_ids=IDS).logits - read[-1]).abs().max() > 0.1, "nothing was learned"


def test_an_adapter_from_singular_vectors_is_plain_lora_of_twice_the_rank(
    workplace: Workplace, only_train: Path, tmp_path: Path, command: Command
) -> None:
    order = workplace.order(
        tmp_path / "run", data=only_train, **{**CAUSAL, **WAYS["pissa"], "max_steps": 1}
    )
    assert command(*order, "--set=lora_rank=4", "--set=lora_alpha=12").code == 0
    config = json.loads((tmp_path / "run" / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["init_lora_weights"]) == (8, 24, True)


def test_all_weights_are_trained_and_tied_ones_stay_tied(
    workplace: Workplace, only_train: Path, tmp_path: Path, command: Command
) -> None:
    run = tmp_path / "run"
    order = workplace.order(run, data=only_train, **{**CAUSAL, **WAYS["full"], "max_steps": 2})
    assert command(*order).code == 0
    assert not (run / "adapter" / "adapter_config.json").exists()
    before = load_file(workplace.model / "model.safetensors")
    after = load_file(run / "adapter" / "model.safetensors")
    assert before.keys() == after.keys()
    assert "lm_head.weight" not in after
    assert all(not torch.equal(before[name], after[name]) for name in before)
    assert {tensor.dtype for tensor in after.values()} == {torch.float32}


def test_matrices_b_learn_at_a_rate_of_their_own(
    workplace: Workplace,
    only_train: Path,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates: list[dict[str, set[float]]] = []
    save = ExtractionTrainer._save_checkpoint

    def and_note(trainer: Any, *arguments: Any) -> None:
        save(trainer, *arguments)
        names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
        found: dict[str, set[float]] = {"lora_A": set(), "lora_B": set()}
        for group in trainer.optimizer.param_groups:
            for parameter in group["params"]:
                found[names[id(parameter)].split(".")[-3]].add(group["lr"])
        rates.append(found)

    monkeypatch.setattr(ExtractionTrainer, "_save_checkpoint", and_note)
    changed: dict[str, Any] = {
        **CAUSAL,
        **WAYS["loraplus"],
        "scheduler": "linear",
        "checkpoint_steps": 2,
    }
    order = workplace.order(tmp_path / "run", data=only_train, **{**changed, "max_steps": 4})
    answer = command(*order)
    assert answer.code == 0, answer.errors
    assert len(rates) == 2
    (down,), (up,) = rates[0]["lora_A"], rates[0]["lora_B"]
    assert 0 < down < 0.005, "the schedule lowers both"
    assert up == pytest.approx(8 * down)


def test_a_plan_of_full_tuning_counts_all_weights_as_trained(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    _train, *order = workplace.order(tmp_path / "run", **{**CAUSAL, **WAYS["full"]})
    at = order.index("--output")
    answer = command("plan", *order[:at], *order[at + 2 :], "--json")
    assert answer.code == 0, answer.errors
    memory = json.loads(answer.output)["memory"]
    assert memory["adapter"] == 4 * memory["trainable"] == 4 * memory["parameters"]
    assert memory["optimizer"] == 8 * memory["parameters"]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (["tuning=full"], "tuning full trains the weights themselves: set quantize=none"),
        (["lora_init=pissa"], "lora_init pissa splits the weights before training"),
        (["lora_init=pissa", "quantize=none", "dora=true"], "lora_init pissa starts plain LoRA"),
        (["tuning=full", "quantize=none", "lora_plus_ratio=4"], "are of adapters"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    settings: list[str], line: str, workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    order = workplace.order(tmp_path / "run")
    answer = command(*order, "--set=quantize=nf4", *(f"--set={setting}" for setting in settings))
    assert answer.code == 1
    assert line in answer.errors.splitlines()[-1]
    assert "Traceback" not in answer.errors
    assert not (tmp_path / "run").exists()


def test_a_fully_tuned_model_is_scored_compared_and_asked(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    run = tmp_path / "run"
    changed: dict[str, Any] = {
        **CAUSAL,
        **WAYS["full"],
        "max_steps": 0,
        "epochs": 2,
        "eval_documents": 4,
    }
    answer = command(*workplace.order(run, **changed))
    assert answer.code == 0, answer.errors
    assert info(run)["training"]["best_score"] is not None
    scores = [line["score"] for line in lines(run / "log.jsonl") if "score" in line]
    assert len(scores) == 2
    assert not (run / "checkpoints").exists()
    for options in ([], ["--base"]):
        answer = command("evaluate", run, "--split", "validation", *options)
        assert answer.code == 0, answer.errors
    answer = command("predict", run, workplace.unseen)
    assert answer.code == 0, answer.errors
    assert len(answer.output.splitlines()) == 12
    answer = command("report", run)
    assert answer.code == 0, answer.errors
