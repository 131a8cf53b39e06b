"""A model that comes out of a GGUF file computes what the model computes that went into it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_gguf import TinyGguf, Vocabulary, byte_level, sentencepiece

from fieldsmith.errors import SettingsError
from fieldsmith.model.gguf_conversion import convert
from fieldsmith.model.library_output import quieten

TEXT = "The patient took 250 mg of the drug.\n\n1. in the morning"

# What models of these architectures are like where it matters for their files.
FAMILIES = {
    "llama": TinyGguf(),
    "llama, tied": TinyGguf(config={"tie_word_embeddings": True}),
    "llama, SentencePiece": TinyGguf(vocabulary=sentencepiece("llama")),
    "qwen2": TinyGguf("qwen2", vocabulary=byte_level("qwen2"), config={"head_dim": 16}),
    "qwen3": TinyGguf("qwen3", vocabulary=byte_level("qwen2")),
    "gemma2": TinyGguf("gemma2", vocabulary=sentencepiece("gemma"), config={"sliding_window": 8}),
    "gemma3": TinyGguf(
        "gemma3",
        vocabulary=sentencepiece("gemma"),
        config={"sliding_window": 8, "num_hidden_layers": 6},
    ),
    "phi3": TinyGguf(
        "phi3", vocabulary=sentencepiece("llama"), config={"head_dim": 16, "sliding_window": 8}
    ),
}


def converted(tiny: TinyGguf, folder: Path) -> tuple[Any, Path]:
    """Write a file and convert it; return the model that is in the file, and the folder."""
    quieten()
    file = folder / "tiny.gguf"
    model = tiny.write(file)
    convert(file, folder / "model", "a test", "0" * 64, output=folder / "model")
    return model, folder / "model"


def logits(model: Any, ids: list[int]) -> np.ndarray[Any, Any]:
    import torch

    with torch.no_grad():
        return model.eval().float()(torch.tensor([ids])).logits.numpy()  # type: ignore[no-any-return]


def difference(model: Any, folder: Path) -> float:
    """Return how far the folder's logits are from the model's, both with weights in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(folder).encode(TEXT, add_special_tokens=False)
    assert len(ids) > 16  # longer than the sliding windows above
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    assert loaded.dtype == torch.bfloat16
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())
    wanted = logits(model, ids)
    return float(np.abs(logits(loaded, ids) - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("tiny", FAMILIES.values(), ids=FAMILIES)
def test_a_family_s_model_is_the_same(tiny: TinyGguf, tmp_path: Path) -> None:
    model, folder = converted(tiny, tmp_path)
    # A norm that is stored as w + 1 is rounded before the 1 is taken off.
    assert difference(model, folder) < (0.02 if "gemma" in tiny.architecture else 1e-5)


@pytest.mark.parametrize("storage", ["F16", "BF16", "Q8_0", "Q5_0", "Q4_1", "Q4_0"])
def test_a_storage_type_is_dequantised(storage: str, tmp_path: Path) -> None:
    import torch
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize, quantize

    model, folder = converted(TinyGguf(storage=storage), tmp_path)
    exact = difference(copy.deepcopy(model), folder)
    kind = GGMLQuantizationType[storage]
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                stored = dequantize(quantize(weights.numpy(), kind), kind)
                weights.copy_(torch.from_numpy(stored.astype(np.float32)))
    assert difference(model, folder) < 1e-5 < exact or storage == "BF16"
    assert storage in (folder / "README.md").read_text(encoding="utf-8")


# Position embeddings


def llama3_factors(factor: float, base: float, width: int) -> np.ndarray[Any, Any]:
    """Return what llama.cpp stores for Llama 3.1: as in its converter."""
    found = []
    for exponent in np.arange(0, width, 2) / width:
        wave = 2 * np.pi * base**exponent
        if wave < 8192 / 4:
            found.append(1.0)
        elif wave > 8192 / 1:
            found.append(factor)
        else:
            smooth = (8192 / wave - 1) / (4 - 1)
            found.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(found, np.float32)


def test_the_scaled_positions_of_llama_3_are_kept(tmp_path: Path) -> None:
    rope = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0}
    rope |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
    tiny = TinyGguf(
        config={"rope_parameters": rope | {"original_max_position_embeddings": 8192}},
        tensors={"rope_freqs.weight": llama3_factors(32.0, 500000.0, 32)},
    )
    model, folder = converted(tiny, tmp_path)
    assert difference(model, folder) < 1e-5
    (tmp_path / "plain").mkdir()
    _model, plain = converted(
        TinyGguf(config={"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}}),
        tmp_path / "plain",
    )
    assert difference(model, plain) > 1e-4  # without them the logits are others


def test_linear_and_yarn_positions_are_kept(tmp_path: Path) -> None:
    for kind, original in (("linear", None), ("yarn", 64)):
        rope: dict[str, Any] = {"rope_type": kind, "rope_theta": 10000.0, "factor": 4.0}
        entries: dict[str, Any] = {"rope.scaling.type": kind, "rope.scaling.factor": 4.0}
        if original:
            rope["original_max_position_embeddings"] = original
            entries["rope.scaling.original_context_length"] = original
        tiny = TinyGguf(
            config={"rope_parameters": rope},
            metadata={f"llama.{key}": value for key, value in entries.items()},
        )
        (tmp_path / kind).mkdir()
        model, folder = converted(tiny, tmp_path / kind)
        assert difference(model, folder) < 1e-5, kind


def test_the_partial_and_long_positions_of_phi_4_mini_are_kept(tmp_path: Path) -> None:
    long, short = np.linspace(1, 9, 6, dtype=np.float32), np.linspace(1, 2, 6, dtype=np.float32)
    tiny = TinyGguf(
        "phi3",
        vocabulary=sentencepiece("llama"),
        config={
            "head_dim": 16,
            "sliding_window": None,
            "original_max_position_embeddings": 64,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 0.75,
                "long_factor": long.tolist(),
                "short_factor": short.tolist(),
                "original_max_position_embeddings": 64,
            },
        },
        metadata={
            "phi3.rope.dimension_count": 12,
            "phi3.rope.scaling.original_context_length": 64,
        },
        tensors={"rope_factors_long.weight": long, "rope_factors_short.weight": short},
    )
    model, folder = converted(tiny, tmp_path)
    assert difference(model, folder) < 1e-5


def test_unknown_scaling_of_positions_is_refused(tmp_path: Path) -> None:
    odd = np.array([1.0, 7.0, *[3.0] * 14], np.float32)
    for tiny in (
        TinyGguf(tensors={"rope_freqs.weight": odd}),
        TinyGguf(metadata={"llama.rope.scaling.type": "longrope"}),
    ):
        with pytest.raises(SettingsError, match="scales positions in a way that is not known"):
            converted(tiny, tmp_path)
        assert not (tmp_path / "model").exists()


# Tokenizers


def tokens(folder: Path, text: str) -> list[str]:
    from transformers import AutoTokenizer

    return list(AutoTokenizer.from_pretrained(folder).tokenize(text))


def test_smollm_cuts_out_digits_first(tmp_path: Path) -> None:
    vocabulary = byte_level("smollm")
    for name in ("smollm", "gpt-2"):
        (tmp_path / name).mkdir()
    _model, folder = converted(TinyGguf(vocabulary=vocabulary), tmp_path / "smollm")
    _model, plain = converted(TinyGguf(vocabulary=byte_level("gpt-2")), tmp_path / "gpt-2")
    # Before a digit the white space stays whole: it is a piece of its own.
    assert tokens(folder, "a\n\n12") == ["a", "ĊĊ", "1", "2"]
    assert tokens(plain, "a\n\n12") == ["a", "Ċ", "Ċ", "1", "2"]


def test_unknown_cutting_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="fieldsmith")
    converted(TinyGguf(vocabulary=byte_level("invented")), tmp_path)
    assert "(invented) is not known here" in caplog.text


def test_a_missing_padding_token_is_eos_and_all_ends_are_kept(tmp_path: Path) -> None:
    entries = {**byte_level().entries, "ggml.eot_token_id": 4}
    del entries["ggml.padding_token_id"]
    _model, folder = converted(TinyGguf(vocabulary=Vocabulary(entries)), tmp_path)
    stored = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    assert stored["eos_token_id"] == [1, 4]
    assert stored["pad_token_id"] == 1
    assert json.loads((folder / "tokenizer_config.json").read_text())["pad_token"] == "<|im_end|>"
