"""Calls of the model: rows of a batch read on, each from where it stands.

Works with any causal model of transformers whose attention keeps keys and values and can be told,
by a mask of four dimensions, who sees what. Others are refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..errors import SettingsError
from .kv_cache import SlotCache
from .masks import added, attention_of, sliding_window

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOKENS_AT_ONCE = 8192
"""Tokens of a batch of prompts, the padding included: as many keep a GPU busy, and attention over
long ones takes memory by the square of their length."""

_LAYERS = frozenset(("full_attention", "sliding_attention"))
_ARGUMENTS = ("position_ids", "attention_mask", "past_key_values", "logits_to_keep")


def rows_at_once(lengths: Sequence[int]) -> int:
    """Return how many of the first prompts are read at once; one, if there are any, at least.

    lengths: in tokens.
    """
    longest = 0
    for before, length in enumerate(lengths):
        longest = max(longest, length)
        if before and (before + 1) * longest > TOKENS_AT_ONCE:
            return before
    return len(lengths)


@dataclass(frozen=True)
class Passage:
    """What a row reads next.

    start: how many tokens of the row the cache holds and keeps.
    tokens: what follows them, at least one.
    asked: how many of these, counted from the end, the model is asked about: what comes next?
    branches: tokens at the end that do not go on from the one before them. Each branch is a number
        of those that are asked about, behind the first of these, from which it goes on; and its
        length.
    prefix: how many tokens at the beginning of the row see each other. One passage reads them all.
    """

    start: int
    tokens: Sequence[int]
    asked: int = 1
    branches: Sequence[tuple[int, int]] = ()
    prefix: int = 0


class Opinion:
    """What the model would write after each token that it was asked about.

    tokens: its best token.
    logprobs: the natural logarithm of that token's probability.
    """

    def __init__(self, tokens: list[int], logprobs: list[float], scores: torch.Tensor) -> None:
        self.tokens = tokens
        self.logprobs = logprobs
        self._scores = scores

    def best(self, at: int, allowed: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[int, float]:
        """Return the best of the tokens that are allowed, and its logarithmic probability."""
        scores = self._scores[at].cpu().numpy()
        token = int(np.where(allowed, scores[: len(allowed)], -np.inf).argmax())
        below = float(scores[token]) - float(scores[self.tokens[at]])
        return token, self.logprobs[at] + below


class Reader:
    """A model, and a cache for a number of rows."""

    def __init__(self, model: PreTrainedModel, rows: int) -> None:
        self._model = model
        self._device = torch.device(model.device)
        self._cache = SlotCache(rows)
        self._sliding = sliding_window(model)
        self._slots = torch.arange(0, device=self._device)
        self._added = added(model)

    def read(self, first: int, passages: Sequence[Passage]) -> list[Opinion]:
        """Let the rows from ``first`` on read a passage each."""
        lengths = [len(passage.tokens) for passage in passages]
        width, asked = max(lengths), max(passage.asked for passage in passages)
        branching = any(passage.branches for passage in passages)
        told = []
        for passage, length in zip(passages, lengths, strict=True):
            # Rows are filled up at their ends; no one sees that and it is written over later.
            rows = list(passage.tokens), *_places(passage, branching=branching)
            told.append([[*row, *row[-1:] * (width - length)] for row in rows])
        ids, *where = torch.tensor(told, device=self._device).unbind(1)
        kept: int | torch.Tensor = asked
        if min(lengths) < width:
            places = [[max(0, n - asked + i) for i in range(asked)] for n in lengths]
            kept = torch.tensor(places, device=self._device)
        self._cache.aim(first, [passage.start for passage in passages], lengths, self._device)
        logits = self._model(
            input_ids=ids,
            position_ids=where[0],
            attention_mask=self._masks(where),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=kept,
        ).logits
        scores = logits.float()
        best, tokens = scores.max(dim=-1)
        logprobs = best - scores.logsumexp(dim=-1)
        # One transfer: a float32 travels as the int32 of the same bits.
        packed = torch.stack((tokens.int(), logprobs.view(torch.int32))).cpu().numpy()
        chosen, sure = packed[0].tolist(), packed[1].view(np.float32).tolist()
        return [
            Opinion(*(part[row][-passage.asked :] for part in (chosen, sure, scores)))
            for row, passage in enumerate(passages)
        ]

    def share(self, length: int) -> None:
        """Give all rows the first tokens that row 0 has read."""
        self._cache.copy(0, slice(None), length)

    def move(self, source: int, target: int, length: int) -> None:
        """Let a row stand in another one's place."""
        self._cache.copy(source, slice(target, target + 1), length)

    def _masks(self, where: Sequence[torch.Tensor]) -> torch.Tensor | dict[str, torch.Tensor]:
        """Return who sees what: rows × 1 × tokens read × slots.

        where: what ``_places`` tells, rows × tokens each.
        """
        if len(self._slots) < self._cache.slots:
            self._slots = torch.arange(self._cache.slots, device=self._device)
        slots = self._slots[: self._cache.target.used]
        position, trunk, *branches = (part[:, None, :, None] for part in where)
        own = None
        if branches:
            branch, here = branches
            own = (slots >= branch) & (slots <= here)
        full = slots <= trunk
        visible = full if own is None else full | own
        if self._sliding is None:
            return self._told(visible)
        size, in_every_layer = self._sliding
        near = full & (slots > position - size)
        near = self._told(near if own is None else near | own)
        if in_every_layer:
            return near
        return {"full_attention": self._told(visible), "sliding_attention": near}

    def _told(self, visible: torch.Tensor) -> torch.Tensor:
        """Return a mask as the attention wants it: a truth value, or what is added to a score."""
        return visible if self._added is None else torch.where(visible, *self._added)


def _places(passage: Passage, *, branching: bool) -> tuple[list[int], ...]:
    """Return for each token its position and which slots it sees.

    That is every slot up to one and, where there are branches, those from another one to its own.
    """
    end = passage.start + len(passage.tokens)
    here = list(range(passage.start, end))
    straight = here[: len(here) - sum(length for _, length in passage.branches)]
    trunk = [max(place, passage.prefix - 1) for place in straight]
    if not branching:
        return here, trunk
    root = end - passage.asked
    positions, branch = list(straight), list(straight)
    for behind, length in passage.branches:
        fork = root + behind
        positions += range(fork + 1, fork + 1 + length)
        trunk += [fork] * length
        branch += [passage.start + len(branch)] * length
    return positions, trunk, branch, here


def _require_readable(model: PreTrainedModel) -> None:
    """Refuse a model that cannot read on from any place of a text.

    Raises:
        SettingsError: says why.
    """
    given: Any = model
    inner = given.get_base_model() if hasattr(model, "get_base_model") else given
    config: Any = model.config.get_text_config(decoder=True)
    strange = set(getattr(config, "layer_types", None) or ()) - _LAYERS
    arguments = inspect.signature(inner.forward).parameters
    missing = [name for name in _ARGUMENTS if name not in arguments]
    if model.config.is_encoder_decoder:
        why = "it has an encoder"
    elif inner._is_stateful:
        why = "it keeps a state that cannot be taken back"
    elif strange:
        why = f"it has layers of the kind {min(strange)}"
    elif missing:
        why = f"it takes no {missing[0]}"
    elif not inner._supports_attention_backend or getattr(config, "alibi", False):
        why = "its attention cannot be told who sees what"
    else:
        return
    raise SettingsError(
        f"{type(inner).__name__} cannot be used: {why}; choose a decoder whose attention keeps "
        f"keys and values, such as LLaMA, Mistral, Qwen or Gemma"
    )


@contextmanager
def ready(model: PreTrainedModel) -> Iterator[None]:
    """Let a model generate: no dropout, and an attention that takes masks; then as it was.

    Raises:
        SettingsError: the model cannot be used so.
    """
    _require_readable(model)
    training, attention = model.training, attention_of(model)
    model.eval()
    if attention not in ("eager", "sdpa"):
        model.set_attn_implementation("sdpa" if model._supports_sdpa else "eager")
    try:
        with torch.inference_mode():
            yield
    finally:
        if attention_of(model) != attention:
            model.set_attn_implementation(attention)
        model.train(training)
