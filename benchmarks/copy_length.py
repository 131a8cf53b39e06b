"""Measure the length of random strings that the embedded model copies before fine-tuning.

    python -m benchmarks base_models --copying-test [--model FOLDER] [--strings 10] [--seed 42]

The document is the string; the prompt asks for one field, as a plugin's would. Answers are greedy,
with the original weights (float32, not quantised): "free" ones are unconstrained, "held" ones are
constrained by the grammar of schema and document, as in ``extract predict``. An answer is right if
it is an object with exactly that string as its only value; the name of the field does not count.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import fieldsmith
from fieldsmith import Message, Schema
from fieldsmith.settings import EMBEDDED, resolve

from .cached_training import table

LONGEST = 100
BUCKET = 10

CHARACTERS = string.ascii_letters + string.digits + ".,;:!?()+-=/%&#@*<>_~"
"""Characters of the strings: no white space, and none that JSON escapes."""

FIELD = "text"
SCHEMA: Schema = {
    "type": "object",
    "required": [FIELD],
    "properties": {FIELD: {"type": ["string", "null"], "x-source": "verbatim"}},
}


@dataclass(frozen=True)
class Trial:
    """A string, and how many tokens it has in the prompt."""

    text: str
    tokens: int


def trials(tokenizer: Any, strings: int, seed: int) -> Iterator[Trial]:
    """Yield some strings for each number of tokens from 1 to LONGEST."""
    source = random.Random(seed)
    for tokens in range(1, LONGEST + 1):
        for _ in range(strings):
            yield Trial(_text(tokenizer, tokens, source), tokens)


def _text(tokenizer: Any, tokens: int, source: random.Random) -> str:
    """Return a random text of exactly so many tokens; of two characters that merge, another."""
    text, have = "", 0
    while have < tokens:
        longer = text + source.choice(CHARACTERS)
        count = len(tokenizer(longer, add_special_tokens=False)["input_ids"])
        if count == have + 1:
            text, have = longer, count
    return text


def right(answer: str, text: str) -> bool:
    """Say whether an answer is an object whose only value is exactly this text."""
    try:
        record = json.loads(answer)
    except ValueError:
        return False
    return isinstance(record, dict) and list(record.values()) == [text]


def shares(outcomes: Sequence[tuple[int, Mapping[str, bool]]]) -> str:
    """Return a table: of each ten lengths, what share of the strings was copied exactly.

    Args:
        outcomes: for each string, its number of tokens and whether the copy was exact, by decoding
            mode; at least one.
    """
    by_length: dict[str, list[Mapping[str, bool]]] = {}
    for tokens, exact in outcomes:
        first = (tokens - 1) // BUCKET * BUCKET + 1
        by_length.setdefault(f"{first}-{first + BUCKET - 1}", []).append(exact)
    by_length["all"] = [exact for _tokens, exact in outcomes]
    ways = list(outcomes[0][1])
    rows = [
        [length, str(len(made)), *(f"{mean(exact[way] for exact in made):.3f}" for way in ways)]
        for length, made in by_length.items()
    ]
    return table(["tokens", "strings", *(f"{way}: copied exactly" for way in ways)], rows)


def copying_test(model: str, strings: int, seed: int, longest: int = LONGEST) -> str:
    """Return the table of ``shares`` for a base model.

    Args:
        model: a value of the setting ``model``.
        strings: number of strings for each number of tokens.
        seed: seed of the random strings.
        longest: largest number of tokens.

    Raises:
        SettingsError: the model does not load.
    """
    from fieldsmith.decoding.generate import generate
    from fieldsmith.decoding.grammar import Grammars
    from fieldsmith.decoding.llguidance_adapter import Vocabulary
    from fieldsmith.decoding.sequence import Prompt
    from fieldsmith.model.attention import prompt_attention
    from fieldsmith.model.library_output import quieten
    from fieldsmith.model.loading import load_for_inference
    from fieldsmith.model.prompts import PromptFormat
    from fieldsmith.model.tokenizer import load_tokenizer

    quieten()
    chosen: dict[str, object] = {"model": model, "quantize": "none", "precision": "fp32"}
    if model != EMBEDDED:  # what the preset sets for the embedded model alone
        chosen |= {"prefix_lm": True, "tagging_weight": 1.0, "gazetteer": True}
    settings = resolve(EMBEDDED, FIELD, {}, chosen).values
    prompts = PromptFormat(load_tokenizer(settings))
    vocabulary = Vocabulary(prompts.plain, prompts.stops)
    loaded = load_for_inference(settings, None)
    grammars = Grammars(SCHEMA, vocabulary)
    instruction = Message("system", f"Extract as JSON: {fieldsmith.field_list(SCHEMA)}")
    tried = [each for each in trials(prompts.tokenizer, strings, seed) if each.tokens <= longest]
    asked = [prompts.prompt([instruction, Message("user", each.text)]) for each in tried]
    grammar_of = {"free": lambda _text: None, "held": grammars.for_text}
    answers = {
        way: generate(
            loaded,
            [Prompt(ids, of(each.text)) for ids, each in zip(asked, tried, strict=True)],
            stops=prompts.stops,
            max_new_tokens=2 * longest + 24,
            batch_size=settings.eval_batch_size,
            vocabulary=vocabulary,
            attention=prompt_attention(settings),
        )
        for way, of in grammar_of.items()
    }
    return shares(
        [
            (each.tokens, {way: right(found[at].text, each.text) for way, found in answers.items()})
            for at, each in enumerate(tried)
        ]
    )
