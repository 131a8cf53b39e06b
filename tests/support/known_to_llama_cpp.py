"""A tiny causal run whose tokenizer llama.cpp knows: a BPE with byte fallback."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from family_tokenizers import sentencepiece
from model_families import FAMILIES, Family
from tiny_families import CausalRun, learn_answers, settings_of, train_run
from tiny_model import write_corpus


def skip_without_index(said: str) -> None:
    """Skip a test where llama.cpp's converter is neither cached nor can be downloaded.

    Args:
        said: the error of an export.
    """
    if "cannot be downloaded" in said:
        pytest.skip("no package index is reached, from which llama.cpp's converter comes")


KNOWN = replace(FAMILIES["tinyllama"], tokenizer=partial(sentencepiece, "never"))


def train_known(folder: Path, family: Family = KNOWN) -> CausalRun:
    """Train a run of a model of a family that has learned the form of an answer."""
    from transformers import AutoModelForCausalLM

    from fieldsmith.model.prompts import PromptFormat
    from fieldsmith.model.tokenizer import load_tokenizer
    from fieldsmith.plugins import load
    from fieldsmith.task import Task

    write_corpus(folder / "corpus")
    base = folder / "model"
    family.write(base)
    settings = settings_of(base).values
    task = Task(load("medical_ner"), settings, PromptFormat(load_tokenizer(settings)))
    model = AutoModelForCausalLM.from_pretrained(base)
    learn_answers(model, task, folder / "corpus", steps=80)
    model.save_pretrained(base)
    return train_run(folder, base, max_new_tokens=120)
