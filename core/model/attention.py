"""Attention strategies: which tokens of a prompt attend to each other.

Decided here, once, by the setting ``prefix_lm``; everything else asks the strategy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..settings import Settings

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class PromptAttention(Protocol):
    """What the rest of the package asks of a strategy."""

    @property
    def needs_masks(self) -> bool:
        """Whether training needs attention masks that are not causal; FlashAttention takes none."""

    @property
    def shares_keys(self) -> bool:
        """Whether equal first tokens of prompts have equal keys and values."""

    def bidirectional(self, prompt_length: int) -> int:
        """Return how many tokens at the beginning of a prompt attend to each other."""

    def prompt_mask(self, attention_mask: torch.Tensor, model: PreTrainedModel) -> torch.Tensor:
        """Return the mask to read prompts with.

        Args:
            attention_mask: rows × tokens, 0 where there is padding.
            model: decides the form of the mask.
        """

    def prepare_training(self, model: PreTrainedModel) -> None:
        """Let the model attend so whenever it is given labels.

        Raises:
            SettingsError: the model's layers do not allow it.
        """


class CausalAttention:
    """Each token attends to itself and to the tokens before it, as in any decoder."""

    needs_masks = False
    shares_keys = True

    def bidirectional(self, prompt_length: int) -> int:
        """Return 0."""
        return 0

    def prompt_mask(self, attention_mask: torch.Tensor, model: PreTrainedModel) -> torch.Tensor:
        """Return the mask as it is: causal models add the rest."""
        return attention_mask

    def prepare_training(self, model: PreTrainedModel) -> None:
        """Keep masks of padding from the model whenever it is given labels, by a hook.

        Rows are padded at their end, so no token with a label attends to padding anyway. A mask
        would rule out the kernels that take none, such as FlashAttention's, for all of the batch.
        """

        def drop_mask(
            _module: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
            if given.get("labels") is None:
                return None
            return args, {name: value for name, value in given.items() if name != "attention_mask"}

        model.register_forward_pre_hook(drop_mask, with_kwargs=True)


CAUSAL = CausalAttention()


def prompt_attention(settings: Settings) -> PromptAttention:
    """Return the strategy that the settings choose."""
    if not settings.prefix_lm:
        return CAUSAL
    from .prefix_attention import PrefixAttention

    return PrefixAttention()
