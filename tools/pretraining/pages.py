"""Self-made extraction from whole pages: titles, news, catalogues, forms and long passages.

A page is laid out at random from invented values and from the corpora's texts, 300 to 8,000
characters long. What was put there is what the prompt asks for, so that no labels are needed.

    Extract as JSON: title, authors[], doi
    Journal of Fox Studies 12 (2003) 4-19
    ON FOXES
    Ada Velwick1 and Tom Arbley2
    …
    {"title":"ON FOXES","authors":["Ada Velwick","Tom Arbley"],"doi":null}
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from random import Random
from typing import Any

from .datasets import dataset_page
from .forms import form_page
from .layout import Page
from .news import news_page
from .passages import passage_page
from .tasks import INSTRUCTION, Example
from .titles import title_page
from .tokenizer import Corpus
from .values import Maker

BY_SCHEMA = "Extract as JSON that follows this schema: "

WEIGHTS = {"title": 0.30, "news": 0.24, "datasets": 0.14, "form": 0.16, "passage": 0.16}
"""How often each kind of page is drawn."""

SHORTEST, LONGEST = 300, 8_000
"""Characters of a page; the logarithm of its length is drawn evenly between them."""

SCHEMA_SHARE = 0.15
"""Share of the prompts that ask by a JSON schema instead of by names."""

ABSENT = 0.22
"""How often an absent field is asked for, against one that is there."""


class _Lost(Exception):
    """A value does not stand in the page's text."""


def _standing(value: Any, text: str, flat: str) -> Any:
    """The value as it stands in the text, which may break its lines at other places.

    Raises _Lost where it does not stand there.
    """
    if value is None:
        return None
    if isinstance(value, list):
        return [_standing(part, text, flat) for part in value]
    if isinstance(value, dict):
        return {key: _standing(part, text, flat) for key, part in value.items()}
    if not value:
        raise _Lost
    if value in text:
        return value
    at = flat.find(value.replace("\n", " "))
    if at < 0:
        raise _Lost
    return text[at : at + len(value)]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


_STYLES: tuple[Callable[[str], str], ...] = (
    *(str,) * 8,
    _camel,
    lambda name: name.replace("_", " ").title(),
    lambda name: name.replace("_", " "),
    lambda name: name.replace("_", "-"),
    lambda name: f"dc:{_camel(name)}",
    lambda name: f"schema:{_camel(name)}",
)


def _renamed(value: Any, style: Callable[[str], str]) -> Any:
    """A value or a shape with its keys in another style."""
    if isinstance(value, dict):
        return {style(key): _renamed(part, style) for key, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part, style) for part in value]
    return value


def _label(shape: Any) -> str:
    """What a field list writes behind the name of a field of this shape."""
    if isinstance(shape, list):
        return "[]" + _label(shape[0])
    if isinstance(shape, dict):
        return "{" + ", ".join(key + _label(part) for key, part in shape.items()) + "}"
    return ""


def _schema(shape: Any, closed: bool) -> dict[str, Any]:
    """The JSON schema of a shape."""
    if isinstance(shape, list):
        items = {"type": "string"} if shape[0] is None else _schema(shape[0], closed)
        return {"type": "array", "items": items}
    if isinstance(shape, dict):
        schema: dict[str, Any] = {"type": "object"}
        if closed:
            schema["additionalProperties"] = False
        schema["properties"] = {key: _schema(part, closed) for key, part in shape.items()}
        return schema
    return {"type": ["string", "null"]}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _asked(page: Page, random: Random) -> Example | None:
    """A question for some of what the page holds, in any order, and its answer.

    None where nothing can be asked, as the page was cut before it.
    """
    text = page.text[:LONGEST].strip()
    flat = text.replace("\n", " ")
    by_schema = random.random() < SCHEMA_SHARE
    style = random.choice(_STYLES)
    size = random.choice((1, 1, 2, 2, 3, 3, 4, 5, 6, 6, 8, 10))
    # The greatest keys are a sample without replacement by weight (Efraimidis and Spirakis, 2006).
    ranked = sorted(
        (-(random.random() ** (1 / (fact.often * (1 if fact.value else ABSENT)))), number)
        for number, fact in enumerate(page.facts)
        if fact.often > 0
    )
    chosen: dict[str, tuple[Any, Any]] = {}
    for _, number in ranked:
        fact = page.facts[number]
        name = style(random.choice(fact.names.split(" ")))
        if name in chosen:
            continue
        try:
            value = _standing(fact.value, text, flat)
        except _Lost:
            continue
        chosen[name] = (_renamed(value, style), _renamed(fact.shape, style))
        if len(chosen) == (min(size, 6) if by_schema else size):
            break
    if not chosen:
        return None
    names = list(chosen)
    random.shuffle(names)
    answer = {name: chosen[name][0] for name in names}
    shape = {name: chosen[name][1] for name in names}
    if by_schema:
        system = BY_SCHEMA + _compact(_schema(shape, random.random() < 0.5))
    else:
        system = INSTRUCTION + _label(shape)[1:-1]
    return Example(system, text, _compact(answer))


PAGES: dict[str, Callable[[Maker], Page]] = {
    "title": title_page,
    "news": news_page,
    "datasets": dataset_page,
    "form": form_page,
    "passage": passage_page,
}


def page_example(corpus: Corpus, random: Random, kind: str = "") -> Example:
    """A page of one kind and a question about it; all that is drawn comes from `random`.

    kind: a key of PAGES; drawn by WEIGHTS where it is empty.
    """
    kind = kind or random.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))[0]
    while True:
        room = int(math.exp(random.uniform(math.log(SHORTEST), math.log(LONGEST))))
        example = _asked(PAGES[kind](Maker(corpus, random, room)), random)
        if example:
            return example
