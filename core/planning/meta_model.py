"""Build the model of a training on torch's meta device: shapes only, no memory, no weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from ..model.adapted_modules import check_modules
from ..model.architecture import auto_class
from ..model.attention import prompt_attention
from ..model.importing import import_model_libraries
from ..model.library_output import foreign_prints_to_stderr
from ..model.loading import DTYPES, pick_attention
from ..model.quantization import keep_as_quantized, quantization
from ..settings import Settings
from ..training.qlora import lora_config, train_language_model

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def build_trained(
    config: PretrainedConfig, settings: Settings, device: str, precision: str
) -> tuple[Any, int]:
    """Return the model that is trained, with its adapter if it has one, quantised as settings say.

    Returns:
        The model, and the number of parameters of the base model.

    Raises:
        SettingsError: settings name modules that the model does not have.
    """
    import_model_libraries()
    from peft import get_peft_model
    from transformers.quantizers import AutoHfQuantizer

    # As load_base does it: on a GPU the weights are in bf16 where it computes in bf16.
    weights = torch.bfloat16 if (device, precision) == ("cuda", "bf16") else torch.float32
    model = build_plain(config, settings, weights)
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in model.parameters())
        if settings.quantize == "nf4":
            quantizer = AutoHfQuantizer.from_config(quantization(DTYPES[precision]))
            quantizer.preprocess_model(model, device_map=None)
            keep_as_quantized(model)
            model.is_loaded_in_4bit = True
        if settings.tuning == "full":
            train_language_model(model)
            prompt_attention(settings).prepare_training(model)
            return model, parameters
        check_modules(model, settings)
        # DoRA reads the weights as it begins; its vectors are all that it adds to LoRA's memory.
        adapted: Any = get_peft_model(model, lora_config(replace(settings, dora=False), model))
    prompt_attention(settings).prepare_training(adapted)
    return adapted, parameters


def build_plain(config: PretrainedConfig, settings: Settings, dtype: torch.dtype) -> Any:
    """Return the model of a config, neither quantised nor adapted."""
    # FlashAttention does not run on fake tensors; sdpa keeps the same of each layer.
    if settings.attention == "flash_attention_2":
        attention = "sdpa"
    else:
        attention = pick_attention(settings, torch.device("cpu"), config)
    with torch.device("meta"), foreign_prints_to_stderr(settings):
        return auto_class(config).from_config(
            config,
            dtype=dtype,
            attn_implementation=attention,
            trust_remote_code=settings.trust_remote_code,
        )


@contextlib.contextmanager
def experts_in_any_precision() -> Iterator[None]:
    """Let the experts of a model run on fake tensors in float32, too.

    Their grouped product in torch takes bf16 alone there; the operation that transformers has
    where there is no such kernel has the same inputs and outputs.
    """
    from transformers.integrations import moe

    library: Any = moe
    usual = library._can_use_grouped_mm
    library._can_use_grouped_mm = lambda *_tensors: False
    try:
        yield
    finally:
        library._can_use_grouped_mm = usual


def stored_numbers(model: Any) -> int:
    """Return how many numbers the parameters are stored as: two 4-bit weights are one."""
    from bitsandbytes.nn import Linear4bit

    whole = sum(parameter.numel() for parameter in model.parameters())
    packed = (m.weight.numel() // 2 for m in model.modules() if isinstance(m, Linear4bit))
    return int(whole - sum(packed))
