"""Callbacks of the trainer: when to save and score, the log, the best adapter."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from ..model.out_of_memory import trim_heap
from ..parallel.whole_weights import held_bytes
from ..progress import Meter, say
from ..runs.folder import Run
from ..runs.training_log import append_line, describe_step
from ..tracking.trackers import NO_TRACKERS, Trackers
from .checkpoints import read_state

BEST = "best"
"""Prefix of the folder, beside the checkpoints, that holds the best adapter so far."""


_FREED = 32
"""Steps between two returns of freed memory; each takes up to a quarter of a second."""


_LOGGED = (
    "step", "epoch", "loss", "loss_tokens", "learning_rate", "grad_norm", "mean_token_accuracy",
    "eval_loss", "eval_mean_token_accuracy", "tagging_loss",
)  # fmt: skip
"""Entries of log.jsonl: nothing that depends on the clock, so that equal runs write equal logs."""


class BestAdapter(TrainerCallback, ExportableState):
    """Which epoch scored best, and for how many none was better; part of the trainer's state.

    Attributes:
        score: the best score so far; None before the first.
        step: the optimiser step of the best score (a later equal one counts as better).
        chosen: what was chosen on the held-out documents at that step; the run stores it.
        stale: evaluations since the score last rose.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.score: float | None = None
        self.step = 0
        self.chosen: dict[str, Any] = {"min_confidence": 0.0}
        self.stale = 0
        self.last_step = 0

    def load(self, checkpoint: Path) -> int:
        """Take the state over from a checkpoint; return the optimiser step it was saved at.

        Raises:
            RunError: the checkpoint is damaged.
        """
        return self.take(read_state(checkpoint))

    def take(self, state: Mapping[str, Any]) -> int:
        """Take over what a checkpoint's state holds; return its optimiser step."""
        stored = state["stateful_callbacks"][type(self).__name__]["attributes"]
        self.score, self.step, self.stale = stored["score"], stored["step"], stored["stale"]
        self.chosen = stored["chosen"]
        self.last_step = int(state["global_step"])
        return self.last_step

    def folder(self, checkpoints: Path) -> Path:
        """Return the folder of the best adapter."""
        return checkpoints / f"{BEST}-{self.step}"

    def update(self, score: float, step: int) -> bool:
        """Take in an evaluation; return whether its adapter is the one to keep."""
        rose = self.score is None or score > self.score
        kept = rose or score == self.score
        self.stale = 0 if rose else self.stale + 1
        if kept:
            self.score, self.step = score, step
        return kept

    def exhausted(self) -> bool:
        """Say whether as many epochs as the patience allows have not been better."""
        return 0 < self.patience <= self.stale

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        names = ("score", "step", "chosen", "stale")
        attributes = {name: getattr(self, name) for name in names}
        return {"args": {"patience": self.patience}, "attributes": attributes}


class SaveSchedule(TrainerCallback):
    """When to log, score and save: every checkpoint is at the end of a logged step.

    The loss since the last logged step is no part of a checkpoint, and an epoch's last step
    is followed by its evaluation: a checkpoint in between would skip it when resumed.

    Args:
        every: steps between checkpoints.
        steps_an_epoch: steps of an epoch.
        score: whether held-out documents are scored at all.
        score_every: steps between two scorings; 0 for the end of each epoch.
    """

    def __init__(
        self, every: int, steps_an_epoch: int, *, score: bool, score_every: int = 0
    ) -> None:
        self.every, self.steps_an_epoch, self.score = every, steps_an_epoch, score
        self.score_every = score_every

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Log and save at every N-th step, but not at an epoch's last or the very last."""
        last = state.global_step % self.steps_an_epoch == 0 or state.global_step >= state.max_steps
        scored = self._scored_at(state.global_step)
        if (state.global_step % self.every == 0 or scored) and not last:
            control.should_log = control.should_save = True
            control.should_evaluate = scored

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Log and save; score where that is not done by steps, and after the last step."""
        control.should_log = control.should_save = True
        by_epoch = not self.score_every or state.global_step >= state.max_steps
        control.should_evaluate = self.score and (by_epoch or self._scored_at(state.global_step))

    def _scored_at(self, step: int) -> bool:
        return self.score and self.score_every > 0 and step % self.score_every == 0


class FreeMemory(TrainerCallback):
    """Returns freed memory to the system every few steps.

    Of batches of many lengths glibc keeps more and more, as what is freed seldom fits the next one.
    """

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Return freed memory at every ``_FREED``-th step."""
        if state.global_step % _FREED == 0:
            trim_heap()


class HeldWeights(TrainerCallback):
    """Says and stores, after the first step, how much of the weights this process holds.

    What splits weights leaves some whole without a word, such as 4-bit weights stored as bytes.
    """

    def __init__(self, run: Run, parallel: str) -> None:
        self.run, self.parallel = run, parallel
        self.measured = False

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **_: Any,
    ) -> None:
        """Measure once."""
        if self.measured:
            return
        self.measured = True
        held, whole = held_bytes(model)
        say(
            f"{self.parallel}: each of {args.world_size} processes holds {held / 2**20:,.1f} MiB "
            f"of the {whole / 2**20:,.1f} MiB of weights between two steps"
        )
        if state.is_world_process_zero:
            self.run.update(weights={"bytes": whole, "held": held})


class LogFile(TrainerCallback):
    """Writes log.jsonl and training.log, tells trackers, and advances the progress bar."""

    def __init__(self, path: Path, meter: Meter, trackers: Trackers = NO_TRACKERS) -> None:
        self.path, self.meter, self.trackers = path, meter, trackers

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Advance the progress bar."""
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
        kept = {
            key: value if math.isfinite(value) else None  # JSON has no other numbers
            for key, value in line.items()
            if key in _LOGGED or key.startswith("score")
        }
        if len(kept) <= 2:  # a step and an epoch alone: the closing line of transformers
            return
        if state.is_world_process_zero:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(kept) + "\n")
            append_line(self.path.parent, describe_step(state.global_step, state.max_steps, kept))
            self.trackers.log(kept)
        if kept.get("loss") is not None:
            self.meter.note(f"loss {kept['loss']:.3f}")
        if kept.get("score") is not None:
            self.meter.note(f"score {kept['score']:.3f}")
