"""Attention strategies: which tokens of a prompt attend to each other.

Decided here, once, by the setting ``prefix_lm``; everything else asks the strategy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..settings import Settings

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class CausalAttention:
    """Each token attends to itself and to the tokens before it, as any decoder is trained."""

    needs_masks = False
    """Whether training needs attention masks that are not causal; FlashAttention takes none."""

    shares_keys = True
    """Whether prompts that begin with the same tokens have the same keys and values for these."""

    def bidirectional(self, _prompt_length: int) -> int:
        """Return how many tokens at the beginning of a prompt attend to each other."""
        return 0

    def prompt_mask(self, attention_mask: torch.Tensor, _model: PreTrainedModel) -> torch.Tensor:
        """Return the mask to read prompts with.

        Args:
            attention_mask: rows × tokens, 0 where there is padding.
        """
        return attention_mask

    def prepare_training(self, model: PreTrainedModel) -> None:
        """Let the model attend so whenever it is given labels.

        Raises:
            SettingsError: the model's layers do not allow it.
        """


CAUSAL = CausalAttention()


def prompt_attention(settings: Settings) -> CausalAttention:
    """Return the strategy that the settings choose."""
    if not settings.prefix_lm:
        return CAUSAL
    from .prefix_attention import PrefixAttention

    return PrefixAttention()
