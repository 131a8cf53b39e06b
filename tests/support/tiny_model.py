"""A model and a corpus so small that a whole training takes seconds.

The model is a LLaMA of two layers with the tokenizer that ships. Before any test it has learned
the form of an answer, so that its answers are records, some right and some wrong.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from command import Answer, Moment, extract
from paths import BASE

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedModel

    from fieldsmith.windows.rows import Row

CHEMICALS = ("aspirin", "lidocaine", "morphine", "cocaine")
DISEASES = ("rash", "nausea", "pain", "fever")

TITLE = "{chemical} and {disease}."
SENTENCES = (
    "{chemical} was given to {number} patients.",
    "{disease} came after {number} days.",
    "{chemical} caused {disease} in {number} patients.",
)

SPLITS = {"train": 24, "dev": 10, "test": 10}

_STEPS = 48  # after which answers are right in some documents and wrong in others

SETTINGS: Mapping[str, object] = {
    "batch_size": 16,
    "checkpoint_steps": 4,
    "epochs": 6,
    "eval_batch_size": 8,  # of which predictions are written in groups of 32
    "learning_rate": 0.005,
    "logging_steps": 3,
    "lora_dropout": 0.1,  # so that the random state of a resumed training matters
    "lora_rank": 8,
    "max_new_tokens": 40,
    "patience": 1,
    "augment_copies": 0,  # few rows are enough
    "scheduler": "constant",  # scores go up and down, and the best adapter is not the last
}


def embedded_recipe() -> dict[str, object]:
    """Return what the embedded model is trained with, for a model that is made like it."""
    from dataclasses import asdict

    from fieldsmith.recipes import read_preset, recipe
    from fieldsmith.settings import EMBEDDED, resolve

    values = asdict(resolve(EMBEDDED, "medical_ner", {}, {}).values)
    # What the recipe for causal models would set otherwise is set back to the default.
    names = {*read_preset(EMBEDDED).values, *recipe(1)} - {"model"}
    made_for = {"window": "sentences", "max_length": 512}
    return {name: values[name] for name in sorted(names)} | made_for


def as_yaml(value: object) -> str:
    """Return a value as ``--set`` takes it."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


@dataclass(frozen=True)
class Trained:
    """A finished training: its run folder and what the command said."""

    run: Path
    answer: Answer


@dataclass(frozen=True)
class Workplace:
    """A folder with a tiny model and the corpora it is trained and tried on.

    model: the base model.
    corpus: a folder of PubTator files, one for each official split.
    unseen: a PubTator file of documents that are in no split.
    many: a PubTator file of documents for three groups of predictions.
    """

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def corpus(self) -> Path:
        return self.folder / "corpus"

    @property
    def unseen(self) -> Path:
        return self.folder / "unseen.txt"

    @property
    def many(self) -> Path:
        return self.folder / "many.txt"

    @staticmethod
    def make(folder: Path) -> Workplace:
        """Write the model and the corpora."""
        place = Workplace(folder)
        write_corpus(place.corpus)
        write_documents(place.unseen, documents(12, seed=201, first=201))
        write_documents(place.many, documents(75, seed=301, first=301))
        write_model(place.model, place.corpus, _STEPS)
        return place

    def order(
        self, run: Path, *, data: Path | None = None, **settings: object
    ) -> tuple[str | Path, ...]:
        """Return the arguments of a training of the tiny model."""
        values = {**embedded_recipe(), **SETTINGS, **settings}
        chosen = [f"--set={name}={as_yaml(value)}" for name, value in values.items()]
        # All that the preset sets is set below; with a preset the recipe is not printed.
        model = ("--model", self.model, "--preset", "llama-3.2-3b")
        source = ("--data", data or self.corpus, *model)
        return ("train", "--plugin", "medical_ner", *source, "--output", run, *chosen)

    def train(
        self, run: Path, *, kill: Moment | None = None, data: Path | None = None, **settings: object
    ) -> Trained:
        """Train through the installed command; it is killed at a moment if one is given."""
        answer = extract(*self.order(run, data=data, **settings), kill=kill)
        assert kill or answer.code == 0, answer.errors
        return Trained(run, answer)


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def info(run: Path) -> dict[str, Any]:
    """Return run.json."""
    loaded: dict[str, Any] = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return loaded


def without_cost(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return metrics.json without what depends on the clock and on the machine's memory."""
    measured = {"seconds_per_document", "peak_memory_mb", "scoring"}
    return {
        split: {name: value for name, value in scores.items() if name not in measured}
        for split, scores in metrics.items()
    }


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, by its relative path; a training.log holds times."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    files = (path for path in found if path.name != "training.log")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


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
        lines += [
            f"{number}\t{match.start()}\t{match.end()}\t{name}\t{kind}\t{concept}"
            for match in re.finditer(name, f"{title} {abstract}")
        ]
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
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(BASE)
    rows = _rows(tokenizer, corpus)
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


def _rows(tokenizer: Any, corpus: Path) -> list[Row]:
    from fieldsmith.dataset.loading import read_splits
    from fieldsmith.model.prompts import PromptFormat
    from fieldsmith.plugins import load
    from fieldsmith.settings import EMBEDDED, resolve
    from fieldsmith.task import Task
    from fieldsmith.windows.rows import build_rows

    plugin = load("medical_ner")
    settings = resolve(EMBEDDED, plugin.name, plugin.settings(EMBEDDED), {}).values
    splits, _hash = read_splits(plugin, corpus, allow_leaks=False)
    return build_rows(splits.train, Task(plugin, settings, PromptFormat(tokenizer))).rows


def _learn(model: LlamaForCausalLM, rows: Sequence[Row], steps: int) -> None:
    import torch

    from fieldsmith.data import IGNORED
    from fieldsmith.model.prefix_attention import PrefixAttention

    PrefixAttention().prepare_training(model)  # as the preset goes on
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    source = random.Random(0)
    longest = max(len(row.input_ids) for row in rows)
    ids = torch.tensor([row.input_ids + [0] * (longest - len(row.input_ids)) for row in rows])
    labels = torch.tensor([row.labels + [IGNORED] * (longest - len(row.labels)) for row in rows])
    for _ in range(steps):
        chosen = torch.tensor(source.sample(range(len(rows)), 16))
        seen = torch.ones_like(ids[chosen])
        loss = model(input_ids=ids[chosen], attention_mask=seen, labels=labels[chosen]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def random_model(kind: str = "Llama", **settings: Any) -> PreTrainedModel:
    """Return a model that has learned nothing, with more logits than there are tokens."""
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(1)
    sizes: dict[str, Any] = {
        "vocab_size": len(AutoTokenizer.from_pretrained(BASE)) + 64,
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 12,
        "max_position_embeddings": 512,
        "initializer_range": 0.3,  # logits are far from each other
    }
    config = getattr(transformers, f"{kind}Config")(**sizes | settings)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.eval()
    return model


def with_filled_adapter(base: PreTrainedModel) -> Any:
    """Return a model with an adapter that changes what it answers, the same each time."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(2)
    model: Any = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # zeros would leave lora_A without a gradient
            torch.nn.init.normal_(parameter, std=0.1)
    return model
