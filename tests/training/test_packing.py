"""Packing: every row is in one sequence, whole, and is learned from as if it were alone."""

from __future__ import annotations

import json
import math
import random
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import trl.trainer.utils as trl_utils
from command import Command
from tiny_model import Workplace, info, lines, random_model
from transformers.modeling_flash_attention_utils import (
    _is_packed_sequence,
    prepare_fa_kwargs_from_position_ids,
)

from fieldsmith.data import IGNORED
from fieldsmith.errors import SettingsError
from fieldsmith.settings import Settings
from fieldsmith.training.packing import (
    PackingCollator,
    check_isolation,
    pack,
    packing_collator,
)
from fieldsmith.training.row_settings import sequences_of
from fieldsmith.windows.rows import Row

PACKING = Settings(packing=True, max_length=100, max_new_tokens=20)


def rows(count: int, longest: int) -> list[Row]:
    """Return rows of different tokens and lengths; each ends with an answer."""
    source = random.Random(count)
    made = []
    for _ in range(count):
        ids = [source.randrange(10, 4000) for _ in range(source.randrange(6, longest + 1))]
        answer = source.randrange(1, len(ids) - 2)
        made.append(Row(ids, [IGNORED] * (len(ids) - answer) + ids[-answer:]))
    return made


def unpacked(sequences: Any) -> list[Row]:
    """Return the rows of packed sequences."""
    parts = []
    for sequence in sequences:
        assert sum(sequence.seq_lengths) == len(sequence.input_ids) == len(sequence.labels)
        start = 0
        for length in sequence.seq_lengths:
            end = start + length
            parts.append(Row(sequence.input_ids[start:end], sequence.labels[start:end]))
            start = end
    return parts


def as_key(row: Row) -> str:
    return json.dumps([row.input_ids, row.labels])


def test_every_row_is_in_one_sequence_as_a_whole() -> None:
    given = [*rows(200, 90), *rows(3, 90)[:2] * 2]  # some rows twice
    packed = pack(given, PACKING)
    assert Counter(map(as_key, unpacked(packed))) == Counter(map(as_key, given))
    lengths = [len(sequence.input_ids) for sequence in packed]
    assert max(lengths) <= PACKING.max_length
    assert sum(lengths) > 0.95 * PACKING.max_length * len(packed), "sequences are nearly full"


def test_the_seed_decides_what_is_packed_together() -> None:
    given = rows(40, 30)
    packed = pack(given, PACKING)
    assert pack(given, PACKING) == packed
    assert pack(given, Settings(packing=True, max_length=100, seed=1)) != packed
    assert sequences_of(given, Settings()) is given


# Loss and gradients

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "Llama": {},
    "Mistral": {"sliding_window": 7},
    "Gemma3Text": {"sliding_window": 7, "layer_types": ["sliding_attention", "full_attention"]},
}


def learn(model: Any, batches: list[dict[str, Any]], tokens: int) -> tuple[float, dict[str, Any]]:
    """Return loss and gradients of one optimiser step over some batches."""
    model.zero_grad()
    total = 0.0
    for batch in batches:
        output = model(**batch, fused_lm_head=True, use_cache=False, num_items_in_batch=tokens)
        output.loss.backward()
        total += float(output.loss.detach())
    return total, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_rows_teach_packed_what_they_teach_alone(kind: str, attention: str) -> None:
    model: Any = random_model(kind, attn_implementation=attention, **ARCHITECTURES[kind])
    trl_utils.add_fused_lm_head(model, outputs=("log_probs", "is_top1"))
    given = rows(9, 40)
    given[0] = Row(given[0].input_ids, list(given[0].input_ids))  # a label on the first token, too
    packed = pack(given, PACKING)
    assert 1 < len(packed) < len(given)
    alone = [
        {"input_ids": torch.tensor([row.input_ids]), "labels": torch.tensor([row.labels])}
        for row in given
    ]
    tokens = sum(int((batch["labels"][:, 1:] != IGNORED).sum()) for batch in alone)
    loss, gradients = learn(model, alone, tokens)

    collator = packing_collator(model, 0, 32)
    batch = collator([vars(sequence) for sequence in packed])
    assert batch["input_ids"].shape[0] == len(packed)
    assert int((batch["labels"] != IGNORED).sum()) == tokens
    of_packed, packed_gradients = learn(model, [batch], tokens)
    assert of_packed == pytest.approx(loss, rel=1e-5)
    assert packed_gradients.keys() == gradients.keys()
    largest = max(float(gradient.abs().max()) for gradient in gradients.values())
    for name, gradient in gradients.items():
        torch.testing.assert_close(
            packed_gradients[name], gradient, rtol=1e-3, atol=1e-5 * largest, msg=name
        )


def test_flash_attention_is_told_where_rows_begin() -> None:
    packed = pack(rows(9, 40), PACKING)
    collator = PackingCollator(pad_token_id=0, padding_free=True)
    batch = collator([vars(sequence) for sequence in packed])
    assert "attention_mask" not in batch
    assert _is_packed_sequence(batch["position_ids"], len(batch["input_ids"]))
    (starts, _), (longest, _) = prepare_fa_kwargs_from_position_ids(batch["position_ids"])
    lengths = [length for sequence in packed for length in vars(sequence)["seq_lengths"]]
    assert starts.diff().tolist() == lengths
    assert batch["cu_seq_lens_q"].tolist() == starts.tolist()
    assert int(longest) == batch["max_length_q"] == max(lengths)


# Models that cannot be packed


def test_an_architecture_that_mixes_rows_is_refused() -> None:
    model = random_model("Lfm2", layer_types=["conv", "full_attention"])
    with pytest.raises(SettingsError, match="packing: lfm mixes rows"):
        check_isolation(model, packing_collator(model, 0, 32), "lfm")


def test_a_mask_would_mix_rows() -> None:
    class Masking(PackingCollator):
        def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
            batch = super().torch_call(examples)
            return batch | {"attention_mask": torch.ones_like(batch["input_ids"])}

    model = random_model()
    check_isolation(model, packing_collator(model, 0, 32), "llama")
    with pytest.raises(SettingsError, match="set packing=false"):
        check_isolation(model, Masking(0, return_position_ids=True), "llama")


# Through the command line


CAUSAL: dict[str, Any] = {
    "prefix_lm": False, "tagging_weight": 0, "gazetteer": False, "lora_dropout": 0,
    "prompt": "brief", "window": "sentences", "max_length": 400, "precision": "fp32",
    "eval_documents": 0, "batch_size": 128, "accumulation": 1, "max_steps": 2, "logging_steps": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def only_train(workplace: Workplace) -> Path:
    """Documents of training alone: nothing is scored."""
    folder = workplace.folder / "only-train"
    folder.mkdir()
    shutil.copy(workplace.corpus / "train.txt", folder)
    return folder


def test_a_step_over_packed_rows_is_the_step_over_rows(
    workplace: Workplace, only_train: Path, tmp_path: Path, command: Command
) -> None:
    logs = {}
    for packing in (False, True):
        order = workplace.order(tmp_path / str(packing), data=only_train, **CAUSAL, packing=packing)
        answer = command(*order)
        assert answer.code == 0, answer.errors
        logs[packing] = lines(tmp_path / str(packing) / "log.jsonl")
    assert len(logs[True]) == 2
    for alone, packed in zip(logs[False], logs[True], strict=True):
        for name in ("loss", "grad_norm", "learning_rate", "mean_token_accuracy"):
            assert packed[name] == pytest.approx(alone[name], rel=1e-3), name


def test_steps_are_of_sequences(
    workplace: Workplace, only_train: Path, tmp_path: Path, command: Command
) -> None:
    changed = CAUSAL | {"max_steps": 0, "epochs": 2, "batch_size": 4, "packing": True}
    answer = command(*workplace.order(tmp_path / "run", data=only_train, **changed))
    found = re.search(
        r"packing: (\d+) rows in (\d+) sequences of at most 400 tokens", answer.errors
    )
    assert found, answer.errors
    rows, sequences = map(int, found.groups())
    known = info(tmp_path / "run")
    assert rows == known["counts"]["windows"]["trained"]
    assert sequences < rows / 2
    assert known["training"]["steps"] == 2 * math.ceil(sequences / 4)

    order = workplace.order(tmp_path / "run", data=only_train, **changed)
    at = order.index("--output")
    answer = command("plan", *order[1:at], *order[at + 2 :], "--json")
    plan = json.loads(answer.output)
    assert plan["work"]["rows"] == rows
    assert plan["work"]["steps"] == known["training"]["steps"]
    assert plan["batch"]["length"] > 2 * plan["work"]["longest"]
