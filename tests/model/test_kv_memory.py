"""How many answers are generated at once: what the free memory holds, no more than is set."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_model import random_model

from fieldsmith.model import devices, kv_cache
from fieldsmith.model.forward import ForwardInput, ForwardPass

TOKENS = 320  # a multiple of what the cache grows by


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("Llama", {}), ("Qwen3", {"head_dim": 24}), ("Gemma3Text", {"num_key_value_heads": 1})],
)
def test_the_cache_takes_what_is_counted(kind: str, settings: dict[str, Any]) -> None:
    model = random_model(kind, **settings)
    forward = ForwardPass(model, rows=3)
    forward.run(0, [ForwardInput(0, [5] * TOKENS)])
    layers: Any = forward._cache.layers
    taken = sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)
    assert taken == 3 * TOKENS * kv_cache.slot_bytes(model.config, model.dtype)


def test_rows_fit_into_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model()
    row = TOKENS * kv_cache.slot_bytes(model.config, model.dtype)
    for held, rows in ((100, 32), (10, 10), (0.5, 1)):
        free = int(held * row / kv_cache.CACHE_SHARE) + 1
        monkeypatch.setattr(kv_cache, "free_memory", lambda _device, free=free: free)
        assert kv_cache.rows_in_memory(model, TOKENS, 32) == rows


def test_what_torch_holds_of_a_gpu_without_need_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    pretended = SimpleNamespace(
        mem_get_info=lambda _device: (100, 1000),
        memory_reserved=lambda _device: 500,
        memory_allocated=lambda _device: 420,
    )
    for name, function in vars(pretended).items():
        monkeypatch.setattr(torch.cuda, name, function)
    assert devices.free_memory("cuda") == 180
