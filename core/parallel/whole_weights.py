"""Put together weights that are split among processes: to save them, or to compute with one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def whole(weight: torch.Tensor) -> torch.Tensor:
    """Return a weight that FSDP splits, whole; another as it is. All processes have to call it."""
    from torch.distributed.tensor import DTensor

    return weight.full_tensor() if isinstance(weight, DTensor) else weight


@contextmanager
def gathered_weight(weight: torch.Tensor) -> Iterator[torch.Tensor]:
    """Provide a weight whole, whatever splits it; all processes have to enter.

    Its gradient does not go back to the parts: it is for weights that are not trained.
    """
    if not hasattr(weight, "ds_id"):
        yield whole(weight)
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters([weight]):
        yield weight


def whole_parameters(model: Any, *, trained: bool) -> dict[str, torch.Tensor]:
    """Return the parameters of a model whole and in main memory; all processes have to call it.

    They are put together one by one, so no device holds more than one of them whole.

    Args:
        model: the model that is trained.
        trained: only those that are trained.
    """
    found = {}
    for name, parameter in model.named_parameters():
        if trained and not parameter.requires_grad:
            continue
        with gathered_weight(parameter) as weight:
            found[name] = weight.detach().cpu().clone()
    return found


def held_bytes(model: Any) -> tuple[int, int]:
    """Return the bytes of a model's weights that this process holds, and of all of them.

    Args:
        model: the model that is trained, between two steps.
    """
    from torch.distributed.tensor import DTensor

    held = all_of_them = 0
    for parameter in model.parameters():
        size = parameter.element_size()
        if hasattr(parameter, "ds_id"):
            all_of_them += parameter.ds_numel * size
            # DeepSpeed leaves an empty tensor in the place of weights that are not gathered now.
            held += max(parameter.numel(), parameter.ds_tensor.numel()) * size
            continue
        all_of_them += parameter.numel() * size
        part = parameter.to_local() if isinstance(parameter, DTensor) else parameter
        held += part.numel() * size
    return held, all_of_them
