"""Log-likelihoods of texts, and the figures and differences that are made of them."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import pytest
from paths import BASE
from tiny_model import random_model

from fieldsmith.ability.figures import FIGURES, compared, is_certain, is_lost, loss_of
from fieldsmith.ability.likelihood import Piece, Tokens, likelihoods
from fieldsmith.ability.local_tasks import PROMPT, measure_task
from fieldsmith.ability.tasks import Passage, Question, Task, Text
from fieldsmith.errors import SettingsError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CONTEXT = "She had hidden the key under the stone, and he looked for the"
LONG = "Nobody had lived in the house on the cliff since the war. " * 60


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return random_model()


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(BASE)
    return loaded


def reference(model: Any, ids: list[int], first: int) -> float:
    """The log-likelihood by the model's own loss, without a batch."""
    import torch

    labels = [-100] * first + ids[first:]
    with torch.no_grad():
        loss = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
    return -float(loss) * (len(ids) - first)


def test_likelihoods_are_those_of_the_models_own_loss(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    tokens = Tokens.of(model, tokenizer)
    pieces = [tokens.continued(CONTEXT[:at], CONTEXT[at:], "row") for at in range(4, 60, 7)]
    found = likelihoods(model, pieces)
    for piece, likelihood in zip(pieces, found, strict=True):
        wanted = reference(model, list(piece.ids), piece.first)
        assert likelihood.log_probability == pytest.approx(wanted, rel=1e-4)
        assert not likelihood.is_greedy
    # In whatever order and company pieces are read.
    assert [each.log_probability for each in likelihoods(model, pieces[::-1])[::-1]] == (
        pytest.approx([each.log_probability for each in found], rel=1e-4)
    )


def test_what_greedy_decoding_writes_is_greedy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    import torch

    start = tokenizer(CONTEXT, add_special_tokens=False)["input_ids"]
    generating: Any = model
    written = generating.generate(
        torch.tensor([start]), do_sample=False, max_new_tokens=4, min_new_tokens=4, pad_token_id=0
    )[0].tolist()
    other = [*written[:-1], (written[-1] + 1) % 100]
    pieces = [Piece(tuple(ids), len(start)) for ids in (written, other)]
    assert [each.is_greedy for each in likelihoods(model, pieces)] == [True, False]


def test_each_token_of_a_long_text_is_scored_once(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    tokens = Tokens.of(model, tokenizer)
    pieces = tokens.whole(LONG)
    assert len(pieces) > 1
    assert max(len(piece.ids) for piece in pieces) == tokens.positions == 512
    scored = [token for piece in pieces for token in piece.ids[piece.first :]]
    assert tokenizer.decode(scored) == LONG
    for earlier, later in itertools.pairwise(pieces):
        assert later.ids[: later.first] == earlier.ids[-1:]
    with pytest.raises(SettingsError, match=r"^a.jsonl:1: has \d+ tokens, and the model takes 512"):
        tokens.continued(LONG, " war", "a.jsonl:1")


def test_control_tokens_in_a_text_are_text(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    name = str(tokenizer.eos_token)
    piece = Tokens.of(model, tokenizer).continued("a", f" {name}", "row")
    assert tokenizer.eos_token_id not in piece.ids
    assert len(piece.ids) > 3


def test_a_question_is_answered_by_the_likeliest_choice_for_its_length(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    choices = ("salt", "a long walk along the beach", "sugar and spice")
    rows = tuple(Question(f"What is number {n}?", choices, n % 3) for n in range(6))
    task = Task("mine", "questions", rows, ("row",) * 6, "mine.jsonl", "")
    sums = measure_task(model, tokenizer, task)["accuracy"]
    tokens = Tokens.of(model, tokenizer)
    for row, (right, one) in zip(rows, sums, strict=True):
        scores = []
        for choice in choices:
            prompt = PROMPT.format(question=row.question)
            piece = tokens.continued(prompt, f" {choice}", "row")
            scores.append(reference(model, list(piece.ids), piece.first) / len(choice))
        assert (right, one) == (float(scores.index(max(scores)) == row.answer), 1.0)
    assert {right for right, _one in sums} == {0.0, 1.0}


def test_perplexity_and_bits_are_of_words_and_bytes(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    passage = Task("words", "passages", (Passage(CONTEXT, "key"),), ("row",), "", "")
    ((nats, words),) = measure_task(model, tokenizer, passage)["perplexity"]
    piece = Tokens.of(model, tokenizer).continued(CONTEXT, " key", "row")
    assert nats == pytest.approx(-reference(model, list(piece.ids), piece.first))
    assert words == 1.0
    text = Task("prose", "texts", (Text("Ein Käfer."),), ("row",), "", "")
    ((nats, size),) = measure_task(model, tokenizer, text)["bits per byte"]
    assert size == 11
    found = compared([(nats, size)], [(nats, size)], FIGURES["bits per byte"])
    assert found["base"] == pytest.approx(nats / math.log(2) / 11)


# Figures and differences


def test_differences_are_paired() -> None:
    base = [(1.0, 1.0), (0.0, 1.0)] * 40
    found = compared(base, base, FIGURES["accuracy"])
    assert found["base"] == found["tuned"] == 0.5
    assert found["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    # All documents differ by as much, so that no draw of them changes the difference.
    shifted = [(right + 0.25, one) for right, one in base]
    moved = compared(base, shifted, FIGURES["accuracy"])["difference"]
    assert moved == {"value": 0.25, "low": 0.25, "high": 0.25}
    worse = [(0.0, 1.0)] * 80
    lost = compared(base, worse, FIGURES["accuracy"])["difference"]
    assert lost["low"] < -0.5 < lost["high"] < -0.3


def test_figures_are_made_of_sums() -> None:
    nats = [(math.log(2), 1.0), (math.log(8), 1.0)]
    assert compared(nats, nats, FIGURES["perplexity"])["base"] == pytest.approx(4.0)
    assert compared(nats, nats, FIGURES["bits per byte"])["base"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("value", "low", "high", "lower_is_better", "lost"),
    [
        (-0.05, -0.09, -0.01, False, True),
        (-0.05, -0.11, 0.01, False, False),  # may be chance
        (-0.01, -0.015, -0.005, False, False),  # certain, and within the bound
        (0.05, 0.01, 0.09, False, False),  # better
        (0.05, 0.01, 0.09, True, True),
        (-0.05, -0.09, -0.01, True, False),
        (0.05, -0.01, 0.09, True, False),
    ],
)
def test_a_task_is_lost_by_more_than_the_bound_and_more_than_chance(
    value: float, low: float, high: float, lower_is_better: bool, lost: bool
) -> None:
    found = {
        "difference": {"value": value, "low": low, "high": high},
        "lower_is_better": lower_is_better,
    }
    assert is_lost(found, 0.02) is lost
    assert (loss_of(found) > 0) is (lower_is_better == (value > 0))
    assert is_certain(found) or not lost
