"""Measure optimiser steps per second of ``extract train`` against a bare SFTTrainer script.

    python -m benchmarks training_speed

Same base model, same rows, same arguments, same batches in one order; in turns, within one run.
Ours logs, keeps checkpoints and holds the adapters in float32; both times leave out the first
steps, which warm up. A second difference is the adapters' type: SFTTrainer casts them to bf16.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, TrainerCallback

from fieldsmith.dataset.loading import read_splits
from fieldsmith.model.devices import pick_device
from fieldsmith.model.loading import load_base, load_tokenizer, quieten
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.plugins import load
from fieldsmith.progress import Meter
from fieldsmith.settings import Settings, resolve
from fieldsmith.task import Task
from fieldsmith.training.callbacks import BestAdapter, LogFile, SaveSchedule
from fieldsmith.training.qlora import build_trainer, lora_config, training_arguments
from fieldsmith.windows.rows import Row, build_rows

ROUNDS = 3
STEPS = 36
WARM_UP = 8


class Clock(TrainerCallback):
    """Notes when each optimiser step ends."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())

    def seconds_a_step(self) -> float:
        """Return the mean after the warm-up."""
        return (self.ends[-1] - self.ends[WARM_UP]) / (len(self.ends) - 1 - WARM_UP)


def ours(settings: Settings, prompts: PromptFormat, rows: list[Row]) -> float:
    """Train as ``extract train`` does; return seconds a step."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        best = BestAdapter(0)
        trainer = build_trainer(
            Path(folder) / "checkpoints", settings, prompts, rows, [], scorer=None, best=best
        )
        trainer.add_callback(SaveSchedule(settings.checkpoint_steps, len(rows), score=False))
        trainer.add_callback(LogFile(Path(folder) / "log.jsonl", Meter("", STEPS, "steps")))
        trainer.add_callback(clock)
        trainer.train()
    return clock.seconds_a_step()


def bare(settings: Settings, prompts: PromptFormat, rows: list[Row]) -> float:
    """Train with SFTTrainer alone, on the same rows in one order; return seconds a step."""
    from datasets import Dataset
    from torch.utils.data import SequentialSampler
    from trl import SFTTrainer

    from fieldsmith.training.sampler import LengthGroupedSampler

    class Bare(SFTTrainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
            return SequentialSampler(rows)

    lengths = [len(row.input_ids) for row in rows]
    order = list(LengthGroupedSampler(lengths, settings.batch_size, settings.seed, group=True))
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        model = load_base(settings, quantized=True, device=pick_device())
        trainer = Bare(
            model=model,
            args=training_arguments(Path(folder), settings),
            train_dataset=Dataset.from_list([asdict(rows[i]) for i in order]),
            processing_class=prompts.tokenizer,
            peft_config=lora_config(settings, model),
            callbacks=[clock],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return clock.seconds_a_step()


def main() -> None:
    """Print steps a second of both and their ratio."""
    quieten()
    plugin = load("medical_ner")
    chosen = {"max_steps": STEPS, "checkpoint_steps": 25}
    resolved = resolve("embedded", plugin.name, plugin.settings("embedded"), chosen)
    settings = resolved.values
    prompts = PromptFormat(load_tokenizer(settings))
    splits, _hash = read_splits(plugin, None, allow_leaks=False)
    rows = build_rows(splits.train, Task(plugin, settings, prompts)).rows
    times: dict[str, list[float]] = {"extract train": [], "bare SFTTrainer": []}
    for round_ in range(ROUNDS):
        sides = [("extract train", ours), ("bare SFTTrainer", bare)]
        for name, train in sides if round_ % 2 else reversed(sides):
            times[name].append(train(settings, prompts, rows))
    for name, values in times.items():
        print(f"{name:18} {1 / statistics.median(values):6.2f} steps a second")
    ratios = [b / a for a, b in zip(*times.values(), strict=True)]
    print(f"{'ratio':18} {statistics.median(ratios):6.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
