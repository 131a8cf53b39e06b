"""Models that cannot be used as they are: told in one line, before data or weights are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    DeepseekV3Config,
    Gemma3TextConfig,
    MixtralConfig,
    PhimoeConfig,
    PretrainedConfig,
    Qwen3MoeConfig,
)

from fieldsmith.errors import SettingsError
from fieldsmith.model.adapted_modules import adapted_modules
from fieldsmith.model.architecture import auto_class
from fieldsmith.model.fitting import fit_to_model
from fieldsmith.model.kv_cache import slot_bytes
from fieldsmith.planning.batches import PromptBatch, TrainingBatch
from fieldsmith.planning.memory import measure
from fieldsmith.recipes import causal_preset
from fieldsmith.settings import Settings, resolve

SHAPE: dict[str, Any] = {
    "vocab_size": 1000, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
}  # fmt: skip
EXPERTS: dict[str, Any] = {"num_local_experts": 4, "num_experts_per_tok": 2}
PROJECTIONS = ["k_proj", "o_proj", "q_proj", "v_proj"]
MIXTURES: dict[str, tuple[PretrainedConfig, list[str]]] = {
    "mixtral": (MixtralConfig(**SHAPE, **EXPERTS), PROJECTIONS),
    "qwen3": (
        Qwen3MoeConfig(**SHAPE, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32),
        PROJECTIONS,
    ),
    "phi": (PhimoeConfig(**SHAPE, **EXPERTS), PROJECTIONS),
    "deepseek": (
        DeepseekV3Config(
            **{**SHAPE, "num_key_value_heads": 4},
            moe_intermediate_size=32, n_routed_experts=4, n_shared_experts=1, n_group=1,
            topk_group=1, num_experts_per_tok=2, first_k_dense_replace=1, q_lora_rank=16,
            kv_lora_rank=16, qk_nope_head_dim=16, qk_rope_head_dim=16, v_head_dim=16,
        ),
        ["kv_a_proj_with_mqa", "kv_b_proj", "o_proj", "q_a_proj", "q_b_proj"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXTURES)
def test_the_attention_of_a_mixture_of_experts_is_adapted_and_planned(name: str) -> None:
    config, expected = MIXTURES[name]
    with torch.device("meta"):
        model = auto_class(config).from_config(config)
    assert adapted_modules(model, Settings()) == expected
    settings = Settings(quantize="nf4")
    batch, prompts = TrainingBatch(2, 32, 20), PromptBatch(2, 32, 8)
    assert measure(config, settings, batch, prompts, "cpu", "fp32").trainable > 0


@pytest.mark.parametrize("target", ["gate_proj", "w1", "gate", "experts"])
def test_targets_among_experts_are_refused_with_those_that_work(
    target: str, tmp_path: Path
) -> None:
    MIXTURES["qwen3"][0].save_pretrained(tmp_path)
    chosen = {"model": str(tmp_path), "lora_targets": f"q_proj,{target}"}
    with pytest.raises(SettingsError) as refused:
        fit_to_model(resolve(causal_preset(1, "1"), "domain", {}, chosen))
    assert f"lora_targets: {target} of " in str(refused.value)
    assert str(refused.value).endswith("--set lora_targets=k_proj,o_proj,q_proj,v_proj")


def test_the_cache_of_layers_of_several_widths_is_counted() -> None:
    config = AutoConfig.for_model(
        "gemma4_text", **SHAPE, global_head_dim=32,
        layer_types=["sliding_attention", "full_attention"],
    )  # fmt: skip
    widths = [layer.head_dim for layer in config.per_layer_config]
    assert slot_bytes(config, torch.float32) == sum(2 * 2 * width * 4 for width in widths)


def test_prefix_attention_over_a_sliding_window_names_the_model(tmp_path: Path) -> None:
    Gemma3TextConfig(**SHAPE, sliding_window=16).save_pretrained(tmp_path)
    chosen = {"model": str(tmp_path), "prefix_lm": True}
    with pytest.raises(SettingsError, match=f"the model {tmp_path} has layers with a sliding"):
        fit_to_model(resolve(causal_preset(1, "1"), "domain", {}, chosen))
