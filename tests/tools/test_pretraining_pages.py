"""The pages that the base model learns from: the values of their answers are in their text."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any

import jsonschema
import pretraining.pages as pages
import pytest
from pretraining.layout import Page, wrapped
from pretraining.tasks import INSTRUCTION, Example
from pretraining.tokenizer import Corpus, Paper
from pretraining.values import Maker

import fieldsmith

DRAWS = 3_000


@cache
def corpus() -> Corpus:
    random = Random(7)
    subjects = (
        "foxes",
        "large graphs",
        "tide tables",
        "clay pots",
        "thermodynamic potentials",
        "hydrogenated graphene",
    )
    verbs = ("bound", "measured", "counted", "described", "compared", "reconstructed")
    ends = ("in spring", "under pressure", "without error", "by hand", "twice", "near the coast")

    def text(size: int) -> str:
        return " ".join(
            f"{random.choice(('The', 'Some', 'Most'))} {random.choice(subjects)} were "
            f"{random.choice(verbs)} {random.choice(ends)}; it took {random.randint(2, 99)} days."
            for _ in range(size)
        )

    authors = ("Ada Velwick", "T. Arbley", "José Ito")
    titles = [f"A reconsideration of {a} and {b}, with remarks" for a in subjects for b in ends]
    known = tuple(Paper(text(random.randint(2, 16)), title, authors) for title in titles)
    plain = tuple(Paper(text(random.randint(1, 40))) for _ in range(30))
    return Corpus({"known": known, "plain": plain}, {"known": 0.6, "plain": 0.4})


@cache
def drawn() -> tuple[Example, ...]:
    random = Random(11)
    return tuple(pages.page_example(corpus(), random) for _ in range(DRAWS))


def leaves(value: Any) -> Iterator[str | None]:
    """All strings of an answer, and None for each null and each empty list."""
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value or [None]
        for part in parts:
            yield from leaves(part)
    else:
        yield value


def top_names(fields: str) -> list[str]:
    """The names of a field list outside of its braces."""
    names, depth, name = [], 0, ""
    for sign in fields + ",":
        depth += (sign == "{") - (sign == "}")
        if sign == "," and depth == 0:
            names.append(name.split("{")[0].removesuffix("[]").strip())
            name = ""
        else:
            name += sign
    return names


def test_every_value_of_an_answer_is_in_its_page() -> None:
    for example in drawn():
        answer = json.loads(example.answer)
        assert answer
        assert example.answer == json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        for leaf in leaves(answer):
            assert leaf is None or (leaf and leaf in example.user), (leaf, example)


def test_an_answer_has_the_fields_that_were_asked_for_in_their_order() -> None:
    by_schema = 0
    for example in drawn():
        answer = json.loads(example.answer)
        if example.system.startswith(pages.BY_SCHEMA):
            by_schema += 1
            schema = json.loads(example.system.removeprefix(pages.BY_SCHEMA))
            assert jsonschema.Draft202012Validator(schema).is_valid(answer), example
            assert list(answer) == list(schema["properties"])
            assert len(answer) <= 6
        else:
            assert list(answer) == top_names(example.system.removeprefix(INSTRUCTION))
    assert 0.12 < by_schema / DRAWS < 0.18


def test_a_field_list_is_written_as_the_framework_writes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = 0
    for seed in range(200):
        monkeypatch.setattr(pages, "SCHEMA_SHARE", 0.0)
        listed = pages.page_example(corpus(), Random(seed)).system.removeprefix(INSTRUCTION)
        monkeypatch.setattr(pages, "SCHEMA_SHARE", 1.0)
        asked = pages.page_example(corpus(), Random(seed)).system.removeprefix(pages.BY_SCHEMA)
        if len(top_names(listed)) <= 6:  # what a schema asks for at most
            assert fieldsmith.field_list(json.loads(asked)) == listed
            compared += 1
    assert compared > 100


def test_most_of_what_is_asked_for_is_there_and_some_is_not() -> None:
    found = [leaf is not None for example in drawn() for leaf in leaves(json.loads(example.answer))]
    assert 0.6 <= sum(found) / len(found) <= 0.97


def test_pages_are_short_and_long() -> None:
    sizes = sorted(len(example.user) for example in drawn())
    assert sizes[-1] <= pages.LONGEST
    assert sum(size < 800 for size in sizes) > 0.2 * DRAWS
    assert sum(800 <= size < 2_500 for size in sizes) > 0.25 * DRAWS
    assert sum(size >= 4_000 for size in sizes) > 0.12 * DRAWS


def test_every_kind_of_page_is_drawn_by_its_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: Counter[str] = Counter()

    def counted(kind: str, make: Callable[[Maker], Page]) -> Any:
        def page(maker: Maker) -> Page:
            seen[kind] += 1
            return make(maker)

        return page

    for kind, make in list(pages.PAGES.items()):
        monkeypatch.setitem(pages.PAGES, kind, counted(kind, make))
    random = Random(3)
    for _ in range(500):
        pages.page_example(corpus(), random)
    assert set(seen) == set(pages.WEIGHTS) == set(pages.PAGES)
    for kind, weight in pages.WEIGHTS.items():
        assert abs(seen[kind] / 500 - weight) < 0.08


def test_equal_seeds_draw_equal_pages() -> None:
    random = Random(11)
    assert tuple(pages.page_example(corpus(), random) for _ in range(50)) == drawn()[:50]


def test_a_broken_title_or_abstract_keeps_its_line_breaks() -> None:
    random = Random(2)
    papers = [paper for source in corpus().papers.values() for paper in source]
    whole = {
        "title": "\n".join(paper.title for paper in papers).casefold(),
        "abstract": "\n".join(paper.text for paper in papers).casefold(),
    }
    broken, hyphenated = Counter[str](), Counter[str]()
    for _ in range(400):
        answer = json.loads(pages.page_example(corpus(), random, "title").answer)
        for name, texts in whole.items():
            value = answer.get(name) or ""
            broken[name] += "\n" in value
            hyphenated[name] += "-\n" in value
            # No word of the corpus holds a hyphen, so each one was put there at a line's end.
            assert value.count("-") == value.count("-\n")
            assert value.replace("-\n", "").replace("\n", " ").casefold() in texts
    assert min(broken[name] for name in whole) > 10
    assert hyphenated["abstract"] > 2


@pytest.mark.parametrize("width", [20, 40, 90])
def test_wrapped_lines_fit_and_lose_nothing(width: int) -> None:
    text = corpus().papers["plain"][0].text
    plain = wrapped(text, width)
    assert max(map(len, plain.split("\n"))) <= width
    assert plain.replace("\n", " ") == text
    hyphenated = 0
    for seed in range(20):
        cut = wrapped(text, width, Random(seed))
        assert max(map(len, cut.split("\n"))) <= width
        assert cut.replace("-\n", "").replace("\n", " ") == text
        parts = re.findall(r"(\w+)-\n(\w+)", cut)
        assert len(parts) == cut.count("-\n")
        assert all(min(map(len, pair)) >= 3 and "".join(pair) in text for pair in parts)
        hyphenated += bool(parts)
    assert hyphenated == 20
