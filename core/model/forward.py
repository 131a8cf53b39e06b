"""Forward passes: the rows of a batch each read on from where they are, with a KV cache.

Works with any causal model of transformers whose attention keeps keys and values and takes masks of
four dimensions. Other models are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from .architecture import unsupported, why_unsupported
from .kv_cache import SlotCache
from .masks import as_attention_mask, attention_implementation, sliding_window

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MAX_BATCH_TOKENS = 8192
"""Tokens of a batch of prompts, padding included: enough to keep a GPU busy. The memory that
attention takes grows by the square of a prompt's length."""


def rows_at_once(lengths: Sequence[int]) -> int:
    """Return how many of the first prompts are read in one batch; at least one, if there are any.

    Args:
        lengths: in tokens.
    """
    longest = 0
    for before, length in enumerate(lengths):
        longest = max(longest, length)
        if before and (before + 1) * longest > MAX_BATCH_TOKENS:
            return before
    return len(lengths)


@dataclass(frozen=True)
class ForwardInput:
    """What one row reads in the next forward pass.

    Attributes:
        start: how many tokens of the row are in the cache and stay there.
        tokens: what follows them, at least one.
        predicted: for how many of these, counted from the end, the next token is predicted.
        branches: runs of tokens at the end, each of which continues an earlier token than the one
            in front of it: how many of the predicted tokens after the first one precede the run,
            and its length.
        bidirectional: how many tokens at the beginning of the row attend to each other. One input
            holds them all.
    """

    start: int
    tokens: Sequence[int]
    predicted: int = 1
    branches: Sequence[tuple[int, int]] = ()
    bidirectional: int = 0


class NextTokens:
    """The model's predictions of the next token after several tokens of a row.

    Attributes:
        tokens: the most probable token at each of them.
        logprobs: natural logarithm of that token's probability.
    """

    def __init__(self, tokens: list[int], logprobs: list[float], logits: torch.Tensor) -> None:
        self.tokens = tokens
        self.logprobs = logprobs
        self._logits = logits

    def best(self, at: int, allowed: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[int, float]:
        """Return the most probable of the allowed tokens, and its log-probability."""
        logits = self._logits[at].cpu().numpy()
        known = min(len(allowed), len(logits))  # a model may know fewer tokens than its tokenizer
        token = int(np.where(allowed[:known], logits[:known], -np.inf).argmax())
        below = float(logits[token]) - float(logits[self.tokens[at]])
        return token, self.logprobs[at] + below


class _TokenSlots(NamedTuple):
    """Position and visible cache slots of each token; lists, or tensors of rows × tokens.

    Attributes:
        position: position in the text.
        trunk: the token attends to all slots up to this one, and from ``branch`` to ``own``.
        branch: first slot of the branch; that of the token itself outside of a branch.
        own: slot of the token.
    """

    position: Any
    trunk: Any
    branch: Any
    own: Any


class ForwardPass:
    """A model with a KV cache for a number of rows."""

    def __init__(self, model: PreTrainedModel, rows: int) -> None:
        self._model = model
        self._device = torch.device(model.device)
        self._cache = SlotCache(rows)
        self._sliding = sliding_window(model)
        self._slots = torch.arange(0, device=self._device)

    def run(self, first: int, inputs: Sequence[ForwardInput]) -> list[NextTokens]:
        """Run the model on one input each for the rows from ``first`` on."""
        lengths = [len(each.tokens) for each in inputs]
        width, predicted = max(lengths), max(each.predicted for each in inputs)
        padded = []
        for each, length in zip(inputs, lengths, strict=True):
            # Padding at the end of a row is not attended to, and is overwritten later.
            parts = list(each.tokens), *_token_slots(each)
            padded.append([[*part, *part[-1:] * (width - length)] for part in parts])
        ids, *slots = torch.tensor(padded, device=self._device).unbind(1)
        # Indices, since a number makes a slice, whose logits take several times as long in bf16.
        kept = torch.arange(width - predicted, width, device=self._device)
        if min(lengths) < width:
            indices = [[max(0, n - predicted + i) for i in range(predicted)] for n in lengths]
            kept = torch.tensor(indices, device=self._device)
        starts = [each.start for each in inputs]
        self._cache.prepare_write(first, starts, lengths, self._device)
        logits = self._model(
            input_ids=ids,
            position_ids=slots[0],
            attention_mask=self._masks(
                _TokenSlots(*slots), branching=any(each.branches for each in inputs)
            ),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=kept,
        ).logits.float()
        best, tokens = logits.max(dim=-1)
        logprobs = best - logits.logsumexp(dim=-1)
        # One transfer: a float32 travels as the int32 of the same bits.
        packed = torch.stack((tokens.int(), logprobs.view(torch.int32))).cpu().numpy()
        outputs = packed[0].tolist(), packed[1].view(np.float32).tolist(), logits
        return [
            NextTokens(*(part[row][-each.predicted :] for part in outputs))
            for row, each in enumerate(inputs)
        ]

    def share(self, length: int) -> None:
        """Copy the first tokens of row 0 to all rows."""
        self._cache.copy(0, slice(None), length)

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first tokens of a row to another row."""
        self._cache.copy(source, slice(target, target + 1), length)

    def _masks(
        self, token: _TokenSlots, *, branching: bool
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """Return the attention mask, one for each type of layer if they differ.

        Each is rows × 1 × tokens × slots.
        """
        if len(self._slots) < self._cache.slots:
            self._slots = torch.arange(self._cache.slots, device=self._device)
        slots = self._slots[: self._cache.target.used]
        token = _TokenSlots(*(part[:, None, :, None] for part in token))
        trunk = slots <= token.trunk
        branch = (slots >= token.branch) & (slots <= token.own) if branching else None

        def mask(visible: torch.Tensor) -> torch.Tensor:
            return as_attention_mask(visible if branch is None else visible | branch, self._model)

        if self._sliding is None:
            return mask(trunk)
        size, in_every_layer = self._sliding
        near = mask(trunk & (slots > token.position - size))
        if in_every_layer:
            return near
        return {"full_attention": mask(trunk), "sliding_attention": near}


def _token_slots(row: ForwardInput) -> _TokenSlots:
    own = list(range(row.start, row.start + len(row.tokens)))
    straight = own[: len(own) - sum(length for _, length in row.branches)]
    trunk = [max(slot, row.bidirectional - 1) for slot in straight]
    root = row.start + len(row.tokens) - row.predicted
    positions, branch = list(straight), list(straight)
    for behind, length in row.branches:
        fork = root + behind
        positions += range(fork + 1, fork + 1 + length)
        trunk += [fork] * length
        branch += [row.start + len(branch)] * length
    return _TokenSlots(positions, trunk, branch, own)


def _require_supported(model: PreTrainedModel) -> None:
    """Refuse a model that cannot read on from any position of a text.

    Raises:
        SettingsError: says why.
    """
    given: Any = model
    inner = given.get_base_model() if hasattr(model, "get_base_model") else given
    if why := why_unsupported(type(inner), model.config):
        raise unsupported(type(inner).__name__, why)


@contextmanager
def generation_mode(model: PreTrainedModel) -> Iterator[None]:
    """Set the model to evaluation and an attention that takes masks; restore both afterwards.

    Raises:
        SettingsError: the model cannot be used for generation.
    """
    _require_supported(model)
    training, attention = model.training, attention_implementation(model)
    model.eval()
    if attention not in ("eager", "sdpa"):
        model.set_attn_implementation("sdpa" if model._supports_sdpa else "eager")
    try:
        with torch.inference_mode():
            yield
    finally:
        if attention_implementation(model) != attention:
            model.set_attn_implementation(attention)
        model.train(training)
