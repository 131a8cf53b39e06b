"""vLLM, started from the environment that FIELDSMITH_VLLM_PYTHON names, answers as our decoder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from command import extract
from finished_answers import NEEDED, require_same_finish
from known_to_llama_cpp import KNOWN, train_known
from tiny_families import CausalRun
from tiny_model import lines

from fieldsmith import Document
from fieldsmith.engines.vllm_process import VllmPython, vllm_server
from fieldsmith.errors import EngineError
from fieldsmith.exporting.vllm_service import merged_in_cache, served_by_vllm
from fieldsmith.extraction.extractor import Extractor
from fieldsmith.runs.folder import Run

PYTHON = os.environ.get("FIELDSMITH_VLLM_PYTHON", "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="FIELDSMITH_VLLM_PYTHON names no Python with vLLM"),
]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> CausalRun:
    # vLLM's attention on a CPU takes no smaller heads.
    family = replace(KNOWN, options={**KNOWN.options, "head_dim": 32})
    return train_known(tmp_path_factory.mktemp("vllm"), family)


def test_predictions_are_those_of_our_decoder(run: CausalRun, tmp_path: Path) -> None:
    corpus = run.folder / "corpus" / "test.txt"
    outputs = tmp_path / "ours.jsonl", tmp_path / "theirs.jsonl"
    engine = ("--engine", "vllm", "--engine-python", PYTHON)
    for output, options in zip(outputs, ((), engine), strict=True):
        done = extract("predict", run.run, corpus, "--output", output, *options, timeout=900)
        assert done.code == 0, done.errors
    for one, other in zip(*map(lines, outputs), strict=True):
        assert other["confidence"] == pytest.approx(one["confidence"], abs=0.01)
        assert {**other, "confidence": {}} == {**one, "confidence": {}}


def test_an_answer_at_its_limit_is_finished_as_our_decoder_finishes_it(run: CausalRun) -> None:
    extractor = Extractor.load(run.run)
    documents = [Document(str(n), f"Aspirin caused rash in {n} patients.") for n in range(4)]
    with served_by_vllm(Run.open(run.run), Path(PYTHON)) as connect:
        engine = connect(extractor.vocabulary)
        for name in NEEDED:
            for limit in (24, 48, 80):
                require_same_finish(extractor, engine, documents, name, limit)


def test_what_vllm_refuses_is_said(run: CausalRun) -> None:
    found = VllmPython.find(Path(PYTHON))
    folder = merged_in_cache(Run.open(run.run), "fp32").folder
    for option, said in [
        ("--no-such-option", "error: unrecognized arguments: --no-such-option"),
        ("--max-model-len 100000", "100000"),
    ]:
        with (
            pytest.raises(EngineError, match="vLLM does not start") as caught,
            vllm_server(found, folder, "float32", [option]),
        ):
            pass
        assert said in str(caught.value)
