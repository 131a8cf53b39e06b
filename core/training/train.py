"""Train: from a source of examples to an adapter in a run folder; resumable at any moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import FieldsmithError, OutOfMemoryError
from ..model.out_of_memory import is_out_of_memory, save_memory
from ..model.prompts import PromptFormat
from ..parallel import is_sharded
from ..parallel.processes import agreed, is_main_process, meet, process_count
from ..parallel.sequence import require_divisible
from ..progress import meter, say
from ..runs.folder import Run
from ..runs.job import TrainingJob
from ..settings import Settings
from ..tracking.trackers import open_trackers
from ..windows.rows import Row
from .adapter import base_name, install_adapter
from .backoff import Backoff, MemoryExhaustedError, halved, smaller
from .preparation import prepare
from .qlora import build_trainer
from .row_settings import NO_PLANNER, Planner, fit_to_rows, planned, same_rows_a_step
from .schedule import count_steps
from .storage import storage_faults

if TYPE_CHECKING:
    from .scoring import Scoring
    from .trainer import ExtractionTrainer


@dataclass(frozen=True)
class Inputs:
    """What every attempt to train is made of.

    Attributes:
        run: the run folder.
        settings: the settings as they were asked for.
        prompts: the tokenizer and its chat template.
        rows: what is trained on.
        held_out: the rows of the validation documents, for their loss.
        scorer: scores the validation documents; None if there are none.
        tags: ids of all tags of each domain, ascending; [] for a model that is trained without.
        install: puts the best adapter into place, under the settings of the attempt.
    """

    run: Run
    settings: Settings
    prompts: PromptFormat
    rows: Sequence[Row]
    held_out: Sequence[Row]
    scorer: Scoring | None
    tags: Sequence[Sequence[int]]
    install: Callable[[ExtractionTrainer, Settings], None]


def train(run: Run, job: TrainingJob, planner: Planner = NO_PLANNER) -> None:
    """Train an adapter into a run folder, from the last checkpoint where there is one.

    Unsound splits and ids are refused, unless the run has already begun.

    Args:
        run: the run folder.
        job: what to train on what.
        planner: chooses an automatic batch, and adds the planned memory to the message where
            memory is exhausted.

    Raises:
        DivergedError: the adapter has numbers that are not finite, or never changed.
        InputError: the source cannot be read, is unsound, or leaves nothing to train on.
        LeakError: official splits share documents.
        OutOfMemoryError: memory was exhausted; the run can be resumed.
        RunError: the data is not what the run began with, or as many processes cannot resume it.
        SchemaError: answers cannot be constrained to the plugin's schema.
        SettingsError: the model does not load or does not fit the settings.
        StorageError: the run cannot be written any more; it can be resumed.
    """
    from ..model.library_output import quieten
    from ..model.location import read_config

    quieten()
    if run.is_complete():
        run.drop_checkpoints()  # a kill may have come between the two
        return
    begun = agreed(run.data_hash() is not None)
    if not begun:
        job = replace(job, processes=process_count())
    values = job.settings.values
    if values.sequence_parallel > 1:
        require_divisible(values, read_config(values), process_count())
    made = prepare(run, job, begun=begun)
    if not begun:
        fitted = fit_to_rows(job.settings, made.rows.trained, planner)
        made = made.under(replace(job, settings=fitted))
    made.write()
    if not begun and is_main_process():
        run.update(**planned(planner, made.task.settings, made.rows.trained))
    meet()
    settings = same_rows_a_step(made.task.settings, job.processes, process_count())
    task, tags = replace(made.task, settings=settings), made.tags()

    def install(trainer: ExtractionTrainer, settings: Settings) -> None:
        install_adapter(run, trainer, replace(task, settings=settings))

    inputs = Inputs(
        run,
        settings,
        task.prompts,
        made.rows.trained,
        made.held_out_rows(),
        made.scorer(),
        [tags] if tags else [],
        install,
    )
    with storage_faults(run):
        fit(inputs, planner, auto_batch=job.auto_batch)


def fit(inputs: Inputs, planner: Planner, *, auto_batch: bool) -> None:
    """Train; after memory was exhausted, again with smaller batches if that is allowed.

    Raises:
        OutOfMemoryError: memory was exhausted, and the batches stay as they are.
    """
    backoff = Backoff.resume(inputs.run, inputs.settings)
    while True:
        short = None
        try:
            _attempt(inputs, backoff.settings)
        except MemoryExhaustedError as error:
            # Without the frames of the attempt, which hold its memory.
            short = MemoryExhaustedError(error.step, scoring=error.scoring)
        if short is None:
            return
        save_memory()
        can_shrink = bool(smaller(backoff.settings, scoring=short.scoring)) and process_count() == 1
        if not (auto_batch and can_shrink):
            planned = planner.describe(backoff.settings, inputs.rows)
            raise OutOfMemoryError(_advice(backoff, short, planned, can_shrink=can_shrink))
        say(backoff.lower(short))


def _advice(
    backoff: Backoff, short: MemoryExhaustedError, planned: str, *, can_shrink: bool
) -> str:
    """Say in one line what was exhausted, what the plan estimates, and what to do."""
    folder = backoff.run.folder
    line = f"{folder}: {short}, with batch_size {backoff.settings.batch_size}"
    if planned:
        line += f"; {planned}"
    if can_shrink:
        return f"{line}; resume with smaller batches: extract train --resume {folder} --auto-batch"
    changes: dict[str, object] = dict(halved(backoff.settings))
    if not backoff.settings.activation_checkpointing:
        changes["activation_checkpointing"] = "true"
    options = "".join(f"--set {name}={value} " for name, value in changes.items())
    return (
        f"{line}; see extract plan, train anew with {options and options + 'or '}a smaller "
        f"max_length or a smaller model, or resume where there is more memory: "
        f"extract train --resume {folder}"
    )


def _attempt(inputs: Inputs, settings: Settings) -> None:
    """Train from the newest checkpoint, or from the start, and install the best adapter.

    Args:
        inputs: what is trained, with the settings before any batch was made smaller.
        settings: the settings of this attempt.

    Raises:
        MemoryExhaustedError: the run can be resumed with smaller batches.
    """
    from .callbacks import BestAdapter

    best = BestAdapter(settings.patience)
    checkpoint = inputs.run.last_checkpoint()
    step = best.load(checkpoint) if checkpoint else 0
    trainer = None
    try:
        trainer = build_trainer(
            inputs.run.checkpoints,
            settings,
            inputs.prompts,
            inputs.rows,
            inputs.held_out,
            scorer=inputs.scorer and inputs.scorer.under(settings),
            best=best,
            group=inputs.settings.batch_size,  # so that each step reads the same rows
            tags=inputs.tags,
            base_name=base_name(settings, inputs.run.info()["base_model"]["name"]),
        )
        _run_steps(inputs, trainer, step)
        inputs.install(trainer, settings)
    except (MemoryError, RuntimeError, FieldsmithError) as error:
        if not is_out_of_memory(error):
            raise
        done = trainer.state.global_step if trainer else step
        scoring = trainer is not None and trainer.scoring
        raise MemoryExhaustedError(max(done, step), scoring=scoring) from None


def _run_steps(inputs: Inputs, trainer: ExtractionTrainer, step: int) -> None:
    """Run the optimiser steps after ``step``, from the newest checkpoint."""
    from .callbacks import HeldWeights, LogFile, SaveSchedule

    run, settings = inputs.run, trainer.settings
    checkpoint = run.last_checkpoint()
    steps_an_epoch, total = count_steps(len(trainer.sampler), settings)
    if is_main_process():
        run.cut_log(step)
    if checkpoint:
        say(f"resuming from step {step} of {total}")
    with (
        open_trackers(run, settings.report_to) as trackers,
        meter("training", total, "steps") as progress,
    ):
        progress.resume(step)
        trainer.add_callback(
            SaveSchedule(
                settings.checkpoint_steps,
                steps_an_epoch,
                score=inputs.scorer is not None,
                score_every=settings.eval_steps,
            )
        )
        trainer.add_callback(LogFile(run.log_file, progress, trackers))
        if is_sharded(settings):
            trainer.add_callback(HeldWeights(run, settings.parallel))
        if not trainer.best.exhausted() and step < total:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        elif checkpoint:  # killed after the last step: its weights are all that is needed
            trainer.load_weights(checkpoint)
