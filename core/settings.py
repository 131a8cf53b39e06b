"""Settings of a training and where each value comes from.

Each layer overrides those before it: defaults, preset, the plugin's ``extract_settings``, and what
the user sets. No torch is imported here.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from .errors import SettingsError, did_you_mean, shortened
from .recipes import Preset, read_preset
from .setting_conflicts import parallel_conflicts
from .setting_ranges import RANGES, out_of_range, unusable_optimizer

EMBEDDED = "embedded"
"""Name of the base model that ships in the package, and of the preset that trains it."""

AUTO_BATCH = ("batch_size", "auto")
"""A setting and the word for its value 0: the batch size is chosen when the rows are known."""

TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")
"""Names that ``report_to`` may have."""

PAGE = "docs/settings.md"
"""The page that lists all settings."""

FORMER_NAMES: Mapping[str, str | None] = {
    "swap_values": "augment_copies",
    "lexicon": "gazetteer",
    "second_pass": None,
}
"""Names that earlier versions knew -> the name today, or None for a setting that was removed."""


@dataclass(frozen=True)
class ModelSettings:
    """The base model and how it computes."""

    model: str = EMBEDDED  # "embedded", "smollm2-135m", a hub id, a folder, or a GGUF file
    revision: str | None = None  # of a hub model: branch, tag or commit; a run keeps its commit
    trust_remote_code: bool = False  # runs code of the model's repository: only if you trust it
    quantize: Literal["nf4", "none"] = "nf4"
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    prefix_lm: bool = False  # tokens of the prompt attend to each other in both directions
    prompt: Literal["full", "brief"] = "full"  # brief: the plugin's short prompt, for tiny models


@dataclass(frozen=True)
class WindowSettings:
    """What the model reads and writes at once."""

    read_characters: int = 0  # of each document only so many from its beginning are read; 0: all
    window: Literal["document", "sentences", "tokens"] = "document"
    window_size: int = 1024  # tokens of a window, under "tokens"
    window_overlap: int = 64  # tokens that two neighbours share, under "tokens"
    augment_copies: int = 0  # extra copies of each window, with values from other documents
    max_length: int = 2048  # tokens of prompt and answer; longer rows are set aside, never cut
    max_new_tokens: int = 512  # tokens of an answer, in generation


@dataclass(frozen=True)
class AdapterSettings:
    """The low-rank adapter (LoRA, Hu et al. 2022)."""

    tuning: Literal["adapter", "full"] = "adapter"  # full: train all weights, without an adapter
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    lora_targets: str = "all-linear"  # or module names, separated by commas
    modules_to_save: list[str] = field(default_factory=list)  # trained in full beside the adapter
    rslora: bool = False  # rank-stabilised scaling (Kalajdzievski 2023)
    dora: bool = False  # weight-decomposed adapters (Liu et al. 2024)
    lora_init: Literal["default", "pissa"] = "default"  # pissa: singular vectors (Meng et al. 2024)
    lora_plus_ratio: float = 1.0  # learning rate of B by that of A (LoRA+, Hayou et al. 2024)


@dataclass(frozen=True)
class TrainingSettings:
    """The optimiser, and what is saved, scored and logged during training."""

    epochs: float = 3.0
    max_steps: int = 0  # stop after this many steps; 0: after the epochs
    min_steps: int = 0  # fewer rows per step, 2 at least, where the epochs have fewer steps
    batch_size: int = 4  # rows in a batch on each device; auto or 0: the most that memory fits
    accumulation: int = 4  # batches whose gradients an optimiser step sums up
    learning_rate: float = 2e-4
    scheduler: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "cosine"
    warmup: float = 0.03  # steps, or a share of all where under 1; never all of them
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    tagging_weight: float = 0.0  # weight of a second loss, which tags values in the text; 0: none
    optimizer: str = "adamw_torch"  # any name that transformers knows
    group_lengths: bool = True  # rows of similar length in one batch: less padding
    packing: bool = False  # several rows in one sequence without padding; none attends to another
    compile: Literal["auto", "yes", "no"] = "no"  # torch.compile of each layer; auto: on a CPU
    activation_checkpointing: bool = True  # recompute activations: less memory, slower
    seed: int = 42
    eval_steps: int = 0  # score every N steps; 0: after each epoch
    eval_documents: int = 100  # validation documents generated and scored each time
    score_documents: int = 0  # documents of a split that are scored at the end; 0: all
    eval_batch_size: int = 32  # prompts generated at once, at most; fewer if memory is short
    patience: int = 3  # stop after scoring so often without a better score; 0: never
    checkpoint_steps: int = 100  # steps between checkpoints; each epoch ends with one, too
    logging_steps: int = 10
    sampling_temperature: float = 1.0  # shares of several domains: 1 by size, large equal
    best: Literal["mean", "worst"] = "mean"  # the score that counts with several domains
    report_to: list[str] = field(default_factory=list)  # tensorboard, wandb, mlflow, trackio


@dataclass(frozen=True)
class ParallelSettings:
    """How several processes, one per device, share a training."""

    parallel: Literal["auto", "ddp", "fsdp", "zero2", "zero3"] = "auto"  # what is split among them
    offload: Literal["none", "optimizer", "params"] = "none"  # kept in main memory between its uses
    deepspeed_config: str | None = None  # a JSON file of DeepSpeed, under zero2 and zero3
    sequence_parallel: int = 1  # experimental: processes that share the tokens of each row


@dataclass(frozen=True)
class DecodingSettings:
    """How answers are generated, combined with other signals, filtered and scored."""

    merge: Literal["auto", "yes", "no"] = "auto"  # merge the adapter into the weights to generate
    gazetteer: bool = False  # use counts of the training values as a third confidence signal
    tag_share: float | None = None  # weight of the tags in a confidence; null: chosen on validation
    gazetteer_share: float | None = None  # weight of the counts; null: chosen on validation
    choose_confidence: bool = True  # choose the confidence threshold that scores best on validation
    score: list[str] = field(default_factory=list)  # metric names that make up the score; []: all


@dataclass(frozen=True)
class Settings(  # fields of the last base come first
    DecodingSettings,
    ParallelSettings,
    TrainingSettings,
    AdapterSettings,
    WindowSettings,
    ModelSettings,
):
    """All settings of a training, each by the one flat name that ``--set`` takes.

    A default is the usual QLoRA set-up for a model of billions of parameters (Dettmers et al.
    2023); a preset overrides what its model needs otherwise.
    """


@dataclass(frozen=True)
class Resolved:
    """Settings with the origin of each value.

    An origin is "default", "preset NAME", "recipe …", "plugin NAME", "model NAME" or "user".
    """

    values: Settings
    origins: Mapping[str, str]

    def as_json(self) -> dict[str, dict[str, Any]]:
        """Return ``{name: {"value": …, "from": …}}``, as run.json holds it."""
        values = dataclasses.asdict(self.values)
        return {name: {"value": values[name], "from": self.origins[name]} for name in values}

    @staticmethod
    def from_json(stored: Mapping[str, Mapping[str, Any]], where: str = "run.json") -> Resolved:
        """Read what ``as_json`` wrote; a setting that is missing there has its default.

        Args:
            stored: the settings.
            where: the file that holds them, for messages.

        Raises:
            SettingsError: another version wrote it, whose settings this one does not have, or a
                value is none that a setting can have.
        """
        entries = {name: entry["value"] for name, entry in stored.items()}
        values, faults = _checked(entries, where)
        if not FORMER_NAMES.keys().isdisjoint(stored):
            faults.append("the run is of an older version of fieldsmith; train it again")
        _raise(faults)
        settings = Settings(**values)
        if faults := _problems(settings):
            raise SettingsError(f"{where}: settings: {'; '.join(faults)}")
        origins = {name: str(entry["from"]) for name, entry in stored.items()}
        return Resolved(settings, _all_default() | origins)


def _all_default() -> dict[str, str]:
    return {each.name: "default" for each in dataclasses.fields(Settings)}


def resolve(
    preset: str | Preset,
    plugin_name: str,
    plugin_settings: Mapping[str, object],
    chosen: Mapping[str, object],
) -> Resolved:
    """Apply preset, plugin and user settings over the defaults.

    Args:
        preset: a preset, or the name of a shipped one, or a YAML file.
        plugin_name: the plugin, for messages and origins.
        plugin_settings: what its ``extract_settings`` returned.
        chosen: what the user set, by name.

    Raises:
        SettingsError: an unknown name, a value of the wrong type, or values that do not fit
            each other; all faults at once.
    """
    preset = read_preset(preset) if isinstance(preset, str) else preset
    layers = {
        preset.origin: preset.values,
        f"plugin {plugin_name}": plugin_settings,
        "user": chosen,
    }
    values: dict[str, Any] = {}
    origins = _all_default()
    faults = []
    for origin, layer in layers.items():
        good, bad = _checked(layer, "--set" if origin == "user" else origin)
        if origin != "user" and good.pop("trust_remote_code", False):
            bad.append(f"{origin}: trust_remote_code is the user's to give, by --set")
        values |= good
        origins |= dict.fromkeys(good, origin)
        faults += bad
    settings = Settings(**values)
    lacking = [fault for fault in [unusable_optimizer(settings.optimizer)] if fault]
    _raise(faults + _problems(settings) + lacking + _embedded_alone(settings, origins))
    return Resolved(settings, origins)


def _embedded_alone(settings: Settings, origins: Mapping[str, str]) -> list[str]:
    """Refuse what only the embedded model's preset turns on over another model."""
    names = ("prefix_lm", "tagging_weight", "gazetteer")
    taken = [n for n in names if getattr(settings, n) and origins[n] == f"preset {EMBEDDED}"]
    if settings.model == EMBEDDED or not taken:
        return []
    return [
        f"preset {EMBEDDED} is for the embedded model alone: over {settings.model} no other engine "
        f"could run the result ({', '.join(taken)}); leave out --preset, which takes the recipe "
        f"for the model, or set these yourself"
    ]


def parse_assignments(assignments: Iterable[str]) -> dict[str, object]:
    """Parse ``name=value`` pairs of the command line; values are YAML scalars or lists.

    Raises:
        SettingsError: a pair without ``=``, or a value that is not YAML; all faults at once.
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
        except (yaml.YAMLError, ValueError, RecursionError):  # such as a number of 5,000 digits
            shown = assignment if len(assignment) <= 80 else f"{assignment[:79]}…"
            faults.append(f"--set {shown}: the value is not YAML; put it in quotes")
    _raise(faults)
    return chosen


def _raise(faults: list[str]) -> None:
    if faults:
        raise SettingsError("; ".join(faults))


def _checked(values: Mapping[str, object], where: str) -> tuple[dict[str, Any], list[str]]:
    """Return the valid settings, as the dataclass holds them, and the faults of the others."""
    types = typing.get_type_hints(Settings)
    good, faults = {}, []
    for name, value in values.items():
        at = f"--set {name}" if where == "--set" else f"{where}: {name}"
        if name in types:
            try:
                good[name] = 0 if (name, value) == AUTO_BATCH else _convert(value, types[name])
            except ValueError as error:
                faults.append(f"{at}: {error}")
        elif FORMER_NAMES.get(name):
            faults.append(f"{at}: this setting is now called {FORMER_NAMES[name]}")
        elif name in FORMER_NAMES:
            faults.append(f"{where}: {name} was removed")
        else:
            faults.append(f"{where}: unknown setting {name!r}: {did_you_mean(name, types, PAGE)}")
    return good, faults


# One converter for each type: it returns the value as that type, or raises ValueError


def _convert(value: object, wanted: Any) -> object:
    origin, choices = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Literal:
        return _choice(value, choices)
    if type(None) in choices:
        return None if value is None else _convert(value, choices[0])
    return _CONVERTERS[origin or wanted](value)


def _choice(value: object, choices: tuple[str, ...]) -> object:
    if value is True:  # YAML reads `yes` and `on` as true, `no` and `off` as false
        value = "yes"
    elif value is False:
        value = "none" if "none" in choices and "no" not in choices else "no"
    elif value is None and "none" in choices:
        value = "none"
    if value not in choices:
        raise ValueError(f"{shortened(value)} is none of {', '.join(choices)}")
    return value


def _names(value: object) -> list[str]:
    items = value.split(",") if isinstance(value, str) else value or []
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"a list of names is wanted, not {shortened(value)}")
    return [item.strip() for item in items if item.strip()]


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"true or false is wanted, not {shortened(value)}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"a text is wanted, not {shortened(value)}; put it in quotes")
    return value


def _number(value: object, kind: str = "a number") -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        number = float(value)  # YAML 1.1 reads 1e-4 as a string
        if not math.isfinite(number):
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(f"{kind} is wanted, not {shortened(value)}") from None
    return number


def _integer(value: object) -> int:
    number = _number(value, "a whole number")
    if not number.is_integer():
        raise ValueError(f"a whole number is wanted, not {shortened(value)}")
    return value if isinstance(value, int) else int(number)


_CONVERTERS: Mapping[type, Callable[[object], object]] = {
    bool: _boolean, int: _integer, float: _number, str: _text, list: _names,
}  # fmt: skip


def _problems(settings: Settings) -> list[str]:
    """Say which values are out of bounds, or do not fit each other."""
    faults = [out_of_range(name, getattr(settings, name)) for name in RANGES]
    faults = [fault for fault in faults if fault]
    faults += [
        f"report_to: {name!r}: {did_you_mean(name, TRACKERS)}"
        for name in settings.report_to
        if name not in TRACKERS
    ]
    if settings.prefix_lm and settings.attention == "flash_attention_2":
        faults.append("prefix_lm wants attention sdpa or eager: flash_attention_2 takes no masks")
    if settings.packing and (settings.prefix_lm or settings.tagging_weight):
        faults.append("packing is for causal models: set prefix_lm=false and tagging_weight=0")
    if settings.tuning == "full" and settings.quantize != "none":
        faults.append("tuning full trains the weights themselves: set quantize=none")
    if settings.tuning == "full" and (settings.lora_init, settings.lora_plus_ratio) != (
        "default",
        1,
    ):
        faults.append(
            "lora_init and lora_plus_ratio are of adapters: leave them out, or tuning full"
        )
    if settings.lora_init == "pissa" and settings.dora:
        faults.append("lora_init pissa starts plain LoRA: set dora=false")
    if settings.lora_init == "pissa" and settings.quantize != "none":
        faults.append("lora_init pissa splits the weights before training: set quantize=none")
    faults += parallel_conflicts(settings)
    if settings.window != "document" and settings.window_overlap >= settings.window_size:
        faults.append("window_overlap must be smaller than window_size")
    parts = ["max_new_tokens", *(["window_size"] if settings.window == "tokens" else [])]
    faults += [
        f"{part} must be smaller than max_length, which holds prompt and answer"
        for part in parts
        if getattr(settings, part) >= settings.max_length
    ]
    return faults
