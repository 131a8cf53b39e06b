"""The model families that people use: tiny random models, with tokenizer and template of each kind.

The templates were written for the tests. Each does what its family's does: which roles it takes,
what it adds, what it trims, where it puts control tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from family_tokenizers import (
    LLAMA_3,
    QWEN,
    TEKKEN,
    Control,
    Definition,
    byte_level,
    controls,
    gemma,
    loaded,
    sentencepiece,
    with_controls,
)

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

_ALTERNATE = """{% for message in turns %}\
{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('roles must alternate user/assistant') }}{% endif %}{% endfor %}"""

LLAMA_2 = (
    "{% if messages[0].role == 'system' %}{% set system = '<<SYS>>\\n' + messages[0].content + "
    "'\\n<</SYS>>\\n\\n' %}{% set turns = messages[1:] %}{% else %}{% set system = '' %}"
    "{% set turns = messages %}{% endif %}"
    + _ALTERNATE
    + """{% for message in turns %}{% if message.role == 'user' %}{{ bos_token + '[INST] ' + \
((system if loop.first else '') + message.content) | trim + ' [/INST]' }}{% else %}\
{{ ' ' + message.content | trim + ' ' + eos_token }}{% endif %}{% endfor %}"""
)
TINY_LLAMA = """{% for message in messages %}
{{ '<|' + message.role + '|>\\n' + message.content + eos_token }}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""
LLAMA_3_TEMPLATE = """{{- bos_token }}
{%- if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0].content | trim %}{% set turns = messages[1:] %}
{%- else %}{% set system = '' %}{% set turns = messages %}{% endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
{{- 'Cutting Knowledge Date: December 2023\\nToday Date: ' + date_string + '\\n\\n' }}
{{- system + '<|eot_id|>' }}
{%- for message in turns %}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}
    {{- message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}"""
MISTRAL = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% set turns = messages %}"
    + _ALTERNATE
    + """{{ bos_token }}{% for message in turns %}{% if message.role == 'user' %}\
{{ '[INST] ' + message.content + ' [/INST]' }}{% else %}{{ message.content + eos_token }}\
{% endif %}{% endfor %}"""
)
_SYSTEM_LAST = (
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content + '\\n\\n' %}"
    "{% set turns = messages[1:] %}{% else %}{% set system = '' %}{% set turns = messages %}"
    "{% endif %}"
    + _ALTERNATE
    + """{{ bos_token }}{% for message in turns %}{% if message.role == 'user' %}{{ '[INST]@' + \
(system if loop.last else '') + message.content + '[/INST]' }}{% else %}\
{{ '@' + message.content + eos_token }}{% endif %}{% endfor %}"""
)
MISTRAL_V3 = _SYSTEM_LAST.replace("@", " ")
MISTRAL_TEKKEN = _SYSTEM_LAST.replace("@", "")
CHATML = """{% for message in messages %}{% if loop.first and message.role != 'system' %}\
{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}\
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
QWEN_3 = """{%- for message in messages %}
    {%- set content = message.content %}
    {%- if message.role == 'assistant' and '</think>' in content %}
        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
    {%- endif %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'assistant' and loop.last %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
    {{- content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""
THINKING_OFF = "{% set enable_thinking = false %}"
GEMMA_2 = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}{% set turns = messages %}"
    + _ALTERNATE
    + """{% for message in turns %}{{ '<start_of_turn>' + ('model' if message.role == 'assistant' \
else message.role) + '\\n' + message.content | trim + '<end_of_turn>\\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""
)
GEMMA_3 = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set first = messages[0].content + "
    "'\\n\\n' %}{% set turns = messages[1:] %}{% else %}{% set first = '' %}"
    "{% set turns = messages %}{% endif %}"
    + _ALTERNATE
    + """{% for message in turns %}{{ '<start_of_turn>' + ('model' if message.role == 'assistant' \
else message.role) + '\\n' + (first if loop.first else '') }}{{ message.content | trim }}\
{{ '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}\
{% endif %}"""
)
PHI_3 = """{% for message in messages %}{{ '<|' + message.role + '|>\\n' + message.content + \
'<|end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}\
{{ eos_token }}{% endif %}"""
PHI_4 = """{% for message in messages %}{{ '<|im_start|>' + message.role + '<|im_sep|>' + \
message.content + '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}\
{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"""

_PHI_3_TOKENS = [
    Control("<|endoftext|>"),
    *(Control(f"<|{name}|>", after=True) for name in ("assistant", "system", "end", "user")),
]
_PHI_4_TOKENS = [
    Control("<|endoftext|>", strips=True),
    *(Control(f"<|im_{name}|>", strips=True) for name in ("start", "end", "sep")),
]
_LLAMA_3_TOKENS = controls(
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"
)
_THINK = [Control("<think>", special=False), Control("</think>", special=False)]
_CHATML_TOKENS = controls("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_TURN_TOKENS = controls("<pad>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
_SPANS = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 24}
_SMALL: Mapping[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 1024,
    "initializer_range": 0.3,  # logits are far from each other
}


@dataclass(frozen=True)
class Family:
    """A model family.

    Attributes:
        config: name of its config class in transformers.
        tokenizer: makes the definition of its tokenizer.
        template: its chat template.
        tokens: control tokens that its template writes.
        bos: its first token; None where it has none.
        eos: the token that ends a text.
        pad: the token that fills rows; None where it has none.
        options: of its config.
        spare: how many logits more than tokens it has.
        stop: the token that ends an answer, if it is not ``eos``.
        real: its tokenizer's folder in FIELDSMITH_TOKENIZERS.
    """

    config: str
    tokenizer: Callable[[], Definition]
    template: str
    tokens: Iterable[Control] = ()
    bos: str | None = "<s>"
    eos: str = "</s>"
    pad: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    spare: int = 0
    stop: str | None = None
    real: str = ""

    def load_tokenizer(self, definition: Definition | None = None) -> PreTrainedTokenizerBase:
        """Return its tokenizer, or another one with its control tokens and its template."""
        return loaded(
            with_controls(definition or self.tokenizer(), self.tokens),
            self.template,
            bos=self.bos,
            eos=self.eos,
            pad=self.pad,
        )

    def make_config(self, tokenizer: PreTrainedTokenizerBase) -> PretrainedConfig:
        """Return the config of a model of two small layers, for a tokenizer."""
        import transformers

        kind = getattr(transformers, self.config)
        options = dict(self.options)
        vision = options.pop("vision", None)
        sizes = {
            **_SMALL,
            "vocab_size": len(tokenizer) + self.spare,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            **options,
        }
        made: PretrainedConfig = (
            kind(text_config=sizes, vision_config=vision) if vision else kind(**sizes)
        )
        return made

    def write(self, folder: Path) -> None:
        """Write a random model with its tokenizer."""
        import torch

        from fieldsmith.model.architecture import auto_class

        tokenizer = self.load_tokenizer()
        config = self.make_config(tokenizer)
        torch.manual_seed(1)
        auto_class(config).from_config(config, dtype=torch.float32).save_pretrained(folder)
        tokenizer.save_pretrained(folder)


_VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
_ROPE_3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 512,
}
_QWEN_TOKENS = [*_CHATML_TOKENS, *_THINK]
_QWEN_3 = Family(
    "Qwen3Config",
    partial(byte_level, QWEN, normalizer="NFC"),
    QWEN_3,
    _QWEN_TOKENS,
    bos=None,
    eos="<|im_end|>",
    pad="<|endoftext|>",
    options={"tie_word_embeddings": True},
    spare=267,
    real="qwen3",
)

FAMILIES: Mapping[str, Family] = {
    "llama-2": Family("LlamaConfig", partial(sentencepiece, "Prepend"), LLAMA_2, real="llama2"),
    "llama-3": Family(
        "LlamaConfig",
        partial(byte_level, LLAMA_3, ignore_merges=True),
        LLAMA_3_TEMPLATE,
        _LLAMA_3_TOKENS,
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
        options={"tie_word_embeddings": True, "rope_parameters": _ROPE_3},
        real="llama3_1",
    ),
    "tinyllama": Family(
        "LlamaConfig", partial(sentencepiece, "always"), TINY_LLAMA, pad="</s>", real="llama2"
    ),
    "mistral-v1": Family(
        "MistralConfig",
        partial(sentencepiece, "always"),
        MISTRAL,
        options={"sliding_window": 24},
        real="mistral_v1",
    ),
    "mistral-v3": Family(
        "MistralConfig",
        partial(sentencepiece, "first"),
        MISTRAL_V3,
        controls("[INST]", "[/INST]"),
        options={"sliding_window": None},
        real="mistral_v3",
    ),
    "mistral-tekken": Family(
        "MistralConfig",
        partial(byte_level, TEKKEN, ignore_merges=True),
        MISTRAL_TEKKEN,
        controls("<s>", "</s>", "[INST]", "[/INST]"),
        options={"sliding_window": None, "head_dim": 16},
        real="mistral_nemo",
    ),
    "qwen-2.5": Family(
        "Qwen2Config",
        partial(byte_level, QWEN, normalizer="NFC"),
        CHATML,
        _CHATML_TOKENS,
        bos=None,
        eos="<|im_end|>",
        pad="<|endoftext|>",
        options={"tie_word_embeddings": True},
        spare=271,
        real="qwen2_5",
    ),
    "qwen-3": _QWEN_3,
    "gemma-2": Family(
        "Gemma2Config",
        gemma,
        GEMMA_2,
        _TURN_TOKENS,
        bos="<bos>",
        eos="<eos>",
        pad="<pad>",
        options={**_SPANS, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0},
        stop="<end_of_turn>",
        real="gemma2",
    ),
    "gemma-3": Family(
        "Gemma3TextConfig",
        gemma,
        GEMMA_3,
        [*_TURN_TOKENS, Control("<image_soft_token>")],
        bos="<bos>",
        eos="<end_of_turn>",
        pad="<pad>",
        options={**_SPANS, "query_pre_attn_scalar": 16},
        spare=-1,  # the real one has no logit for its last token, which stands for images
        real="gemma3",
    ),
    "phi-3": Family(
        "Phi3Config",
        partial(sentencepiece, "always"),
        PHI_3,
        _PHI_3_TOKENS,
        eos="<|endoftext|>",
        pad="<|endoftext|>",
        options={"sliding_window": 24},
        spare=53,
        stop="<|end|>",
        real="llama2",
    ),
    "phi-4": Family(
        "Phi3Config",
        partial(byte_level, LLAMA_3),
        PHI_4,
        _PHI_4_TOKENS,
        bos="<|endoftext|>",
        eos="<|im_end|>",
        pad="<|endoftext|>",
        options={"sliding_window": None},
        real="gpt35turbo",
    ),
    "qwen-3-thinking-off": replace(_QWEN_3, template=THINKING_OFF + QWEN_3),
    "smollm2": Family(
        "LlamaConfig",
        partial(byte_level, ""),
        CHATML,
        _CHATML_TOKENS,
        bos="<|im_start|>",
        eos="<|im_end|>",
        pad="<|im_end|>",
        options={"tie_word_embeddings": True},
        real="smollm2",
    ),
}
"""By name."""

_EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
_LATENT = {
    "kv_lora_rank": 8,
    "q_lora_rank": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "num_key_value_heads": 4,
    "v_head_dim": 8,
}
MIXTURES: Mapping[str, Family] = {
    "mixtral": replace(FAMILIES["mistral-v3"], config="MixtralConfig", options=_EXPERTS),
    "qwen-3-moe": replace(
        _QWEN_3,
        config="Qwen3MoeConfig",
        options={"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
    ),
    "deepseek-3": replace(
        FAMILIES["smollm2"],
        config="DeepseekV3Config",
        options={
            **_LATENT,
            "n_routed_experts": 4,
            "n_shared_experts": 1,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "first_k_dense_replace": 1,
            "n_group": 1,
            "topk_group": 1,
        },
    ),
    "phi-moe": replace(FAMILIES["phi-3"], config="PhimoeConfig", options=_EXPERTS),
}
"""Mixtures of experts, by name."""

VISION: Mapping[str, Family] = {
    "gemma-3-vision": replace(
        FAMILIES["gemma-3"],
        config="Gemma3Config",
        options={**FAMILIES["gemma-3"].options, "vision": {**_VISION, "image_size": 28}},
    ),
    "mistral-3-vision": replace(
        FAMILIES["mistral-tekken"], config="Mistral3Config", options={"vision": _VISION}
    ),
    "qwen-2.5-vision": replace(
        FAMILIES["qwen-2.5"],
        config="Qwen2_5_VLConfig",
        options={
            "vision": {
                "depth": 1,
                "hidden_size": 16,
                "intermediate_size": 32,
                "num_heads": 2,
                "out_hidden_size": 32,
                "fullatt_block_indexes": [0],
            },
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [2, 1, 1],
            },
        },
    ),
}
"""Models that read images, too, by name."""
