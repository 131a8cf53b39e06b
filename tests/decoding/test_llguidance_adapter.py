"""The vocabulary and the matchers of llguidance."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from grammars import (
    VERBATIM,
    field,
    grammar_of,
    tokens_of,
    value_of,
    vocabulary,
)
from invented_plugins import NAMES, shipped_prompts

from fieldsmith.decoding.grammar import Grammars
from fieldsmith.decoding.llguidance_adapter import Vocabulary
from fieldsmith.errors import GrammarError, SettingsError
from fieldsmith.model.plain_text import PlainTokenizer

# --- Tokens ------------------------------------------------------------------------------------


def test_a_vocabulary_reads_and_writes_as_the_tokenizer_does() -> None:
    prompts, known = shipped_prompts(), vocabulary()
    assert known.size == len(prompts.tokenizer)
    control = set(prompts.tokenizer.get_added_vocab().values())
    assert control
    assert all(known.bytes_of(token) == b"" for token in [*control, known.size, 10**9])
    for text in ("Aspirin", '{"a":"\\n阿 😀"}', "<|eot_id|> a</s>", " x  y\t"):
        ids = known.tokenize(text.encode())
        assert b"".join(map(known.bytes_of, ids)).decode() == text
        assert not control & set(ids)
        assert [*ids, prompts.end] == prompts.answer(text)


def test_no_added_token_can_be_written_be_it_special_or_not() -> None:
    from transformers import AddedToken, AutoTokenizer

    prompts = shipped_prompts()
    tokenizer: Any = AutoTokenizer.from_pretrained(prompts.tokenizer.name_or_path)
    tokenizer.add_tokens(["<think>", "rash now", AddedToken(" x", single_word=True)])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|tool|>"]})
    known = Vocabulary(PlainTokenizer(tokenizer), prompts.stops)
    added = set(tokenizer.get_added_vocab().values())
    assert known.size == len(tokenizer)
    assert all(known.bytes_of(token) == b"" for token in added)
    text = "<think> rash now <|tool|> x"
    for schema in (field(VERBATIM), field({"type": "string"})):
        grammar = Grammars(schema, known).for_text(text)
        ids = known.tokenize(value_of(text).encode())
        assert not added & set(ids)
        assert grammar.refusal(ids) is None
        matcher = grammar.matcher()
        for token in ids:
            assert not matcher.allowed()[sorted(added)].any()
            assert not any(matcher.allows(other) for other in added)
            matcher.consume([token])
        assert set(np.flatnonzero(matcher.allowed())) == set(prompts.stops)
        for token in added:
            assert grammar.refusal([*ids[:3], token, *ids[3:]]) is not None
    # What the grammar forces is text too, where the document is nothing but a control token's name.
    only = Grammars(field(VERBATIM), known).for_text("<|eot_id|>").matcher()
    ids = []
    while not only.ended:
        ids += only.forced() or [int(np.flatnonzero(only.allowed())[0])]
        only.consume(ids[-1:] if not only.forced() else only.forced())
    assert not added & set(ids)


def test_a_tokenizer_that_llguidance_cannot_use_is_refused() -> None:
    plain = copy.copy(shipped_prompts().plain)
    plain.definition = json.dumps(json.loads(plain.definition) | {"decoder": None})
    with pytest.raises(SettingsError, match=r"core/base: no grammar can be made for its tokenizer"):
        Vocabulary(plain, [0])


# --- Matchers ----------------------------------------------------------------------------------


def test_a_matcher_follows_an_answer_to_its_end() -> None:
    stop = shipped_prompts().end
    matcher = grammar_of(NAMES, "a b").matcher()
    ids = tokens_of('{"names":["a"]}')
    assert matcher.accepted([*ids, ids[0]]) == len(ids)
    assert matcher.accepted([*ids[:2], stop]) == 2
    assert not matcher.allows(stop)
    ended = [matcher.ended]
    for token in ids:
        mask = matcher.allowed()
        assert mask.shape == (vocabulary().size,)
        assert mask.dtype == np.bool_
        assert mask[token]
        assert matcher.allows(token)
        assert not matcher.allows(vocabulary().size + 7)
        assert not mask[stop]
        matcher.consume([token])
        ended.append(matcher.ended)
    assert ended == [*[False] * len(ids), True]
    assert matcher.forced() == []
    assert matcher.allows(stop)
    assert matcher.accepted(ids) == 0
    assert list(np.flatnonzero(matcher.allowed())) == sorted(shipped_prompts().stops)


def test_a_mask_is_not_written_over_by_the_next() -> None:
    matcher = grammar_of(NAMES, "a b").matcher()
    first = matcher.allowed()
    before = first.copy()
    matcher.consume(tokens_of('{"names":'))
    matcher.allowed()
    assert (first == before).all()


def test_a_matcher_that_failed_says_so_from_then_on() -> None:
    matcher = grammar_of(NAMES, "a b").matcher()
    with pytest.raises(GrammarError, match="the grammar failed"):
        matcher.consume(tokens_of('{"x'))
    uses: list[Callable[[], object]] = [
        matcher.allowed,
        matcher.forced,
        lambda: matcher.ended,
        lambda: matcher.allows(9),
        lambda: matcher.accepted([9]),
        lambda: matcher.consume([9]),
    ]
    for use in uses:
        with pytest.raises(GrammarError, match="the grammar failed"):
            use()


def test_a_grammar_that_does_not_compile_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    grammars = Grammars(NAMES, vocabulary())
    monkeypatch.setattr(grammars, "rules", "start: nowhere")
    with pytest.raises(GrammarError, match="nowhere"):
        grammars.for_text("a").matcher()


def test_a_refusal_says_where_the_answer_leaves_the_grammar() -> None:
    grammar = grammar_of(NAMES, "acute pain")
    assert grammar.refusal(tokens_of('{"names":["acute"]}')) is None
    assert grammar.refusal(tokens_of("{}")) is None
    refusals = {
        '{"names":["acut"]}': "acut",
        '{"names":["acute"]': "not complete",
        "": "not complete",
        '{"names":["acute"]}}': "the grammar does not allow '}'",
    }
    for answer, wanted in refusals.items():
        refusal = grammar.refusal(tokens_of(answer))
        assert refusal is not None
        assert wanted in refusal
        assert len(refusal) < 150


def test_matchers_are_compiled_beside_other_threads() -> None:
    # Compiling drops the GIL: a thread that needs it goes on meanwhile.
    grammar = grammar_of(NAMES, "".join(f"word{number} " for number in range(20_000)))
    ticks = 0

    def count() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1

    done = threading.Event()
    thread = threading.Thread(target=count)
    thread.start()
    grammar.matcher()
    done.set()
    thread.join()
    assert ticks > 1000
