"""Tiny causal models of real architectures, with chat templates in the manner of their families.

Each has learned the form of an answer, so that its answers are records, some right and some wrong.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paths import BASE

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from fieldsmith.settings import Resolved
    from fieldsmith.task import Task
    from fieldsmith.windows.rows import Row

SETTINGS: Mapping[str, object] = {
    "attention": "sdpa",
    "batch_size": 8,
    "epochs": 1,
    "eval_documents": 2,
    "learning_rate": 0.004,
    "lora_rank": 8,
    "max_new_tokens": 300,
    "max_steps": 2,
    "prompt": "brief",
    "window": "document",
}


@dataclass(frozen=True)
class Family:
    """An architecture and the habits of its chat templates.

    Attributes:
        config: name of its config class in transformers.
        template: its chat template.
        control: control tokens that its template writes; the last one ends a turn.
        options: of its config.
    """

    config: str
    template: str
    control: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)


_LLAMA = """{{ bos_token }}{% if not date_string is defined %}\
{% set date_string = strftime_now('%d %b %Y') %}{% endif %}\
{% for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>

{% if loop.first %}Today: {{ date_string }}

{% endif %}{{ message.content | trim }}<|eot_id|>{% endfor %}\
{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif %}"""

_QWEN = """{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false %}<think>

</think>

{% endif %}{% endif %}"""

_GEMMA = """{{ bos_token }}{% if messages[0].role == 'system' %}\
{{ raise_exception('there is no system role') }}{% endif %}{% for message in messages %}\
<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}
{{ message.content | trim }}<end_of_turn>
{% endfor %}{% if add_generation_prompt %}<start_of_turn>model
{% endif %}"""

FAMILIES: Mapping[str, Family] = {
    "llama": Family("LlamaConfig", _LLAMA, (), {"tie_word_embeddings": True}),
    "qwen3": Family("Qwen3Config", _QWEN, ("<think>", "</think>", "<|im_start|>", "<|im_end|>")),
    "gemma3": Family(
        "Gemma3TextConfig",
        _GEMMA,
        ("<start_of_turn>", "<end_of_turn>"),
        {
            "layer_types": ["sliding_attention", "full_attention"],
            "sliding_window": 48,
            "query_pre_attn_scalar": 16,
        },
    ),
}


def tokenizer_of(family: Family) -> PreTrainedTokenizerBase:
    """Return the shipped tokenizer with the control tokens and the template of a family."""
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(BASE)
    if family.control:
        tokenizer.add_special_tokens({"additional_special_tokens": list(family.control)})
    tokenizer.chat_template = family.template
    return tokenizer


@dataclass(frozen=True)
class CausalRun:
    """A folder with a run of a tiny causal model, in ``run``, and its corpus."""

    folder: Path

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def adapter(self) -> Path:
        return self.run / "adapter"


def train_run(folder: Path, model: Path, **chosen: object) -> CausalRun:
    """Train a causal run on the corpus in a folder.

    Args:
        folder: holds ``corpus``; takes ``run``.
        model: the base model.
        chosen: settings.
    """
    from fieldsmith.plugins import load
    from fieldsmith.runs.job import TrainingJob
    from fieldsmith.training.launch import start
    from fieldsmith.training.row_settings import NoPlanner

    job = TrainingJob(load("medical_ner"), folder / "corpus", "tiny", settings_of(model, **chosen))
    start(job, folder / "run", NoPlanner())
    return CausalRun(folder)


def settings_of(model: Path, **chosen: object) -> Resolved:
    """Return the settings of a causal training of a tiny model."""
    from fieldsmith.recipes import Preset
    from fieldsmith.settings import resolve

    preset = Preset("tiny", {**SETTINGS, "model": str(model)}, "preset tiny")
    return resolve(preset, "medical_ner", {}, chosen)


def write_family(folder: Path, family: Family, corpus: Path, steps: int = 40) -> None:
    """Write a model of a family that has seen what an answer looks like."""
    import torch
    import transformers
    from transformers import AutoModelForCausalLM

    tokenizer = tokenizer_of(family)
    torch.manual_seed(0)
    config = getattr(transformers, family.config)(
        vocab_size=len(tokenizer) + 40,  # wider than the tokenizer, as Qwen's is
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **family.options,
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    learn_answers(model, _task(tokenizer, folder), corpus, steps)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_llama(folder: Path, corpus: Path) -> None:
    """Write a tiny Llama that knows nothing, with the context of a large one."""
    folder.mkdir(parents=True)
    write_family(folder, FAMILIES["llama"], corpus, steps=1)
    lengthen(folder)


def lengthen(model: Path) -> None:
    """Give a model the context of a large one."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config["max_position_embeddings"] = 32768
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")


def _task(tokenizer: PreTrainedTokenizerBase, folder: Path) -> Task:
    from fieldsmith.model.prompts import PromptFormat
    from fieldsmith.plugins import load
    from fieldsmith.task import Task

    return Task(load("medical_ner"), settings_of(folder).values, PromptFormat(tokenizer))


def learn_answers(model: PreTrainedModel, task: Task, corpus: Path, steps: int = 40) -> None:
    """Train all weights of a model for a while on the answers of a corpus."""
    from fieldsmith.dataset.loading import read_splits
    from fieldsmith.windows.rows import build_rows

    splits, _hash = read_splits(task.plugin, corpus, allow_leaks=False)
    _learn(model, build_rows(splits.train, task).rows, steps)


def _learn(model: PreTrainedModel, rows: Sequence[Row], steps: int) -> None:
    import torch

    from fieldsmith.data import IGNORED

    longest = max(len(row.input_ids) for row in rows)
    ids = torch.tensor([row.input_ids + [0] * (longest - len(row.input_ids)) for row in rows])
    labels = torch.tensor([row.labels + [IGNORED] * (longest - len(row.labels)) for row in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    source = random.Random(0)
    module: Any = model
    module.train()
    for _ in range(steps):
        chosen = torch.tensor(source.sample(range(len(rows)), 12))
        module(input_ids=ids[chosen], labels=labels[chosen]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
