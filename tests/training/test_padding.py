"""A causal model is trained without a mask: loss and gradients are those of one with it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_model import random_model, with_filled_adapter
from torch.nn.functional import scaled_dot_product_attention
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling
from trl.trainer.utils import add_fused_lm_head

from fieldsmith.data import IGNORED
from fieldsmith.model.attention import CAUSAL
from fieldsmith.settings import Settings
from fieldsmith.training.qlora import pad_multiple

LENGTHS = (150, 97, 31)
MODELS: dict[str, dict[str, Any]] = {
    "Llama": {},
    "Mistral": {"sliding_window": 64},
    "Qwen3": {},
    "Gemma3Text": {"sliding_window": 64, "layer_types": ["sliding_attention", "full_attention"]},
}


def adapted(kind: str, attention: str, *, masked: bool) -> Any:
    """Return the same adapted model each time."""
    base = random_model(kind, **MODELS[kind], initializer_range=0.05)
    base.set_attn_implementation(attention)
    base.requires_grad_(False)
    add_fused_lm_head(base, outputs=("log_probs", "is_top1"))
    model = with_filled_adapter(base)
    if not masked:
        CAUSAL.prepare_training(model)
    return model


def batch(lengths: tuple[int, ...] = LENGTHS, device: str = "cpu") -> dict[str, torch.Tensor]:
    rows = [[(7 * i + n) % 300 + 10 for i in range(n)] for n in lengths]
    collator = DataCollatorForLanguageModeling(
        pad_token_id=0, pad_to_multiple_of=pad_multiple(device, Settings())
    )
    made: dict[str, torch.Tensor] = collator(
        [{"input_ids": row, "labels": [IGNORED] * 20 + row[20:]} for row in rows]
    )
    return made


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_loss_and_gradients_stay_what_they_are(kind: str, attention: str) -> None:
    found = {}
    for masked in (True, False):
        model = adapted(kind, attention, masked=masked)
        output = model(**batch(), fused_lm_head=True)
        output.loss.backward()
        trained = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
        found[masked] = float(output.loss.detach()), trained
    (loss, gradients), (wanted, of_masked) = found[False], found[True]
    assert loss == pytest.approx(wanted, rel=1e-5)
    assert of_masked
    for name, gradient in of_masked.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-3, atol=1e-6)


def test_the_kernels_that_take_no_mask_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    original: Any = scaled_dot_product_attention

    def attend(*tensors: Any, attn_mask: Any = None, **options: Any) -> Any:
        seen.append(attn_mask is None and options["is_causal"])
        return original(*tensors, attn_mask=attn_mask, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attend)
    adapted("Llama", "sdpa", masked=False)(**batch(), fused_lm_head=True)
    assert seen == [True, True]


def test_what_has_no_labels_keeps_its_mask() -> None:
    inputs = batch()
    del inputs["labels"]
    plain, hooked = (adapted("Llama", "sdpa", masked=masked) for masked in (True, False))
    # Padding at the left, which a model without a mask would attend to.
    inputs = {name: tensor.flip(1) for name, tensor in inputs.items()}
    assert torch.equal(plain(**inputs).logits, hooked(**inputs).logits)


def test_on_a_gpu_rows_of_one_length_are_not_padded() -> None:
    assert batch((97, 97), "cuda")["input_ids"].shape == (2, 97)
    assert batch((97, 97), "cpu")["input_ids"].shape == (2, 128)
