"""Processes share the tokens of each row: what is refused, and the loss of two on the CPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_model import random_model, with_filled_adapter
from transformers import AutoConfig, PretrainedConfig
from trl.trainer.utils import add_fused_lm_head

from fieldsmith.data import IGNORED
from fieldsmith.errors import SettingsError
from fieldsmith.parallel.sequence import divide_attention, own_tokens, require_divisible
from fieldsmith.settings import Settings
from fieldsmith.training.completion_loss import answer_tokens, project_answers_alone
from fieldsmith.training.sampler import LengthGroupedSampler, RepeatedBatches

LENGTH = 64
ANSWERS = (3, 40, 61)
"""Tokens of each row's answer: one is in the last part alone, others are in two."""


def adapted() -> Any:
    """Return the same adapted model each time, with the loss of a training."""
    base = random_model(initializer_range=0.05)
    base.set_attn_implementation("sdpa")
    base.requires_grad_(False)
    add_fused_lm_head(base, outputs=("log_probs", "is_top1"))
    model = with_filled_adapter(base)
    project_answers_alone(model)
    return model.train()


def batch() -> dict[str, torch.Tensor]:
    """Return rows whose padding is at their end."""
    ids = torch.arange(len(ANSWERS) * LENGTH).reshape(-1, LENGTH) * 7 % 300 + 10
    labels = ids.clone()
    for row, answer in enumerate(ANSWERS):
        labels[row, : LENGTH - answer] = IGNORED
    labels[1, -5:] = IGNORED
    return {"input_ids": ids, "labels": labels}


def learn(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the loss of a batch, and its gradients by name."""
    loss = -model(**inputs, fused_lm_head=True).log_probs.sum()
    loss.backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return gradients | {"loss": loss.detach()}


def learn_a_part(rank: int, folder: Path) -> None:
    """Store what one of two processes learns of its part of the rows."""
    import deepspeed

    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2"}
    torch.set_num_threads(1)
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(
        "gloo",
        auto_mpi_discovery=False,
        verbose=False,
        init_method=f"file://{folder / 'meet'}",
        rank=rank,
        world_size=2,
    )
    model = adapted()
    divide_attention(model, 2)
    part = own_tokens(batch(), 2)
    learned = learn(model, part) | {"tokens": torch.tensor(answer_tokens(part))}
    torch.save(learned, folder / f"{rank}.pt")
    with torch.no_grad():
        whole = model.eval()(**batch(), fused_lm_head=True)
    torch.save(-whole.log_probs.sum(), folder / f"evaluated-{rank}.pt")


def test_losses_and_gradients_of_two_parts_are_those_of_the_whole(tmp_path: Path) -> None:
    # Forked, so that they need not import all libraries anew.
    multiprocessing: Any = torch.multiprocessing
    multiprocessing.start_processes(learn_a_part, (tmp_path,), 2, start_method="fork")
    whole = learn(adapted(), batch()) | {"tokens": torch.tensor(answer_tokens(batch()))}
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert all(part["loss"] > 1 for part in parts), "both have a part of the answers"
    assert len(whole) > 20
    assert parts[0].keys() == parts[1].keys() == whole.keys()
    for name, wanted in whole.items():
        torch.testing.assert_close(
            sum(part[name] for part in parts), wanted, rtol=1e-3, atol=1e-5, msg=name
        )
    for rank in range(2):
        evaluated = torch.load(tmp_path / f"evaluated-{rank}.pt")
        torch.testing.assert_close(evaluated, whole["loss"], rtol=1e-5, atol=0)


def test_each_label_is_in_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = []
    for rank in range(4):
        monkeypatch.setenv("RANK", str(rank))
        parts.append(own_tokens(batch(), 2))
    whole, labels = batch(), batch()["labels"]
    for first, second in (parts[:2], parts[2:]):
        joined = {name: torch.cat((first[name], second[name]), 1) for name in first}
        assert torch.equal(joined["input_ids"], whole["input_ids"])
        assert torch.equal(joined["shift_labels"][:, :-1], labels[:, 1:])
        assert joined["position_ids"][2].tolist() == list(range(LENGTH))
        assert answer_tokens(first) + answer_tokens(second) == answer_tokens(whole)


@pytest.mark.parametrize(("processes", "sharing"), [(2, 2), (4, 2), (6, 3)])
def test_neighbours_read_the_rows_of_one_process(processes: int, sharing: int) -> None:
    readers = processes // sharing
    sampler = LengthGroupedSampler(range(1, 12), 2, 1, group=True, multiple=2 * readers)
    repeated = list(RepeatedBatches(sampler, 2, sharing))
    batches = [repeated[at : at + 2] for at in range(0, len(repeated), 2)]
    assert len(repeated) == len(RepeatedBatches(sampler, 2, sharing)) == sharing * len(sampler)
    order = list(sampler)
    for rank in range(processes):
        # As accelerate hands out batches: to each process in its turn.
        own = batches[rank::processes]
        reader = rank // sharing
        assert own == [order[at : at + 2] for at in range(0, len(order), 2)][reader::readers]


# What cannot be divided


def config(kind: str = "llama", **values: Any) -> PretrainedConfig:
    sizes = {"num_attention_heads": 8, "num_key_value_heads": 2, "hidden_size": 144, **values}
    found: PretrainedConfig = AutoConfig.for_model(kind, **sizes)
    return found


def refusals() -> Iterator[Any]:
    """Yield processes that share a row, all processes, a config, and what the refusal says."""
    yield pytest.param(2, 1, config(), "the number of processes is 1; start", id="one process")
    yield pytest.param(2, 3, config(), "with --processes 2, or a multiple", id="three processes")
    nine = config(num_attention_heads=9, num_key_value_heads=3)
    yield pytest.param(
        2, 2, nine, "9 heads of queries and 3 of keys and values; it can be 3", id="9"
    )
    yield pytest.param(4, 4, config(), "and 2 of keys and values; it can be 2", id="keys")
    one = config(num_key_value_heads=1)
    yield pytest.param(2, 2, one, "1 of keys and values; leave it out", id="one of keys")
    window = config("mistral", sliding_window=1024)
    yield pytest.param(2, 2, window, "attends to the last 1024 tokens alone", id="window")
    yield pytest.param(2, 2, config("gemma2"), "cannot attend by sdpa", id="no sdpa")


@pytest.mark.parametrize(("sharing", "processes", "model", "said"), refusals())
def test_what_cannot_be_divided_is_refused(
    sharing: int, processes: int, model: PretrainedConfig, said: str
) -> None:
    settings = Settings(sequence_parallel=sharing, parallel="zero3", model="org/name")
    with pytest.raises(SettingsError, match=said) as refused:
        require_divisible(settings, model, processes)
    assert str(refused.value).startswith(f"sequence_parallel {sharing}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("sharing", "processes", "model"),
    [
        (2, 4, config()),
        (3, 3, config(num_attention_heads=9, num_key_value_heads=3)),
        (2, 2, config("mistral", sliding_window=4096)),
        (2, 2, config("mistral", sliding_window=None)),
        (2, 2, config("qwen2", sliding_window=1024)),
    ],
)
def test_what_can_be_divided_is_not_refused(
    sharing: int, processes: int, model: PretrainedConfig
) -> None:
    require_divisible(Settings(sequence_parallel=sharing, parallel="zero3"), model, processes)
