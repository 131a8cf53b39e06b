"""In which type of numbers merged weights answer on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_model import random_model

from fieldsmith.model import loading
from fieldsmith.settings import Settings


@pytest.mark.parametrize(
    ("smallest", "precision", "dtype"),
    [
        (1, "bf16", torch.bfloat16),
        (1, "fp32", torch.float32),
        (loading.BF16_PARAMETERS, "bf16", torch.float32),  # the model is small
    ],
)
@pytest.mark.parametrize("quantize", ["none", "nf4"])
def test_large_models_answer_in_bf16_where_the_precision_is_bf16(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    smallest: int,
    precision: str,
    dtype: torch.dtype,
    quantize: str,
) -> None:
    random_model().save_pretrained(tmp_path)
    monkeypatch.setattr(loading, "BF16_PARAMETERS", smallest)
    chosen: Any = {"precision": precision, "quantize": quantize, "merge": "yes"}
    model = loading.load_for_inference(Settings(model=str(tmp_path), **chosen), None)
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
