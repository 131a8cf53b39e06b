"""Attention masks in the form that a model's attention implementation takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel


def attention_implementation(model: PreTrainedModel) -> str:
    """Return the name of the model's attention implementation, such as "sdpa"."""
    return str(model.config._attn_implementation)


def as_attention_mask(visible: torch.Tensor, model: PreTrainedModel) -> torch.Tensor:
    """Convert a boolean mask to what the model takes.

    Args:
        visible: True where a query attends to a key; rows × 1 × queries × keys.
        model: decides the form.

    Returns:
        The mask itself for "sdpa"; else the numbers to add to attention scores, zero where a key
        is visible and the lowest number elsewhere.
    """
    if attention_implementation(model) == "sdpa":
        return visible
    embedding: Any = model.get_input_embeddings()
    # The type of hidden states, not of quantised weights; a weight itself may be split.
    zero = torch.zeros((), dtype=embedding.weight.dtype, device=visible.device)
    return torch.where(visible, zero, zero + torch.finfo(zero.dtype).min)


def sliding_window(model: PreTrainedModel) -> tuple[int, bool] | None:
    """Return the attention window in tokens, and whether every layer has it; None without one."""
    return window_of(model.config)


def window_of(config: PretrainedConfig) -> tuple[int, bool] | None:
    """Return the same of the config of a model; see ``sliding_window``."""
    text: Any = config.get_text_config(decoder=True)
    layer_types = set(getattr(text, "layer_types", None) or ())
    size = getattr(text, "sliding_window", None)
    if size is None or layer_types == {"full_attention"}:
        return None
    return int(size), "full_attention" not in layer_types
