"""Which settings a training takes for a base model that is not the embedded one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command import extract
from tiny_model import Workplace
from transformers import LlamaConfig

from fieldsmith.cli.plan_tables import print_settings
from fieldsmith.errors import SettingsError
from fieldsmith.model.fitting import choose_preset, fit_to_positions
from fieldsmith.model.loading import load_base
from fieldsmith.recipes import causal_preset, read_preset, recipe
from fieldsmith.settings import EMBEDDED, Resolved, Settings, resolve


def config_folder(folder: Path, **fields: Any) -> Path:
    """Write the config of a LLaMA; there are no weights."""
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4}
    LlamaConfig(**(shape | {"num_hidden_layers": 2, "vocab_size": 1000} | fields)).save_pretrained(
        folder
    )
    return folder


@pytest.mark.parametrize(
    ("fields", "parameters"),
    [
        ({}, 128_000 + 2 * (4 * 64 * 64 + 3 * 64 * 128 + 2 * 64) + 64),
        (
            # The shape of Llama 3.1 8B.
            {
                "hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32,
                "num_key_value_heads": 8, "num_hidden_layers": 32, "vocab_size": 128_256,
            },
            8_030_261_248,
        ),
    ],
)  # fmt: skip
def test_the_recipe_follows_the_size_of_the_model(
    fields: dict[str, Any], parameters: int, tmp_path: Path
) -> None:
    folder = config_folder(tmp_path / "model", **fields)
    preset = choose_preset(None, {"model": str(folder)})
    assert preset.values == recipe(parameters)
    assert preset.origin.startswith("recipe for causal models of ")


def test_a_preset_that_is_named_is_taken_for_any_model(tmp_path: Path) -> None:
    folder = config_folder(tmp_path / "model")
    assert choose_preset("qwen3-8b", {"model": str(folder)}) == read_preset("qwen3-8b")


@pytest.mark.parametrize("chosen", [{}, {"model": EMBEDDED}])
def test_the_embedded_model_keeps_its_preset(chosen: dict[str, object]) -> None:
    assert choose_preset(None, chosen) == read_preset(EMBEDDED)


def test_a_model_of_another_kind_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    config = {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(SettingsError, match="it has an encoder") as refused:
        choose_preset(None, {"model": str(folder)})
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"pad_token_id": 99_999}, "AssertionError: Padding_idx must be within num_embeddings"),
        ({"hidden_act": "invented"}, "KeyError: 'invented'"),
    ],
)
def test_a_config_that_no_model_can_be_made_of_is_told_in_one_line(
    fields: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    folder = config_folder(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | fields
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(SettingsError) as refused:
        choose_preset(None, {"model": str(folder)})
    assert str(refused.value).endswith(f"language model of it: {reason} (see its config.json)")
    # A preset that is named is taken without a look at the size; then the weights are read.
    settings = Settings(model=str(folder), quantize="none", attention="sdpa")
    with pytest.raises(SettingsError, match="cannot be loaded: "):
        load_base(settings, quantized=False, device=torch.device("cpu"))


def gguf_files(folder: Path) -> None:
    (folder / "a-Q4_K_M.gguf").write_bytes(b"GGUF")
    (folder / "a-Q8_0.gguf").write_bytes(b"GGUF")


def adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")


def run(folder: Path) -> None:
    (folder / "run.json").write_text("{}", encoding="utf-8")


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (gguf_files, "(a-Q4_K_M.gguf, a-Q8_0.gguf); name one of them: --model {folder}/a-Q4_K_M"),
        (adapter, "the folder holds an adapter and no base model; name the model that it was"),
        (run, "the folder is a run; `extract merge` makes a model folder of it"),
        (Path.exists, "the folder has no config.json; name the folder of a model"),
    ],
)
def test_a_folder_of_something_else_is_told_with_what_to_name(
    fill: Callable[[Path], object], said: str, tmp_path: Path
) -> None:
    fill(tmp_path)
    with pytest.raises(SettingsError) as refused:
        choose_preset(None, {"model": str(tmp_path)})
    assert said.format(folder=tmp_path) in str(refused.value)


def for_model(folder: Path, own: dict[str, object], chosen: dict[str, object]) -> Resolved:
    return resolve(causal_preset(1, "1"), "domain", own, {"model": str(folder), **chosen})


def test_lengths_are_lowered_to_what_the_model_was_made_for(tmp_path: Path) -> None:
    folder = config_folder(tmp_path / "model", max_position_embeddings=512)
    own = {"window": "tokens", "window_size": 3072, "window_overlap": 256, "max_length": 8192}
    fitted = fit_to_positions(for_model(folder, own, {}))
    values = fitted.values
    assert values.max_length == 512
    assert values.max_new_tokens + values.window_size <= 512
    assert values.window_overlap < values.window_size
    assert fitted.origins["max_length"] == f"model {folder}"
    assert fitted.origins["window"] == "plugin domain"


def test_a_length_of_the_user_is_refused_and_not_lowered(tmp_path: Path) -> None:
    folder = config_folder(tmp_path / "model", max_position_embeddings=512)
    with pytest.raises(SettingsError, match="made for 512 tokens"):
        fit_to_positions(for_model(folder, {}, {"max_length": 600, "max_new_tokens": 100}))


def test_lengths_stay_below_where_longrope_takes_other_frequencies(tmp_path: Path) -> None:
    phi = {
        "model_type": "phi3",
        "hidden_size": 64,
        "num_attention_heads": 4,
        "max_position_embeddings": 131072,
        "original_max_position_embeddings": 2048,
        "rope_scaling": {"type": "longrope", "long_factor": [2.0] * 8, "short_factor": [1.0] * 8},
    }
    (tmp_path / "config.json").write_text(json.dumps(phi), encoding="utf-8")
    fitted = fit_to_positions(for_model(tmp_path, {"max_length": 4096}, {}))
    assert fitted.values.max_length == 2048
    with pytest.raises(SettingsError, match="made for 2048 tokens"):
        fit_to_positions(for_model(tmp_path, {}, {"max_length": 4096}))


def test_lengths_that_fit_stay(tmp_path: Path) -> None:
    folder = config_folder(tmp_path / "model", max_position_embeddings=4096)
    resolved = for_model(folder, {}, {})
    assert fit_to_positions(resolved) is resolved


def test_plan_shows_the_causal_recipe_and_where_it_is_from(workplace: Workplace) -> None:
    source = ("--data", workplace.corpus, "--model", workplace.model)
    answer = extract("plan", "--plugin", "medical_ner", *source, "--json")
    assert answer.code == 0, answer.errors
    line = next(each for each in answer.errors.splitlines() if each.startswith("settings: recipe"))
    for said in ("rank 32, alpha 64", "epochs 4 (plugin medical_ner)", "window tokens 128 (plugin"):
        assert said in line
    assert "prefix attention no, weight of tags 0;" in line, "no origin: the recipe says so"
    plan = json.loads(answer.output)
    settings = plan["settings"]
    assert plan["preset"] == "causal-small"
    assert not settings["prefix_lm"]["value"]
    assert settings["tagging_weight"]["value"] == 0
    assert settings["learning_rate"]["from"].startswith("recipe for causal models of ")
    assert settings["window"]["from"] == "plugin medical_ner"
    assert settings["model"]["from"] == "user"


def test_a_plan_has_a_table_of_its_settings_and_where_they_are_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = {"epochs": 4, "window": "tokens", "window_size": 128, "window_overlap": 32}
    settings = for_model(Path("model"), own, {"lora_rank": 8})
    print_settings([("domain", settings)])
    lines = [line.split("│") for line in capsys.readouterr().out.splitlines() if "│" in line]
    rows = {cells[1].strip(): "".join(cells) for cells in lines}
    for label, value, origin in (
        ("rank", "8", "user"),
        ("alpha", "64", "recipe for causal models of 1 parameters"),
        ("learning rate", "0.001", "recipe for causal models of 1 parameters"),
        ("epochs", "4", "plugin domain"),
        ("window", "tokens 128", "plugin domain"),
        ("prefix attention", "no", "default"),
    ):
        assert value in rows[label]
        assert origin in rows[label]
