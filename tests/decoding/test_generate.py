"""Generation: the answers of greedy decoding under a grammar step by step, in fewer steps."""

from __future__ import annotations

import gc
import itertools
import json
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from paths import BASE
from tiny_model import Workplace, random_model
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel
from transformers.generation.logits_process import LogitsProcessor, LogitsProcessorList

from fieldsmith.data import Document, Schema
from fieldsmith.decoding.generate import generate
from fieldsmith.decoding.grammar import Grammars
from fieldsmith.decoding.json_state import JsonState
from fieldsmith.decoding.llguidance_adapter import Matcher, Vocabulary
from fieldsmith.decoding.sequence import DecodingStats, Generated, Prompt
from fieldsmith.errors import GrammarError, SettingsError
from fieldsmith.model import forward as reader
from fieldsmith.model.forward import rows_at_once
from fieldsmith.model.kv_cache import SlotCache
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.plugins import load

LIMIT = 48

TIE = 1e-3
"""Two scores that differ by less are a tie: batched and single arithmetic round otherwise."""

TEXTS = [
    "aspirin caused rash in 12 patients.",
    "Case 7.",
    "morphine and fever.",
    "pain came after 3 days. lidocaine was given to 61 patients. " * 3,
    "cocaine was given to 9 patients.",
    "Zürich " * 9,
    "nausea came after 55 days.",
    "1 2 3",
    'The "placebo" group (n = 4)\nhad <|eot_id|> and </s>, \\ and \t tabs.',
    "皮疹和发热是阿司匹林的副作用。",
    "👩‍⚕️ gave 💊💊 to Zoë; naïve façade.",
    "lidocaine and cocaine. pain and fever.",
]


@pytest.fixture(scope="module")
def prompts() -> PromptFormat:
    return PromptFormat(AutoTokenizer.from_pretrained(BASE))


@pytest.fixture(scope="module")
def vocabulary(prompts: PromptFormat) -> Vocabulary:
    return Vocabulary(prompts.plain, prompts.stops)


@pytest.fixture(scope="module")
def asked(prompts: PromptFormat, vocabulary: Vocabulary) -> list[Prompt]:
    """Prompts of many lengths, in no order, whose answers are of many lengths too."""
    plugin = load("medical_ner")
    grammars = Grammars(plugin.schema, vocabulary)
    return [
        Prompt(prompts.prompt(plugin.brief_prompt(Document("", text))), grammars.for_text(text))
        for text in TEXTS
    ]


@pytest.fixture(scope="module")
def tiny(workplace: Workplace) -> PreTrainedModel:
    """A model that writes records, some right and some wrong."""
    loaded: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        workplace.model, dtype=torch.float32
    )
    loaded.eval()
    return loaded


@pytest.fixture(scope="module", params=["tiny", "random"])
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    if request.param == "random":
        return random_model()
    loaded: PreTrainedModel = request.getfixturevalue("tiny")
    return loaded


def answers(
    model: PreTrainedModel,
    asked: Sequence[Prompt],
    prompts: PromptFormat,
    *,
    limit: int = LIMIT,
    batch: int = 3,
    **options: Any,
) -> list[Generated]:
    return generate(
        model, asked, stops=prompts.stops, max_new_tokens=limit, batch_size=batch, **options
    )


class Held(LogitsProcessor):
    """Holds the rows of ``model.generate`` to their grammars, one token at a time."""

    def __init__(self, matchers: Sequence[Matcher], start: int, stop: int) -> None:
        self.matchers = matchers
        self.start = start
        self.stop = stop

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        held = torch.full_like(scores, -torch.inf)
        for row, matcher in enumerate(self.matchers):
            if input_ids.shape[1] > self.start and not matcher.ended:
                matcher.consume([int(input_ids[row, -1])])
            if matcher.ended:
                held[row, self.stop] = 0
            else:
                allowed = torch.from_numpy(matcher.allowed()).nonzero()[:, 0]
                held[row, allowed] = scores[row, allowed]
        return held


def transformers_answers(
    model: Any, asked: Sequence[Prompt], prompts: PromptFormat, batch: int
) -> Iterator[list[int]]:
    """Yield the tokens that transformers generates, the stop token left out."""
    stop = prompts.stops[0]
    settings = GenerationConfig(
        max_new_tokens=LIMIT,
        do_sample=False,
        eos_token_id=list(prompts.stops),
        pad_token_id=stop,
    )
    for at in range(0, len(asked), batch):
        rows = asked[at : at + batch]
        length = max(len(row.ids) for row in rows)
        fill = [length - len(row.ids) for row in rows]
        matchers = [row.grammar.matcher() for row in rows if row.grammar]
        output = model.generate(
            torch.tensor([[stop] * n + list(row.ids) for n, row in zip(fill, rows, strict=True)]),
            attention_mask=torch.tensor([[0] * n + [1] * (length - n) for n in fill]),
            generation_config=settings,
            logits_processor=LogitsProcessorList(
                [Held(matchers, length, stop)] if matchers else []
            ),
        )
        for row in output[:, length:].tolist():
            yield list(itertools.takewhile(lambda token: token not in prompts.stops, row))


def scores_of(model: Any, prompt: Prompt, ids: Sequence[int]) -> torch.Tensor:
    """Return what the model gives every token in the place of each of an answer's."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([[*prompt.ids, *ids]])).logits[0]
    return torch.log_softmax(logits[len(prompt.ids) - 1 : -1].float(), dim=-1)


def assert_equal_but_for_ties(
    model: PreTrainedModel,
    asked: Sequence[Prompt],
    found: Sequence[Sequence[int]],
    wanted: Sequence[Sequence[int]],
) -> None:
    different = 0
    for prompt, ours, theirs in zip(asked, found, wanted, strict=True):
        if list(ours) == list(theirs):
            continue
        different += 1
        pairs = itertools.zip_longest(ours, theirs)
        at = next(i for i, (one, other) in enumerate(pairs) if one != other)
        one, other = ours[at], theirs[at]
        scores = scores_of(model, prompt, ours[: at + 1])[-1]
        assert abs(float(scores[one] - scores[other])) < TIE, f"token {at} of {prompt}"
    assert different <= len(asked) / 10


@pytest.mark.parametrize("batch", [1, 8])
def test_the_answers_are_those_of_one_step_a_token(
    model: PreTrainedModel, asked: list[Prompt], prompts: PromptFormat, batch: int
) -> None:
    wanted = answers(model, asked, prompts, speculate=False)
    found = answers(model, asked, prompts, batch=batch)
    ids = [answer.ids for answer in found]
    assert_equal_but_for_ties(model, asked, ids, [answer.ids for answer in wanted])
    assert len({len(answer.ids) for answer in found}) > 3, "the answers end at different steps"
    for ours, theirs in zip(found, wanted, strict=True):
        if ours.ids == theirs.ids:
            assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)
            assert (ours.text, ours.ends, ours.finished) == (
                theirs.text,
                theirs.ends,
                theirs.finished,
            )


def test_long_prompts_are_read_a_few_at_a_time(
    tiny: PreTrainedModel,
    asked: list[Prompt],
    prompts: PromptFormat,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = answers(tiny, asked, prompts, batch=8)
    longest = max(len(prompt.ids) for prompt in asked)
    monkeypatch.setattr(reader, "MAX_BATCH_TOKENS", 2 * longest)
    read: list[tuple[int, int]] = []

    def note(_model: torch.nn.Module, _args: Any, given: dict[str, Any]) -> None:
        read.append(tuple(given["input_ids"].shape))

    hook = tiny.register_forward_pre_hook(note, with_kwargs=True)
    try:
        found = answers(tiny, asked, prompts, batch=8)
    finally:
        hook.remove()
    assert [answer.ids for answer in found] == [answer.ids for answer in wanted]
    assert max(rows * tokens for rows, tokens in read) <= 2 * longest
    assert max(rows for rows, _tokens in read) > 4, "those that are begun go on together"


def test_keys_and_values_are_freed_at_once(
    tiny: PreTrainedModel,
    asked: list[Prompt],
    prompts: PromptFormat,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are large, and the garbage collector counts objects and no bytes."""
    made: list[weakref.ref[SlotCache]] = []

    def note(cache: SlotCache, rows: int) -> None:
        made.append(weakref.ref(cache))
        begin(cache, rows)

    begin = SlotCache.__init__
    monkeypatch.setattr(SlotCache, "__init__", note)
    gc.collect()
    gc.disable()
    try:
        answers(tiny, asked, prompts)
        alive = [cache() for cache in made]
    finally:
        gc.enable()
    assert alive == [None]


@pytest.mark.parametrize(
    ("lengths", "rows"),
    [([], 0), ([9000], 1), ([9000, 1], 1), ([4096, 4096, 4096], 2), ([8, 4000, 5000], 2)],
)
def test_so_many_prompts_are_read_at_once(lengths: list[int], rows: int) -> None:
    assert rows_at_once(lengths) == rows


@pytest.mark.parametrize("batch", [1, 8])
def test_the_answers_are_those_of_transformers_under_the_same_grammar(
    tiny: PreTrainedModel, asked: list[Prompt], prompts: PromptFormat, batch: int
) -> None:
    wanted = list(transformers_answers(tiny, asked, prompts, batch))
    found = [answer.ids for answer in answers(tiny, asked, prompts, batch=batch)]
    unlike = [number for number, ids in enumerate(wanted) if repeats(ids, asked[number])]
    assert len(unlike) < len(asked) / 3
    for number in reversed(unlike):  # transformers goes on where we end a list
        del wanted[number], found[number]
    kept = [prompt for number, prompt in enumerate(asked) if number not in unlike]
    assert_equal_but_for_ties(tiny, kept, found, wanted)


def repeats(ids: Sequence[int], prompt: Prompt) -> bool:
    """Say whether an answer has the same item twice in a row."""
    assert prompt.grammar is not None
    text = b"".join(map(prompt.grammar.vocabulary.bytes_of, ids))
    return JsonState().write(text) < len(text)


def test_without_a_grammar_the_answers_are_those_of_transformers(
    model: PreTrainedModel, asked: list[Prompt], prompts: PromptFormat, vocabulary: Vocabulary
) -> None:
    free = [Prompt(prompt.ids, None) for prompt in asked]
    wanted = list(transformers_answers(model, free, prompts, 1))
    for batch in (1, 8):
        found = answers(model, free, prompts, batch=batch, vocabulary=vocabulary)
        assert_equal_but_for_ties(model, free, [answer.ids for answer in found], wanted)
        assert [answer.finished for answer in found] == [len(ids) < LIMIT for ids in wanted]
        for answer in found:
            whole = b"".join(map(vocabulary.bytes_of, answer.ids)).decode(errors="replace")
            assert whole.removesuffix("\ufffd") == answer.text.removesuffix("\ufffd")


def test_the_probabilities_are_those_of_the_whole_text_read_at_once(
    model: PreTrainedModel, asked: list[Prompt], prompts: PromptFormat
) -> None:
    forced = 0
    for prompt, answer in zip(asked, answers(model, asked, prompts, batch=8), strict=True):
        scores = scores_of(model, prompt, answer.ids)
        wanted = scores[torch.arange(len(answer.ids)), torch.tensor(answer.ids)].tolist()
        for found, whole in zip(answer.logprobs, wanted, strict=True):
            assert found == 0 or found == pytest.approx(whole, abs=1e-4)
            forced += found == 0
    assert forced > len(asked)


def test_what_is_forced_is_certain_and_nothing_else(
    asked: list[Prompt], prompts: PromptFormat, vocabulary: Vocabulary
) -> None:
    model = random_model()
    for prompt, answer in zip(asked, answers(model, asked, prompts), strict=True):
        assert prompt.grammar is not None
        matcher = prompt.grammar.matcher()
        for token, logprob in zip(answer.ids, answer.logprobs, strict=True):
            forced = matcher.forced()
            repeated = b"]" in vocabulary.bytes_of(token)  # ended since it repeated itself
            assert (logprob == 0) == bool(forced) or repeated
            assert not forced or forced[0] == token
            matcher.consume([token])


def test_answers_are_records_and_hold_no_control_token(
    model: PreTrainedModel, asked: list[Prompt], prompts: PromptFormat, vocabulary: Vocabulary
) -> None:
    finished = found = 0
    for text, answer in zip(TEXTS, answers(model, asked, prompts, limit=400, batch=8), strict=True):
        assert all(map(vocabulary.bytes_of, answer.ids))
        assert answer.text == b"".join(map(vocabulary.bytes_of, answer.ids)).decode()
        if answer.finished:
            record = json.loads(answer.text)
            values = [*record.get("chemicals", ()), *record.get("diseases", ())]
            assert all(value in text for value in values)
            finished += 1
            found += len(values)
    assert finished > len(TEXTS) / 2
    assert found


@pytest.mark.parametrize("speculate", [True, False])
def test_the_limit_holds(
    model: PreTrainedModel, asked: list[Prompt], prompts: PromptFormat, speculate: bool
) -> None:
    whole = answers(model, asked, prompts, speculate=speculate)
    for limit in (1, 2, 5, 13):
        cut = answers(model, asked, prompts, limit=limit, speculate=speculate)
        for short, long in zip(cut, whole, strict=True):
            assert short.ids == long.ids[:limit]
            assert short.finished == (long.finished and len(long.ids) <= limit)
            assert long.text.startswith(short.text)
            assert short.ends[-1] == len(short.text)
            # The last token may have been in the middle of a character.
            assert short.ends[:-1] == long.ends[: len(short.ids)][:-1]


def test_equal_calls_give_equal_answers(
    tiny: PreTrainedModel, asked: list[Prompt], prompts: PromptFormat
) -> None:
    first, second = (answers(tiny, asked, prompts, batch=4) for _ in range(2))
    assert first == second
    assert answers(tiny, asked[::-1], prompts, batch=4)[0].ids == first[-1].ids


def test_the_statistics_add_up(
    tiny: PreTrainedModel, asked: list[Prompt], prompts: PromptFormat
) -> None:
    fast, slow = DecodingStats(), DecodingStats()
    found = answers(tiny, asked, prompts, batch=1, stats=fast)
    answers(tiny, asked, prompts, batch=1, stats=slow, speculate=False)
    assert fast.tokens == slow.tokens == sum(len(answer.ids) for answer in found)
    assert fast.steps < slow.steps / 2
    assert slow.masks <= slow.steps
    assert fast.masks < slow.masks / 2
    assert 0 < fast.accepted < fast.drafted
    assert fast.forced + fast.accepted < fast.tokens + fast.forced
    assert slow.drafted == slow.accepted == 0
    assert fast.total_seconds > fast.model_seconds + fast.grammar_seconds > fast.grammar_seconds > 0


def test_progress_counts_every_prompt_and_the_mode_of_the_model_stays(
    tiny: PreTrainedModel, asked: list[Prompt], prompts: PromptFormat
) -> None:
    done: list[int] = []
    tiny.train()
    try:
        answers(tiny, asked, prompts, limit=2, progress=done.append)
        assert tiny.training
        assert sum(done) == len(asked)
        assert answers(tiny, [], prompts) == []
        with pytest.raises(GrammarError):
            answers(tiny, [*asked, broken(asked[0])], prompts)
        assert tiny.training
    finally:
        tiny.eval()


def broken(prompt: Prompt) -> Prompt:
    """Return a prompt whose grammar does not compile: half a surrogate pair is no text."""
    assert prompt.grammar is not None
    return Prompt([*prompt.ids, *prompt.ids], prompt.grammar.grammars.for_text("\ud800 "))


def test_a_grammar_that_does_not_compile_stops_everything(
    tiny: PreTrainedModel, asked: list[Prompt], prompts: PromptFormat
) -> None:
    for batch in (1, 100):
        with pytest.raises(GrammarError, match="surrogate"):
            answers(tiny, [*asked, broken(asked[0])], prompts, batch=batch)


# Lists that repeat themselves


def learned(prompts: PromptFormat, prompt: Sequence[int], answer: str) -> PreTrainedModel:
    """Return a model that has learned to write one answer."""
    written = prompts.tokenizer(answer, add_special_tokens=False, split_special_tokens=True)
    ids = torch.tensor([[*prompt, *written.input_ids, *prompts.stops[:1]]])
    model: Any = random_model(initializer_range=0.05)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    trained: PreTrainedModel = model
    return trained


REPEATED: dict[str, tuple[Schema, str, str]] = {
    "strings": (
        {"items": {"type": "string", "x-source": "verbatim"}},
        '["rash","fever","fever","fever","fever","rash"]',
        '["rash","fever","fever"]',
    ),
    "objects": (
        {
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {"name": {"type": "string", "x-source": "verbatim"}},
            }
        },
        '[{"name":"rash"},{"name":"rash"},{"name":"rash"},{"name":"fever"}]',
        '[{"name":"rash"},{"name":"rash"}]',
    ),
    "numbers": ({"items": {"type": "integer"}}, "[7,12,12,12,12,5]", "[7,12,12]"),
    "a list that must go on": (
        {"items": {"type": "string", "x-source": "verbatim"}, "minItems": 4},
        '["rash","rash","rash","rash","rash","rash"]',
        '["rash","rash","rash","rash"]',
    ),
}


@pytest.mark.parametrize("name", REPEATED)
@pytest.mark.parametrize("speculate", [True, False])
def test_an_item_equal_to_the_one_before_it_ends_its_list(
    prompts: PromptFormat, vocabulary: Vocabulary, name: str, speculate: bool
) -> None:
    schema, wanted, ended = REPEATED[name]
    text = "rash and fever"
    whole = {
        "type": "object",
        "additionalProperties": False,
        "required": ["found"],
        "properties": {"found": {"type": "array", **schema}},
    }
    prompt = Prompt(
        prompts.tokenizer(text, add_special_tokens=False).input_ids,
        Grammars(whole, vocabulary).for_text(text),
    )
    model = learned(prompts, prompt.ids, f'{{"found":{wanted}}}')
    free = Prompt(prompt.ids, None)
    assert answers(model, [free], prompts, vocabulary=vocabulary)[0].text == f'{{"found":{wanted}}}'
    found = answers(model, [prompt], prompts, speculate=speculate)[0]
    assert found.text == f'{{"found":{ended}}}'
    assert found.finished
    assert found.ends[-1] == len(found.text)


# Any causal model with keys and values

FAMILIES: dict[str, dict[str, Any]] = {
    "Llama": {},
    "Mistral": {"sliding_window": 24},
    "Qwen2": {"use_sliding_window": True, "sliding_window": 24, "max_window_layers": 1},
    "Qwen3": {},
    "Gemma2": {"sliding_window": 24, "query_pre_attn_scalar": 12},
    "Gemma3Text": {
        "sliding_window": 24,
        "query_pre_attn_scalar": 12,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "Phi3": {"pad_token_id": 0},
    "GPT2": {"n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": 512},
    "Mixtral": {"num_local_experts": 4},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_answers_as_it_does_step_by_step(
    family: str, asked: list[Prompt], prompts: PromptFormat
) -> None:
    model = random_model(family, **FAMILIES[family])
    window = getattr(model.config, "sliding_window", None) or 0
    assert all(len(prompt.ids) > window for prompt in asked), "so that the window matters"
    asked = asked[:7]
    for attention in ("eager", "sdpa") if model._supports_sdpa else ("eager",):
        model.set_attn_implementation(attention)
        found = answers(model, asked, prompts, batch=4, limit=24)
        for prompt, answer in zip(asked, found, strict=True):
            scores = scores_of(model, prompt, answer.ids)
            assert prompt.grammar is not None
            matcher = prompt.grammar.matcher()
            for token, logprob, row in zip(answer.ids, answer.logprobs, scores, strict=True):
                if logprob:
                    allowed = torch.from_numpy(matcher.allowed())
                    best = row[: len(allowed)].masked_fill(~allowed, -torch.inf).max()
                    assert float(best - row[token]) < TIE
                    assert logprob == pytest.approx(float(row[token]), abs=1e-3)
                matcher.consume([token])


@pytest.mark.parametrize(
    ("family", "settings", "reason"),
    [
        ("Mamba", {}, "state"),
        ("Jamba", {}, "state"),
        ("Bloom", {"n_layer": 1, "n_head": 4}, "position_ids"),
        ("GPTNeo", {"num_layers": 2, "attention_types": [[["global", "local"], 1]]}, "attention"),
        ("Llama4Text", {}, "chunked_attention"),
    ],
)
def test_a_model_that_cannot_read_on_from_any_place_is_refused(
    family: str,
    settings: dict[str, Any],
    reason: str,
    asked: list[Prompt],
    prompts: PromptFormat,
) -> None:
    with torch.device("meta"):
        model = random_model(family, **settings)
    with pytest.raises(SettingsError, match=reason):
        answers(model, asked, prompts)


def test_an_attention_that_takes_no_masks_is_exchanged_for_the_time(
    asked: list[Prompt], prompts: PromptFormat
) -> None:
    model = random_model()
    wanted = answers(model, asked, prompts, batch=8)
    model.set_attn_implementation("flex_attention")
    found = answers(model, asked, prompts, batch=8)
    assert model.config._attn_implementation == "flex_attention"
    assert [answer.ids for answer in found] == [answer.ids for answer in wanted]


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_cuda_the_answers_are_those_of_one_step_a_token(
    workplace: Workplace, asked: list[Prompt], prompts: PromptFormat, dtype: torch.dtype
) -> None:
    model: Any = AutoModelForCausalLM.from_pretrained(workplace.model, dtype=dtype)
    model = model.to("cuda").eval()
    wanted = answers(model, asked, prompts, batch=1, speculate=False)
    for batch in (1, 8):
        found = answers(model, asked, prompts, batch=batch)
        same = sum(a.ids == b.ids for a, b in zip(found, wanted, strict=True))
        assert same >= len(asked) * (1.0 if dtype == torch.float32 else 0.7)
        for ours, theirs in zip(found, wanted, strict=True):
            if ours.ids == theirs.ids and dtype == torch.float32:
                assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-3)
