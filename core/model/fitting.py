"""Fit the settings of a training to its base model: the recipe for its size, the room it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..progress import say
from ..recipes import CAUSAL, CAUSAL_SMALL, Preset, causal_preset, in_words, read_preset
from ..settings import EMBEDDED, Resolved, Settings
from .architecture import auto_class, require_supported
from .library_output import foreign_prints_to_stderr, quieten
from .load_errors import BUILDING_ERRORS, reason_of
from .location import read_config

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel


def choose_preset(named: str | None, chosen: Mapping[str, object]) -> Preset:
    """Return the preset of a training.

    Args:
        named: what the user named; None for nothing.
        chosen: what the user set, by name.

    Returns:
        The named one; otherwise that of the embedded model, or for another model the recipe for
        causal models of its size.

    Raises:
        SettingsError: there is no such preset, or the model's config cannot be read.
    """
    model = chosen.get("model", EMBEDDED)
    if named is not None or model == EMBEDDED or not isinstance(model, str):
        return read_preset(named or EMBEDDED)
    known = {name: chosen[name] for name in ("revision", "trust_remote_code") if name in chosen}
    settings = Settings(model=model, **known)  # type: ignore[arg-type]
    quieten()
    parameters = count_parameters(read_config(settings), settings)
    return causal_preset(parameters, in_words(parameters))


def say_recipe(preset: Preset, resolved: Resolved, domain: str = "") -> None:
    """Say what a training takes whose recipe follows from the model, and what is not from that.

    Args:
        preset: says whether it does.
        resolved: the settings.
        domain: the plugin, where there are several.
    """
    if preset.name not in {CAUSAL, CAUSAL_SMALL}:
        return
    words = [
        f"{label} {value}" + ("" if origin in {preset.origin, "default"} else f" ({origin})")
        for label, value, origin in recipe_values(resolved)
    ]
    whose = f"{domain}, " if domain else ""
    say(f"settings: {whose}{preset.origin}: {', '.join(words)}; --preset or --set overrides it")


def recipe_values(resolved: Resolved) -> list[tuple[str, str, str]]:
    """Return the settings that a reader of a plan asks for: label, value and origin of each."""
    values = resolved.values
    size = f" {values.window_size}" if values.window == "tokens" else ""
    adapter = [
        ("rank", str(values.lora_rank), "lora_rank"),
        ("alpha", str(values.lora_alpha), "lora_alpha"),
        ("targets", values.lora_targets, "lora_targets"),
    ]
    found = [
        *(adapter if values.tuning == "adapter" else [("tuning", values.tuning, "tuning")]),
        ("quantize", values.quantize, "quantize"),
        ("learning rate", f"{values.learning_rate:g}", "learning_rate"),
        ("epochs", f"{values.epochs:g}", "epochs"),
        *([("max steps", str(values.max_steps), "max_steps")] if values.max_steps else []),
        ("window", values.window + size, "window_size" if values.window == "tokens" else "window"),
        ("prefix attention", "yes" if values.prefix_lm else "no", "prefix_lm"),
        ("weight of tags", f"{values.tagging_weight:g}", "tagging_weight"),
    ]
    return [(label, value, resolved.origins[name]) for label, value, name in found]


def count_parameters(config: PretrainedConfig, settings: Settings) -> int:
    """Return the number of parameters of the causal model of a config; no weights are loaded.

    Raises:
        SettingsError: the model cannot be used, or transformers makes no causal model of it.
    """
    return sum(parameter.numel() for parameter in _unloaded(config, settings).parameters())


def require_modules(resolved: Resolved) -> Resolved:
    """Return settings whose modules the base model has; no weights are loaded.

    Raises:
        SettingsError: ``lora_targets`` or ``modules_to_save`` name what it lacks, or what cannot be
            adapted.
    """
    settings = resolved.values
    named = settings.lora_targets != "all-linear" or settings.modules_to_save
    if settings.tuning == "adapter" and named and settings.model != EMBEDDED:
        from .adapted_modules import check_modules

        quieten()
        check_modules(_unloaded(read_config(settings), settings), settings)
    return resolved


def _unloaded(config: PretrainedConfig, settings: Settings) -> PreTrainedModel:
    """Return the model of a config with shapes and no weights; see ``count_parameters``."""
    import torch

    require_supported(config, settings.model)
    try:
        with torch.device("meta"), foreign_prints_to_stderr(settings):
            model: PreTrainedModel = auto_class(config).from_config(
                config, trust_remote_code=settings.trust_remote_code
            )
    except BUILDING_ERRORS as error:
        reason = reason_of(error).partition(" Model type should be one of")[0]
        raise SettingsError(
            f"model {settings.model}: transformers makes no causal language model of it: {reason} "
            f"(see its config.json)"
        ) from error
    return model


def positions_of(config: Any) -> int | None:
    """Return how many tokens a model was made for; None where its config does not say.

    LongRoPE (arXiv 2402.13753) has two sets of frequencies. The longest row of a batch decides
    which one transformers takes, for all rows of the batch and in the middle of an answer, and vLLM
    decides by the room of its server. Up to ``original_max_position_embeddings`` all take the same.
    """
    text = config.get_text_config(decoder=True)
    positions = getattr(text, "max_position_embeddings", None)
    if positions is None:
        return None
    rotary = getattr(text, "rope_parameters", None) or {}
    if rotary.get("rope_type") == "longrope":
        positions = min(positions, rotary["original_max_position_embeddings"])
    return int(positions)


def fit_to_model(resolved: Resolved) -> Resolved:
    """Return settings that the base model can be trained with; see the functions for the errors."""
    _require_whole_attention(resolved.values)
    return require_modules(fit_to_positions(resolved))


def _require_whole_attention(settings: Settings) -> None:
    """Raise SettingsError for prefix attention over a model some of whose layers have a window."""
    if not settings.prefix_lm or settings.model == EMBEDDED:
        return
    from .masks import window_of
    from .prefix_attention import windowed

    quieten()
    if window_of(read_config(settings)) is not None:
        raise windowed(settings.model)


def fit_to_positions(resolved: Resolved) -> Resolved:
    """Lower lengths that presets or plugins set to what the base model was made for.

    Raises:
        SettingsError: the user set ``max_length`` beyond it.
    """
    settings = resolved.values
    if settings.model == EMBEDDED and resolved.origins["max_length"] != "user":
        return resolved
    quieten()
    positions = positions_of(read_config(settings))
    if positions is None or settings.max_length <= positions:
        return resolved
    if resolved.origins["max_length"] == "user":
        raise SettingsError(
            f"max_length {settings.max_length}: the model {settings.model} was made for "
            f"{positions} tokens; set {positions} or less, or cut documents into windows "
            f"(--set window=tokens)"
        )
    lowered = {"max_length": positions}
    lowered["max_new_tokens"] = min(settings.max_new_tokens, positions // 2)
    if settings.window == "tokens":
        lowered["window_size"] = min(settings.window_size, positions // 2)
        lowered["window_overlap"] = min(settings.window_overlap, lowered["window_size"] // 4)
    changed = {n: v for n, v in lowered.items() if v < getattr(settings, n)}
    said = ", ".join(f"{name} {value}" for name, value in changed.items())
    say(f"settings: {said}, because the model was made for {positions} tokens")
    origins = {**resolved.origins, **dict.fromkeys(changed, f"model {settings.model}")}
    return Resolved(replace(settings, **changed), origins)  # type: ignore[arg-type]
