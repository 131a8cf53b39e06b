"""SFTTrainer as this project needs it: atomic checkpoints, scores by generation, exact resume."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from trl import SFTTrainer

from ..errors import RunError
from ..model.loading import is_copied, load_for_inference
from ..model.weights import CONFIG, WEIGHTS
from ..parallel import is_sharded, splits_weights
from ..parallel.processes import agreed, process_count
from ..parallel.sequence import own_tokens
from ..parallel.whole_weights import whole_parameters
from ..parallel.zero import loading_whole
from ..settings import Settings
from .callbacks import BEST, BestAdapter, FreeMemory
from .completion_loss import LoggedLoss, answer_tokens
from .pissa import as_difference
from .sampler import LengthGroupedSampler, RepeatedBatches
from .saved_adapter import check_saved

if TYPE_CHECKING:
    from .scoring import Scoring


class ExtractionTrainer(SFTTrainer):
    """SFTTrainer with our order of rows, scores at the end of an epoch and atomic checkpoints.

    Attributes:
        settings: the settings of the training.
        sampler: the order of the rows.
        scorer: scores the held-out documents at the end of an epoch; None if there are none.
        best: which adapter is kept.
        scoring: whether held-out documents are being answered, or were when an error ended it.
        logged_loss: the loss since the last logged line.
        base_name: what saved adapters call their base model; None for where it was loaded from.
        initial: what the adapter began as and was subtracted from the base weights (PiSSA), by
            name; {} for others.
        start: fingerprints of the tensors that an adapter began as, by name.
        copied: whether a merged copy of the model answers held-out documents.
    """

    def __init__(
        self,
        *arguments: Any,
        settings: Settings,
        sampler: LengthGroupedSampler,
        scorer: Scoring | None,
        best: BestAdapter,
        **options: Any,
    ) -> None:
        self.settings = settings
        self.sampler = sampler
        self.scorer = scorer
        self.best = best
        self.scoring = False
        self.logged_loss = LoggedLoss()
        self.base_name: str | None = None
        self.initial: dict[str, torch.Tensor] = {}
        self.start: dict[str, str] = {}
        super().__init__(*arguments, **options)
        # transformers saves a whole model, to be loaded again, in the first process alone.
        can_copy = settings.tuning == "adapter" or process_count() == 1
        self.copied = can_copy and is_copied(_stored_numbers(self.model), settings)
        self.add_callback(best)  # so that checkpoints hold its state
        self.add_callback(FreeMemory())

    @property
    def folder(self) -> Path:
        """The folder of the checkpoints."""
        return Path(self.args.output_dir or ".")

    def _get_train_sampler(
        self, train_dataset: Any = None
    ) -> LengthGroupedSampler | RepeatedBatches:
        if self.settings.sequence_parallel == 1:
            return self.sampler
        return RepeatedBatches(
            self.sampler, self.settings.batch_size, self.settings.sequence_parallel
        )

    def get_batch_samples(self, epoch_iterator: Any, *arguments: Any, **options: Any) -> Any:
        """Return the batches of a step, and how many of their tokens carry loss in all processes.

        Of rows that processes share, each has its own tokens.
        """
        processes = self.settings.sequence_parallel
        if processes > 1:
            epoch_iterator = (own_tokens(batch, processes) for batch in epoch_iterator)
        return super().get_batch_samples(epoch_iterator, *arguments, **options)

    def _run_epoch(self, *arguments: Any, **options: Any) -> Any:
        self.sampler.epoch = options["epoch"]
        return super()._run_epoch(*arguments, **options)  # type: ignore[no-untyped-call]

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Measure the loss on validation rows, then generate and score validation documents."""
        # Not all that are visible: each would get a CUDA context, which takes memory there.
        devices = [self.args.device] if self.args.device.type == "cuda" else []
        # Layers that are compiled for training would be compiled again for generation.
        uncompiled = torch.compiler.set_stance("force_eager")
        with torch.random.fork_rng(devices=devices), uncompiled:
            metrics: dict[str, float] = {}
            if self.eval_dataset is not None:  # every validation row may be too long
                metrics |= super().evaluate(*arguments, **options)
            if self.scorer is not None:
                self.scoring = True
                is_split = splits_weights(self.settings) and not self.copied
                result = self.scorer.score(self.generation_model(), is_split=is_split)
                self.scoring = False
                scores = agreed(result.scores)  # so that all processes stop at the same step
                self.log({n if n == "score" else f"score/{n}": v for n, v in scores.items()})
                if self.best.update(scores["score"], self.state.global_step):
                    self.best.chosen = result.choose()
                    self._keep()
                if self.best.exhausted():
                    self.control.should_training_stop = True
                metrics |= {f"eval_{name}": value for name, value in scores.items()}
        return metrics

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Return the loss of the answers of a batch, and note it for the log."""
        own = answer_tokens(inputs)
        result: Any = super().compute_loss(  # type: ignore[no-untyped-call]
            model, inputs, return_outputs, num_items_in_batch
        )
        if model.training:
            loss = float((result[0] if return_outputs else result).detach())
            if num_items_in_batch is None:  # it is the mean of this batch
                self.logged_loss.add(loss * own, own)
            else:  # a sum, by the mean of the tokens that each process has in this step
                self.logged_loss.add(loss * float(num_items_in_batch) / process_count(), own)
        return result

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log; the loss is the mean over all tokens of answers since the last logged step."""
        if "loss" in logs:
            logs |= self.logged_loss.take()
        super().log(logs, start_time)

    def load_weights(self, checkpoint: Path) -> None:
        """Load the trained weights of a checkpoint into a model that is not split yet."""
        from peft import set_peft_model_state_dict

        if self.settings.tuning == "adapter":
            set_peft_model_state_dict(self.model, load_file(checkpoint / WEIGHTS))
            return
        state: dict[str, torch.Tensor] = {}
        for file in sorted(checkpoint.glob("*.safetensors")):
            state |= load_file(file)
        model: Any = self.model
        self._issue_warnings_after_load(model.load_state_dict(state, strict=False))

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Refuse a checkpoint of all weights whose names are not those of the model."""
        if load_result.unexpected_keys:
            raise RunError(
                f"{self.folder}: the checkpoint has weights that the model does not know "
                f"({load_result.unexpected_keys[0]}), so the training cannot be resumed"
            )

    def _keep(self) -> None:
        """Save the adapter as the best one; older ones stay until a checkpoint says so too."""
        state = self.whole_state()
        if not self.args.should_save:
            return
        target = self.best.folder(self.folder)
        partial = target.with_name(f".{target.name}")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(target, ignore_errors=True)
        self.save_trained(partial, state)
        os.replace(partial, target)

    def whole_state(self) -> dict[str, torch.Tensor] | None:
        """Return the trained weights if they are split; all processes have to call it.

        Returns:
            Those of the adapter, or of the whole model; None where each process has them all.
        """
        if not is_sharded(self.settings):
            return None
        model = self.accelerator.unwrap_model(self.model)
        return whole_parameters(model, trained=self.settings.tuning == "adapter")

    def save_trained(self, folder: Path, state: dict[str, torch.Tensor] | None) -> None:
        """Save what inference loads: the adapter of the original weights, or the whole model.

        Args:
            folder: where to.
            state: what ``whole_state`` returned.

        Raises:
            DivergedError: the adapter is of no use; see ``check_saved``.
        """
        model = self.accelerator.unwrap_model(self.model)
        model.save_pretrained(str(folder), **({} if state is None else {"state_dict": state}))
        if self.initial:
            as_difference(folder, self.initial)
        self._name_base(folder)
        if self.settings.tuning == "adapter":
            check_saved(folder, self.start, trained=self.state.global_step > 1)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the weights of a checkpoint; of a model that is split, the trained ones alone."""
        state = self.whole_state()
        if state is None:
            super().save_model(output_dir, _internal_call)
        elif self.args.should_save:
            self._save(output_dir, state_dict=state)

    def _name_base(self, folder: Path) -> None:
        """Write the name of the base model into a saved adapter.

        PEFT reads the base model's config at the path that an adapter names, so the name is not
        set before it has saved.
        """
        file = folder / CONFIG
        if self.base_name is not None and file.is_file():
            config = json.loads(file.read_bytes()) | {"base_model_name_or_path": self.base_name}
            file.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Return the optimiser; under LoRA+ matrices B have a rate of their own."""
        ratio = self.settings.lora_plus_ratio
        if ratio == 1 or self.settings.tuning == "full" or self.optimizer is not None:
            return super().create_optimizer(model)
        from peft.optimizers import create_loraplus_optimizer

        trained: Any = self.model if model is None else model
        kind, options = self.get_optimizer_cls_and_kwargs(self.args, trained)
        self.optimizer = create_loraplus_optimizer(
            trained,
            kind,
            loraplus_lr_ratio=ratio,
            loraplus_weight_decay=self.args.weight_decay,
            loraplus_lr_embedding=self.args.learning_rate,
            **options,
        )
        return self.optimizer

    def generation_model(self) -> Any:
        """Return a model to generate with: the one that inference would load, if it is small.

        The adapter is saved and loaded as ``load_for_inference`` does; a model whose merged
        weights would not fit generates as it is, over its quantised weights.
        """
        if not self.copied:
            return self.accelerator.unwrap_model(self.model)
        state = self.whole_state()
        with tempfile.TemporaryDirectory() as folder, loading_whole():
            self.save_trained(Path(folder), state)
            return load_for_inference(self.settings, Path(folder))

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
        self._name_base(partial / name)
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


def _stored_numbers(model: Any) -> int:
    """Return how many numbers the weights are stored as: two 4-bit weights are one."""
    return sum(
        p.numel() * (p.element_size() if type(p).__name__ == "Params4bit" else 1)
        for p in model.parameters()
    )
