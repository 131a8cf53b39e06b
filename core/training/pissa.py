"""PiSSA (Meng et al. 2024): an adapter begins as the largest singular vectors of its weights.

What it begins as is subtracted from the base weights while it is trained. So that a saved adapter
works over the weights as they were, it holds the difference: twice the rank, with what the adapter
began as, negated, beside what it became.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from ..parallel.processes import is_main_process

INITIAL = "pissa.safetensors"
"""File of what the adapters of a training began as, beside its checkpoints."""


def start_from_singular_vectors(model: Any, file: Path) -> dict[str, torch.Tensor]:
    """Let a new adapter begin as singular vectors, and subtract them from the base weights.

    Another machine may find other vectors, so they are stored; a resumed training reads them.

    Args:
        model: the model with an adapter (LoRA) that is not trained yet.
        file: where they are stored.

    Returns:
        What the adapter begins as, by the names in a saved adapter.
    """
    layers = _adapted_layers(model)
    stored = load_file(file) if file.is_file() else None
    for name, layer in layers.items():
        if stored is None:
            layer.pissa_init("default", "pissa")
        else:
            _subtract(layer, stored[f"{name}.lora_A.weight"], stored[f"{name}.lora_B.weight"])
    initial = {
        f"{name}.{part}.weight": getattr(layer, part)["default"].weight.detach().clone().cpu()
        for name, layer in layers.items()
        for part in ("lora_A", "lora_B")
    }
    if stored is None and is_main_process():
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{file.name}")
        save_file({name: tensor.contiguous() for name, tensor in initial.items()}, partial)
        partial.replace(file)
    return initial


def _adapted_layers(model: Any) -> dict[str, Any]:
    from peft.tuners.lora import LoraLayer

    return {name: part for name, part in model.named_modules() if isinstance(part, LoraLayer)}


def _subtract(layer: Any, down: torch.Tensor, up: torch.Tensor) -> None:
    """Begin as given: what peft's ``pissa_init`` does once it has the singular vectors.

    Args:
        layer: an adapted layer.
        down: rank × inputs.
        up: outputs × rank.
    """
    from peft.utils.other import transpose

    base = layer.get_base_layer().weight
    down, up = down.to(base.device), up.to(base.device)
    layer.lora_A["default"].weight.data, layer.lora_B["default"].weight.data = down, up
    weight = transpose(base.data.to(torch.float32), layer.fan_in_fan_out)
    weight = weight - layer.scaling["default"] * up @ down
    base.data = transpose(weight.to(base.dtype), layer.fan_in_fan_out)


def as_difference(adapter: Path, initial: Mapping[str, torch.Tensor]) -> None:
    """Rewrite a saved adapter so that it is one over the original weights.

    Args:
        adapter: its folder.
        initial: what it began as.
    """
    from peft import LoraConfig

    file = adapter / "adapter_model.safetensors"
    weights = load_file(file)
    for name, began in initial.items():
        if ".lora_A." in name:
            weights[name] = torch.cat([weights[name], began], dim=0)
        else:
            weights[name] = torch.cat([weights[name], -began], dim=1)
    save_file(weights, file, metadata={"format": "pt"})
    config = LoraConfig.from_pretrained(str(adapter))
    # The scaling stays: it is alpha by the rank, or by its square root.
    config.lora_alpha *= 2**0.5 if config.use_rslora else 2
    config.r *= 2
    config.init_lora_weights = True
    config.save_pretrained(str(adapter))
