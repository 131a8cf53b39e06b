"""The loss reads what carries it alone: the head projects no token of a prompt.

On GPUs TRL's fused loss leaves out the positions without a label by itself; on other devices it
projects every position and discards most (trl/trainer/utils.py, ``add_fused_lm_head``). An answer
is a small part of its row, and of a small model's step that projection is the larger part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..data import IGNORED
from ..parallel.processes import gathered

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

POSITIONS = 256
"""Positions are filled up to a multiple: on CPUs each count of them costs kernels of its own."""


def filled(positions: int, tokens: int) -> int:
    """Return how many positions of a batch are projected where so many carry loss."""
    return min(max(1, -(-positions // POSITIONS)) * POSITIONS, tokens)


def project_answers_alone(model: PreTrainedModel) -> None:
    """Let the fused loss read the positions that carry loss, as one row; the model may be adapted.

    Loss and gradients stay what they are, but for the order in which sums are taken. Hooks that
    read the labels, or all that the decoder gives, have to be registered before.
    """
    from torch.nn.functional import pad

    chosen: list[torch.Tensor] = []
    trained: Any = model

    def choose(
        _module: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        chosen.clear()
        if not given.get("fused_lm_head") or given.get("labels") is None:
            return None
        following = following_labels(given).flatten()
        positions = (following != IGNORED).nonzero().flatten()
        missing = filled(len(positions), len(following)) - len(positions)
        labels = pad(following[positions], (0, missing), value=IGNORED)
        chosen.append(pad(positions, (0, missing)))
        # TRL takes labels that are shifted already as they are.
        return args, given | {"labels": None, "shift_labels": labels[None]}

    def compact(_module: torch.nn.Module, _given: Any, output: Any) -> None:
        if chosen:
            hidden = output.last_hidden_state.flatten(0, 1)
            output.last_hidden_state = hidden[chosen.pop()][None]

    model.register_forward_pre_hook(choose, with_kwargs=True)
    trained.get_decoder().register_forward_hook(compact)


@dataclass
class LoggedLoss:
    """The loss since the last logged line: a sum over the tokens of answers, and their number.

    A mean of the losses of batches would weigh the tokens of a small batch more than others.
    """

    total: float = 0.0
    tokens: int = 0

    def add(self, loss: float, tokens: int) -> None:
        """Add a batch, given the sum of its loss; one that is not finite is left out."""
        if math.isfinite(loss):
            self.total += loss
            self.tokens += tokens

    def take(self) -> dict[str, float]:
        """Return the entries of a line of the log, over all processes, and begin anew."""
        parts = gathered([(self.total, self.tokens)])
        total, tokens = (sum(column) for column in zip(*parts, strict=True))
        self.total, self.tokens = 0.0, 0
        mean = total / tokens if tokens else math.nan
        return {"loss": mean, "loss_tokens": int(tokens)}


def answer_tokens(batch: Mapping[str, torch.Tensor]) -> int:
    """Return how many tokens of a batch carry loss; none precedes the first one of a row."""
    return int((following_labels(batch) != IGNORED).sum())


def following_labels(batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the label that each token of a batch has to predict.

    Where a batch has parts of rows, the label that follows a part is in another one: they come with
    ``shift_labels``.
    """
    from torch.nn.functional import pad

    if "shift_labels" in batch:
        return batch["shift_labels"]
    return pad(batch["labels"][:, 1:], (0, 1), value=IGNORED)
