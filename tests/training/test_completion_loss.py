"""The loss projects the positions that carry it alone, and stays what it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import trl.trainer.utils as trl_utils
from tiny_model import random_model, with_filled_adapter

from fieldsmith.data import IGNORED
from fieldsmith.training.completion_loss import POSITIONS, project_answers_alone

ROWS, LENGTH = 3, 200


def adapted(*, compact: bool) -> Any:
    """Return the same adapted model each time, with TRL's fused loss."""
    base = random_model()
    base.requires_grad_(False)
    trl_utils.add_fused_lm_head(base, outputs=("log_probs", "is_top1"))
    model = with_filled_adapter(base)
    if compact:
        project_answers_alone(model)
    return model


def batch(*, labelled: bool = True) -> dict[str, torch.Tensor]:
    ids = torch.arange(ROWS * LENGTH).reshape(ROWS, LENGTH) % 300 + 10
    labels = ids.clone()
    for row, prompt in enumerate((5, 90, 150) if labelled else (LENGTH,) * ROWS):
        labels[row, :prompt] = IGNORED
    labels[0, -40:] = IGNORED
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def learn(model: Any, inputs: dict[str, torch.Tensor]) -> tuple[Any, dict[str, torch.Tensor]]:
    output = model(**inputs, fused_lm_head=True)
    output.loss.backward()
    trained = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    return output, trained


def test_loss_and_gradients_stay_what_they_are() -> None:
    (whole, of_whole), (few, of_few) = (learn(adapted(compact=c), batch()) for c in (False, True))
    assert float(whole.loss.detach()) == pytest.approx(float(few.loss.detach()), rel=1e-5)
    assert int(whole.label_mask.sum()) == int(few.label_mask.sum()) == 155 + 110 + 50
    assert int(whole.is_top1.sum()) == int(few.is_top1.sum())
    assert of_whole
    for name, gradient in of_whole.items():
        torch.testing.assert_close(of_few[name], gradient, rtol=1e-4, atol=1e-6)


def test_the_head_reads_what_carries_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    function = trl_utils._ChunkedLogProbFunction

    class Counted:
        @staticmethod
        def apply(hidden: torch.Tensor, *rest: Any) -> Any:
            read.append(len(hidden))
            return function.apply(hidden, *rest)

    monkeypatch.setattr(trl_utils, "_ChunkedLogProbFunction", Counted)
    learn(adapted(compact=False), batch())
    learn(adapted(compact=True), batch())
    few = {name: part[:1, :100] for name, part in batch().items()}
    learn(adapted(compact=True), few)
    assert read == [ROWS * (LENGTH - 1), 2 * POSITIONS, 100], "no more than there are"


def test_a_batch_without_labels_teaches_nothing() -> None:
    output, gradients = learn(adapted(compact=True), batch(labelled=False))
    assert float(output.loss.detach()) == 0
    assert gradients
    assert all(gradient is None or not gradient.any() for gradient in gradients.values())


def test_what_follows_a_batch_is_read_whole() -> None:
    model = adapted(compact=True)
    learn(model, batch())
    inputs = batch()
    labels = inputs.pop("labels")
    assert model(**inputs).logits.shape[:2] == labels.shape
    assert model(**inputs, labels=labels).logits.shape[:2] == labels.shape
