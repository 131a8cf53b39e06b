"""Measure training tokens per second of ``extract train`` against a plain SFTTrainer script.

    python -m benchmarks training_speed
    python -m benchmarks training_speed --preset smollm2-135m --set compile=yes --rows 24

Same base model, same rows, same arguments, in turns within one run. The plain script shuffles the
rows, pads each batch to its longest row and takes all else as SFTTrainer does it; ours groups rows
of similar length, projects only answers to the vocabulary, logs, keeps checkpoints and holds
adapters in float32. Each side reads all rows twice; the second pass is timed, so that warming up
and compiling are left out. For a causal preset our packing is measured as well.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, TrainerCallback

from fieldsmith.dataset.loading import read_splits
from fieldsmith.model.devices import pick_device
from fieldsmith.model.library_output import quieten
from fieldsmith.model.loading import load_base
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.model.tokenizer import load_tokenizer
from fieldsmith.plugins import load
from fieldsmith.progress import Meter
from fieldsmith.settings import EMBEDDED, Settings
from fieldsmith.task import Task
from fieldsmith.training.callbacks import BestAdapter, LogFile, SaveSchedule
from fieldsmith.training.qlora import build_trainer, lora_config, training_arguments
from fieldsmith.windows.rows import Row, build_rows

from .cached_training import settings_of

Train = Callable[[Settings, PromptFormat, Sequence[Row]], float]
"""Trains for two epochs; returns the seconds of the second."""


class Clock(TrainerCallback):
    """Notes when the second epoch begins and ends."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())

    def seconds(self) -> float:
        """Return what the second epoch took."""
        _first, began, ended = self.times
        return ended - began


def ours(settings: Settings, prompts: PromptFormat, rows: Sequence[Row]) -> float:
    """Train as ``extract train`` does."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        best = BestAdapter(0)
        trainer = build_trainer(
            Path(folder) / "checkpoints", settings, prompts, rows, [], scorer=None, best=best
        )
        trainer.add_callback(SaveSchedule(settings.checkpoint_steps, len(rows), score=False))
        trainer.add_callback(LogFile(Path(folder) / "log.jsonl", Meter("", 2, "epochs")))
        trainer.add_callback(clock)
        trainer.train()
    return clock.seconds()


def packed(settings: Settings, prompts: PromptFormat, rows: Sequence[Row]) -> float:
    """Train as ``extract train`` does, with packing; a sequence holds as many tokens as a batch.

    So a step reads about as many tokens as on the other sides.
    """
    mean = statistics.mean(len(row.input_ids) for row in rows)
    longest = max(len(row.input_ids) for row in rows)
    length = max(longest, round(mean * settings.batch_size))
    return ours(replace(settings, packing=True, batch_size=1, max_length=length), prompts, rows)


def plain(settings: Settings, prompts: PromptFormat, rows: Sequence[Row]) -> float:
    """Train with SFTTrainer alone."""
    from datasets import Dataset
    from trl import SFTTrainer

    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        model = load_base(settings, quantized=settings.quantize == "nf4", device=pick_device())
        arguments = training_arguments(Path(folder), settings)
        arguments.pad_to_multiple_of = None
        columns = [{"input_ids": row.input_ids, "labels": row.labels} for row in rows]
        trainer = SFTTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_list(columns),
            processing_class=prompts.tokenizer,
            peft_config=lora_config(settings, model),
            callbacks=[clock],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return clock.seconds()


def main(arguments: Sequence[str] = ()) -> None:
    """Print tokens a second of each side, and ratios to the plain script."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks training_speed")
    parser.add_argument("--preset", default=EMBEDDED)
    parser.add_argument("--plugin", default="medical_ner")
    parser.add_argument("--data", type=Path, help="default: the plugin's sample")
    parser.add_argument("--rows", type=int, default=288, help="rows of an epoch, evenly chosen")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", dest="chosen", default=[], metavar="KEY=VALUE")
    options = parser.parse_args(arguments)
    quieten()
    plugin = load(options.plugin)
    chosen = ["epochs=2", "max_steps=0", *options.chosen]
    settings = settings_of(plugin, options.preset, chosen).values
    prompts = PromptFormat(load_tokenizer(settings))
    splits, _hash = read_splits(plugin, options.data, allow_leaks=False)
    examples = splits.train[:: max(1, len(splits.train) // options.rows)]
    task = Task(plugin, settings, prompts)
    rows = build_rows(examples, task).rows[: options.rows]
    tokens = sum(len(row.input_ids) for row in rows)
    sides: dict[str, Train] = {"plain SFTTrainer": plain, "extract train": ours}
    if task.is_causal:
        sides["with packing"] = packed
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for round_ in range(options.rounds):
        for name, train in list(sides.items())[:: -1 if round_ % 2 else 1]:
            rates[name].append(tokens / train(settings, prompts, rows))
    print(f"{len(rows)} rows, {tokens:,} tokens; {options.preset}; {pick_device()}")
    for name, values in rates.items():
        ratios = [a / b for a, b in zip(values, rates["plain SFTTrainer"], strict=True)]
        print(
            f"{name:18} {statistics.median(values):8,.0f} tokens a second, "
            f"{statistics.median(ratios):.2f} times plain ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
