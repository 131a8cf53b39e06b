"""Weights in 4 bits: those that are quantised as a model is loaded, and those stored that way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from ..errors import SettingsError

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, PretrainedConfig, PreTrainedModel

    from ..settings import Settings


def quantization(compute: torch.dtype, *, as_numbers: bool = False) -> BitsAndBytesConfig:
    """Return the quantisation of QLoRA (Dettmers et al. 2023): NF4 with double quantisation.

    Args:
        compute: the type of the numbers that products are computed in.
        as_numbers: store the same bits as numbers of that type, and not as bytes.
    """
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
        bnb_4bit_quant_storage=compute if as_numbers else torch.uint8,
    )


def keep_as_quantized(model: torch.nn.Module) -> None:
    """Keep bitsandbytes from repacking the weights at their first use in evaluation mode.

    On CPUs with bf16 instructions it would, rounding the quantisation constants: after its first
    evaluation, a training would continue with other weights.
    """
    module: Any
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def stored_quantization(config: PretrainedConfig) -> Mapping[str, Any] | None:
    """Return how a model's weights are stored quantised, as its config says; None if they are not.

    A model of vision and language says it for both, or for its language part alone.
    """
    for each in (config, config.get_text_config(decoder=True)):
        found: Any = getattr(each, "quantization_config", None)
        if found:
            return dict(found if isinstance(found, Mapping) else found.to_dict())
    return None


def require_usable_quantization(
    config: PretrainedConfig, settings: Settings, *, split: bool = False
) -> None:
    """Refuse stored quantised weights that no adapter is trained over here, before they are loaded.

    NF4 of bitsandbytes can be used, as what it is.

    Args:
        config: of the model.
        settings: name the model; ``quantize`` is how its weights are wanted.
        split: whether the weights will be split among processes.

    Raises:
        SettingsError: names the model, and says what to do.
    """
    stored = stored_quantization(config)
    if stored is None:
        return
    instead = "name the model that it was made from, whose weights are not quantised"
    kind = _in_words(stored)
    if kind != "nf4":
        raise SettingsError(
            f"model {settings.model} cannot be used: its weights are stored quantised ({kind}); "
            f"{instead}: --set quantize=nf4 quantises them as they are loaded"
        )
    if settings.quantize != "nf4":
        raise SettingsError(
            f"model {settings.model}: its weights are stored in 4 bits (NF4), which does not go "
            f"with quantize={settings.quantize}; set quantize=nf4, or {instead}"
        )
    if split and str(stored.get("bnb_4bit_quant_storage", "uint8")) == "uint8":
        raise SettingsError(
            f"model {settings.model}: its 4-bit weights are stored as bytes, which "
            f"{settings.parallel} cannot split; set parallel=ddp, or {instead}"
        )


def _in_words(stored: Mapping[str, Any]) -> str:
    method = str(stored.get("quant_method", "of an unknown kind"))
    if method != "bitsandbytes":
        return method
    if not stored.get("load_in_4bit"):
        return "bitsandbytes, 8 bits"
    kind = str(stored.get("bnb_4bit_quant_type", "fp4"))
    return kind if kind == "nf4" else f"bitsandbytes, {kind}"


def computing_in(config: PretrainedConfig, compute: torch.dtype) -> PretrainedConfig:
    """Return the config of a model that is stored in 4 bits, with another type for its products."""
    stored = stored_quantization(config)
    assert stored is not None
    name = str(compute).removeprefix("torch.")
    config.quantization_config = {**stored, "bnb_4bit_compute_dtype": name}
    return config


def dequantized(model: Any, dtype: torch.dtype) -> PreTrainedModel:
    """Return a model with its 4-bit weights as numbers again, which can be saved as such."""
    whole: Any = model.dequantize(dtype=dtype)
    # Saving would undo what loading has done to stored weights, and put them into 4 bits again.
    steps = getattr(whole, "_weight_conversions", None)
    if steps is not None:
        whole._weight_conversions = [step for step in steps if not _reads_four_bits(step)]
    numbers: PreTrainedModel = whole.to(dtype)
    return numbers


def _reads_four_bits(step: Any) -> bool:
    return any("bitsandbytes" in type(each).__module__ for each in getattr(step, "operations", ()))
