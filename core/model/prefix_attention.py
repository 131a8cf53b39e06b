"""Prefix language model: the tokens of a prompt attend to each other, in both directions.

The answer is still read causally (Raffel et al. 2020, section 3.2.1). A small model that has read
what follows a word recognises more reliably whether a value begins there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..data import IGNORED
from ..errors import SettingsError
from .masks import as_attention_mask, sliding_window

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def prefix_mask(attention_mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return a boolean mask: rows × 1 × queries × keys.

    Args:
        attention_mask: rows × tokens; 0 where there is padding, which no token attends to.
        labels: rows × tokens. All tokens before a row's first label are its prefix.
    """
    length = labels.shape[1]
    prompt = (labels != IGNORED).cumsum(dim=1) == 0
    causal = torch.ones(length, length, dtype=torch.bool, device=labels.device).tril()
    visible = causal | (prompt[:, :, None] & prompt[:, None, :])
    return (visible & attention_mask.bool()[:, None, :])[:, None]


class PrefixAttention:
    """The tokens of a prompt attend to each other, those of the answer to what precedes them."""

    needs_masks = True
    shares_keys = False  # even the first tokens depend on what follows them

    def bidirectional(self, prompt_length: int) -> int:
        """Return the length of the whole prompt."""
        return prompt_length

    def prompt_mask(self, attention_mask: torch.Tensor, model: PreTrainedModel) -> torch.Tensor:
        """Return a mask in which all tokens of a prompt see each other."""
        labels = torch.full_like(attention_mask, IGNORED)
        return as_attention_mask(prefix_mask(attention_mask, labels), model)

    def prepare_training(self, model: PreTrainedModel) -> None:
        """Let the model read what precedes the labels as a prefix, by a hook.

        Raises:
            SettingsError: some of the model's layers have a sliding window.
        """
        if sliding_window(model) is not None:
            raise windowed(str(model.config.name_or_path))

        def mask_by_labels(
            _module: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
            if given.get("labels") is None:
                return None
            visible = prefix_mask(given["attention_mask"], given["labels"])
            return args, given | {"attention_mask": as_attention_mask(visible, model)}

        model.register_forward_pre_hook(mask_by_labels, with_kwargs=True)


def windowed(model: str) -> SettingsError:
    """Return the error for a model with layers whose tokens do not see all of a prompt."""
    return SettingsError(
        f"prefix_lm: the model {model} has layers with a sliding window; "
        f"train it with --set prefix_lm=false"
    )
