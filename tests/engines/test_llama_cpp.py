"""llama.cpp answers with a GGUF file what transformers answers with the model that is in it."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from finished_answers import NEEDED, require_same_finish
from tiny_families import learn_answers, settings_of
from tiny_gguf import TinyGguf, byte_level, sentencepiece
from tiny_model import write_corpus

from fieldsmith import Document
from fieldsmith.decoding.sequence import Generated, Prompt
from fieldsmith.engines.llama_cpp import GgufEngine
from fieldsmith.errors import RunError
from fieldsmith.extraction.extractor import Extractor
from fieldsmith.model.gguf import local_folder
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.model.tokenizer import load_tokenizer
from fieldsmith.plugins import load
from fieldsmith.task import Task

if TYPE_CHECKING:
    from transformers import PreTrainedModel

pytest.importorskip("xllamacpp", reason="the extra llama-cpp is not installed")

POSITIONS = {"max_position_embeddings": 1024}
FILES = {
    "llama": TinyGguf("llama", vocabulary=byte_level(), config=POSITIONS),
    "qwen3": TinyGguf("qwen3", vocabulary=byte_level("qwen2"), config=POSITIONS),
    "gemma3": TinyGguf(
        "gemma3", vocabulary=sentencepiece("gemma"), config={**POSITIONS, "sliding_window": 16}
    ),
}
DOCUMENTS = [
    Document("a", "Aspirin and rash.\nAspirin caused rash in 3 patients."),
    Document("b", 'Größe: μ-Opioid 5 µg "aspirin" \\ caused rash\tand 😀 nausea.'),
    Document("c", "Nothing."),
    Document("d", "Morphine, lidocaine and cocaine were given. Nausea came after 3 days."),
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def folder_of(file: Path) -> Path:
    folder = local_folder(str(file))
    assert folder
    return folder


def task_of(folder: Path) -> Task:
    settings = settings_of(folder, max_new_tokens=80, eval_batch_size=2).values
    return Task(load("medical_ner"), settings, PromptFormat(load_tokenizer(settings)))


def extractors(file: Path, model: PreTrainedModel) -> tuple[Extractor, Extractor]:
    """Return one that answers by transformers, and the same by llama.cpp.

    Args:
        file: a GGUF file.
        model: the model that was written to it, in float32.
    """
    plain = Extractor.around(
        model,
        task_of(folder_of(file)),
        answered=["chemicals", "diseases", "relations"],
        longest={"/properties/chemicals": 3, "/properties/diseases": 3, "/properties/relations": 2},
    )
    return plain, replace(plain, engine=GgufEngine.load(file, 1024, 2))


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PreTrainedModel]:
    """A model that has learned the form of an answer, with its file."""
    folder = tmp_path_factory.mktemp("learned")
    write_corpus(folder / "corpus")
    given = FILES["llama"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        model = given.write(folder / "untrained.gguf")
        learn_answers(model, task_of(folder_of(folder / "untrained.gguf")), folder / "corpus")
    return folder / "model.gguf", given.write(folder / "model.gguf", model)


@pytest.mark.parametrize("name", FILES)
def test_plain_answers_have_equal_tokens_and_logprobs(name: str, tmp_path: Path) -> None:
    model = FILES[name].write(tmp_path / "model.gguf")
    plain, found = extractors(tmp_path / "model.gguf", model)
    prompts = [Prompt(plain.task.prompt(document), None) for document in DOCUMENTS]
    settings = replace(plain.task.settings, max_new_tokens=12)
    ours, theirs = (
        each.engine.answer(prompts, settings, each.vocabulary, lambda _count: None)
        for each in (plain, found)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert isinstance(one, Generated)
        assert isinstance(other, Generated)
        pairs = zip(one.ids, other.ids, strict=False)
        common = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
        assert common  # of random weights many tokens are nearly ties
        assert other.ends[:common] == one.ends[:common]
        for logprob, wanted in zip(other.logprobs[:common], one.logprobs, strict=False):
            # llama.cpp tells none of tokens within a character.
            assert logprob in (0.0, pytest.approx(wanted, abs=0.05))


def test_records_spans_and_confidence_are_those_of_transformers(
    learned: tuple[Path, PreTrainedModel],
) -> None:
    plain, found = extractors(*learned)
    ours, theirs = plain.predict(DOCUMENTS), found.predict(DOCUMENTS)
    assert any(prediction.spans for prediction in ours)
    for one, other in zip(ours, theirs, strict=True):
        assert (other.error, other.record, other.spans) == (one.error, one.record, one.spans)
        assert other.confidence == pytest.approx(one.confidence, abs=0.02)


def test_its_prompt_is_ours(learned: tuple[Path, PreTrainedModel]) -> None:
    plain, found = extractors(*learned)
    assert isinstance(found.engine, GgufEngine)
    for document in DOCUMENTS:
        messages = plain.task.prompts.accepted(plain.task.messages(document))
        assert found.engine.prompt(messages) == plain.task.prompt(document)


def test_progress_is_reported_for_each_answer(learned: tuple[Path, PreTrainedModel]) -> None:
    _plain, found = extractors(*learned)
    seen: list[int] = []
    answers = [answer for _number, answer in found.answer_windows(DOCUMENTS, seen.append)]
    assert sum(seen) == len(answers) == 4


def test_a_prompt_that_fails_fails_alone(learned: tuple[Path, PreTrainedModel]) -> None:
    _plain, found = extractors(*learned)
    assert found.grammars
    grammar = found.grammars.for_text(DOCUMENTS[0].text)
    answers = found.engine.answer(
        [Prompt([10**6, 5], grammar), Prompt([4, 5, 6], grammar)],
        found.task.settings,
        found.vocabulary,
        lambda _count: None,
    )
    assert isinstance(answers[0], str)
    assert answers[0].startswith("llama.cpp: ")
    assert isinstance(answers[1], Generated)


@pytest.mark.parametrize("content", [b"", b"GGUF", b"no model", None])
def test_what_is_no_model_is_one_line(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    if content is None:
        FILES["llama"].write(file)
        content = file.read_bytes()[:-5000]
    file.write_bytes(content)
    with pytest.raises(RunError, match="cannot load it"):
        GgufEngine.load(file, 256, 1)


@pytest.mark.parametrize("limit", [24, 80])
@pytest.mark.parametrize("name", NEEDED)
def test_an_answer_at_its_limit_is_finished_as_our_decoder_finishes_it(
    name: str, limit: int, learned: tuple[Path, PreTrainedModel]
) -> None:
    plain, found = extractors(*learned)
    require_same_finish(plain, found.engine, DOCUMENTS, name, limit)
