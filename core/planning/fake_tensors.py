"""Count the bytes of tensors without allocating them: fake tensors and a memory tracker.

A fake tensor has a shape and a type, and no content.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_BLOCK, _NESTED_BLOCK = 64, 256
"""Weights that share a constant, and constants that share one (Dettmers et al. 2023)."""


class MemoryTracker(TorchDispatchMode):
    """Counts the bytes of all storages that tensors hold.

    Attributes:
        live: bytes held now.
        peak: most bytes held at once; may be reset.
        gradients: bytes of gradients that are complete, by ``add_gradient``.
        peak_besides: most bytes held at once besides these; may be reset.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = self.gradients = self.peak_besides = 0
        self._known: set[int] = set()
        self._complete: set[int] = set()

    def add_gradient(self, parameter: torch.Tensor) -> None:
        """Count the gradient of a parameter as complete, if it has one; a hook calls it."""
        if parameter.grad is not None and id(parameter) not in self._complete:
            self._complete.add(id(parameter))
            self.gradients += parameter.grad.nbytes

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        result = function(*arguments, **(options or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor):
                self._count(value.untyped_storage())
        held = self.live + _working_space(function, arguments)
        self.peak = max(self.peak, held)
        self.peak_besides = max(self.peak_besides, held - self.gradients)
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self.live += size
            weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _working_space(function: Any, arguments: Any) -> int:
    """Return the bytes that an operation allocates and frees internally.

    bitsandbytes dequantises 4-bit weights, and their constants, before it multiplies by them
    (bitsandbytes/backends/default/ops.py), for all but small batches.
    """
    if function is torch.ops.bitsandbytes.gemm_4bit.default:
        weights = int(arguments[2][0] * arguments[2][1])
        return int(weights * arguments[0].element_size() + weights // _BLOCK * 8)
    return 0


@dataclass
class WeightBytes:
    """Bytes of a model's weights.

    Attributes:
        quantized: weights in 4 bit.
        constants: the scales of these.
        plain: other weights that are not trained, and buffers.
        adapter: weights that are trained.
    """

    quantized: int = 0
    constants: int = 0
    plain: int = 0
    adapter: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.quantized + self.constants + self.plain + self.adapter


def materialise(model: torch.nn.Module, trained: torch.dtype = torch.float32) -> WeightBytes:
    """Replace the parameters and buffers of a model by fake tensors of the types that it trains in.

    To be called under ``FakeTensorMode``; parameters that are shared remain shared.

    Args:
        model: on the meta device.
        trained: numbers of what is trained.
    """
    from bitsandbytes.nn import Linear4bit

    sizes = WeightBytes()
    made: dict[int, torch.nn.Parameter] = {}
    for module in model.modules():
        for name, old in [*module.named_parameters(recurse=False, remove_duplicate=False)]:
            if id(old) not in made:
                four_bits = isinstance(module, Linear4bit) and name == "weight"
                made[id(old)] = _four_bit(old, sizes) if four_bits else _plain(old, sizes, trained)
            setattr(module, name, made[id(old)])
        for name, buffer in [*module.named_buffers(recurse=False, remove_duplicate=False)]:
            setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype))
            sizes.plain += buffer.nbytes
    return sizes


def _plain(old: torch.nn.Parameter, sizes: WeightBytes, trained: torch.dtype) -> torch.nn.Parameter:
    if not old.requires_grad:
        sizes.plain += old.nbytes
        return torch.nn.Parameter(torch.empty(old.shape, dtype=old.dtype), requires_grad=False)
    # Whatever the base weights are.
    new = torch.nn.Parameter(torch.empty(old.shape, dtype=trained))
    sizes.adapter += new.nbytes
    return new


def _four_bit(old: Any, sizes: WeightBytes) -> torch.nn.Parameter:
    """Return a weight as bitsandbytes stores it: NF4, with the constants quantised too."""
    from bitsandbytes.functional import QuantState

    count = old.numel()
    blocks = -(-count // _BLOCK)
    nested = QuantState(
        absmax=torch.empty(-(-blocks // _NESTED_BLOCK)),
        code=torch.empty(256),
        blocksize=_NESTED_BLOCK,
        dtype=torch.float32,
    )
    state = QuantState(
        absmax=torch.empty(blocks, dtype=torch.uint8),
        shape=torch.Size(old.shape),
        code=torch.empty(16),
        blocksize=_BLOCK,
        quant_type="nf4",
        dtype=torch.float32,
        offset=torch.empty(()),
        state2=nested,
    )
    new: Any = torch.nn.Parameter(
        torch.empty((count + 1) // 2, 1, dtype=torch.uint8), requires_grad=False
    )
    for name in ("compress_statistics", "quant_type", "quant_storage"):
        setattr(new, name, getattr(old, name))
    new.bnb_quantized, new.quant_state = True, state
    constants = (state.absmax, state.code, state.offset, nested.absmax, nested.code)
    sizes.quantized += new.nbytes
    sizes.constants += sum(tensor.nbytes for tensor in constants)
    made: torch.nn.Parameter = new
    return made
