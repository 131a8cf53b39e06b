"""A model and a corpus so small that a whole training takes seconds.

The model is a LLaMA of two layers with the tokenizer that ships. Before any test it has learned
the form of an answer, so that its answers are records, some right and some wrong.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from fieldsmith.plugins import load
from fieldsmith.prompts import PromptFormat
from fieldsmith.rows import IGNORED, Row, build_rows
from fieldsmith.settings import EMBEDDED, Settings, resolve
from fieldsmith.sources import read_examples
from fieldsmith.splits import split_documents

BASE = Path(__file__).parent.parent / "core" / "base"

CHEMICALS = ("aspirin", "lidocaine", "morphine", "cocaine")
DISEASES = ("rash", "nausea", "pain", "fever")

TITLE = "{chemical} and {disease}."
SENTENCES = (
    "{chemical} was given to {number} patients.",
    "{disease} came after {number} days.",
    "{chemical} caused {disease} in {number} patients.",
)

SPLITS = {"train": 24, "dev": 10, "test": 10}


def documents(count: int, seed: int, first: int = 1) -> list[str]:
    """Return PubTator blocks of made-up abstracts; no two have the same text."""
    source = random.Random(seed)
    return [_document(first + number, source) for number in range(count)]


def _document(number: int, source: random.Random) -> str:
    chemical, disease = source.choice(CHEMICALS), source.choice(DISEASES)
    sentences = [
        template.format(chemical=chemical, disease=disease, number=source.randrange(2, 99))
        for template in source.sample(SENTENCES, 2)
    ]
    title = TITLE.format(chemical=chemical, disease=disease)
    abstract = f"{' '.join(sentences)} Case {number}."
    lines = [f"{number}|t|{title}", f"{number}|a|{abstract}"]
    for name, kind, concept in ((chemical, "Chemical", "D1"), (disease, "Disease", "D2")):
        for match in re.finditer(name, f"{title} {abstract}"):
            lines.append(f"{number}\t{match.start()}\t{match.end()}\t{name}\t{kind}\t{concept}")
    return "\n".join([*lines, f"{number}\tCID\tD1\tD2"])


def write_corpus(folder: Path) -> None:
    """Write a PubTator file for each official split."""
    folder.mkdir()
    numbers = itertools.accumulate(SPLITS.values(), initial=1)
    for (split, count), first in zip(SPLITS.items(), numbers, strict=False):
        write_documents(folder / f"{split}.txt", documents(count, seed=first, first=first))


def write_documents(path: Path, blocks: Sequence[str]) -> None:
    """Write a PubTator file."""
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def write_model(folder: Path, corpus: Path, steps: int) -> None:
    """Write a model that has seen what an answer looks like, with its tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    rows = _rows(PromptFormat(tokenizer), corpus)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    _learn(model, rows, steps)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _rows(prompts: PromptFormat, corpus: Path) -> list[Row]:
    plugin = load("medical_ner")
    settings: Settings = resolve(EMBEDDED, plugin.name, plugin.settings(EMBEDDED), {}).values
    train = split_documents(read_examples(plugin, corpus)).train
    return build_rows(train, plugin, prompts, settings).rows


def _learn(model: LlamaForCausalLM, rows: Sequence[Row], steps: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    source = random.Random(0)
    longest = max(len(row.input_ids) for row in rows)
    ids = torch.tensor([row.input_ids + [0] * (longest - len(row.input_ids)) for row in rows])
    labels = torch.tensor([row.labels + [IGNORED] * (longest - len(row.labels)) for row in rows])
    for _ in range(steps):
        chosen = torch.tensor(source.sample(range(len(rows)), 16))
        loss = model(input_ids=ids[chosen], labels=labels[chosen]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
