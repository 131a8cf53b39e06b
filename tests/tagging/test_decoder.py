"""Decoding of tags: the spans that they find, and the confidence in each."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from invented_plugins import shipped_prompts
from paths import BASE
from tag_examples import SCHEMA, TEXT
from tiny_model import random_model
from transformers import AutoModelForCausalLM

from fieldsmith.data import Message
from fieldsmith.model.attention import CAUSAL
from fieldsmith.model.masks import as_attention_mask
from fieldsmith.model.prefix_attention import PrefixAttention
from fieldsmith.tagging.decoder import FieldTags, TaggedSpan, Tagger, _best_run, _runs
from fieldsmith.tagging.labels import Tags


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    model: Any = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    model.set_attn_implementation("eager")
    return Tagger(model.eval(), SCHEMA, shipped_prompts(), attention=PrefixAttention())


def spans_of(tagger: Tagger, text: str, given: dict[str, list[tuple[str, float]]]) -> Any:
    """Return the decoded tags of a text whose words have the given probabilities."""
    prompts = shipped_prompts()
    tags = Tags(SCHEMA, prompts)
    places = prompts.token_spans([Message("user", text)], text)
    matrix = np.full((places[-1].token + 1, len(tags.ids)), 1e-6)
    matrix[:, tags.ids.index(tags.outside)] = 1.0
    for field, values in given.items():
        begins, inside = (tags.ids.index(tag) for tag in tags.by_field[field])
        for value, sure in values:
            start = text.index(value)
            own = [p for p in places if p.start < start + len(value) and p.end > start]
            for number, place in enumerate(own):
                matrix[place.token, begins if number == 0 else inside] = sure
                matrix[place.token, tags.ids.index(tags.outside)] = 1 - sure
    return tagger._decoded(text, places, matrix)


def texts(spots: Sequence[TaggedSpan]) -> list[tuple[str, float]]:
    return [(TEXT[slice(*found.span)], round(found.confidence, 2)) for found in spots]


def test_runs_of_tags_are_values_on_whole_words(tagger: Tagger) -> None:
    told = {"names": [("Zinc oxi", 0.9), ("salts", 0.7)], "title": [("a study of", 0.8)]}
    found = spans_of(tagger, TEXT, told)
    assert texts(found["names"].values) == [("Zinc oxide", 0.9), ("salts", 0.7)]
    assert texts(found["title"].values) == [("a study of", 0.8)]
    assert "pairs/drug" not in found, "what belongs to an object is not put together"


def test_a_string_is_found_once_on_whole_words(tagger: Tagger) -> None:
    told = [("Zinc oxide", 0.8), ("iron-based sa", 0.9)]
    found = spans_of(tagger, TEXT, {"title": told})
    assert texts(found["title"].values) == [("iron-based salts", 0.9)]
    assert spans_of(tagger, TEXT, {})["title"].values == []


@pytest.mark.parametrize(
    ("begins", "inside", "values", "best"),
    [
        ([0.1, 0.1], [0.1, 0.1], [], []),
        ([0.9, 0.0, 0.8], [0.0, 0.0, 0.1], [(0, 0), (2, 2)], [(0, 0)]),
        # What continues began somewhere, even if no token of it is likely to.
        ([0.3, 0.0, 0.0], [0.0, 0.9, 0.9], [(0, 2)], [(0, 2)]),
        # A gap is bridged where what follows begins nothing.
        ([0.9, 0.0, 0.0, 0.8], [0.0, 0.3, 0.9, 0.0], [(0, 2), (3, 3)], [(0, 2)]),
        # Words before the value that may be of it, but hardly begin it, stay outside.
        ([0.1, 0.0, 0.6, 0.0], [0.0, 0.5, 0.3, 0.9], [(2, 3)], [(2, 3)]),
    ],
)
def test_values_go_on_only_from_where_they_begin(
    begins: list[float],
    inside: list[float],
    values: list[tuple[int, int]],
    best: list[tuple[int, int]],
) -> None:
    found = tags_with(begins, inside)
    assert _runs(found) == values == likeliest(begins, inside)
    assert _best_run(found) == best == likeliest(begins, inside, at_most=1)


def test_values_are_those_of_the_likeliest_path() -> None:
    random = np.random.default_rng(7)
    for _ in range(50):
        begins, inside, _outside = random.dirichlet([0.5, 0.5, 0.5], size=7).T
        assert _runs(tags_with(begins, inside)) == likeliest(begins, inside)
        assert _best_run(tags_with(begins, inside)) == likeliest(begins, inside, at_most=1)


def tags_with(begins: Sequence[float], inside: Sequence[float]) -> FieldTags:
    places = range(len(begins))
    return FieldTags(places, [at + 1 for at in places], np.array(begins), np.array(inside))


def likeliest(
    begins: Sequence[float], inside: Sequence[float], at_most: int | None = None
) -> list[tuple[int, int]]:
    """Return the values of the likeliest of all paths, tried one by one."""

    def worth(path: Sequence[str]) -> float:
        told = zip(path, begins, inside, strict=True)
        return math.prod({"O": 1 - b - i, "B": b, "I": i}[state] for state, b, i in told)

    possible = [
        path
        for path in map("".join, itertools.product("OBI", repeat=len(begins)))
        if "OI" not in f"O{path}" and (at_most is None or path.count("B") <= at_most)
    ]
    path = max(possible, key=worth)
    return [(found.start(), found.end() - 1) for found in re.finditer("BI*", path)]


def test_a_tokenizer_with_one_token_for_both_joins_what_touches() -> None:
    tags = FieldTags(range(4), range(1, 5), np.array([0.9, 0.8, 0.1, 0.7]), None)
    assert _runs(tags) == [(0, 1), (3, 3)]
    assert _best_run(tags) == [(0, 1)]


def test_a_span_is_as_likely_as_its_tokens_and_its_ends(tagger: Tagger) -> None:
    found = spans_of(tagger, TEXT, {"names": [("Zinc oxide", 0.9), ("iron-based salts", 0.6)]})

    names: FieldTags = found["names"]

    def sure(value: str) -> float:
        start = TEXT.index(value)
        return names.confidence((start, start + len(value)))

    assert sure("Zinc oxide") == pytest.approx(0.9, abs=1e-3)
    assert sure("iron-based salts") == pytest.approx(0.6, abs=1e-3)
    assert sure("Zinc") == pytest.approx(0.9 * (1 - 0.9), abs=1e-3), "it goes on after it"
    assert sure("iron-based") == pytest.approx(0.6 * (1 - 0.6), abs=1e-3)
    assert sure("oxide") < 1e-3, "none begins there"
    assert sure("study") < 1e-3
    assert names.confidence((0, 0)) == 0.0, "no token"
    one_tag = FieldTags([0, 5], [4, 10], np.array([0.9, 0.4]), None)
    assert one_tag.confidence((0, 10)) == pytest.approx(math.sqrt(0.9 * 0.4))
    assert one_tag.confidence((0, 4)) == pytest.approx(0.9), "nothing is known of where it ends"


@pytest.mark.parametrize("prefix", [True, False])
def test_probabilities_are_those_of_the_prompt_alone(prefix: bool) -> None:
    model = random_model()
    prompts = shipped_prompts()
    reading = Tagger(model, SCHEMA, prompts, attention=PrefixAttention() if prefix else CAUSAL)
    tags = Tags(SCHEMA, prompts)
    asked = [prompts.prompt([Message("user", TEXT[:size])]) for size in (60, 20, 41)]
    for prompt, found in zip(asked, reading._probabilities(asked), strict=True):
        seen = torch.ones(len(prompt), len(prompt), dtype=torch.bool)[None, None]
        seen = seen if prefix else seen.tril()
        with torch.inference_mode():
            logits = model(
                input_ids=torch.tensor([prompt]),
                attention_mask=as_attention_mask(seen, model),
            ).logits[0]
        wanted = logits[:, tags.ids].double().softmax(-1)
        assert found.shape == (len(prompt), len(tags.ids))
        assert np.abs(found - wanted.numpy()).max() < 1e-4
        assert math.isclose(found[0].sum(), 1.0, abs_tol=1e-6)


def test_windows_keep_their_order(tagger: Tagger) -> None:
    windows = [(text, [Message("user", text)]) for text in (TEXT, "Iron.", TEXT[:30], "zinc")]
    together = tagger.tag(windows, 2)
    apart = [tagger.tag([window], 1)[0] for window in windows]
    for found, wanted in zip(together, apart, strict=True):
        assert found.keys() == wanted.keys() == {"title", "names"}
        for field, tags in wanted.items():
            spans = [found.span for found in tags.values]
            assert [found.span for found in found[field].values] == spans
