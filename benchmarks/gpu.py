"""Measure on one GPU in ten minutes: memory against ``extract plan``, speed against plain TRL.

    python -m benchmarks gpu                        # random Llamas of 1 and 8 billion parameters
    python -m benchmarks gpu --models smollm2-135m,llama-1b --json gpu.json
    python -m benchmarks gpu --tiny                 # on any machine, to try the benchmark itself

For each model: the batch that the plan chooses, the peak memory that it estimates and that which
torch measures, tokens a second in training beside those of a plain SFTTrainer on the same rows in
the same order, and documents a second in prediction. Each measurement has a process of its own.
The weights are random where no model is named that has others; so are the rows, of 200 to 2,000
tokens. What is predicted is the sample of ``medical_ner``.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldsmith.model.prompts import PromptFormat
    from fieldsmith.settings import Settings
    from fieldsmith.windows.rows import Row

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 8192},
    "llama-1b": {"hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
                 "num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 128_256},
    "llama-8b": {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
                 "num_key_value_heads": 8, "intermediate_size": 14_336, "vocab_size": 128_256},
}  # fmt: skip
"""Random models: their configs; other names are those of the setting ``model``."""

STEPS, WARM_UP = 10, 3
"""Optimiser steps of a training, and how many of them are not measured."""


def main(options: Sequence[str] = ()) -> None:
    """Measure and print a table; write the figures as JSON where a file is named."""
    parser = ArgumentParser(prog="python -m benchmarks gpu")
    parser.add_argument("--models", default="llama-1b,llama-8b", help="names, with commas")
    parser.add_argument("--documents", type=int, default=32, help="documents to predict")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--tiny", action="store_true", help="a tiny model and few short rows")
    chosen = parser.parse_args(list(options))
    models = ["tiny"] if chosen.tiny else chosen.models.split(",")
    documents = 2 if chosen.tiny else chosen.documents
    found = [_measured(model, documents) for model in models]
    print(f"{found[0]['device']}, torch {found[0]['torch']}")
    print(_table(found), flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _measured(model: str, documents: int) -> dict[str, Any]:
    """Return the figures of a model."""
    with tempfile.TemporaryDirectory() as folder:
        if model in SHAPES:
            _run("weights", model, folder)
        place = folder if model in SHAPES else model
        ours = _run("ours", model, place)
        batch = str(ours["batch_size"]), str(ours["accumulation"])
        plain = _run("plain", model, place, *batch)
        predicted = _run("predict", model, place, str(documents))
    return {"model": model, **ours, "plain_tokens_a_second": plain["tokens_a_second"], **predicted}


def _run(*arguments: str) -> dict[str, Any]:
    """Run a part of the benchmark in a process of its own; return what it found."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    loaded: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return loaded


def _table(found: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| model | parameters | batch | planned MiB | measured MiB | held MiB "
        "| tokens/s | plain TRL | ratio | documents/s |",
        "|" + "---|" * 10,
    ]
    for each in found:
        ratio = each["tokens_a_second"] / each["plain_tokens_a_second"]
        lines.append(
            f"| {each['model']} | {each['parameters'] / 1e6:,.1f} M "
            f"| {each['batch_size']} x {each['accumulation']} | {each['planned_mib']:,.0f} "
            f"| {_mib(each['measured_mib'])} | {_mib(each['held_mib'])} "
            f"| {each['tokens_a_second']:,.0f} | {each['plain_tokens_a_second']:,.0f} "
            f"| {ratio:.2f} | {each['documents_a_second']:.2f} |"
        )
    return "\n".join(lines)


def _mib(measured: float | None) -> str:
    return "not measured" if measured is None else f"{measured:,.0f}"


# What runs in a process of its own


def write_weights(model: str, folder: str) -> dict[str, Any]:
    """Write a Llama of random weights in bf16, with the embedded model's tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from fieldsmith.model.devices import pick_device
    from fieldsmith.model.location import location
    from fieldsmith.settings import Settings

    config = LlamaConfig(**SHAPES[model], max_position_embeddings=8192)
    torch.manual_seed(0)
    with torch.device(pick_device()):
        made = LlamaForCausalLM._from_config(config, dtype=torch.bfloat16)
    made.save_pretrained(folder)
    AutoTokenizer.from_pretrained(location(Settings())).save_pretrained(folder)
    return {}


def train_ours(model: str, place: str) -> dict[str, Any]:
    """Train as ``extract train`` does, with the batch that the plan chooses."""
    import torch

    from fieldsmith.model.devices import pick_device
    from fieldsmith.planning.planner import MemoryPlanner
    from fieldsmith.training.callbacks import BestAdapter
    from fieldsmith.training.qlora import build_trainer
    from fieldsmith.training.row_settings import ROWS_A_STEP

    settings, prompts, rows = _inputs(model, place)
    planner, device = MemoryPlanner(), pick_device()
    batch = planner.largest_batch(settings, rows, ROWS_A_STEP)
    settings = replace(settings, batch_size=batch, accumulation=ROWS_A_STEP // batch)
    memory = planner.estimator(settings, rows).memory(settings)
    clock = _clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(
            Path(folder), settings, prompts, rows, [], scorer=None, best=BestAdapter(0)
        )
        trainer.add_callback(clock)
        trainer.train()
    is_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if is_gpu else device.type,
        "torch": torch.__version__,
        "parameters": memory.parameters,
        "batch_size": settings.batch_size,
        "accumulation": settings.accumulation,
        "planned_mib": (memory.step - memory.runtime) / 2**20,
        "measured_mib": torch.cuda.max_memory_allocated() / 2**20 if is_gpu else None,
        "held_mib": torch.cuda.max_memory_reserved() / 2**20 if is_gpu else None,
        "tokens_a_second": _tokens(rows) / clock.seconds_a_step(),
    }


def train_plain(model: str, place: str, batch_size: str, accumulation: str) -> dict[str, Any]:
    """Train with SFTTrainer as it is, on the same rows in the same order."""
    from datasets import Dataset
    from torch.utils.data import SequentialSampler
    from transformers import PrinterCallback
    from trl import SFTTrainer

    from fieldsmith.model.devices import pick_device
    from fieldsmith.model.loading import load_base
    from fieldsmith.training.qlora import lora_config, training_arguments
    from fieldsmith.training.sampler import LengthGroupedSampler

    class Plain(SFTTrainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
            return SequentialSampler(rows)

    settings, prompts, rows = _inputs(model, place)
    settings = replace(settings, batch_size=int(batch_size), accumulation=int(accumulation))
    lengths = [len(row.input_ids) for row in rows]
    order = LengthGroupedSampler(lengths, settings.batch_size, settings.seed, group=True)
    columns = [{"input_ids": rows[i].input_ids, "labels": rows[i].labels} for i in order]
    clock = _clock()
    with tempfile.TemporaryDirectory() as folder:
        base = load_base(settings, quantized=settings.quantize == "nf4", device=pick_device())
        arguments = training_arguments(Path(folder), settings)
        arguments.pad_to_multiple_of = None
        trainer = Plain(
            model=base,
            args=arguments,
            train_dataset=Dataset.from_list(columns),
            processing_class=prompts.tokenizer,
            peft_config=lora_config(settings, base),
            callbacks=[clock],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return {"tokens_a_second": _tokens(rows) / clock.seconds_a_step()}


def predict(model: str, place: str, documents: str) -> dict[str, Any]:
    """Answer documents under the grammar, without an adapter."""
    from fieldsmith.dataset.loading import read_splits
    from fieldsmith.extraction.extractor import Extractor
    from fieldsmith.model.loading import load_for_inference
    from fieldsmith.plugins import load
    from fieldsmith.task import Task

    settings, prompts, _rows = _inputs(model, place)
    plugin = load("medical_ner")
    splits, _hash = read_splits(plugin, None, allow_leaks=False)
    asked = [example.document for example in splits.train][: int(documents)]
    task = Task(plugin, settings, prompts)
    extractor = Extractor.around(load_for_inference(settings, None), task)
    extractor.predict(asked[:1])
    began = time.perf_counter()
    extractor.predict(asked)
    return {"documents_a_second": len(asked) / (time.perf_counter() - began)}


def _inputs(model: str, place: str) -> tuple[Settings, PromptFormat, list[Row]]:
    """Return settings, prompt format and rows; the same in every process."""
    from fieldsmith.data import IGNORED
    from fieldsmith.model.library_output import quieten
    from fieldsmith.model.prompts import PromptFormat
    from fieldsmith.model.tokenizer import load_tokenizer
    from fieldsmith.settings import Settings
    from fieldsmith.training.row_settings import ROWS_A_STEP
    from fieldsmith.windows.rows import Row

    quieten()
    small = model == "tiny"
    settings = Settings(
        model=place,
        batch_size=1,
        max_steps=STEPS,
        max_length=2048,
        max_new_tokens=16 if small else 128,
        window="document",
    )
    source = random.Random(0)
    rows = []
    for _ in range(2 * ROWS_A_STEP):
        ids = source.choices(range(10, 2000), k=source.randint(20, 60) * (1 if small else 33))
        answer = len(ids) // 4
        rows.append(Row(ids, [IGNORED] * (len(ids) - answer) + ids[-answer:]))
    return settings, PromptFormat(load_tokenizer(settings)), rows


def _tokens(rows: Sequence[Row]) -> float:
    """Return the tokens of a mean step."""
    from fieldsmith.training.row_settings import ROWS_A_STEP

    return statistics.mean(len(row.input_ids) for row in rows) * ROWS_A_STEP


def _clock() -> Any:
    """Return a callback that notes when each optimiser step ends."""
    import torch
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.ends.append(time.perf_counter())

        def seconds_a_step(self) -> float:
            # An even number of steps, so that each row is read equally often.
            first = len(self.ends) - 1 - (STEPS - WARM_UP) // 2 * 2
            return (self.ends[-1] - self.ends[first]) / (len(self.ends) - 1 - first)

    return Clock()


_PARTS = {
    "weights": write_weights,
    "ours": train_ours,
    "plain": train_plain,
    "predict": predict,
}

if __name__ == "__main__":
    part: Any = _PARTS[sys.argv[1]]
    print(json.dumps(part(*sys.argv[2:])))
