"""Prompts read as a prefix: in training and in generation, who sees what is the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from paths import BASE
from tiny_model import Workplace, random_model
from transformers import AutoTokenizer, PreTrainedModel

from fieldsmith.data import IGNORED
from fieldsmith.decoding.generate import generate
from fieldsmith.decoding.llguidance_adapter import Vocabulary
from fieldsmith.decoding.sequence import Prompt
from fieldsmith.errors import SettingsError
from fieldsmith.model.attention import CAUSAL
from fieldsmith.model.masks import as_attention_mask
from fieldsmith.model.prefix_attention import PrefixAttention, prefix_mask
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.settings import EMBEDDED, resolve
from fieldsmith.training.callbacks import BestAdapter
from fieldsmith.training.qlora import build_trainer
from fieldsmith.windows.rows import Row

PROMPTS = [list(range(40, 40 + length)) for length in (9, 30, 61)]


@pytest.fixture(scope="module")
def prompts() -> PromptFormat:
    return PromptFormat(AutoTokenizer.from_pretrained(BASE))


def whole(model: PreTrainedModel, prompt: list[int], answer: list[int]) -> torch.Tensor:
    """Return the logarithmic probabilities in the place of each token of an answer, read at once.

    Every pair of tokens is asked apart whether the first sees the second.
    """
    length, asked = len(prompt) + len(answer), len(prompt)
    seen = [[j <= i or (i < asked and j < asked) for j in range(length)] for i in range(length)]
    mask = torch.tensor(seen)[None, None]
    with torch.inference_mode():
        logits = model(
            input_ids=torch.tensor([prompt + answer]),
            attention_mask=as_attention_mask(mask, model),
        ).logits[0]
    return torch.log_softmax(logits[asked - 1 : -1].float(), dim=-1)


def test_a_prompt_sees_itself_whole_and_an_answer_what_is_before() -> None:
    labels = torch.tensor([[IGNORED, IGNORED, 7, 8, IGNORED], [IGNORED, 5, 6, IGNORED, IGNORED]])
    attention = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]])
    found = prefix_mask(attention, labels)[:, 0].int().tolist()
    assert found[0] == [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 0],
    ]
    assert found[1][:3] == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_generation_sees_what_training_saw(prompts: PromptFormat, attention: str) -> None:
    model = random_model()
    model.set_attn_implementation(attention)
    vocabulary = Vocabulary(prompts.plain, prompts.stops)
    different = 0
    for prefix_lm in (True, False):
        answers = generate(
            model,
            [Prompt(ids, None) for ids in PROMPTS],
            stops=prompts.stops,
            max_new_tokens=12,
            batch_size=2,
            vocabulary=vocabulary,
            attention=PrefixAttention() if prefix_lm else CAUSAL,
        )
        for ids, answer in zip(PROMPTS, answers, strict=True):
            scores = whole(model, ids, list(answer.ids))
            wanted = scores[torch.arange(len(answer.ids)), torch.tensor(answer.ids)]
            same = wanted.tolist() == pytest.approx(answer.logprobs, abs=1e-4)
            assert same or not prefix_lm
            different += not same
    assert different == len(PROMPTS), "what is read from left to right reads otherwise"


def test_the_trainer_learns_with_the_prompt_as_a_prefix(
    workplace: Workplace, prompts: PromptFormat, tmp_path: Path
) -> None:
    answer = [50, 51, 52]
    rows = [Row(ids + answer, [IGNORED] * len(ids) + answer) for ids in PROMPTS[:2]]
    losses = {}
    for prefix_lm in (True, False):
        chosen: dict[str, object] = {"model": str(workplace.model), "prefix_lm": prefix_lm}
        chosen |= {"precision": "fp32", "quantize": "none"}
        chosen |= {"tagging_weight": 0, "gazetteer": False}
        settings = resolve(EMBEDDED, "any", {}, chosen).values
        trainer = build_trainer(
            tmp_path, settings, prompts, rows, rows, scorer=None, best=BestAdapter(0)
        )
        losses[prefix_lm] = trainer.evaluate()["eval_loss"]
        base = trainer.accelerator.unwrap_model(trainer.model).get_base_model()
        if prefix_lm:
            scores = torch.stack([whole(base, ids, answer) for ids in PROMPTS[:2]])
            wanted = -scores[:, torch.arange(3), torch.tensor(answer)].mean()
            assert losses[True] == pytest.approx(float(wanted), abs=1e-4)
    assert losses[False] != pytest.approx(losses[True], abs=1e-3)


def test_a_model_that_sees_a_part_of_the_text_alone_is_refused() -> None:
    model = random_model("Mistral", sliding_window=16)
    with pytest.raises(SettingsError, match="prefix_lm=false"):
        PrefixAttention().prepare_training(model)


def test_flash_attention_takes_no_masks() -> None:
    with pytest.raises(SettingsError, match="prefix_lm wants attention sdpa or eager"):
        resolve(EMBEDDED, "any", {}, {"attention": "flash_attention_2"})
