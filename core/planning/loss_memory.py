"""The memory of TRL's fused loss, on positions that carry loss.

The loss projects hidden states to the vocabulary in tiles (trl/kernels/chunked_logprob.py) and
never holds whole logits. Without Triton the same code runs here, on fake tensors; its kernels for
GPUs do not, so an operation that allocates the same replaces them.
"""

from __future__ import annotations

from typing import Any

import torch
from trl.kernels.chunked_logprob import TOKEN_CHUNK_SIZE, ChunkedLogProbFunction

_VOCABULARY_TILE = 32_768
"""Words of the vocabulary that TRL projects to at once (trl/trainer/utils.py)."""

_OUTPUTS = ("log_probs", "entropy", "is_top1")
"""What training asks the loss for, of each token."""


def fused_loss(
    hidden: torch.Tensor, count: int, head: Any, device: str, softcap: float | None
) -> torch.Tensor:
    """Return the loss of some tokens; it allocates what TRL's fused loss does on a device.

    Args:
        hidden: tokens × width; the hidden states of a batch.
        count: how many of them carry loss; which ones, fake tensors do not know.
        head: the model's output embeddings.
        device: "cpu" or "cuda"; the tensors themselves are fake ones of a CPU.
        softcap: the bound that the model puts on its logits, if any.
    """
    hidden = hidden[torch.arange(count)]
    weight = head.weight
    log_probs: torch.Tensor
    if device == "cuda":
        on_gpu: Any = _LossOnGPU
        log_probs, *_ = on_gpu.apply(hidden, weight)
    else:
        # Of the columns that TRL reserves it touches no more than the vocabulary has.
        width = min(_VOCABULARY_TILE, len(weight))
        targets = torch.zeros(count, dtype=torch.long)
        bias = getattr(head, "bias", None)
        log_probs, *_ = ChunkedLogProbFunction.apply(
            hidden, weight, bias, targets, 1.0, width, softcap, 1.0, _OUTPUTS
        )
    return -log_probs.sum()


class _LossOnGPU(torch.autograd.Function):
    """Allocates what ChunkedLogProbFunction allocates where Triton's kernels work in the tile."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor) -> Any:
        autocast = torch.is_autocast_enabled("cpu")
        ctx.dtype = torch.get_autocast_dtype("cpu") if autocast else hidden.dtype
        _tile(hidden, weight, ctx.dtype)
        ctx.save_for_backward(hidden, weight)
        return tuple(torch.zeros(len(hidden)) for _ in _OUTPUTS)

    @staticmethod
    def backward(ctx: Any, *_gradients: Any) -> Any:
        hidden, weight = ctx.saved_tensors
        gradient = torch.zeros(hidden.shape, dtype=torch.float32)
        _tile(hidden, weight, ctx.dtype)
        return gradient.to(hidden.dtype), None


def _tile(hidden: torch.Tensor, weight: torch.Tensor, dtype: torch.dtype) -> None:
    """Allocate and free one tile of the projection: its logits, weights and hidden states."""
    tokens = min(len(hidden), TOKEN_CHUNK_SIZE)
    _allocated = (
        torch.empty(tokens, _VOCABULARY_TILE, dtype=dtype),
        weight[:_VOCABULARY_TILE].to(dtype),
        hidden[:tokens].to(dtype),
    )
