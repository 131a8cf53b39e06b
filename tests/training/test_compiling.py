"""Layers are compiled where that is asked for or worthwhile, and their numbers stay."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Moment, extract
from tiny_model import Workplace, contents, random_model, with_filled_adapter
from transformers.modeling_layers import GradientCheckpointingLayer

from fieldsmith.errors import SettingsError
from fieldsmith.settings import Settings
from fieldsmith.training import compiling
from fieldsmith.training.compiling import WORTHWHILE_STEPS, compile_layers

CPU = torch.device("cpu")


def adapted() -> Any:
    """Return the same adapted model each time."""
    return with_filled_adapter(random_model()).train()


def is_compiled(model: Any) -> bool:
    layers = [part for part in model.modules() if isinstance(part, GradientCheckpointingLayer)]
    compiled = {layer._compiled_call_impl is not None for layer in layers}
    assert len(compiled) == 1
    return compiled.pop()


def settings(choice: str, *, checkpointing: bool = False) -> Settings:
    return Settings(compile=choice, activation_checkpointing=checkpointing)  # type: ignore[arg-type]


def test_auto_compiles_long_trainings_of_models_that_are_not_small(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fieldsmith")
    small = adapted()
    compile_layers(small, settings("auto"), WORTHWHILE_STEPS, CPU)
    assert not is_compiled(small), "a tiny model"
    monkeypatch.setattr(compiling, "WORTHWHILE_PARAMETERS", 100_000)
    compile_layers(small, settings("auto"), WORTHWHILE_STEPS - 1, CPU)
    assert not is_compiled(small), "a short training"
    compile_layers(small, settings("no"), WORTHWHILE_STEPS, CPU)
    assert not is_compiled(small)
    compile_layers(small, settings("auto", checkpointing=True), WORTHWHILE_STEPS, CPU)
    assert not is_compiled(small), "activations are recomputed"
    names = set(small.state_dict())
    with torch._inductor.config.patch(force_disable_caches=True):  # others may be writing to them
        compile_layers(small, settings("auto"), WORTHWHILE_STEPS, CPU)
    assert is_compiled(small), caplog.messages
    assert set(small.state_dict()) == names


def test_what_cannot_be_compiled_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="compile: set activation_checkpointing=false"):
        compile_layers(adapted(), settings("yes", checkpointing=True), 1, CPU)
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("/no/compiler",))
    torch._dynamo.reset()
    with (
        pytest.raises(SettingsError) as caught,
        torch._inductor.config.patch(force_disable_caches=True),
    ):
        compile_layers(adapted(), settings("yes"), 1, CPU)
    assert str(caught.value).startswith("compile: torch.compile does not work here (it takes a C++")
    assert str(caught.value).endswith("; or set compile=no")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_compiled_training_is_resumed_bit_for_bit(workplace: Workplace, tmp_path: Path) -> None:
    """Each process compiles for itself; the second one meets other lengths first."""
    source = tmp_path / "corpus"
    source.mkdir()
    shutil.copy(workplace.corpus / "train.txt", source)
    causal: dict[str, object] = {
        "prefix_lm": False, "tagging_weight": 0, "gazetteer": False, "prompt": "brief",
        "window": "sentences", "max_length": 400, "precision": "fp32", "batch_size": 7,
        "accumulation": 1, "max_steps": 8, "logging_steps": 1, "activation_checkpointing": False,
        "compile": "yes", "eval_documents": 0,
    }  # fmt: skip
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    order = workplace.order(whole, data=source, **causal)
    answer = extract(*order, timeout=1200)
    assert answer.code == 0, answer.errors
    assert "compile: the first steps take longer" in answer.errors
    assert "torch/_" not in answer.errors, "torch's own log"
    moment = Moment("os.rename", "checkpoints/checkpoint-8")
    extract(*workplace.order(killed, data=source, **causal), kill=moment, timeout=1200)
    answer = extract("train", "--resume", killed, timeout=1200)
    assert answer.code == 0, answer.errors
    assert "resuming from step 4 of 8" in answer.errors
    assert contents(killed) == contents(whole)
