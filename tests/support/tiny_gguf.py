"""GGUF files of tiny random models, written as llama.cpp writes them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paths import BASE

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

    Weights = np.ndarray[Any, np.dtype[Any]]

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

_SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,  # not hidden_size / num_attention_heads
    "max_position_embeddings": 256,
    "initializer_range": 0.2,  # so that a fault shows in the logits
}

_MERGES = 200

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
"""Types of tokens in a GGUF file."""


@dataclass(frozen=True)
class Vocabulary:
    """The tokenizer part of a GGUF file: metadata under ``tokenizer.``, by the rest of the key."""

    entries: dict[str, Any]

    @property
    def size(self) -> int:
        return len(self.entries["ggml.tokens"])


def byte_level(split: str = "gpt-2") -> Vocabulary:
    """Return the beginning of the vocabulary that ships, with control tokens of ChatML."""
    model = json.loads((BASE / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    merges = model["merges"][:_MERGES]
    tokens = list(model["vocab"])[: -len(model["merges"])] + ["".join(pair) for pair in merges]
    tokens[:4] = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|unused|>"]
    return Vocabulary(
        {
            "ggml.model": "gpt2",
            "ggml.pre": split,
            "ggml.tokens": tokens,
            "ggml.token_type": [CONTROL] * 6 + [NORMAL] * (len(tokens) - 6),
            "ggml.merges": [" ".join(pair) for pair in merges],
            "ggml.bos_token_id": 2,
            "ggml.eos_token_id": 1,
            "ggml.padding_token_id": 2,
            "ggml.add_bos_token": False,
            "chat_template": CHATML,
        }
    )


def sentencepiece(family: str) -> Vocabulary:
    """Return a small SentencePiece vocabulary with byte fallback, of llama or of gemma."""
    bos, eos = {"llama": ("<s>", "</s>"), "gemma": ("<bos>", "<eos>")}[family]
    words = ["\u2581t", "he", "\u2581the", "in", "er", "\u2581a"]
    plain = ["<mask>", *map(chr, range(33, 127)), "\u2581", *words]
    control = ["<pad>", eos, bos, "<unk>", "<|im_start|>", "<|im_end|>"]
    tokens = [*control, *(f"<0x{byte:02X}>" for byte in range(256)), *plain]
    kinds = [CONTROL] * 3 + [UNKNOWN] + [CONTROL] * 2 + [BYTE] * 256 + [NORMAL] * len(plain)
    return Vocabulary(
        {
            "ggml.model": "llama",
            "ggml.pre": "default",
            "ggml.tokens": tokens,
            "ggml.scores": [-float(rank) for rank in range(len(tokens))],
            "ggml.token_type": kinds,
            "ggml.bos_token_id": 2,
            "ggml.eos_token_id": 1,
            "ggml.unknown_token_id": 3,
            "ggml.padding_token_id": 0,
            "ggml.add_bos_token": True,
            "chat_template": CHATML,
        }
    )


@dataclass(frozen=True)
class TinyGguf:
    """What to write: an architecture, its vocabulary, and how weights are stored.

    Attributes:
        architecture: as llama.cpp calls it: "llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3".
        storage: name of the type of matrices: "F32", "F16", "Q8_0", "Q4_1", …
        config: fields of the model's config beside the tiny shape.
        metadata: entries of the file that replace or join those written; None leaves one out.
        tensors: tensors of the file that replace or join the model's.
    """

    architecture: str = "llama"
    storage: str = "F32"
    vocabulary: Vocabulary = field(default_factory=byte_level)
    config: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Weights] = field(default_factory=dict)

    def model(self) -> PreTrainedModel:
        """Return the random model, in float32."""
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        torch.manual_seed(0)
        kind = {"gemma3": "gemma3_text"}.get(self.architecture, self.architecture)
        fields = {**_SHAPE, "vocab_size": self.vocabulary.size, **self.config}
        if self.architecture.startswith("gemma"):
            fields.setdefault("query_pre_attn_scalar", fields["head_dim"])
        config = AutoConfig.for_model(kind, pad_token_id=None, **fields)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for name, parameter in model.named_parameters():
            if "norm" in name:  # initialised alike, so an exchange would not show
                torch.nn.init.normal_(parameter, mean=1.0, std=0.3)
        return model

    def write(self, path: Path, model: PreTrainedModel | None = None) -> PreTrainedModel:
        """Write the file, and return the model that is in it.

        Args:
            path: the file.
            model: one that ``model`` has made and that was trained since; None for a new one.
        """
        import gguf
        from gguf.quants import quantize

        model = model or self.model()
        writer = gguf.GGUFWriter(path, self.architecture)
        for key, value in (self._entries(model) | self.metadata).items():
            if value is not None:
                _add(writer, key, value)
        names = gguf.get_tensor_name_map(
            getattr(gguf.MODEL_ARCH, self.architecture.upper()), model.config.num_hidden_layers
        )
        tensors: dict[str, Weights] = {}
        for name, parameter in model.named_parameters():
            known = names.get_name(name, try_suffixes=(".weight", ".bias"))
            assert known is not None, name
            tensors[known] = self._as_stored(known, parameter.detach().numpy(), model.config)
        for name, weights in (tensors | self.tensors).items():
            kind = "F32" if weights.ndim == 1 else self.storage
            stored = getattr(gguf.GGMLQuantizationType, kind)
            writer.add_tensor(name, quantize(weights, stored), raw_dtype=stored)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return model

    def _entries(self, model: PreTrainedModel) -> dict[str, Any]:
        config: Any = model.config
        head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = {
            "context_length": config.max_position_embeddings,
            "block_count": config.num_hidden_layers,
            "feed_forward_length": config.intermediate_size,
            "embedding_length": config.hidden_size,
            "attention.head_count": config.num_attention_heads,
            "attention.head_count_kv": config.num_key_value_heads,
            "attention.key_length": head,
            "attention.value_length": head,
            "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
            "rope.dimension_count": head,
            "rope.freq_base": _theta(config),
        }
        if getattr(config, "sliding_window", None):
            shape["attention.sliding_window"] = config.sliding_window
        tokenizer = {f"tokenizer.{key}": value for key, value in self.vocabulary.entries.items()}
        general = {"general.name": "tiny", "general.license": "mit"}
        return general | {f"{self.architecture}.{k}": v for k, v in shape.items()} | tokenizer

    def _as_stored(self, name: str, weights: Weights, config: Any) -> Weights:
        """Change a tensor as llama.cpp's converter does."""
        if self.architecture == "llama" and (".attn_q." in name or ".attn_k." in name):
            query = ".attn_q." in name
            heads = config.num_attention_heads if query else config.num_key_value_heads
            halves = weights.reshape(heads, 2, weights.shape[0] // heads // 2, weights.shape[1])
            return halves.swapaxes(1, 2).reshape(weights.shape)
        if self.architecture.startswith("gemma") and name.endswith("norm.weight"):
            return weights + 1
        return weights


def _theta(config: Any) -> float:
    rope = config.rope_parameters
    return float(rope.get("full_attention", rope)["rope_theta"])


def _add(writer: Any, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)
