"""The model families that people use: their prompts, texts and answers, on tokenizers of each kind.

The models are random and tiny, of the true architectures.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from family_tokenizers import (
    Control,
    Definition,
    byte_level,
    loaded,
    sentencepiece,
    unigram,
    with_controls,
    word_pieces,
)
from grammars import VERBATIM, field
from invented_plugins import NAMES
from model_families import CHATML, FAMILIES, VISION

from fieldsmith import Message
from fieldsmith.decoding.generate import generate
from fieldsmith.decoding.grammar import Grammars
from fieldsmith.decoding.llguidance_adapter import Vocabulary
from fieldsmith.decoding.sequence import Prompt
from fieldsmith.errors import SettingsError
from fieldsmith.model.fitting import count_parameters, positions_of
from fieldsmith.model.loading import pick_attention
from fieldsmith.model.location import read_config
from fieldsmith.model.plain_text import PlainTokenizer
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.model.tokenizer import load_tokenizer
from fieldsmith.settings import Settings
from fieldsmith.text.grounding import occurrences
from fieldsmith.training.qlora import lora_config

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

COMPOSED, DECOMPOSED = "caf\u00e9 Å", "cafe\u0301 A\u030a"
TEXTS = (
    "Aspirin  caused\n\nrash  in 12 patients.",
    f"\tÉtude of {COMPOSED} and {DECOMPOSED}: ﬁne Ａ ½ µg 阿司匹林 😀\u200d😀.\r\n",
    " <table>\u00a0</s> [INST] <|im_end|><end_of_turn><|user|> <think> \0 ",
)
CONVERSATIONS = (
    [Message("system", "Extract. Now."), Message("user", "Aspirin caused rash.")],
    [Message("user", " Aspirin\n\ncaused  rash.\n")],
    [Message("system", "\tExtract:\n"), Message("user", "\n\nAspirin.")],
    [
        Message("system", "Extract."),
        Message("user", "x"),
        Message("assistant", '{"names":[]}'),
        Message("user", "Aspirin </b>"),
    ],
)

OTHERS = {
    "unigram": functools.partial(unigram),
    "metaspace-never": functools.partial(sentencepiece, "never"),
    "nfkc": functools.partial(byte_level, "", normalizer="NFKC"),
    "lowercase": functools.partial(byte_level, "", normalizer="Lowercase"),
}
"""Tokenizers of no family here, but of the same kinds."""

family = pytest.mark.parametrize("name", FAMILIES)
kind = pytest.mark.parametrize("name", [*FAMILIES, *OTHERS])


@functools.cache
def prompts_of(name: str) -> PromptFormat:
    if name in FAMILIES:
        return PromptFormat(FAMILIES[name].load_tokenizer())
    controls = [Control("<|im_start|>"), Control("<|im_end|>")]
    definition = with_controls(OTHERS[name](), controls)
    return PromptFormat(loaded(definition, CHATML, eos="<|im_end|>"))


@functools.cache
def vocabulary_of(name: str) -> Vocabulary:
    prompts = prompts_of(name)
    return Vocabulary(prompts.plain, prompts.stops)


def rendered(prompts: PromptFormat, messages: Sequence[Message]) -> list[int]:
    """Return what the tokenizer makes of a conversation by itself."""
    ids: Any = prompts.tokenizer.apply_chat_template(
        [asdict(message) for message in prompts.accepted(messages)],
        chat_template=prompts.template,
        add_generation_prompt=True,
        return_dict=False,
    )
    return list(ids)


# Prompts


@family
def test_a_prompt_is_what_template_and_tokenizer_make_of_it(name: str) -> None:
    prompts = prompts_of(name)
    for messages in CONVERSATIONS:
        assert prompts.prompt(messages, whole=True) == rendered(prompts, messages)


@kind
def test_no_text_is_read_as_a_control_token(name: str) -> None:
    prompts = prompts_of(name)
    control = prompts.plain.control
    names = [str(prompts.tokenizer.convert_ids_to_tokens(token)) for token in sorted(control)]
    assert names
    for text in ["Aspirin.", "".join(names), " ".join(names), *TEXTS]:
        messages = [Message("system", text), Message("user", f"{text}!")]
        for whole in (True, False):
            written = prompts.prompt(messages, whole=whole)
            harmless = prompts.prompt([replace(m, content="x") for m in messages], whole=whole)
            assert [t for t in written if t in control] == [t for t in harmless if t in control]
        assert not control & set(prompts.encode(text))


def test_a_system_role_that_a_template_lacks_opens_the_users_turn() -> None:
    messages = CONVERSATIONS[0]
    for name, given in FAMILIES.items():
        expected = name not in ("mistral-v1", "gemma-2")
        assert (prompts_of(name).accepted(messages) == messages) == expected, given


def test_mistrals_template_writes_the_system_before_the_last_turn() -> None:
    prompts = prompts_of("mistral-tekken")
    text = str(prompts.tokenizer.decode(prompts.prompt(CONVERSATIONS[3], whole=True)))
    assert "[INST]x[/INST]" in text
    assert text.endswith("[INST]Extract.\n\nAspirin </b>[/INST]")


@pytest.mark.parametrize("name", [n for n, family in FAMILIES.items() if family.stop])
def test_an_answer_ends_as_the_template_ends_it_or_as_a_text_ends(name: str) -> None:
    prompts, family = prompts_of(name), FAMILIES[name]
    stops = prompts.tokenizer.convert_ids_to_tokens(list(prompts.stops))
    assert stops == [family.stop, family.eos]


def test_thinking_is_left_out_where_the_template_is_told_so() -> None:
    on, off = (prompts_of(name) for name in ("qwen-3", "qwen-3-thinking-off"))
    messages = CONVERSATIONS[0]
    asked, closed = (each.prompt(messages, whole=True) for each in (on, off))
    assert closed[: len(asked)] == asked
    assert off.tokenizer.decode(closed[len(asked) :]) == "<think>\n\n</think>\n\n"
    assert on.end == off.end


# Texts


@kind
def test_a_text_is_had_back_from_its_tokens(name: str) -> None:
    prompts, known = prompts_of(name), vocabulary_of(name)
    for text in TEXTS:
        ids = prompts.encode(text)
        assert b"".join(map(known.bytes_of, ids)).decode() == text
        offsets = prompts.offsets(text)
        assert len(offsets) == len(ids)
        assert {at for start, end in offsets for at in range(start, end)} == set(range(len(text)))


@family
def test_the_name_of_a_byte_is_text(name: str) -> None:
    text = "<0x41> <0x0A>"
    ids = prompts_of(name).encode(text)
    assert b"".join(map(vocabulary_of(name).bytes_of, ids)).decode() == text


@kind
def test_a_text_is_found_in_its_prompt(name: str) -> None:
    prompts = prompts_of(name)
    for text in TEXTS:
        messages = [Message("system", "S."), Message("user", f"Of: {text}")]
        spans = prompts.token_spans(messages, text)
        ids = prompts.prompt(messages)
        assert [ids[span.token] for span in spans][-3:] == prompts.encode(f"Of: {text}")[-3:]
        covered = {at for span in spans for at in range(span.start, span.end)}
        assert covered == set(range(len(text)))


# Answers


@kind
@pytest.mark.parametrize("form", [COMPOSED, DECOMPOSED])
def test_an_answer_is_made_of_the_texts_own_characters(name: str, form: str) -> None:
    prompts = prompts_of(name)
    text = f"Aspirin  and {form} \tof \u2028 <|im_end|>."
    grammar = Grammars(field(VERBATIM), vocabulary_of(name)).for_text(text)
    for value in (form, "Aspirin", "Aspirin  and", "<|im_end|>"):
        answer = prompts.answer(json.dumps({"a": value}, ensure_ascii=False, separators=(",", ":")))
        assert grammar.refusal(answer[:-1]) is None
    other = COMPOSED if form == DECOMPOSED else DECOMPOSED
    refused = prompts.answer(json.dumps({"a": other}, ensure_ascii=False, separators=(",", ":")))
    assert grammar.refusal(refused[:-1])


@pytest.mark.parametrize("name", [*FAMILIES, *VISION])
def test_an_answer_has_the_probabilities_of_the_whole_model(name: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoTokenizer

    from fieldsmith.model.architecture import auto_class

    {**FAMILIES, **VISION}[name].write(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    model: Any = auto_class(config).from_pretrained(tmp_path, dtype=torch.float32).eval()
    prompts = PromptFormat(AutoTokenizer.from_pretrained(tmp_path))
    grammars = Grammars(NAMES, Vocabulary(prompts.plain, prompts.stops))
    texts = ["Aspirin and rash.", f"{DECOMPOSED} in 3 patients. " * 6]
    asked = [
        Prompt(prompts.prompt([Message("user", text)], whole=True), grammars.for_text(text))
        for text in texts
    ]
    answers = generate(model, asked, stops=prompts.stops, max_new_tokens=60, batch_size=2)
    for text, prompt, answer in zip(texts, asked, answers, strict=True):
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([[*prompt.ids, *answer.ids]])).logits[0]
        logprobs = logits.float().log_softmax(-1)[len(prompt.ids) - 1 : -1]
        chosen = [
            (float(row[token]), found)
            for row, token, found in zip(logprobs, answer.ids, answer.logprobs, strict=True)
            if found != 0  # the grammar forced it
        ]
        assert chosen
        assert [found for _whole, found in chosen] == pytest.approx(
            [whole for whole, _found in chosen], abs=2e-3
        )
        if answer.finished:
            values = json.loads(answer.text).get("names", [])
            assert all(any(occurrences(text, value)) for value in values)


# What cannot be used


def template_of(tokenizer: PreTrainedTokenizerBase, template: str) -> PreTrainedTokenizerBase:
    tokenizer.chat_template = template
    return tokenizer


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        (word_pieces(), r"'A \"Prøbe' becomes '\[UNK\] \" '"),
        (unigram(fallback=False), "'.+' becomes '.*'"),
    ],
)
def test_a_tokenizer_that_loses_text_is_refused(definition: Definition, reason: str) -> None:
    tokenizer = loaded(definition, CHATML, eos=definition["added_tokens"][0]["content"])
    tokenizer.name_or_path = "some/model"
    with pytest.raises(SettingsError, match=f"^some/model: .* does not give a text back: {reason}"):
        PromptFormat(tokenizer)


def test_a_slow_tokenizer_is_refused() -> None:
    from transformers import ByT5Tokenizer

    tokenizer = template_of(ByT5Tokenizer(), CHATML)
    tokenizer.name_or_path = "google/byt5"
    with pytest.raises(SettingsError, match=r"^google/byt5: .*no offsets .*ByT5Tokenizer"):
        PlainTokenizer(tokenizer)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("MambaConfig", "it has a recurrent state"),
        ("Qwen3_5TextConfig", "it has a recurrent state"),
        ("T5Config", "it has an encoder"),
        ("BloomConfig", "its forward takes no position_ids"),
        ("FalconConfig", "its attention has ALiBi biases"),
        ("ViTConfig", "transformers has no causal language model of the type vit"),
    ],
)
def test_an_architecture_that_cannot_be_used_is_refused_without_its_weights(
    config: str, reason: str, tmp_path: Path
) -> None:
    import transformers

    options = {"alibi": True} if config == "FalconConfig" else {}
    getattr(transformers, config)(**options).save_pretrained(tmp_path)
    settings = Settings(model=str(tmp_path))
    for needed in (load_tokenizer, fitted):
        with pytest.raises(SettingsError, match=f"^model {tmp_path} cannot be used: {reason}"):
            needed(settings)


def fitted(settings: Settings) -> object:
    return count_parameters(read_config(settings), settings)


# Models of a family


def config_of(name: str) -> Any:
    family = {**FAMILIES, **VISION}[name]
    return family.make_config(family.load_tokenizer())


def test_attention_is_eager_where_a_model_supports_no_other() -> None:
    import torch

    device, auto = torch.device("cpu"), Settings()
    assert pick_attention(auto, device, config_of("gemma-2")) == "eager"
    assert pick_attention(auto, device, config_of("gemma-3")) == "sdpa"
    assert pick_attention(auto, device) == "sdpa"
    chosen = replace(auto, attention="sdpa")
    assert pick_attention(chosen, device, config_of("gemma-2")) == "sdpa"


@pytest.mark.parametrize("name", VISION)
@pytest.mark.parametrize("targets", ["all-linear", "q_proj, v_proj"])
def test_of_a_model_that_reads_images_the_language_part_is_adapted(name: str, targets: str) -> None:
    import torch
    from peft import get_peft_model

    from fieldsmith.model.architecture import auto_class

    with torch.device("meta"):
        model = auto_class(config_of(name)).from_config(config_of(name))
        chosen = lora_config(replace(Settings(), lora_targets=targets), model)
        adapted: Any = get_peft_model(model, chosen)
    trained = [name for name, weights in adapted.named_parameters() if weights.requires_grad]
    assert len(trained) == (28 if targets == "all-linear" else 8)
    assert all(".language_model.layers." in name for name in trained)


def test_of_a_model_of_text_all_linear_layers_are_adapted_by_one_word() -> None:
    import torch

    from fieldsmith.model.architecture import auto_class

    with torch.device("meta"):
        model = auto_class(config_of("llama-2")).from_config(config_of("llama-2"))
    assert lora_config(Settings(), model).target_modules == "all-linear"


@pytest.mark.parametrize("name", ["gemma-3", *VISION])
def test_the_positions_of_a_model_are_found(name: str) -> None:
    assert positions_of(config_of(name)) == 1024
