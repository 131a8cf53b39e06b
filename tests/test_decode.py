"""Generation: the tokens that transformers generates greedily, and how sure the model was."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import Workplace
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel

from fieldsmith.data import Document
from fieldsmith.decode import Generated, generate
from fieldsmith.plugins import load
from fieldsmith.prompts import PromptFormat

LIMIT = 40


@pytest.fixture(scope="module")
def model(workplace: Workplace) -> PreTrainedModel:
    loaded: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        workplace.model, dtype=torch.float32
    )
    loaded.eval()
    return loaded


@pytest.fixture(scope="module")
def prompts(workplace: Workplace) -> PromptFormat:
    return PromptFormat(AutoTokenizer.from_pretrained(workplace.model))


@pytest.fixture(scope="module")
def asked(prompts: PromptFormat) -> list[list[int]]:
    """Prompts of many lengths, in no order, whose answers are of many lengths too."""
    plugin = load("medical_ner")
    texts = [
        "aspirin caused rash in 12 patients.",
        "Case 7.",
        "morphine and fever.",
        "pain came after 3 days. lidocaine was given to 61 patients. " * 3,
        "cocaine was given to 9 patients.",
        "Zürich " * 9,
        "nausea came after 55 days.",
        "1 2 3",
    ]
    return [prompts.prompt(plugin.prompt(Document(str(i), text))) for i, text in enumerate(texts)]


def greedy(model: Any, prompt: Sequence[int], stops: Sequence[int]) -> list[int]:
    """Return what transformers generates after one prompt."""
    settings = GenerationConfig(
        max_new_tokens=LIMIT, do_sample=False, eos_token_id=list(stops), pad_token_id=stops[0]
    )
    output = model.generate(torch.tensor([list(prompt)]), generation_config=settings)
    return [int(token) for token in output[0, len(prompt) :]]


def answers(
    model: PreTrainedModel,
    asked: Sequence[Sequence[int]],
    prompts: PromptFormat,
    *,
    limit: int = LIMIT,
    batch: int = 3,
) -> list[Generated]:
    return generate(model, asked, stops=prompts.stops, max_new_tokens=limit, batch_size=batch)


@pytest.mark.parametrize("batch", [1, 3, 8, 100])
def test_the_tokens_are_those_of_transformers(
    model: PreTrainedModel, asked: list[list[int]], prompts: PromptFormat, batch: int
) -> None:
    wanted = [greedy(model, prompt, prompts.stops) for prompt in asked]
    found = answers(model, asked, prompts, batch=batch)
    assert [list(answer.ids) for answer in found] == wanted
    assert len({len(answer.ids) for answer in found}) > 3, "the answers end at different steps"
    assert [answer.finished for answer in found] == [ids[-1] in prompts.stops for ids in wanted]
    assert any(answer.finished for answer in found)


def test_the_probabilities_are_those_of_the_whole_text_read_at_once(
    model: PreTrainedModel, asked: list[list[int]], prompts: PromptFormat
) -> None:
    for prompt, answer in zip(asked, answers(model, asked, prompts, batch=8), strict=True):
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([prompt + list(answer.ids)])).logits[0]
        rows = torch.log_softmax(logits[len(prompt) - 1 : -1], dim=-1)
        wanted = rows[torch.arange(len(answer.ids)), torch.tensor(answer.ids)]
        assert answer.logprobs == pytest.approx(wanted.tolist(), abs=1e-4)


@pytest.mark.parametrize("limit", [1, 5])
def test_the_limit_holds(
    model: PreTrainedModel, asked: list[list[int]], prompts: PromptFormat, limit: int
) -> None:
    whole = answers(model, asked, prompts)
    for cut, answer in zip(answers(model, asked, prompts, limit=limit), whole, strict=True):
        assert cut.ids == answer.ids[:limit]
        assert cut.finished == (len(answer.ids) <= limit)


class Rows:
    """Stands for a cache: which rows of the batch are still there, and the steps taken."""

    def __init__(self, count: int) -> None:
        self.left = list(range(count))
        self.step = 0

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        self.left = [self.left[index] for index in indices.tolist()]


class Scripted(torch.nn.Module):
    """A model whose row ``i`` writes token 1 ``lengths[i]`` times, token 0 once, then 1 again."""

    device = torch.device("cpu")

    def __init__(self, lengths: Sequence[int]) -> None:
        super().__init__()
        self.lengths = lengths
        self.batches: list[int] = []

    def forward(self, **given: Any) -> Any:
        cache = given["past_key_values"] or Rows(len(self.lengths))
        self.batches.append(len(given["input_ids"]))
        assert len(given["attention_mask"]) == len(cache.left) == self.batches[-1]
        logits = torch.zeros(len(cache.left), 1, 2)
        for row, index in enumerate(cache.left):
            logits[row, 0, 0 if self.lengths[index] == cache.step else 1] = 1.0
        cache.step += 1
        return SimpleNamespace(logits=logits, past_key_values=cache)


@pytest.mark.parametrize("lengths", [[1, 9, 9, 9, 9, 9, 9, 9], [7, 2, 0, 4, 2], [3, 3, 3], [5]])
def test_rows_that_ended_are_dropped_and_hold_up_no_one(lengths: list[int]) -> None:
    scripted: Any = Scripted(lengths)
    found = generate(
        scripted, [[1]] * len(lengths), stops=[0], max_new_tokens=50, batch_size=len(lengths)
    )
    assert [answer.ids for answer in found] == [(1,) * length + (0,) for length in lengths]
    assert all(answer.finished for answer in found)
    assert len(scripted.batches) == max(lengths) + 1
    assert scripted.batches == sorted(scripted.batches, reverse=True)
    for step, size in enumerate(scripted.batches):
        going = sum(length >= step for length in lengths)
        assert size <= going * 4 / 3 + 1


def test_progress_counts_every_prompt_and_the_mode_of_the_model_stays(
    model: PreTrainedModel, asked: list[list[int]], prompts: PromptFormat
) -> None:
    done: list[int] = []
    model.train()
    generate(
        model,
        random.Random(0).sample(asked, len(asked)),
        stops=prompts.stops,
        max_new_tokens=2,
        batch_size=3,
        progress=done.append,
    )
    assert model.training
    model.eval()
    assert sum(done) == len(asked)
    assert generate(model, [], stops=prompts.stops, max_new_tokens=2, batch_size=3) == []
