"""An extractor around a model of random weights."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from invented_plugins import plugin_of, shipped_prompts

from fieldsmith import Schema
from fieldsmith.extraction.extractor import Extractor
from fieldsmith.settings import Settings
from fieldsmith.tagging.gazetteer import Counted, FieldNames, Gazetteer, form_of
from fieldsmith.task import Task

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


@functools.cache
def _random_model() -> LlamaForCausalLM:
    """A model that has learned nothing, over the vocabulary that ships."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(5)
    model: LlamaForCausalLM = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(shipped_prompts().tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            initializer_range=0.5,
        )
    )
    model.eval()
    return model


def extractor(
    schema: Schema, max_new_tokens: int, *, tags: bool = False, known: str = ""
) -> Extractor:
    """Return a model of random weights.

    known: the words of this text were always values.
    """
    chosen = Settings(
        window="tokens",
        window_size=96,
        max_new_tokens=max_new_tokens,
        tagging_weight=float(tags),
    )
    names = FieldNames({form_of(word): Counted(9, 9) for word in known.split() if form_of(word)})
    gazetteer = Gazetteer(dict.fromkeys(schema["properties"], names))
    task = Task(plugin_of(schema), chosen, shipped_prompts())
    return Extractor.around(_random_model(), task, gazetteer=gazetteer)
