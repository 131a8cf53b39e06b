"""The plan counts what training allocates, loads no weights, and says which settings need less."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Command, extract
from installed_plugins import Site
from tiny_model import Workplace
from transformers import AutoConfig, LlamaConfig

from fieldsmith.data import IGNORED
from fieldsmith.model.devices import pick_device
from fieldsmith.model.loading import load_base
from fieldsmith.planning.batches import (
    PromptBatch,
    TrainingBatch,
    longest_batch,
    longest_prompts,
)
from fieldsmith.planning.memory import Memory, measure
from fieldsmith.planning.optimizer_memory import optimizer_bytes
from fieldsmith.settings import Settings
from fieldsmith.training.schedule import count_steps
from fieldsmith.windows.rows import Row

SETTINGS = Settings(lora_dropout=0.0, activation_checkpointing=False, attention="eager")
BATCH = TrainingBatch(rows=8, length=96, answer=300)
PROMPTS = PromptBatch(rows=8, length=64, answer=32)


def llama(**changes: int) -> LlamaConfig:
    """Return the config of a small model."""
    shape: dict[str, Any] = {
        "vocab_size": 1000,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        **changes,
    }
    return LlamaConfig(**shape, tie_word_embeddings=False)


def counted(
    config: Any,
    settings: Settings = SETTINGS,
    batch: TrainingBatch = BATCH,
    prompts: PromptBatch = PROMPTS,
) -> Memory:
    return measure(config, settings, batch, prompts, "cpu", "fp32")


# What is counted


def test_the_persistent_terms_are_those_of_the_real_model(workplace: Workplace) -> None:
    settings = replace(SETTINGS, model=str(workplace.model), lora_rank=8)
    config = AutoConfig.from_pretrained(workplace.model)
    memory = measure(config, settings, BATCH, PROMPTS, "cpu", "fp32")
    model: Any = load_base(
        replace(settings, precision="fp32"), quantized=True, device=pick_device()
    )
    packed = [p for p in model.parameters() if p.dtype == torch.uint8]
    assert memory.quantized == sum(p.nbytes for p in packed)
    assert memory.constants == sum(constants(p.quant_state) for p in packed)
    plain = [p for p in model.parameters() if p.dtype != torch.uint8]
    buffers = sum(buffer.nbytes for buffer in model.buffers())
    assert memory.plain == sum(p.nbytes for p in plain) + buffers
    # Rank times the inputs and outputs of q, k, v, o, gate, up and down, in two layers.
    assert memory.trainable == 2 * 8 * (4 * (64 + 64) + 3 * (64 + 128))
    assert memory.adapter == memory.gradients == 4 * memory.trainable
    assert memory.optimizer == 8 * memory.trainable


def constants(state: Any) -> int:
    held = (state.absmax, state.code, state.offset, state.state2.absmax, state.state2.code)
    return sum(int(tensor.nbytes) for tensor in held)


def test_activations_grow_with_the_batch_and_its_length() -> None:
    one = counted(llama())
    two = counted(llama(), batch=replace(BATCH, rows=16))
    assert two.activations == pytest.approx(2 * one.activations, rel=0.02)
    longer = counted(llama(), batch=replace(BATCH, length=192))
    assert longer.activations > 2 * one.activations, "eager attention grows with the square"
    assert one.persistent == two.persistent == longer.persistent


def test_the_loss_takes_what_the_answers_take() -> None:
    few, many = (counted(llama(), batch=replace(BATCH, answer=count)) for count in (200, 700))
    # Of 700 positions 768 are projected, of 200 256; all that is held grows with them.
    assert few.loss < many.loss < 3.1 * few.loss
    more = counted(llama(), batch=replace(BATCH, answer=200, rows=16))
    assert more.loss == few.loss


def test_checkpointing_keeps_little_more_than_the_input_of_each_layer() -> None:
    settings = replace(SETTINGS, activation_checkpointing=True)
    deep, shallow = (
        counted(llama(num_hidden_layers=layers), settings).activations for layers in (8, 4)
    )
    an_input = BATCH.rows * BATCH.length * 64 * 4
    assert (deep - shallow) / 4 == pytest.approx(an_input, rel=0.02)
    assert counted(llama(), settings).step < counted(llama()).step


def test_the_head_and_the_embeddings_are_not_quantised() -> None:
    small, large = counted(llama(vocab_size=1000)), counted(llama(vocab_size=3000))
    assert large.quantized == small.quantized
    assert large.plain - small.plain == 2 * 2000 * 64 * 4
    assert large.logits == 3 * small.logits


def test_the_loss_of_the_tags_is_counted() -> None:
    plain, tagged = (
        counted(llama(), batch=replace(BATCH, tagged=count, tags=5)) for count in (0, 700)
    )
    scores = 700 * 5 * 4
    assert scores <= tagged.activations - plain.activations < 3 * scores


def test_answering_takes_a_copy_of_few_weights_and_keys_and_values() -> None:
    model = llama()
    few, many = (counted(model, prompts=replace(PROMPTS, rows=rows)) for rows in (8, 80))
    assert few.copy == pytest.approx(4 * few.parameters, rel=0.01)
    # 64 slots, then 96 in steps of 64; 2 layers of keys and values, 2 heads of 16.
    kept = 128 * 2 * 2 * 2 * 16 * 4
    assert many.answering - few.answering > 72 * kept
    assert few.answering > 8 * kept
    assert counted(model, replace(SETTINGS, merge="no")).copy == 0
    large = llama(hidden_size=1024, intermediate_size=8192, num_hidden_layers=16)
    assert counted(large).copy == 0, "it answers over its quantised weights"


def test_prompts_that_are_read_a_few_at_a_time_take_the_memory_of_a_few() -> None:
    """Of 8,192 tokens at once one prompt of 4,200 fits, or two of 4,000."""
    model = llama(num_key_value_heads=4, max_position_embeddings=8192)
    one, two = (counted(model, prompts=PromptBatch(2, n, 8)).answering for n in (4200, 4000))
    assert one < two
    scores = 4 * 4000 * 4000 * 4
    assert two > 2 * scores


def test_unquantised_weights_and_a_rank_are_counted() -> None:
    plain = counted(llama(), replace(SETTINGS, quantize="none"))
    assert plain.quantized == plain.constants == 0
    assert plain.plain == pytest.approx(4 * plain.parameters, rel=0.01)
    doubled = counted(llama(), replace(SETTINGS, lora_rank=32))
    assert doubled.trainable == 2 * counted(llama()).trainable


@pytest.mark.parametrize("architecture", ["qwen3", "gemma2", "gpt_neox", "phi3"])
def test_no_formula_is_of_one_architecture(architecture: str) -> None:
    shape: dict[str, Any] = {
        "vocab_size": 1000,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "pad_token_id": 0,
    }
    if architecture in {"qwen3", "gemma2"}:
        shape |= {"num_key_value_heads": 2, "head_dim": 16}
    memory = counted(AutoConfig.for_model(architecture, **shape))
    assert memory.quantized
    assert memory.activations
    assert memory.trainable


def test_a_model_of_billions_is_planned_in_no_memory_for_a_gpu() -> None:
    config = llama(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
    )
    settings = Settings(attention="sdpa", batch_size=2)
    memory = measure(config, settings, TrainingBatch(2, 1024, 500), PROMPTS, "cuda", "bf16")
    assert memory.parameters == 8_030_261_248  # as its model card has it
    linear = memory.parameters - 2 * 128_256 * 4096 - 65 * 4096
    assert memory.quantized == linear // 2
    # 4 bit, 8 for each 64 weights and 32 for each 256 of those, and the codes of each layer
    assert memory.constants == pytest.approx(linear * (8 / 64 + 32 / (64 * 256)) / 8, rel=0.01)
    assert memory.trainable == 41_943_040


@pytest.mark.parametrize(
    ("name", "size"),
    [("adamw_torch", 8), ("adamw_torch_fused", 8), ("sgd", 0), ("lion_32bit", 4)],
)
def test_the_state_of_an_optimiser(name: str, size: int) -> None:
    assert optimizer_bytes(name) == size
    assert 2 < optimizer_bytes("paged_adamw_8bit") < 2.1


# Batches and steps


def test_the_longest_batch_has_the_longest_rows_and_answers() -> None:
    answers = [[IGNORED] * 30 + [1] * count for count in (1, 2, 70, 40, 3)]
    rows = [Row([0] * len(labels), labels) for labels in (*answers, [IGNORED] * 127)]
    settings = replace(SETTINGS, batch_size=2, eval_batch_size=4, max_new_tokens=99)
    assert longest_batch(rows, settings, "cpu") == TrainingBatch(
        rows=2, length=128, answer=110, lengths=4
    )
    assert longest_prompts(rows, settings) == PromptBatch(rows=4, length=127, answer=99)
    assert longest_prompts(rows[:2], settings) == PromptBatch(rows=2, length=30, answer=99)
    tags = [[7, 8], [7, IGNORED], [9, 9, IGNORED]]
    tagged = [Row(row.input_ids, row.labels, own) for row, own in zip(rows[:3], tags, strict=True)]
    batch = longest_batch(tagged, settings, "cpu")
    assert (batch.tagged, batch.tags) == (4, 3)


def test_of_rows_that_are_shared_the_longest_batch_has_a_part_with_all_answers() -> None:
    rows = [Row([0] * 100, [IGNORED] * 80 + [1] * 20)] * 4
    settings = replace(SETTINGS, batch_size=2, sequence_parallel=4)
    assert longest_batch(rows, settings, "cuda") == TrainingBatch(rows=2, length=25, answer=40)
    assert longest_batch(rows, replace(settings, sequence_parallel=8), "cuda").length == 13
    answers = [Row([0] * 100, [1] * 100)] * 4
    assert longest_batch(answers, settings, "cuda").answer == 50, "no more than there are tokens"


@pytest.mark.parametrize(
    ("rows", "chosen", "steps"),
    [
        (100, {"epochs": 2.0}, (7, 14)),
        (100, {"epochs": 0.5}, (7, 4)),
        (100, {"max_steps": 3}, (7, 3)),
        (1, {"epochs": 1.0}, (1, 1)),
    ],
)
def test_steps_are_counted(rows: int, chosen: dict[str, Any], steps: tuple[int, int]) -> None:
    settings = replace(SETTINGS, batch_size=4, accumulation=4, **chosen)
    assert count_steps(rows, settings) == steps


# The command


@pytest.fixture(scope="module")
def without_weights(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's folder without its weights."""
    folder = tmp_path_factory.mktemp("config") / "model"
    return Path(
        shutil.copytree(workplace.model, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    )


def planned(command: Command, workplace: Workplace, *more: object) -> dict[str, Any]:
    source = ("--plugin", "medical_ner", "--data", workplace.corpus)
    answer = command("plan", *source, *more, "--json")
    assert answer.code == 0, answer.errors
    loaded: dict[str, Any] = json.loads(answer.output)
    return loaded


def test_it_reads_no_weights(command: Command, workplace: Workplace, without_weights: Path) -> None:
    chosen = ("--set", "batch_size=8", "--set", "epochs=5")
    found = planned(command, workplace, "--model", without_weights, *chosen)
    memory = found["memory"]
    terms = ("quantized", "constants", "plain", "adapter", "optimizer", "gradients")
    rest = ("activations", "working", "mapped", "runtime")
    assert memory["step"] == sum(memory[name] for name in (*terms, *rest))
    assert memory["total"] == max(memory["step"], memory["scoring"])
    assert found["toggled"]["step"] < memory["step"], "it is off under this preset"
    batches = -(-found["work"]["rows"] // 8)
    assert found["work"]["steps"] == -(-batches // found["accumulation"]) * 5
    assert found["probe"] is None
    asked = planned(command, workplace, "--model", without_weights, "--probe")
    assert asked["probe"] is None
    assert "the weights of" in asked["probe_note"]


def test_what_a_training_would_refuse_is_reported(
    command: Command, without_weights: Path, tmp_path: Path
) -> None:
    record = {"chemicals": ["aspirin"], "diseases": ["rash"], "relations": []}
    rows = [
        {
            "id": f"d{split}",
            "text": "Aspirin, or aspirin: a rash.",
            "record": record,
            "split": split,
        }
        for split in ("train", "test")
    ]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    order = ("plan", "--plugin", "medical_ner", "--data", data, "--model", without_weights)
    answer = command(*order)
    assert answer.code == 0, answer.errors
    assert "unsound (leaks): 1 of" in answer.output
    found = json.loads(command(*order, "--allow-leaks", "--json").output)["findings"]
    names = [(finding["name"], finding["accepted"]) for finding in found]
    assert names == [("leaks", True), ("empty-fields", False)]


def test_what_does_not_fit_is_reported_with_what_would(
    command: Command, workplace: Workplace, without_weights: Path
) -> None:
    chosen = ("--model", without_weights, "--set", "batch_size=16", "--set", "precision=fp32")
    found = planned(command, workplace, *chosen)
    assert found["verdict"] == "fits"
    assert found["changes"] == []
    most, total = found["memory"]["most"], found["memory"]["total"]

    tight = planned(command, workplace, *chosen, "--memory", (most + total) / 2**31)
    assert tight["verdict"] == "tight"

    small = planned(command, workplace, *chosen, "--memory", total * 0.9 / 2**30)
    assert small["verdict"] == "does not fit"
    changes = {" ".join(change["settings"]): change["total"] for change in small["changes"]}
    assert set(changes) >= {
        "activation_checkpointing", "batch_size accumulation", "eval_batch_size", "lora_rank"
    }  # fmt: skip
    assert all(size <= total for size in changes.values())
    assert min(changes.values()) < small["free"]
    half = next(
        c for c in small["changes"] if list(c["settings"]) == ["batch_size", "accumulation"]
    )
    assert half["settings"] == {"batch_size": 8, "accumulation": 2}
    there = planned(
        command,
        workplace,
        *chosen[:2],
        "--set",
        "batch_size=8",
        "--set",
        "accumulation=2",
        *chosen[4:],
    )
    assert there["memory"]["total"] == half["total"], (
        "the number that is promised is the one it gets"
    )


def test_it_is_planned_for_a_device_that_is_not_here(
    command: Command, workplace: Workplace, without_weights: Path
) -> None:
    chosen = ("--model", without_weights, "--device", "cuda")
    found = planned(command, workplace, *chosen, "--probe")
    assert (found["device"], found["precision"]) == ("cuda", "bf16")
    if not torch.cuda.is_available():
        assert found["free"] is None
        assert found["verdict"] == "unknown"
        assert "no such device" in found["probe_note"]
    assert planned(command, workplace, *chosen, "--memory", 8)["verdict"] == "fits"


def test_the_terminal_shows_every_term(
    workplace: Workplace, without_weights: Path, tmp_path: Path
) -> None:
    source = ("--plugin", "medical_ner", "--data", workplace.corpus)
    answer = extract(
        "plan", *source, "--model", without_weights, "--memory", "0.001", "--set=min_steps=0"
    )
    assert answer.code == 0, answer.errors
    for word in (
        "weights in 4 bit", "constants", "adapter", "gradients", "optimiser", "activations",
        "workspace", "runtime", "total of a step", "total of generation", "longest batch",
        "validation: answers to 1 prompts of up to", "does not fit", "settings that need less",
        "batch_size=4 accumulation=2", "steps of 8 x 1", "time: not measured",
    ):  # fmt: skip
        assert word in answer.output, word
    assert "kernels" not in answer.errors


def test_a_probe_measures_the_time(command: Command, workplace: Workplace) -> None:
    found = planned(command, workplace, "--model", workplace.model, "--probe")
    probe = found["probe"]
    assert probe["seconds_a_step"] > 0
    assert probe["seconds"] == pytest.approx(probe["seconds_a_step"] * found["work"]["steps"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "no/such-model"], "model no/such-model: its config cannot be read"),
        (["--preset", "llama-3.1-8b"], "go online"),
        (["--set", "lora_targets=q_prok"], "did you mean q_proj?"),
        (["--data", "nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_what_cannot_be_planned_is_one_line(
    command: Command, arguments: list[str], said: str
) -> None:
    answer = command("plan", "--plugin", "medical_ner", *arguments)
    assert answer.code == 1
    assert said in answer.errors.splitlines()[-1]
    assert answer.errors.splitlines()[-1].startswith("extract: error: ")


def test_a_folder_without_a_config_is_one_line(command: Command, tmp_path: Path) -> None:
    answer = command("plan", "--plugin", "medical_ner", "--model", tmp_path)
    assert answer.code == 1
    assert "its config cannot be read" in answer.errors


def test_the_toy_plugin_is_planned_too(site: Site) -> None:
    site.install("toy")
    answer = site.extract("plan", "--plugin", "toy")
    assert answer.returncode in {0, 1}
    assert "Traceback" not in answer.stderr
