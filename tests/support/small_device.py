"""A device that holds batches of so many rows and no more."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch


def small_device(rows: int, first: int, *, scoring: bool = False) -> Callable[..., torch.Tensor]:
    """Return torch's look-up of tokens on a device that holds batches of so many rows.

    first: at which look-up of a batch it begins to.
    scoring: whether that is so while nothing is trained, or while something is.
    """
    look_up, seen = torch.nn.functional.embedding, itertools.count(1)

    def embedding(tokens: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        is_real = type(tokens) is torch.Tensor  # those of extract plan are not
        counts = is_real and torch.is_grad_enabled() != scoring
        if counts and next(seen) >= first and tokens.shape[0] > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return look_up(tokens, *arguments, **options)

    return embedding
