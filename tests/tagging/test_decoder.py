"""The second opinion: what the tags of a text say, and how it joins what the model wrote."""

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
from tag_examples import SCHEMA, TEXT, told
from tiny_model import random_model
from transformers import AutoModelForCausalLM

from fieldsmith.data import Message, Record
from fieldsmith.model.attention import CAUSAL
from fieldsmith.model.masks import as_attention_mask
from fieldsmith.model.prefix_attention import PrefixAttention
from fieldsmith.schema.records import first_problem
from fieldsmith.tagging.decoder import Opinion, Spot, Spotter, _best_run, _runs
from fieldsmith.tagging.labels import Tags


@pytest.fixture(scope="module")
def spotter() -> Spotter:
    model: Any = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    model.set_attn_implementation("eager")
    return Spotter(model.eval(), SCHEMA, shipped_prompts(), attention=PrefixAttention())


def spots_of(spotter: Spotter, text: str, told: dict[str, list[tuple[str, float]]]) -> Any:
    """Return the spots of a text whose words the tags take for values, as sure as told."""
    prompts = shipped_prompts()
    tags = Tags(SCHEMA, prompts)
    places = prompts.places([Message("user", text)], text)
    matrix = np.full((places[-1].token + 1, len(tags.ids)), 1e-6)
    matrix[:, tags.ids.index(tags.outside)] = 1.0
    for field, values in told.items():
        begins, inside = (tags.ids.index(tag) for tag in tags.of[field])
        for value, sure in values:
            start = text.index(value)
            own = [p for p in places if p.start < start + len(value) and p.end > start]
            for number, place in enumerate(own):
                matrix[place.token, begins if number == 0 else inside] = sure
                matrix[place.token, tags.ids.index(tags.outside)] = 1 - sure
    return spotter._of_window(text, places, matrix)


def texts(spots: Sequence[Spot]) -> list[tuple[str, float]]:
    return [(TEXT[slice(*spot.span)], round(spot.confidence, 2)) for spot in spots]


def test_runs_of_tags_are_values_on_whole_words(spotter: Spotter) -> None:
    told = {"names": [("Zinc oxi", 0.9), ("salts", 0.7)], "title": [("a study of", 0.8)]}
    found = spots_of(spotter, TEXT, told)
    assert texts(found["names"].spots) == [("Zinc oxide", 0.9), ("salts", 0.7)]
    assert texts(found["title"].spots) == [("a study of", 0.8)]
    assert "pairs/drug" not in found, "what belongs to an object is not put together"


def test_a_string_is_found_once_on_whole_words(spotter: Spotter) -> None:
    told = [("Zinc oxide", 0.8), ("iron-based sa", 0.9)]
    found = spots_of(spotter, TEXT, {"title": told})
    assert texts(found["title"].spots) == [("iron-based salts", 0.9)]
    assert spots_of(spotter, TEXT, {})["title"].spots == []


@pytest.mark.parametrize(
    ("begins", "inside", "values", "best"),
    [
        ([0.1, 0.1], [0.1, 0.1], [], []),
        ([0.9, 0.0, 0.8], [0.0, 0.0, 0.1], [(0, 0), (2, 2)], [(0, 0)]),
        # What goes on began somewhere, be it that no token of it is likely to.
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
    found = opinion_of(begins, inside)
    assert _runs(found) == values == likeliest(begins, inside)
    assert _best_run(found) == best == likeliest(begins, inside, at_most=1)


def test_values_are_those_of_the_likeliest_path() -> None:
    random = np.random.default_rng(7)
    for _ in range(50):
        begins, inside, _outside = random.dirichlet([0.5, 0.5, 0.5], size=7).T
        assert _runs(opinion_of(begins, inside)) == likeliest(begins, inside)
        assert _best_run(opinion_of(begins, inside)) == likeliest(begins, inside, at_most=1)


def opinion_of(begins: Sequence[float], inside: Sequence[float]) -> Opinion:
    places = range(len(begins))
    return Opinion(places, [at + 1 for at in places], np.array(begins), np.array(inside))


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
    opinion = Opinion(range(4), range(1, 5), np.array([0.9, 0.8, 0.1, 0.7]), None)
    assert _runs(opinion) == [(0, 1), (3, 3)]
    assert _best_run(opinion) == [(0, 1)]


def test_a_span_is_as_likely_as_its_tokens_and_its_ends(spotter: Spotter) -> None:
    found = spots_of(spotter, TEXT, {"names": [("Zinc oxide", 0.9), ("iron-based salts", 0.6)]})

    names: Opinion = found["names"]

    def sure(value: str) -> float:
        start = TEXT.index(value)
        return names.of((start, start + len(value)))

    assert sure("Zinc oxide") == pytest.approx(0.9, abs=1e-3)
    assert sure("iron-based salts") == pytest.approx(0.6, abs=1e-3)
    assert sure("Zinc") == pytest.approx(0.9 * (1 - 0.9), abs=1e-3), "it goes on after it"
    assert sure("iron-based") == pytest.approx(0.6 * (1 - 0.6), abs=1e-3)
    assert sure("oxide") < 1e-3, "none begins there"
    assert sure("study") < 1e-3
    assert names.of((0, 0)) == 0.0, "no token"
    one_tag = Opinion([0, 5], [4, 10], np.array([0.9, 0.4]), None)
    assert one_tag.of((0, 10)) == pytest.approx(math.sqrt(0.9 * 0.4))
    assert one_tag.of((0, 4)) == pytest.approx(0.9), "nothing is known of where it ends"


def joined(
    spotter: Spotter, record: Record, sure: dict[str, float], **spots: list[tuple[str, float]]
) -> tuple[Record, dict[str, float]]:
    found = {field: told(values) for field, values in spots.items()}
    record, confidence = spotter.join(TEXT, record, sure, found)
    assert first_problem(record, SCHEMA) is None
    assert all(0 < value <= 1 for value in confidence.values())
    return record, confidence


def test_a_list_gains_what_is_likely_and_each_value_has_both_opinions(spotter: Spotter) -> None:
    record = {"title": None, "names": ["ZINC OXIDE", "study"], "pairs": []}
    sure = {"/title": 1.0, "/names/0": 0.8, "/names/1": 0.6}
    spots = [("Zinc oxide", 0.4), ("salts", 0.9), ("iron-based", 0.49)]
    found, confidence = joined(spotter, record, sure, names=spots, title=[])
    assert found == {"title": None, "names": ["ZINC OXIDE", "study", "salts"], "pairs": []}
    wanted = {"/title": 1.0, "/names/0": 0.52, "/names/1": 0.18, "/names/2": 0.63}
    assert confidence == pytest.approx(wanted, abs=1e-5)
    assert record["names"] == ["ZINC OXIDE", "study"], "what was given stays as it was"


@pytest.mark.parametrize(
    ("written", "sure", "spot", "wanted"),
    [
        ("a study", 0.9, ("salts", 0.3), ("a study", 0.27)),
        ("a study", 0.6, ("salts", 0.3), ("salts", 0.21)),
        ("A STUDY", 0.6, ("a study", 0.7), ("A STUDY", 0.67)),
        # Of "a study of" the spot holds seven characters in ten.
        ("a study of", 0.9, ("a study", 0.3), ("a study of", 0.27 + 0.7 * 0.7 * 0.3)),
        ("a study of", 0.6, ("a study", 0.5), ("a study", 0.3 * 0.7 * 0.6 + 0.35)),
        (None, 0.6, ("salts", 0.6), (None, 0.46)),  # of 0.6 and of 1 - 0.6
        (None, 0.6, ("salts", 0.85), ("salts", 0.595)),
    ],
)
def test_a_string_is_that_of_the_surer_opinion(
    spotter: Spotter,
    written: str | None,
    sure: float,
    spot: tuple[str, float],
    wanted: tuple[str | None, float],
) -> None:
    record: Record = {"title": written, "names": [], "pairs": []}
    found, confidence = joined(spotter, record, {"/title": sure}, title=[spot])
    assert found["title"] == wanted[0]
    assert confidence["/title"] == pytest.approx(wanted[1], abs=1e-5)


def test_what_the_schema_would_not_have_does_not_join(spotter: Spotter) -> None:
    record = {"title": None, "names": ["Zinc", "iron", "study"], "pairs": []}
    sure = {"/title": 0.5, "/names/0": 0.5, "/names/1": 0.5, "/names/2": 0.5}
    spots = [("salts", 0.9), ("study", 0.8)]
    found, confidence = joined(spotter, record, sure, names=spots, title=[("salts", 0.9)])
    assert found == {**record, "title": "salts"}, "of four names one is too many"
    wanted = {"/title": 0.63, "/names/0": 0.15, "/names/1": 0.15, "/names/2": 0.71}
    assert confidence == pytest.approx(wanted, abs=1e-5)
    unannotated: Record = {"pairs": []}
    assert joined(spotter, unannotated, {}, names=[("salts", 0.9)]) == (unannotated, {})


def test_the_likeliest_joins_as_far_as_the_schema_has_it(spotter: Spotter) -> None:
    record = {"names": ["Zinc", "iron"], "pairs": []}
    sure = {"/names/0": 1.0, "/names/1": 1.0}
    spots = [("salts", 0.6), ("study", 0.9), ("oxide", 0.8)]
    found, confidence = joined(spotter, record, sure, names=spots)
    assert found["names"] == ["Zinc", "iron", "study"]
    assert confidence["/names/2"] == pytest.approx(0.63)


def test_a_list_that_is_null_gains_what_is_likely(spotter: Spotter) -> None:
    record: Record = {"names": None, "pairs": []}
    found, confidence = joined(spotter, record, {"/names": 0.7}, names=[("salts", 0.9)])
    assert found["names"] == ["salts"]
    assert confidence == {"/names/0": pytest.approx(0.63)}
    assert joined(spotter, record, {"/names": 0.7}, names=[]) == (record, {"/names": 0.7})


@pytest.mark.parametrize("prefix", [True, False])
def test_probabilities_are_those_of_the_prompt_alone(prefix: bool) -> None:
    model = random_model()
    prompts = shipped_prompts()
    reading = Spotter(model, SCHEMA, prompts, attention=PrefixAttention() if prefix else CAUSAL)
    tags = Tags(SCHEMA, prompts)
    asked = [prompts.prompt([Message("user", TEXT[:size])]) for size in (60, 20, 41)]
    for prompt, found in zip(asked, reading._probabilities(asked), strict=True):
        seen = torch.ones(len(prompt), len(prompt), dtype=torch.bool)[None, None]
        seen = seen if prefix else seen.tril()
        values = added(model)
        with torch.inference_mode():
            logits = model(
                input_ids=torch.tensor([prompt]),
                attention_mask=torch.where(seen, *values) if values else seen,
            ).logits[0]
        wanted = logits[:, tags.ids].double().softmax(-1)
        assert found.shape == (len(prompt), len(tags.ids))
        assert np.abs(found - wanted.numpy()).max() < 1e-4
        assert math.isclose(found[0].sum(), 1.0, abs_tol=1e-6)


def test_windows_keep_their_order(spotter: Spotter) -> None:
    windows = [(text, [Message("user", text)]) for text in (TEXT, "Iron.", TEXT[:30], "zinc")]
    together = spotter.opinions(windows, 2)
    apart = [spotter.opinions([window], 1)[0] for window in windows]
    for found, wanted in zip(together, apart, strict=True):
        assert found.keys() == wanted.keys() == {"title", "names"}
        for field, opinion in wanted.items():
            spans = [spot.span for spot in opinion.spots]
            assert [spot.span for spot in found[field].spots] == spans
