"""Let processes call a model whose weights are split among them each as often as it needs to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def in_step(model: Any) -> Iterator[None]:
    """Provide a model that all processes hold parts of, for work of different length in each.

    Every call gathers weights from all processes, so all have to call the model equally often. Who
    is finished calls it with one token for as long as another one goes on. All processes have to
    enter.

    Args:
        model: the module that is called.
    """
    import torch
    from torch import distributed

    device = torch.device(model.device)

    def any_calls(own: int) -> bool:
        count = torch.tensor([own], device=device)
        distributed.all_reduce(count)
        return bool(count.item())

    # Before the hooks that gather weights: who is finished asks before it calls, too.
    hook = model.register_forward_pre_hook(lambda *_: any_calls(1) and None, prepend=True)
    try:
        yield
    finally:
        hook.remove()
    with torch.inference_mode():
        token = torch.zeros(1, 1, dtype=torch.long, device=device)
        while any_calls(0):
            model(input_ids=token, use_cache=False)
