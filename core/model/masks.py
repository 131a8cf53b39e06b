"""Who sees what: masks in the form that a model's attention takes, and prompts read as a prefix.

A causal model reads a word before it knows what follows. As a prefix, the tokens of a prompt see
each other, and only those of the answer no more than what stands before them (prefix language
model: Raffel et al. 2020, section 3.2.1): it tells better where a value begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..data import IGNORED
from ..errors import SettingsError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

def prefix_mask(attention_mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return who sees what, as truth values: rows × 1 × tokens × tokens.

    attention_mask: rows × tokens; 0 where there is padding, which no one sees.
    labels: rows × tokens. All before the first label of a row is its prefix.
    """
    length = labels.shape[1]
    prompt = (labels != IGNORED).cumsum(dim=1) == 0
    before = torch.ones(length, length, dtype=torch.bool, device=labels.device).tril()
    seen = before | (prompt[:, :, None] & prompt[:, None, :])
    return (seen & attention_mask.bool()[:, None, :])[:, None]


def attention_of(model: PreTrainedModel) -> str:
    """Return the name of the model's attention implementation."""
    return str(model.config._attn_implementation)


def added(model: PreTrainedModel) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return what a mask adds to the scores of what is seen, and of what is not.

    None: the attention takes truth values.
    """
    if attention_of(model) == "sdpa":
        return None
    embedding: Any = model.get_input_embeddings()
    seen = embedding.weight.new_zeros(())  # the type of hidden states, not of quantised weights
    return seen, seen + torch.finfo(seen.dtype).min


def sliding_window(model: PreTrainedModel) -> tuple[int, bool] | None:
    """Return how far back layers see, and whether all of them do no more; None if all see all."""
    config: Any = model.config.get_text_config(decoder=True)
    kinds = set(getattr(config, "layer_types", None) or ())
    size = getattr(config, "sliding_window", None)
    if size is None or kinds == {"full_attention"}:
        return None
    return int(size), "full_attention" not in kinds


def train_with_prefix(model: PreTrainedModel) -> None:
    """Let the model see the prompt as a prefix whenever it is given labels.

    Raises:
        SettingsError: layers of the model see a window of the text alone.
    """
    if sliding_window(model) is not None:
        raise SettingsError(
            f"prefix_lm: {type(model).__name__} has layers that see a part of the text alone; "
            f"train it with --set prefix_lm=false"
        )

    def look_ahead(
        _module: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        if given.get("labels") is None:
            return None
        seen = prefix_mask(given["attention_mask"], given["labels"])
        values = added(model)
        return args, given | {"attention_mask": torch.where(seen, *values) if values else seen}

    model.register_forward_pre_hook(look_ahead, with_kwargs=True)
