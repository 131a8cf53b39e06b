"""Load the weights of base models and adapters, to train them or to answer with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from ..settings import Settings
from .architecture import auto_class, model_class
from .attention import prompt_attention
from .devices import free_memory, pick_device, pick_precision
from .importing import import_model_libraries
from .library_output import foreign_prints_to_stderr
from .load_errors import BUILDING_ERRORS, cannot_load
from .location import location, read_config, require_weights
from .quantization import (
    computing_in,
    dequantized,
    keep_as_quantized,
    quantization,
    require_usable_quantization,
    stored_quantization,
)
from .weights import load_adapter, require_all_weights, require_floats

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
"""The types of numbers that the setting ``precision`` names."""

BF16_PARAMETERS = 50_000_000
"""Models from this many parameters on answer in bf16 on a CPU that has it."""

_COPIED_PARAMETERS = 200_000_000
"""Up to this many a second, merged copy of the model is loaded to generate with."""


def load_base(
    settings: Settings, *, quantized: bool, device: torch.device, split: bool = False
) -> PreTrainedModel:
    """Load the base model for training.

    Args:
        settings: name the model and the precision.
        quantized: whether to quantise the weights (NF4, double quantisation).
        device: to load it on, if that is a GPU.
        split: whether the weights will be split among processes. They are loaded into main memory
            then, if they are not quantised, and 4-bit weights are stored as numbers of the
            precision: those that are stored as bytes cannot be split.

    Raises:
        SettingsError: there is no such model, it has no safetensors, or it does not load; or its
            weights are stored quantised in a way that does not fit the settings.
    """
    import_model_libraries()
    config = read_config(settings)
    precision = DTYPES[pick_precision(settings, device)]
    # Adapters over unquantised float32 weights train well under autocast; fp16 weights do not.
    dtype = torch.float32 if precision == torch.float16 or device.type == "cpu" else precision
    options: dict[str, Any] = {}
    require_usable_quantization(config, settings, split=split)
    stored = stored_quantization(config)
    if stored:
        options["config"] = computing_in(config, precision)
    elif quantized:
        options["quantization_config"] = quantization(precision, as_numbers=split)
    place = location(settings)
    if device.type == "cuda" and (quantized or not split):
        options["device_map"] = {"": device.index or 0}
    require_weights(settings)
    try:
        if Path(place).is_dir() and stored is None:
            require_floats(Path(place), settings.model)
        model: PreTrainedModel
        with foreign_prints_to_stderr(settings):
            model, loaded = auto_class(config).from_pretrained(
                place,
                dtype=dtype,
                revision=settings.revision,
                trust_remote_code=settings.trust_remote_code,
                attn_implementation=pick_attention(settings, device, config),
                use_safetensors=True,
                local_files_only=Path(place).is_dir(),
                output_loading_info=True,
                **options,
            )
    except (*BUILDING_ERRORS, OSError, SafetensorError) as error:
        raise cannot_load(settings, error) from error
    require_all_weights(model, loaded, settings.model)
    if quantized:
        keep_as_quantized(model)
    return model


def pick_attention(
    settings: Settings, device: torch.device, config: PretrainedConfig | None = None
) -> str:
    """Return the attention implementation: FlashAttention if it is usable, else sdpa, else eager.

    FlashAttention has to be installed, and takes no masks.

    Args:
        settings: ``attention`` decides, unless it is "auto".
        device: to run on.
        config: of the model; None for one that supports each of them.
    """
    if settings.attention != "auto":
        return settings.attention
    from transformers.utils import is_flash_attn_2_available

    kind = model_class(config) if config else None
    usable = device.type == "cuda" and not prompt_attention(settings).needs_masks
    if usable and is_flash_attn_2_available() and (kind is None or kind._supports_flash_attn):
        return "flash_attention_2"
    return "sdpa" if kind is None or kind._supports_sdpa else "eager"


def load_for_inference(settings: Settings, adapter: Path | None) -> PreTrainedModel:
    """Load the model for inference: the base, with a run's adapter if one is given.

    After a training of all weights (``tuning`` "full") the adapter's folder holds the model itself.

    If memory allows (or ``settings.merge`` says so), the quantised weights are dequantised and the
    adapter is merged into them. These are exactly the weights it was trained over, and they
    generate several times faster than weights that are dequantised at every step.

    Raises:
        RunError: the adapter does not load.
        SettingsError: the base model does not.
    """
    device = pick_device()
    quantized = settings.quantize == "nf4"
    is_whole = settings.tuning == "full" and adapter is not None
    base = replace(settings, model=str(adapter), revision=None) if is_whole else settings
    model: Any = load_base(base, quantized=quantized, device=device)
    merging = settings.merge == "yes" or (settings.merge == "auto" and _fits(model, device))
    if merging:
        dtype = inference_dtype(device.type, pick_precision(settings, device))
        model = dequantized(model, dtype) if quantized else model.to(dtype)
    if adapter is not None and not is_whole:
        model = load_adapter(model, adapter)
        model = model.merge_and_unload() if merging else model
    if merging and _answers_in_bf16(model, settings, device):
        model = model.to(torch.bfloat16)
    if merging or not quantized:
        model = model.to(device)
    answering: PreTrainedModel = model.eval()
    return answering


def is_copied(parameters: int, settings: Settings) -> bool:
    """Say whether a trained model is copied and merged to generate with.

    Args:
        parameters: count of its parameters as they are stored; two 4-bit weights are one.
        settings: ``merge`` "no" forbids it.
    """
    return parameters <= _COPIED_PARAMETERS and settings.merge != "no"


def inference_dtype(device: str, precision: str) -> torch.dtype:
    """Return the dtype in which weights are merged on a type of device."""
    return torch.float32 if device == "cpu" else DTYPES[precision]


def _answers_in_bf16(model: PreTrainedModel, settings: Settings, device: torch.device) -> bool:
    """Say whether merged weights are rounded to bf16 on a CPU.

    With bf16 in hardware, that halves the memory of a large model and the time of its steps; those
    of a small one do not get shorter.
    """
    parameters = sum(parameter.numel() for parameter in model.parameters())
    is_large = parameters >= BF16_PARAMETERS
    return device.type == "cpu" and is_large and pick_precision(settings, device) == "bf16"


def _fits(model: PreTrainedModel, device: torch.device) -> bool:
    """Say whether dequantised weights take under half of the memory that is free."""
    parameters = sum(
        p.numel() * (2 if p.dtype == torch.uint8 else 1)  # a byte holds two NF4 weights
        for p in model.parameters()
    )
    width = 2 if device.type == "cuda" else 4
    return parameters * width < free_memory(device) / 2
