"""Settings of a training and where each value comes from; no torch.

Precedence: core defaults < preset < the plugin's ``extract_settings`` < what the user sets.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml

from .errors import SettingsError, did_you_mean
from .files import read_text

EMBEDDED = "embedded"
"""Name of the base model that ships in the package, and of the preset that trains it."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides what is trained and how; one flat name each, as ``--set`` takes it.

    A default here is the known QLoRA set-up for a model of billions of parameters (Dettmers et
    al. 2023); a preset overrides what its model needs otherwise.
    """

    # The model
    model: str = EMBEDDED  # "embedded", a hub id, or a folder
    revision: str | None = None  # of a hub model: branch, tag or commit
    trust_remote_code: bool = False  # runs code of the model's repository: only if you trust it
    quantize: Literal["nf4", "none"] = "nf4"
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    prefix_lm: bool = False  # a prompt's tokens see each other, also those that follow them

    # What the model reads at once
    window: Literal["document", "sentences", "tokens"] = "document"
    window_size: int = 1024  # tokens of a window, under "tokens"
    window_overlap: int = 64  # tokens that two neighbours share, under "tokens"
    augment_copies: int = 0  # copies of each window in which values of others stand for its own
    max_length: int = 2048  # tokens of prompt and answer; longer rows are set aside, never cut
    max_new_tokens: int = 512  # tokens of an answer, in generation

    # The adapter
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    lora_targets: str = "all-linear"  # or module names, separated by commas
    modules_to_save: list[str] = field(default_factory=list)  # trained in full beside the adapter
    rslora: bool = False  # rank-stabilised scaling (Kalajdzievski 2023)
    dora: bool = False  # weight-decomposed adapters (Liu et al. 2024)

    # The optimiser
    epochs: float = 3.0
    max_steps: int = 0  # stop after this many steps; 0: after the epochs
    batch_size: int = 4  # rows a device holds at once
    accumulation: int = 4  # batches an optimiser step sums up
    learning_rate: float = 2e-4
    scheduler: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "cosine"
    warmup: float = 0.03  # steps, or a share of all steps where under 1
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    tagging_weight: float = 0.0  # of a second loss: where in the text values stand; 0: none
    optimizer: str = "adamw_torch"  # any name that transformers knows
    group_lengths: bool = True  # rows of like length in one batch: less padding
    activation_checkpointing: bool = True  # recompute activations: less memory, slower
    seed: int = 42

    # While it trains
    eval_documents: int = 100  # validation documents generated and scored after each epoch
    eval_batch_size: int = 32  # prompts generated at once
    patience: int = 3  # epochs without a better score before it stops; 0: never
    checkpoint_steps: int = 100  # optimiser steps between checkpoints; one an epoch besides
    logging_steps: int = 10
    report_to: list[str] = field(default_factory=list)  # tensorboard, wandb, mlflow, trackio
    merge: Literal["auto", "yes", "no"] = "auto"  # merge the adapter into the weights to generate

    # Answers and scores
    gazetteer: bool = False  # what training documents call a value is heard beside the tags
    choose_confidence: bool = True  # leave out the leaves without which validation scores best
    score: list[str] = field(default_factory=list)  # metric names that make up the score; []: all


@dataclass(frozen=True)
class Resolved:
    """Settings with the origin of each value: "default", "preset NAME", "plugin NAME", "user"."""

    values: Settings
    origins: Mapping[str, str]

    def as_json(self) -> dict[str, dict[str, Any]]:
        """Return ``{name: {"value": …, "from": …}}``, as run.json holds it."""
        values = dataclasses.asdict(self.values)
        return {name: {"value": values[name], "from": self.origins[name]} for name in values}

    @staticmethod
    def from_json(stored: Mapping[str, Mapping[str, Any]]) -> Resolved:
        """Read what ``as_json`` wrote; a setting that is newer than that has its default."""
        values = coerce({name: entry["value"] for name, entry in stored.items()}, "run.json")
        origins = {name: str(entry["from"]) for name, entry in stored.items()}
        return Resolved(Settings(**values), _all_default() | origins)


def _all_default() -> dict[str, str]:
    return {field.name: "default" for field in dataclasses.fields(Settings)}


def resolve(
    preset: str,
    plugin_name: str,
    plugin_settings: Mapping[str, object],
    chosen: Mapping[str, object],
) -> Resolved:
    """Lay preset, plugin and user over the defaults.

    chosen: what the user set, by name.

    Raises:
        SettingsError: an unknown name, a value of the wrong type, or values that do not fit
            each other; all faults at once.
    """
    layers = {
        f"preset {preset}": _read_preset(preset),
        f"plugin {plugin_name}": plugin_settings,
        "user": chosen,
    }
    values: dict[str, Any] = {}
    origins = _all_default()
    faults = []
    for origin, layer in layers.items():
        good, bad = _sorted_out(layer, "--set" if origin == "user" else origin)
        values |= good
        origins |= dict.fromkeys(good, origin)
        faults += bad
    settings = Settings(**values)
    faults += _misfits(settings)
    if faults:
        raise SettingsError("; ".join(faults))
    return Resolved(settings, origins)


def load_preset(name: str) -> dict[str, Any]:
    """Return the settings of a shipped preset, or of a YAML file.

    Raises:
        SettingsError: no such preset or file, or a fault in it.
    """
    return coerce(_read_preset(name), f"preset {name}")


def _read_preset(name: str) -> dict[str, object]:
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise SettingsError(f"--preset {name}: no such file")
        text = read_text(path)
    else:
        known = preset_names()
        if name not in known:
            raise SettingsError(f"unknown preset {name!r}: {did_you_mean(name, known)}")
        text = (_presets() / f"{name}.yaml").read_text(encoding="utf-8")
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"preset {name}: not YAML: {' '.join(str(error).split())}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise SettingsError(f"preset {name}: settings are wanted, one 'name: value' a line")
    return {str(key): value for key, value in loaded.items()}


def preset_names() -> list[str]:
    """Return the names of the shipped presets, sorted."""
    return sorted(p.name[:-5] for p in _presets().iterdir() if p.name.endswith(".yaml"))


def _presets() -> Any:
    return resources.files(__package__ or "fieldsmith") / "presets"


def parse_assignments(assignments: typing.Iterable[str]) -> dict[str, object]:
    """Read ``key=value`` pairs of the command line; values are YAML scalars or lists.

    Raises:
        SettingsError: a pair without ``=``, or a value that is no YAML.
    """
    chosen: dict[str, object] = {}
    faults = []
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            faults.append(f"--set {assignment}: write it as key=value")
            continue
        try:
            chosen[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            faults.append(f"--set {assignment}: the value is no YAML; put it in quotes")
    if faults:
        raise SettingsError("; ".join(faults))
    return chosen


def coerce(values: Mapping[str, object], where: str) -> dict[str, Any]:
    """Check names and types of settings and return them as the dataclass holds them.

    Raises:
        SettingsError: all faults of ``values``, in one line.
    """
    good, faults = _sorted_out(values, where)
    if faults:
        raise SettingsError("; ".join(faults))
    return good


def _sorted_out(values: Mapping[str, object], where: str) -> tuple[dict[str, Any], list[str]]:
    """Return the settings that are right, as the dataclass holds them, and what is wrong."""
    hints = typing.get_type_hints(Settings)
    good, faults = {}, []
    for name, value in values.items():
        if name not in hints:
            faults.append(f"{where}: unknown setting {name!r}: {did_you_mean(name, hints)}")
            continue
        try:
            good[name] = _convert(value, hints[name])
        except ValueError as error:
            faults.append(f"{where}: {name}: {error}")
    return good, faults


def _convert(value: object, hint: Any) -> object:
    """Return ``value`` as the type of a setting; raises ValueError saying what is wanted."""
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        if value is False and "none" in choices:  # YAML reads `no` and `off` as false
            value = "no" if "no" in choices else "none"
        if isinstance(value, bool):
            value = "yes" if value else "no"
        if value is None and "none" in choices:
            value = "none"
        if value not in choices:
            raise ValueError(f"{value!r} is none of {', '.join(choices)}")
        return value
    if origin is list:
        items = value.split(",") if isinstance(value, str) else value or []
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise ValueError(f"a list of names is wanted, not {value!r}")
        return [item.strip() for item in items if item.strip()]
    if type(None) in choices:
        return None if value is None else _convert(value, choices[0])
    if hint is bool:
        if not isinstance(value, bool):
            raise ValueError(f"true or false is wanted, not {value!r}")
        return value
    if hint is str:
        if not isinstance(value, str) or not value:
            raise ValueError(f"a text is wanted, not {value!r}; put it in quotes")
        return value
    return _number(value, hint)


def _number(value: object, hint: Any) -> object:
    kind = "a whole number" if hint is int else "a number"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{kind} is wanted, not {value!r}")
    try:
        number = value if isinstance(value, int) else float(value)  # YAML 1.1: 1e-4 is a string
        if not math.isfinite(number) or (hint is int and number != int(number)):
            raise ValueError
        return hint(number)
    except (ValueError, OverflowError):
        raise ValueError(f"{kind} is wanted, not {value!r}") from None


_AT_LEAST_ONE = (
    "window_size", "max_length", "max_new_tokens", "lora_rank", "lora_alpha", "batch_size",
    "accumulation", "eval_batch_size", "checkpoint_steps", "logging_steps",
)  # fmt: skip
_NOT_NEGATIVE = (
    "window_overlap", "lora_dropout", "max_steps", "warmup", "weight_decay", "max_grad_norm",
    "eval_documents", "patience", "seed", "augment_copies", "tagging_weight",
)  # fmt: skip


def _misfits(settings: Settings) -> list[str]:
    faults = [f"{n} must be at least 1" for n in _AT_LEAST_ONE if getattr(settings, n) < 1]
    faults += [f"{n} must not be negative" for n in _NOT_NEGATIVE if getattr(settings, n) < 0]
    if settings.learning_rate <= 0:
        faults.append("learning_rate must be above 0")
    if settings.epochs <= 0:
        faults.append("epochs must be above 0")
    if settings.lora_dropout >= 1:
        faults.append("lora_dropout must be under 1")
    if settings.seed >= 1 << 32:
        faults.append("seed must be under 2 to the power of 32")
    if settings.prefix_lm and settings.attention == "flash_attention_2":
        faults.append("prefix_lm wants attention sdpa or eager: flash_attention_2 takes no masks")
    if settings.window != "document" and settings.window_overlap >= settings.window_size:
        faults.append("window_overlap must be smaller than window_size")
    parts = ["max_new_tokens", *(["window_size"] if settings.window == "tokens" else [])]
    faults += [
        f"{part} must be smaller than max_length, which holds prompt and answer"
        for part in parts
        if getattr(settings, part) >= settings.max_length
    ]
    return faults
