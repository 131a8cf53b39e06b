"""A logged loss is the mean over the answer tokens since the line before; the report weighs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from fieldsmith.data import IGNORED
from fieldsmith.model.loading import load_base
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.model.tokenizer import load_tokenizer
from fieldsmith.progress import Meter
from fieldsmith.report.loss_curve import training_losses
from fieldsmith.settings import Settings
from fieldsmith.training.callbacks import BestAdapter, LogFile, SaveSchedule
from fieldsmith.training.qlora import build_trainer
from fieldsmith.windows.rows import Row

# So small a rate leaves the weights as they are: the loss of each row is that of the base model.
FROZEN = {"learning_rate": 1e-12, "lora_dropout": 0.0, "quantize": "none", "precision": "fp32"}

# The last step of an epoch has one row, and the answer of that row is one token.
ROWS = [Row([*range(5, 40 + n)], [IGNORED] * 15 + [*range(20, 40 + n)]) for n in range(12)]
ROWS.append(Row([*range(5, 25)], [IGNORED] * 19 + [24]))

BATCHES: dict[str, dict[str, Any]] = {
    "a batch a step": {"batch_size": 4, "accumulation": 1},
    "two batches a step": {"batch_size": 2, "accumulation": 2},
    "packed rows": {"batch_size": 2, "accumulation": 1, "packing": True, "max_length": 100,
                    "max_new_tokens": 50},
}  # fmt: skip


@pytest.fixture(scope="module")
def base() -> Any:
    settings = Settings(**FROZEN)  # type: ignore[arg-type]
    return load_base(settings, quantized=False, device=torch.device("cpu")).eval()


def base_loss(model: Any, rows: list[Row]) -> tuple[float, int]:
    """Return the summed loss of the base model over the answers of rows, and their tokens."""
    total, tokens = 0.0, 0
    for row in rows:
        ids, labels = torch.tensor([row.input_ids]), torch.tensor(row.labels)[1:]
        with torch.no_grad():
            scores = model(input_ids=ids).logits[0, :-1].float()
        loss = torch.nn.functional.cross_entropy(
            scores, labels, ignore_index=IGNORED, reduction="sum"
        )
        total, tokens = total + float(loss), tokens + int((labels != IGNORED).sum())
    return total, tokens


@pytest.mark.parametrize("batches", BATCHES.values(), ids=list(BATCHES))
def test_the_log_holds_the_loss_of_the_model_over_the_tokens(
    tmp_path: Path, batches: dict[str, Any], base: Any
) -> None:
    settings = Settings(**FROZEN, **batches, epochs=2, logging_steps=2)  # type: ignore[arg-type]
    prompts = PromptFormat(load_tokenizer(settings))
    trainer: Any = build_trainer(
        tmp_path, settings, prompts, ROWS, [], scorer=None, best=BestAdapter(0)
    )
    read: list[list[int]] = []
    collate = trainer.data_collator

    def noted(examples: list[dict[str, Any]]) -> Any:
        read.append([token for example in examples for token in example["input_ids"]])
        return collate(examples)

    trainer.data_collator = noted
    steps = -(-len(trainer.sampler) // (settings.batch_size * settings.accumulation))
    trainer.add_callback(SaveSchedule(100, steps, score=False))
    trainer.add_callback(LogFile(tmp_path / "log.jsonl", Meter("", 0, "")))
    trainer.train()
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log][-1] == 2 * steps
    left = list(read)
    at = 0
    for line in log:
        batches_read = 0
        for _ in range(at, line["step"]):
            is_last = (at + 1) % steps == 0
            each = -(-len(trainer.sampler) // settings.batch_size)
            rest = each - (steps - 1) * settings.accumulation
            batches_read += rest if is_last else settings.accumulation
            at += 1
        ids = [token for batch in left[:batches_read] for token in batch]
        del left[:batches_read]
        total, tokens = base_loss(base, rows_in(ids))
        assert line["loss_tokens"] == tokens
        assert line["loss"] == pytest.approx(total / tokens, rel=1e-4)
    assert not left


def rows_in(ids: list[int]) -> list[Row]:
    """Return the rows that a list of tokens consists of; each begins with the same token."""
    starts = [at for at, token in enumerate(ids) if token == ROWS[0].input_ids[0]]
    known = {tuple(row.input_ids): row for row in ROWS}
    return [
        known[tuple(ids[start:end])]
        for start, end in zip(starts, [*starts[1:], len(ids)], strict=True)
    ]


def line(step: int, loss: float, tokens: int | None = None) -> dict[str, float]:
    return {"step": step, "loss": loss, **({"loss_tokens": tokens} if tokens else {})}


def test_a_small_last_batch_is_drawn_with_the_tokens_before_it() -> None:
    log = [line(10, 2.0, 100), line(20, 1.0, 100), line(21, 0.0, 10), line(31, 0.8, 100)]
    drawn = dict(training_losses(log))
    assert drawn == pytest.approx({10: 2.0, 20: 1.0, 21: 0.9, 31: 0.8})


def test_a_line_of_few_tokens_is_completed_from_as_many_lines_as_it_takes() -> None:
    log = [line(1, 1.0, 100), line(2, 0.0, 10), line(3, 2.0, 20), line(4, 1.0, 100)]
    assert dict(training_losses(log))[3] == pytest.approx((20 * 2.0 + 10 * 0.0 + 70 * 1.0) / 100)


def test_what_has_no_tokens_stays_as_it_was_logged() -> None:
    assert training_losses([line(1, 1.0), line(2, 0.1), {"step": 2, "score": 0.5}]) == [
        (1, 1.0),
        (2, 0.1),
    ]
    assert training_losses([]) == []
