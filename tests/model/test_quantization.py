"""Models whose weights are stored quantised: NF4 is trained over, the rest is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Command
from model_families import FAMILIES
from tiny_families import train_run
from tiny_model import info, lines, write_corpus

from fieldsmith.errors import SettingsError
from fieldsmith.model.fitting import choose_preset
from fieldsmith.model.loading import load_base, load_for_inference
from fieldsmith.model.tokenizer import load_tokenizer
from fieldsmith.settings import Settings


def write_in_four_bits(folder: Path, plain: Path) -> None:
    """Write a model as it is published in NF4, and the same one unquantised."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    FAMILIES["smollm2"].write(plain)
    kind = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float16,
    )
    AutoModelForCausalLM.from_pretrained(plain, quantization_config=kind).save_pretrained(folder)
    AutoTokenizer.from_pretrained(plain).save_pretrained(folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, a model that is stored in NF4, and the same one unquantised."""
    folder = tmp_path_factory.mktemp("quantised")
    write_corpus(folder / "corpus")
    write_in_four_bits(folder / "model", folder / "plain")
    return folder


def weights_of(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.float() for name, value in model.state_dict().items()}


def test_stored_four_bits_are_those_that_loading_makes(place: Path) -> None:
    stored, made = (
        load_for_inference(
            Settings(model=str(place / name), quantize="nf4", merge="yes", precision="fp32"), None
        )
        for name in ("model", "plain")
    )
    expected = weights_of(made)
    for name, weights in weights_of(stored).items():
        assert torch.equal(weights, expected[name]), name


def test_products_are_computed_as_the_settings_say(
    place: Path, recwarn: pytest.WarningsRecorder
) -> None:
    settings = Settings(model=str(place / "model"), quantize="nf4", precision="bf16")
    model: Any = load_base(settings, quantized=True, device=torch.device("cpu"))
    layer = model.model.layers[0].self_attn.q_proj
    assert layer.compute_dtype == torch.bfloat16
    assert not [str(each.message) for each in recwarn if "quantization" in str(each.message)]


def test_a_model_in_four_bits_is_trained_asked_and_merged(
    place: Path, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "corpus").symlink_to(place / "corpus")
    run = train_run(tmp_path, place / "model", max_new_tokens=60).run
    assert info(run)["base_model"]["name"] == str(place / "model")
    unseen = tmp_path / "unseen.txt"
    unseen.write_text("Aspirin caused a rash.", encoding="utf-8")
    merged = command("merge", run, "--output", tmp_path / "merged")
    assert merged.code == 0, merged.errors
    config = json.loads((tmp_path / "merged" / "config.json").read_text(encoding="utf-8"))
    assert "quantization_config" not in config
    answer = command("predict", run, unseen, "--output", tmp_path / "answers.jsonl")
    assert answer.code == 0, answer.errors
    assert [line["id"] for line in lines(tmp_path / "answers.jsonl")] == ["unseen.txt"]


def test_a_model_in_four_bits_is_asked_without_a_training(
    place: Path, tmp_path: Path, command: Command
) -> None:
    unseen = tmp_path / "unseen.txt"
    unseen.write_text("Aspirin caused a rash.", encoding="utf-8")
    order = ("predict", "--plugin", "medical_ner", "--model", place / "model", unseen)
    answer = command(*order, "--set", "max_new_tokens=60")
    assert answer.code == 0, answer.errors
    unquantised = command(*order, "--set", "quantize=none")
    assert unquantised.code == 1
    assert "are stored in 4 bits (NF4)" in unquantised.errors.splitlines()[-1]


def test_four_bits_that_are_stored_as_bytes_are_not_split(place: Path) -> None:
    settings = Settings(model=str(place / "model"), quantize="nf4", parallel="fsdp")
    with pytest.raises(SettingsError, match="stored as bytes, which fsdp cannot split; set paral"):
        load_base(settings, quantized=True, device=torch.device("cpu"), split=True)


@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        ({"quant_method": "gptq", "bits": 4}, "gptq"),
        ({"quant_method": "awq", "bits": 4}, "awq"),
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes, 8 bits"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes, fp4"),
        ({"bits": 4}, "of an unknown kind"),
    ],
)
def test_other_stored_kinds_are_refused_before_weights_are_loaded(
    stored: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    FAMILIES["smollm2"].write(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = stored
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert choose_preset(None, {"model": str(tmp_path)}).values["quantize"] == "nf4"
    with pytest.raises(SettingsError) as refused:
        load_tokenizer(Settings(model=str(tmp_path), quantize="nf4"))
    assert f"its weights are stored quantised ({kind}); name the model" in str(refused.value)
