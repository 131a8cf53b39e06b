"""SFTTrainer as this project needs it: atomic checkpoints, scores by generation, exact resume."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import ExportableState
from trl import SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from .models import load_for_inference
from .out_of_memory import trim
from .progress import Meter
from .settings import Settings
from .tagging import UNTAGGED, tagging_loss

BEST = "best"
"""Prefix of the folder, beside the checkpoints, that holds the best adapter so far."""

_COPIED_PARAMETERS = 200_000_000
"""Up to this size a second, merged copy of the model is loaded to generate with."""

_POOLS, _POOL_BATCHES = 4, 32
"""Rows are sorted by length in at least so many pools, of at most so many batches each."""

_TRIMMED = 32
"""Steps from one return of freed memory to the next; one takes up to a quarter of a second."""

_LOGGED = (
    "step", "epoch", "loss", "learning_rate", "grad_norm", "mean_token_accuracy", "eval_loss",
    "eval_mean_token_accuracy", "tagging_loss",
)  # fmt: skip
"""What log.jsonl keeps: nothing that depends on the clock, so that equal runs write equal logs."""


class LengthGroupedSampler(Sampler[int]):
    """Rows in random order, rows of like length beside each other.

    The order depends on seed and epoch alone. transformers' own sampler draws from the global
    random state, which a resumed run does not have at that point.

    epoch: set before an epoch begins.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int, *, group: bool) -> None:
        self.lengths, self.batch, self.seed, self.group = lengths, batch, seed, group
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator).tolist()
        if not self.group:
            yield from order
            return
        # Sorted within pools: like lengths, and other batch mates in every epoch.
        pools = max(_POOLS, -(-len(order) // (_POOL_BATCHES * self.batch)))
        pool = -(-len(order) // (pools * self.batch)) * self.batch
        batches = []
        for start in range(0, len(order), pool):
            rows = sorted(order[start : start + pool], key=lambda row: -self.lengths[row])
            batches += [rows[at : at + self.batch] for at in range(0, len(rows), self.batch)]
        # A short batch stays last: the loader cuts the stream into batches by count alone.
        whole = [rows for rows in batches if len(rows) == self.batch]
        short = [rows for rows in batches if len(rows) < self.batch]
        for number in torch.randperm(len(whole), generator=generator).tolist():
            yield from whole[number]
        for rows in short:
            yield from rows


class BestAdapter(TrainerCallback, ExportableState):
    """Which epoch scored best, and for how many none was better; part of the trainer's state.

    score: the best score so far; None before the first.
    step: the optimiser step of the best score (a later equal one counts as better).
    threshold: the confidence of leaves at which it was scored.
    stale: evaluations since the score last rose.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.score: float | None = None
        self.step = 0
        self.threshold = 0.0
        self.stale = 0
        self.last_step = 0

    def load(self, checkpoint: Path) -> int:
        """Take the state over from a checkpoint; return the optimiser step it was saved at."""
        state = json.loads((checkpoint / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
        stored = state["stateful_callbacks"][type(self).__name__]["attributes"]
        self.score, self.step, self.stale = stored["score"], stored["step"], stored["stale"]
        self.threshold = stored["threshold"]
        self.last_step = int(state["global_step"])
        return self.last_step

    def folder(self, checkpoints: Path) -> Path:
        """Return where the best adapter stands."""
        return checkpoints / f"{BEST}-{self.step}"

    def update(self, score: float, step: int, threshold: float) -> bool:
        """Take in an evaluation; return whether its adapter is the one to keep."""
        rose = self.score is None or score > self.score
        kept = rose or score == self.score
        self.stale = 0 if rose else self.stale + 1
        if kept:
            self.score, self.step, self.threshold = score, step, threshold
        return kept

    def exhausted(self) -> bool:
        """Say whether the patience is spent."""
        return 0 < self.patience <= self.stale

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        names = ("score", "step", "threshold", "stale")
        attributes = {name: getattr(self, name) for name in names}
        return {"args": {"patience": self.patience}, "attributes": attributes}


class Rhythm(TrainerCallback):
    """When to log, score and save, so that every checkpoint stands at the end of a logged step.

    The losses since the last logged step are no part of a checkpoint, and an epoch's last step
    is followed by its evaluation: a checkpoint in between would skip it when resumed.
    """

    def __init__(self, every: int, steps_an_epoch: int, *, score: bool) -> None:
        self.every, self.steps_an_epoch, self.score = every, steps_an_epoch, score

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Log and save at every N-th step, but not at an epoch's last or the very last."""
        last = state.global_step % self.steps_an_epoch == 0 or state.global_step >= state.max_steps
        if state.global_step % self.every == 0 and not last:
            control.should_log = control.should_save = True

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Log, score and save."""
        control.should_log = control.should_save = True
        control.should_evaluate = self.score


class Trim(TrainerCallback):
    """Returns freed memory to the system at every so many steps.

    Of batches of many lengths glibc keeps more and more, as what is freed seldom fits the next one.
    """

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Return it."""
        if state.global_step % _TRIMMED == 0:
            trim()


class LogFile(TrainerCallback):
    """Writes log.jsonl and moves the progress line."""

    def __init__(self, path: Path, meter: Meter) -> None:
        self.path, self.meter = path, meter

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Move the progress line."""
        self.meter.advance(state.global_step - self.meter.done)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Append a line; equal runs write equal bytes."""
        line = {"step": state.global_step, **(logs or {})}
        kept = {k: v for k, v in line.items() if k in _LOGGED or k.startswith("score")}
        if len(kept) <= 2:  # a step and an epoch alone: the closing line of transformers
            return
        if state.is_world_process_zero:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(kept) + "\n")
        if "loss" in kept:
            self.meter.note(f"loss {kept['loss']:.3f}")
        if "score" in kept:
            self.meter.note(f"score {kept['score']:.3f}")


def is_copied(parameters: int, settings: Settings) -> bool:
    """Say whether a trained model is copied and merged to generate with.

    parameters: numbers that its parameters have, as they are stored.
    """
    return parameters <= _COPIED_PARAMETERS and settings.merge != "no"


def _tagged(tags: torch.Tensor) -> int:
    return int((tags != UNTAGGED).sum())


class TagCollator(DataCollatorForLanguageModeling):
    """Pads the tags of rows as it pads the rows."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Return a batch; its tags are rows × tokens."""
        batch: dict[str, Any] = super().torch_call(examples)
        if "tags" in examples[0]:
            tags = torch.full_like(batch["labels"], UNTAGGED)
            for row, example in zip(tags, examples, strict=True):
                row[: len(example["tags"])] = torch.tensor(example["tags"])
            batch["tags"] = tags
        return batch


class ExtractionTrainer(SFTTrainer):
    """SFTTrainer with our order of rows, scores at the end of an epoch, checkpoints that are whole.

    scorer: called at the end of an epoch; returns scores by name, "score" among them, and
        "min_confidence", the threshold at which they were taken.
    best: which adapter is kept.
    scoring: whether it is answering held-out documents, or was when an error ended it.
    tags: ids of all tags, ascending; () where rows have none.
    tagging_weight: of their loss beside that of the answers.
    """

    def __init__(
        self,
        *arguments: Any,
        sampler: LengthGroupedSampler,
        scorer: Callable[[ExtractionTrainer], dict[str, float]] | None,
        best: BestAdapter,
        tags: Sequence[int] = (),
        tagging_weight: float = 0.0,
        **options: Any,
    ) -> None:
        self.sampler = sampler
        self.scorer = scorer
        self.best = best
        self.scoring = False
        super().__init__(*arguments, **options)
        self.add_callback(best)  # so that checkpoints hold its state
        self.add_callback(Trim())
        self.tagging_weight = tagging_weight
        if tags:
            self.tags = torch.tensor(tags, device=self.args.device)
            self._keep_hidden()

    def _keep_hidden(self) -> None:
        """Let batches hold tags, and keep what the model's head reads of each."""
        collator: Any = self.data_collator
        self.data_collator = TagCollator(
            pad_token_id=collator.pad_token_id, pad_to_multiple_of=collator.pad_to_multiple_of
        )
        self.hidden: torch.Tensor | None = None
        model: Any = self.accelerator.unwrap_model(self.model)
        self.base = model.get_base_model()

        def keep(_module: torch.nn.Module, _given: Any, output: Any) -> None:
            self.hidden = output[0]

        self.base.get_decoder().register_forward_hook(keep)

    @property
    def folder(self) -> Path:
        """Where checkpoints go."""
        return Path(self.args.output_dir or ".")

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGroupedSampler:
        return self.sampler

    def _run_epoch(self, *arguments: Any, **options: Any) -> Any:
        self.sampler.epoch = options["epoch"]
        return super()._run_epoch(*arguments, **options)  # type: ignore[no-untyped-call]

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()  # type: ignore[no-untyped-call]
        columns: Any = self._signature_columns
        if "tags" not in columns:
            columns.append("tags")

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Return the loss of the answers, and with it that of the tags where a batch has some."""
        tags = inputs.pop("tags", None)
        loss: Any = super().compute_loss(  # type: ignore[no-untyped-call]
            model, inputs, return_outputs, num_items_in_batch
        )
        if tags is None:
            return loss
        assert self.hidden is not None
        head = self.base.get_output_embeddings().weight
        chosen = tags != UNTAGGED
        of_tags = tagging_loss(self.hidden[chosen], tags[chosen], self.tags, head)
        self.hidden = None
        metrics: Any = self._metrics
        metrics["train"]["tagging_loss"].append(float(of_tags.detach()) / max(1, _tagged(tags)))
        return loss + self.tagging_weight * of_tags / self.tagged

    def get_batch_samples(self, *arguments: Any, **options: Any) -> Any:
        """Return the batches of a step; their tags are counted, as SFTTrainer counts the answers.

        So a step is the same whether its rows come in one batch or in several.
        """
        batches, items = super().get_batch_samples(*arguments, **options)
        own = sum(_tagged(batch["tags"]) for batch in batches if "tags" in batch)
        counts = self.accelerator.gather(torch.tensor([own], device=self.args.device))
        # Gradients are averaged over the processes, so each divides by their mean.
        self.tagged = max(1.0, float(counts.float().mean()))
        return batches, items

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Measure the loss on validation rows, then generate and score validation documents."""
        devices = range(torch.cuda.device_count())
        with torch.random.fork_rng(devices=devices):
            metrics: dict[str, float] = {}
            if self.eval_dataset is not None:  # every validation row may be too long
                metrics |= super().evaluate(*arguments, **options)
            if self.scorer is not None:
                self.scoring = True
                scores = self.scorer(self)
                self.scoring = False
                shown = {n if n == "score" else f"score/{n}": v for n, v in scores.items()}
                self.log(shown)
                threshold = scores["min_confidence"]
                if self.best.update(scores["score"], self.state.global_step, threshold):
                    self._keep()
                if self.best.exhausted():
                    self.control.should_training_stop = True
                metrics |= {f"eval_{name}": value for name, value in scores.items()}
        return metrics

    def load_weights(self, checkpoint: Path) -> None:
        """Load the adapter of a checkpoint and nothing else of it."""
        self._load_from_checkpoint(str(checkpoint))

    def _keep(self) -> None:
        """Save the adapter as the best one; older ones stay until a checkpoint says so too."""
        if not self.args.should_save:
            return
        target = self.best.folder(self.folder)
        partial = target.with_name(f".{target.name}")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(target, ignore_errors=True)
        self.accelerator.unwrap_model(self.model).save_pretrained(str(partial))
        os.replace(partial, target)

    def generation_model(self, settings: Settings) -> Any:
        """Return a model to generate with: the very one that inference would load, if it is small.

        The adapter is saved and loaded as ``load_for_inference`` does; a model whose merged
        weights would not fit generates as it is, over its quantised weights.
        """
        model = self.accelerator.unwrap_model(self.model)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        if not is_copied(parameters, settings):
            return model
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            return load_for_inference(settings, Path(folder))

    def _get_output_dir(self, trial: Any) -> str:
        return str(self.folder / ".partial")

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save under a temporary name, rename, then drop what is older."""
        folder = self.folder
        partial = folder / ".partial"
        if self.args.should_save:
            shutil.rmtree(partial, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        super()._save_checkpoint(model, trial)  # type: ignore[no-untyped-call]
        self.accelerator.wait_for_everyone()
        if not self.args.should_save:
            return
        name = f"checkpoint-{self.state.global_step}"
        shutil.rmtree(folder / name, ignore_errors=True)
        _sync(partial / name)
        os.replace(partial / name, folder / name)
        for old in folder.glob("checkpoint-*"):
            if old.name != name:
                shutil.rmtree(old, ignore_errors=True)
        for old in folder.glob(f"{BEST}-*"):
            if old != self.best.folder(folder):
                shutil.rmtree(old, ignore_errors=True)

    def create_model_card(self, *arguments: Any, **options: Any) -> None:
        """Write no card into the checkpoints: the adapter's folder gets one of its own."""


def _sync(folder: Path) -> None:
    """Flush a folder's files to the disk, so that the rename is not ahead of what it names."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
