"""KV cache for a batch whose rows have different lengths.

Slot ``i`` of a row holds position ``i`` of its text. So rejected draft tokens are overwritten, rows
need no padding on the left, and nothing is copied to add a token.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import pad
from transformers.cache_utils import Cache, CacheLayerMixin

from .devices import free_memory

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

_GROWTH = 64
"""Slots are added in multiples of this, and at least half as many again as there were."""

CACHE_SHARE = 0.5
"""Share of the free memory for keys and values; prompts are read in the rest, and slots added."""


@dataclass(frozen=True)
class _WriteRange:
    """Where the next forward pass writes: ``width`` slots of each row in ``first`` to ``last - 1``.

    Attributes:
        start: the first of these slots; the greatest one, if rows start at different slots.
        used: number of slots that some row can attend to.
        index: rows and slots, if rows start at different slots.
    """

    first: int = 0
    last: int = 0
    start: int = 0
    width: int = 0
    used: int = 0
    index: tuple[torch.Tensor, torch.Tensor] | None = None


class _Layer(CacheLayerMixin):
    """One layer's keys and values: rows × heads × slots × dimensions."""

    is_sliding = False

    def __init__(self, cache: SlotCache) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._cache = cache

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate the buffers of all rows."""
        self.keys, self.values = (
            # Zeros, since masked values are still multiplied by zero, and zero times NaN is NaN.
            states.new_zeros(self._cache.rows, states.shape[1], self._cache.slots, states.shape[3])
            for states in (key_states, value_states)
        )
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new keys and values; return those of all slots that the rows can attend to."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        return self._write(self.keys, key_states), self._write(self.values, value_states)

    def _write(self, buffer: torch.Tensor | None, states: torch.Tensor) -> torch.Tensor:
        assert buffer is not None
        target = self._cache.target
        rows = buffer[target.first : target.last]
        if target.index is None:
            rows[:, :, target.start : target.start + target.width] = states
        else:
            rows.transpose(1, 2)[target.index] = states.transpose(1, 2)
        return rows[:, :, : target.used]

    def grow(self, slots: int) -> None:
        """Extend the buffers to a number of slots."""
        if self.keys is not None and self.values is not None:
            self.keys = pad(self.keys, (0, 0, 0, slots - self.keys.shape[2]))
            self.values = pad(self.values, (0, 0, 0, slots - self.values.shape[2]))

    def copy(self, source: int, rows: slice, slots: int) -> None:
        """Copy the first slots of a row to other rows."""
        for buffer in (self.keys, self.values):
            if buffer is not None:
                buffer[rows, :, :slots] = buffer[source, :, :slots].clone()

    def get_seq_length(self) -> int:
        """Return how many tokens precede those of this forward pass, at most."""
        return self._cache.target.start

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return how many slots a row can attend to, and the first of them."""
        return self._cache.target.used, 0

    def get_max_length(self) -> int:
        """Return -1: the length has no limit."""
        return -1


def slot_bytes(config: PretrainedConfig, dtype: torch.dtype) -> int:
    """Return the bytes of the keys and values of one token, of all layers."""
    text: Any = config.get_text_config(decoder=True)
    layers = range(text.num_hidden_layers)
    if text.is_heterogeneous:  # such as Gemma 4, whose layers have heads of two widths
        numbers = sum(_slot_numbers(text.per_layer_config[layer]) for layer in layers)
    else:
        numbers = len(layers) * _slot_numbers(text)
    return numbers * dtype.itemsize


def _slot_numbers(config: Any) -> int:
    """Return how many numbers the key and the value of one token have in a layer."""
    heads = config.num_attention_heads
    groups = getattr(config, "num_key_value_heads", None) or heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return int(2 * groups * width)


def rows_in_memory(model: PreTrainedModel, tokens: int, most: int) -> int:
    """Return how many answers can be generated at once in what is free on the model's device.

    Args:
        model: decides the size of keys and values.
        tokens: of the longest prompt and its answer.
        most: the answer is not above this, and at least 1.
    """
    room = int(free_memory(model.device) * CACHE_SHARE)
    return max(1, min(most, room // (slot_bytes(model.config, model.dtype) * tokens)))


class SlotCache(Cache):
    """KV cache of a number of rows; ``prepare_write`` sets where the next forward pass writes."""

    def __init__(self, rows: int) -> None:
        # A weak one: in a reference cycle, the buffers would wait for the garbage collector.
        make_layer: Any = partial(_Layer, weakref.proxy(self))
        super().__init__(layer_class_to_replicate=make_layer)
        self._layers: list[_Layer] = self.layers  # type: ignore[assignment]  # no others
        self.rows = rows
        self.slots = 0
        self.target = _WriteRange()

    def prepare_write(
        self, first: int, starts: Sequence[int], lengths: Sequence[int], device: torch.device
    ) -> None:
        """Set where the next forward pass writes; allocate slots that are missing.

        Args:
            first: the first row; the next ones follow.
            starts: the first slot for each row.
            lengths: tokens of each row. What is written after them is padding, which no token
                attends to and which a later pass overwrites.
            device: of the model.
        """
        width = max(lengths)
        needed = max(starts) + width
        if needed > self.slots:
            more = max(needed, self.slots * 3 // 2)
            self.slots = -(-more // _GROWTH) * _GROWTH
            for layer in self._layers:
                layer.grow(self.slots)
        index = None
        if len(set(starts)) > 1:
            rows = torch.arange(len(starts), device=device)
            slots = torch.tensor([range(start, start + width) for start in starts], device=device)
            index = rows[:, None], slots
        used = max(start + length for start, length in zip(starts, lengths, strict=True))
        self.target = _WriteRange(first, first + len(starts), max(starts), width, used, index)

    def copy(self, source: int, rows: slice, slots: int) -> None:
        """Copy the first slots of a row to other rows."""
        for layer in self._layers:
            layer.copy(source, rows, slots)
