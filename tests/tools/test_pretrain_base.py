"""The base model's own making, from text and a lexicon small enough for a test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from paths import ROOT
from pretraining.pages import page_example
from pretraining.tokenizer import Paper, read_corpora, train_tokenizer
from safetensors.torch import load_file
from tiny_sources import UNREAD, write_kinds, write_text
from transformers import AutoModelForCausalLM, AutoTokenizer

COMMAND = ("-m", "tools.pretraining")
# One batch of copying is more than 0.3 of it, so that the mixture comes next.
TOKENS = 7_000
VOCABULARY, SPACED = 4096, 1280


@dataclass(frozen=True)
class Place:
    """The sources, the word that each of their documents is about, and a tokenizer."""

    folder: Path
    words: dict[str, str]
    tokenizer: str

    def command(self, name: str, *more: str) -> list[str]:
        """The command that makes the model `name`, its checkpoints beside it."""
        given = {
            "text": self.folder / "text",
            "lexicon": self.folder / "wordnet",
            "out": self.folder / name,
            "checkpoint": self.folder / f"{name}.checkpoint",
        }
        paths = [f"--{option}={path}" for option, path in given.items()]
        held = ("--held-out=1", "--threads=1", "--eager")
        return [sys.executable, *COMMAND, *paths, *held, *more]

    def keep_tokenizer(self, name: str) -> None:
        """Lay the tokenizer where an earlier start of the command would have left it."""
        folder = self.folder / f"{name}.checkpoint"
        folder.mkdir()
        (folder / "tokenizer.json").write_text(self.tokenizer, encoding="utf-8")

    def log(self, name: str) -> list[dict[str, Any]]:
        lines = (self.folder / f"{name}.checkpoint/log.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in lines.splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("sources")
    words = write_text(folder / "text")
    write_kinds(folder / "wordnet")
    corpus, random = read_corpora(folder / "text")[0], Random(0)
    texts = [paper.text for papers in corpus.papers.values() for paper in papers]
    texts += [page_example(corpus, random).user for _ in range(500)]
    return Place(folder, words, train_tokenizer(texts, VOCABULARY, SPACED).to_str())


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_a_document_is_read_for_training_or_held_out(place: Place) -> None:
    train, held = read_corpora(place.folder / "text")

    def about(papers: tuple[Paper, ...]) -> set[str]:
        return {word for word in place.words.values() for p in papers if word in p.text}

    learnt, unseen = (
        {word for papers in corpus.papers.values() for word in about(papers)}
        for corpus in (train, held)
    )
    assert learnt | unseen == set(place.words.values())
    assert not learnt & unseen
    assert 0 < len(unseen) < 0.15 * len(place.words)
    assert set(train.papers) == {"craft", "life", "arxiv", "unarxive"}


def test_what_may_not_be_read_is_left_out(place: Place) -> None:
    papers = [
        paper
        for corpus in read_corpora(place.folder / "text")
        for source in corpus.papers.values()
        for paper in source
    ]
    assert papers
    assert not any(UNREAD in paper.text + paper.title for paper in papers)
    assert not any("{{" in paper.text for paper in papers)  # a citation's mark
    titles = [paper.title for paper in papers if paper.title]
    assert len(titles) == len(set(titles)) > 0  # one record may be in two categories
    assert all("\n" not in title for title in titles)


@pytest.mark.slow
def test_the_command_makes_a_model_that_loads(place: Place) -> None:
    place.keep_tokenizer("model")
    run(*place.command("model", f"--tokens={TOKENS}", "--workers=1"))
    out = place.folder / "model"

    stages = [entry for entry in place.log("model") if "copying" in entry or "final" in entry]
    assert [entry["step"] for entry in stages] == [1, 2]  # copying, then the mixture
    weights = load_file(out / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert all(tensor.isfinite().all() for tensor in weights.values())
    assert sum(path.stat().st_size for path in out.iterdir()) < 18_000_000
    model: Any = AutoModelForCausalLM.from_pretrained(out)
    tokenizer: Any = AutoTokenizer.from_pretrained(out)
    assert 2_000 < model.config.vocab_size == len(tokenizer) <= VOCABULARY
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Two foxes."}], add_generation_prompt=True, return_tensors="pt"
    )
    ids = prompt["input_ids"]
    written = model.generate(**prompt, max_new_tokens=3, do_sample=False)
    assert written[0, : ids.shape[1]].tolist() == ids[0].tolist()
    assert written.shape[1] > ids.shape[1]
    for word in [*list(place.words.values())[:50], "foxes", "hydrogenated", "Müller", "ATP"]:
        plain = tokenizer.tokenize(word)
        spaced = tokenizer.tokenize(f"a {word}")[1:]
        if spaced[0] == "Ġ":  # the space stands alone where no piece holds it
            spaced = [spaced[0] + spaced[1], *spaced[2:]]
        assert spaced == ["Ġ" + plain[0], *plain[1:]], word


@pytest.mark.slow
def test_killed_and_started_again_it_ends_with_the_same_weights(place: Place) -> None:
    more = ("--tokens=12000", "--workers=1", "--save-every=0")
    # The first makes its own tokenizer, as the command does where there is none.
    run(*place.command("whole", *more))
    command = place.command("killed", *more)
    checkpoints = place.folder / "killed.checkpoint"
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
    )
    while not (checkpoints / "checkpoint.pt").exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    run(*command)

    starts = [entry["step"] for entry in place.log("killed") if "parameters" in entry]
    ends = [entry["step"] for entry in place.log("killed") if "final" in entry]
    assert len(starts) == 2
    assert starts[0] == 0
    assert len(ends) == 1
    assert 0 < starts[1] < ends[0]
    whole, killed = (
        (place.folder / name / "model.safetensors").read_bytes() for name in ("whole", "killed")
    )
    assert killed == whole


@pytest.mark.slow
def test_two_workers_step_together(place: Place) -> None:
    place.keep_tokenizer("two")
    run(*place.command("two", f"--tokens={2 * TOKENS}", "--workers=2"))
    weights = load_file(place.folder / "two/model.safetensors")
    assert weights
    assert all(tensor.isfinite().all() for tensor in weights.values())
    final = place.log("two")[-1]
    assert "final" in final
    assert final["step"] == 2  # twice the tokens of one worker in as many steps
