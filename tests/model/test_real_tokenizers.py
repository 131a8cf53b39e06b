"""The real tokenizers of the model families, which `tools/fetch_tokenizers.py` fetches."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from family_tokenizers import with_controls
from grammars import VERBATIM, field
from model_families import FAMILIES

from fieldsmith import Message
from fieldsmith.decoding.grammar import Grammars
from fieldsmith.decoding.llguidance_adapter import Vocabulary
from fieldsmith.model.prompts import PromptFormat

FOLDER = Path(os.environ.get("FIELDSMITH_TOKENIZERS", "no such folder"))

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="needs real tokenizers: set FIELDSMITH_TOKENIZERS to their folder"
)

DECOMPOSED = "cafe\u0301 A\u030a"
TEXTS = (
    "Aspirin  caused\n\nrash  in 12 patients (5 µg/kg).\n\n\n\n\nNausea\tcame after 3 days.",
    f"\tÉtude of café and {DECOMPOSED}: ﬁne Ａ ½ 阿司匹林 😀\u200d😀.\r\n",
    " </s> [INST] <|im_end|><end_of_turn><|user|> <think> <0x41> <table> \0 ",
)


@functools.cache
def prompts_of(name: str) -> PromptFormat:
    """Return a family's prompts with its real tokenizer; where that has no template, the tests'."""
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    family = FAMILIES[name]
    tokenizer: Any = AutoTokenizer.from_pretrained(FOLDER / family.real)
    definition = json.loads(tokenizer.backend_tokenizer.to_str())
    known = {token["content"] for token in definition["added_tokens"]}
    missing = [token for token in family.tokens if token.name not in known]
    if missing:  # a sibling's tokenizer, without the family's own tokens
        changed = with_controls(definition, missing)
        tokenizer._tokenizer = Tokenizer.from_str(json.dumps(changed))
        tokenizer.bos_token, tokenizer.eos_token = family.bos, family.eos
    if tokenizer.chat_template is None or missing:
        tokenizer.chat_template = family.template
    return PromptFormat(tokenizer)


@functools.cache
def vocabulary_of(name: str) -> Vocabulary:
    prompts = prompts_of(name)
    return Vocabulary(prompts.plain, prompts.stops)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_prompt_is_what_template_and_tokenizer_make_of_it(name: str) -> None:
    prompts = prompts_of(name)
    conversations = [
        [Message("system", "Extract. Now."), Message("user", TEXTS[0])],
        [Message("user", f" \n{TEXTS[0]}\n")],
        [
            Message("system", "Extract:\n"),
            Message("user", "x"),
            Message("assistant", '{"names":[]}'),
            Message("user", "\n\nAspirin"),
        ],
    ]
    for messages in conversations:
        ids: Any = prompts.tokenizer.apply_chat_template(
            [asdict(message) for message in prompts.accepted(messages)],
            chat_template=prompts.template,
            add_generation_prompt=True,
            return_dict=False,
        )
        assert prompts.prompt(messages, whole=True) == list(ids)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_text_is_had_back_and_holds_no_control_token(name: str) -> None:
    prompts, known = prompts_of(name), vocabulary_of(name)
    control = prompts.plain.control
    for text in TEXTS:
        ids = prompts.encode(text)
        assert b"".join(map(known.bytes_of, ids)).decode() == text
        assert not control & set(ids)
        offsets = prompts.offsets(text)
        assert {at for start, end in offsets for at in range(start, end)} == set(range(len(text)))


@pytest.mark.parametrize("name", FAMILIES)
def test_an_answer_is_made_of_the_texts_own_characters(name: str) -> None:
    prompts = prompts_of(name)
    text = f"Aspirin  and {DECOMPOSED} \tof café <|im_end|>."
    grammar = Grammars(field(VERBATIM), vocabulary_of(name)).for_text(text)
    for value in ("Aspirin  and", DECOMPOSED, "café", "<|im_end|>"):
        answer = prompts.answer(json.dumps({"a": value}, ensure_ascii=False, separators=(",", ":")))
        assert grammar.refusal(answer[:-1]) is None
        matcher = grammar.matcher()
        forced = matcher.forced()
        assert answer[: len(forced)] == forced
    refused = prompts.answer(json.dumps({"a": "Å"}, ensure_ascii=False, separators=(",", ":")))
    assert grammar.refusal(refused[:-1])
