"""Training recipes for causal language models, by size, and the presets that are made of them.

A recipe is a plain causal QLoRA (Dettmers et al. 2023): any engine that reads a PEFT adapter can
run the result. No torch is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from .errors import SettingsError, did_you_mean
from .files import read_text

PRESETS = Path(__file__).parent / "presets"

CAUSAL, CAUSAL_SMALL = "causal", "causal-small"
"""Names that ``extract_settings`` gets where a recipe is used and no preset was named."""


@dataclass(frozen=True)
class SizeClass:
    """What depends on a model's size.

    Attributes:
        parameters: the class holds models of fewer parameters than this.
        learning_rate: highest learning rate.
        lora_rank: rank of the adapter.
        epochs: passes over the rows.
        batch_size: rows of a batch.
        accumulation: batches of an optimiser step.
        eval_batch_size: prompts that are answered at once, at most.
        activation_checkpointing: whether activations are recomputed.
        prompt: which prompt of the plugin is used. A small model learns the task from its rows:
            without the long instructions they are a third shorter.
    """

    parameters: float
    learning_rate: float
    lora_rank: int
    epochs: float
    batch_size: int
    accumulation: int
    eval_batch_size: int
    activation_checkpointing: bool
    prompt: str = "full"


SIZES = (
    SizeClass(0.5e9, 1e-3, 32, 5, 4, 2, 16, activation_checkpointing=False, prompt="brief"),
    SizeClass(2e9, 4e-4, 16, 3, 4, 4, 32, activation_checkpointing=True),
    SizeClass(6e9, 2e-4, 16, 3, 4, 4, 32, activation_checkpointing=True),
    SizeClass(float("inf"), 2e-4, 16, 3, 2, 8, 16, activation_checkpointing=True),
)
"""The size classes, ascending. The first one is small: see ``SMALL_PRESETS``."""

MIN_STEPS = 200
"""Optimiser steps below which a recipe reads fewer rows per step. Of a few hundred rows, SmolLM2
learned far more in 129 steps of two rows than in 33 of eight; see docs/measurements.md."""


@dataclass(frozen=True)
class KnownModel:
    """A model that has a preset.

    Attributes:
        model: its id on the Hugging Face hub, or a name that the setting ``model`` knows.
        parameters: number of its parameters.
    """

    model: str
    parameters: float


MODELS: Mapping[str, KnownModel] = {
    "gemma-3-270m": KnownModel("google/gemma-3-270m-it", 0.27e9),
    "gemma-3-1b": KnownModel("google/gemma-3-1b-it", 1.0e9),
    "gemma-3-4b": KnownModel("google/gemma-3-4b-it", 4.3e9),
    "llama-3.2-1b": KnownModel("meta-llama/Llama-3.2-1B-Instruct", 1.24e9),
    "mistral-7b": KnownModel("mistralai/Mistral-7B-Instruct-v0.3", 7.25e9),
    "qwen3-0.6b": KnownModel("Qwen/Qwen3-0.6B", 0.6e9),
    "qwen3-4b": KnownModel("Qwen/Qwen3-4B", 4.0e9),
    "qwen3-8b": KnownModel("Qwen/Qwen3-8B", 8.2e9),
    "smollm2-135m": KnownModel("smollm2-135m", 0.135e9),
    "smollm2-1.7b": KnownModel("HuggingFaceTB/SmolLM2-1.7B-Instruct", 1.7e9),
}
"""Presets that consist of a model and the recipe for its size. Llama 3.2 3B and Llama 3.1 8B have
files of their own, which reproduce published set-ups."""


SMALL_PRESETS = frozenset(
    {
        CAUSAL_SMALL,
        *(name for name, known in MODELS.items() if known.parameters < SIZES[0].parameters),
    }
)
"""Presets for pretrained models that a CPU can train, under half a billion parameters. A plugin may
give them shorter windows than large models, whose rows would take too long."""


def recipe(parameters: float) -> dict[str, object]:
    """Return the settings of a causal QLoRA for a model of a number of parameters.

    >>> recipe(8e9)["batch_size"], recipe(8e9)["learning_rate"]
    (2, 0.0002)
    """
    size = next(each for each in SIZES if parameters < each.parameters)
    return {
        "quantize": "nf4",
        "prompt": size.prompt,
        "window": "document",
        "max_length": 4096,
        "max_new_tokens": 768,
        "lora_rank": size.lora_rank,
        "lora_alpha": 2 * size.lora_rank,
        "lora_dropout": 0.0,
        "lora_targets": "all-linear",
        "learning_rate": size.learning_rate,
        "scheduler": "cosine",
        "warmup": 0.05,
        "epochs": size.epochs,
        "batch_size": size.batch_size,
        "accumulation": size.accumulation,
        "min_steps": MIN_STEPS,
        "activation_checkpointing": size.activation_checkpointing,
        "compile": "auto",
        "eval_documents": 40 if size.parameters <= 0.5e9 else 100,
        "score_documents": 100 if size.parameters <= 0.5e9 else 200,
        "eval_batch_size": size.eval_batch_size,
        "patience": 2,
    }


def model_preset(name: str) -> dict[str, object]:
    """Return the settings of a preset of ``MODELS``."""
    known = MODELS[name]
    return {"model": known.model, **recipe(known.parameters)}


def in_words(parameters: int) -> str:
    """Return a number of parameters as people say it.

    >>> in_words(134_515_008), in_words(8_030_261_248), in_words(52_000)
    ('135 M', '8.0 B', '52 k')
    """
    for unit, size, digits in (("B", 1e9, 1), ("M", 1e6, 0)):
        if parameters >= size:
            return f"{parameters / size:.{digits}f} {unit}"
    return f"{parameters / 1e3:.0f} k"


@dataclass(frozen=True)
class Preset:
    """Settings that go together.

    Attributes:
        name: what ``extract_settings`` is given, and run.json stores.
        values: by setting name.
        origin: where the values come from, as run.json stores it for each of them.
    """

    name: str
    values: Mapping[str, object]
    origin: str


def causal_preset(parameters: int, size: str) -> Preset:
    """Return the recipe for a causal model.

    Args:
        parameters: number of the model's parameters.
        size: the same in words.
    """
    name = CAUSAL_SMALL if parameters < SIZES[0].parameters else CAUSAL
    return Preset(name, recipe(parameters), f"recipe for causal models of {size} parameters")


def preset_files() -> list[str]:
    """Return the names of the presets that are files in the package, sorted."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def preset_names() -> list[str]:
    """Return the names of the shipped presets, sorted."""
    return sorted([*preset_files(), *MODELS])


def read_preset(name: str) -> Preset:
    """Return a shipped preset, or that of a YAML file.

    Raises:
        SettingsError: there is no such preset, or the file is none.
    """
    values = model_preset(name) if name in MODELS else _read_preset_file(name)
    return Preset(name, values, f"preset {name}")


def _read_preset_file(name: str) -> dict[str, object]:
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"}:
        if name not in preset_names():
            raise SettingsError(f"unknown preset {name!r}: {did_you_mean(name, preset_names())}")
        path = PRESETS / f"{name}.yaml"
    elif not path.is_file():
        raise SettingsError(f"--preset {name}: no such file")
    try:
        loaded = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SettingsError(f"preset {name}: not YAML: {reason}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise SettingsError(f"preset {name}: settings are wanted, one 'name: value' per line")
    return {str(key): value for key, value in loaded.items()}
