"""SFTTrainer as this project needs it: atomic checkpoints, scores by generation, exact resume."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from trl import SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from ..data import IGNORED
from ..model.loading import load_for_inference
from ..settings import Settings
from ..tagging.labels import tagging_loss
from .callbacks import BEST, BestAdapter, Trim
from .sampler import LengthGroupedSampler

_COPIED_PARAMETERS = 200_000_000
"""Up to this size a second, merged copy of the model is loaded to generate with."""


def is_copied(parameters: int, settings: Settings) -> bool:
    """Say whether a trained model is copied and merged to generate with.

    parameters: numbers that its parameters have, as they are stored.
    """
    return parameters <= _COPIED_PARAMETERS and settings.merge != "no"


def _tagged(tags: torch.Tensor) -> int:
    return int((tags != IGNORED).sum())


class TagCollator(DataCollatorForLanguageModeling):
    """Pads the tags of rows as it pads the rows."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Return a batch; its tags are rows × tokens."""
        batch: dict[str, Any] = super().torch_call(examples)
        if "tags" in examples[0]:
            tags = torch.full_like(batch["labels"], IGNORED)
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
        chosen = tags != IGNORED
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
