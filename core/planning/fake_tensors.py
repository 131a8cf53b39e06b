"""Tensors without content, and the bytes that they would take."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_BLOCK, _NESTED_BLOCK = 64, 256
"""Weights that share a constant, and constants that share one (Dettmers et al. 2023)."""


class Tally(TorchDispatchMode):
    """Counts the bytes of all storages that are alive, and the most that were at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self.seen: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        result = function(*arguments, **(options or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor):
                self._count(value)
        self.peak = max(self.peak, self.live + _inside(function, arguments))
        return result

    def _count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self.seen:
            self.seen.add(key)
            self.live += size
            weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self.seen.discard(key)
        self.live -= size


def _inside(function: Any, arguments: Any) -> int:
    """Return the bytes that an operation takes and gives back before it ends.

    bitsandbytes multiplies by 4-bit weights after it has dequantised them, and their constants
    (bitsandbytes/backends/default/ops.py), for all but small batches.
    """
    if function is torch.ops.bitsandbytes.gemm_4bit.default:
        weights = int(arguments[2][0] * arguments[2][1])
        return int(weights * arguments[0].element_size() + weights // _BLOCK * 8)
    return 0


def materialise(model: Any, sizes: dict[str, int]) -> None:
    """Give each parameter and buffer of a model a fake tensor as training would hold it."""
    from bitsandbytes.nn import Linear4bit

    made: dict[int, torch.nn.Parameter] = {}
    for module in model.modules():
        for name, old in module._parameters.items():
            if old is None:
                continue
            if id(old) not in made:
                four_bits = isinstance(module, Linear4bit) and name == "weight"
                made[id(old)] = _in_four_bits(old, sizes) if four_bits else _plain(old, sizes)
            module._parameters[name] = made[id(old)]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
                sizes["plain"] += buffer.nbytes


def _plain(old: torch.nn.Parameter, sizes: dict[str, int]) -> torch.nn.Parameter:
    # What is trained is trained in float32, whatever the base weights are.
    dtype = torch.float32 if old.requires_grad else old.dtype
    new = torch.nn.Parameter(torch.empty(old.shape, dtype=dtype), requires_grad=old.requires_grad)
    sizes["adapter" if old.requires_grad else "plain"] += new.nbytes
    return new


def _in_four_bits(old: Any, sizes: dict[str, int]) -> torch.nn.Parameter:
    """Return what bitsandbytes makes of a weight: NF4, with the constants quantised too."""
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
    sizes["quantized"] += new.nbytes
    sizes["constants"] += sum(tensor.nbytes for tensor in constants)
    made: torch.nn.Parameter = new
    return made
