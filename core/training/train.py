"""Train: from a source of examples to an adapter in a run folder; resumable at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..data import Example, Prediction, Reject
from ..dataset.issues import refuse_unsound, split_issues, training_issues
from ..dataset.loading import read_splits
from ..dataset.lost_gold import LostGold
from ..dataset.splits import Splits
from ..errors import (
    FieldsmithError,
    InputError,
    OutOfMemoryError,
    RunError,
    SettingsError,
    did_you_mean,
)
from ..model.out_of_memory import is_out_of_memory, save_memory
from ..model.prompts import PromptFormat
from ..parallel import is_sharded
from ..parallel.processes import agreed, is_main_process, process_count
from ..parallel.sequence import require_divisible
from ..progress import meter, say
from ..runs.folder import Run
from ..runs.job import TrainingJob
from ..runs.receipt import receipt_of
from ..settings import Settings
from ..tagging.gazetteer import Gazetteer
from ..tagging.labels import Tags
from ..task import Task
from ..windows.rows import Row, Rows, build_rows
from .adapter import base_name, install_adapter
from .backoff import Backoff, MemoryExhaustedError, smaller
from .manifest import describe_rows, describe_splits, write_manifest
from .qlora import build_trainer
from .row_settings import NO_PLANNER, Planner, fit_to_rows, same_rows_a_step
from .schedule import count_steps
from .storage import storage_faults

if TYPE_CHECKING:
    from .scoring import Scorer
    from .trainer import ExtractionTrainer


@dataclass(frozen=True)
class _Inputs:
    """What every attempt to train is made of.

    Attributes:
        run: the run folder.
        task: plugin, settings as they were asked for, and prompt format.
        rows: what is trained on.
        held_out: the rows of the validation documents, for their loss.
        scorer: scores the validation documents; None if there are none.
        tags: ids of all tags, ascending; [] for a model that is trained without.
    """

    run: Run
    task: Task
    rows: Rows
    held_out: Sequence[Row]
    scorer: Scorer | None
    tags: Sequence[int]


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
    from ..model.loading import load_tokenizer, quieten, read_config

    quieten()
    if run.is_complete():
        run.drop_checkpoints()  # a kill may have come between the two
        return
    begun, base = agreed(run.data_hash() is not None), job.settings.values.model
    if not begun:
        job = replace(job, processes=process_count())
    values = job.settings.values
    if values.sequence_parallel > 1:
        require_divisible(values, read_config(values), process_count())
    splits, data_hash = read_splits(job.plugin, job.source, allow_leaks=True, ratio=job.ratio)
    if not splits.train:
        raise InputError(f"{job.source_name}: no document to train on{_first(splits.set_aside)}")
    if not begun:
        refuse_unsound(job.source_name, split_issues(splits, base, job.accepted))
    _check_score(job, splits.train)
    task = job.task(PromptFormat(load_tokenizer(job.settings.values)))
    # So that the template that is saved beside the adapter asks as in training, on any day.
    task.prompts.tokenizer.chat_template = task.prompts.template
    _refuse_changes(run, task, data_hash)
    say(describe_splits(splits))
    with meter("reading", len(splits.train), "documents") as progress:
        lost = LostGold(task.schema)
        rows = build_rows(splits.train, task, progress.advance, lost.add)
    say(describe_rows(rows))
    if not rows.rows:
        raise InputError(f"{job.source_name}: no window to train on{_first(rows.set_aside)}")
    if not begun:
        job = replace(job, settings=fit_to_rows(job.settings, rows.trained, planner))
        task = replace(task, settings=job.settings.values)
    issues = training_issues(splits, lost, base, job.accepted)
    if not begun:
        refuse_unsound(job.source_name, issues)
    for issue in issues:
        say(issue.line)
    gazetteer = _gazetteer(task, splits)
    if is_main_process():
        write_manifest(run, job, task, splits, rows, data_hash, issues)
        if gazetteer:
            gazetteer.write(run.gazetteer_file)
    settings = same_rows_a_step(task.settings, job.processes, process_count())
    with storage_faults(run):
        _fit(_inputs(run, replace(task, settings=settings), splits, rows, gazetteer), job, planner)


def _check_score(job: TrainingJob, examples: Sequence[Example]) -> None:
    """Raise SettingsError where the user's ``score`` names what the plugin does not count."""
    if job.settings.origins["score"] != "user":
        return  # a plugin names all of its metrics; a data set may lack the gold of some
    counted = {
        name
        for example in examples
        for name in job.plugin.metric(example, Prediction(example.document))
    }
    for name in job.settings.values.score:
        if name not in counted:
            raise SettingsError(
                f"score: unknown metric name {name!r}; {did_you_mean(name, counted)}"
            )


def _refuse_changes(run: Run, task: Task, data_hash: str) -> None:
    """Raise RunError where a run is resumed with other data, another prompt or base model."""
    from ..model.loading import identity, is_same

    if run.data_hash() is None:  # it was not begun, or killed before anything was trained
        return
    info = run.info()
    if run.data_hash() != data_hash:
        changed = "the data"
    elif not is_same(info["base_model"], identity(task.settings)):
        changed = f"the base model {task.settings.model}"
    else:
        receipt_of(task).check(info["receipt"], str(run.folder))
        return
    raise RunError(f"{run.folder}: {changed} changed since this run began; train anew (--output)")


def _first(rejects: Sequence[Reject]) -> str:
    if not rejects:
        return ""
    return f"; the first of {len(rejects)} set aside: {rejects[0].place}: {rejects[0].reason}"


def _gazetteer(task: Task, splits: Splits) -> Gazetteer | None:
    """Count the values of the training documents, if the settings ask for it."""
    if not task.settings.gazetteer:
        return None
    if not task.settings.tagging_weight:
        say("gazetteer: not made, because it is used beside tags alone (tagging_weight)")
        return None
    return Gazetteer.count(splits.train, task.schema)


def _inputs(
    run: Run, task: Task, splits: Splits, rows: Rows, gazetteer: Gazetteer | None
) -> _Inputs:
    from .scoring import Scorer

    held_out = splits.validation[: task.settings.eval_documents]
    plain = replace(task, settings=replace(task.settings, augment_copies=0, tagging_weight=0.0))
    return _Inputs(
        run,
        task,
        rows,
        build_rows(held_out, plain).rows,
        Scorer(task, held_out, rows.answered, gazetteer, rows.longest) if held_out else None,
        Tags(task.schema, task.prompts).ids if task.settings.tagging_weight else [],
    )


def _fit(inputs: _Inputs, job: TrainingJob, planner: Planner) -> None:
    """Train; after memory was exhausted, again with smaller batches if the job allows it.

    Raises:
        OutOfMemoryError: memory was exhausted, and the batches stay as they are.
    """
    backoff = Backoff.resume(inputs.run, inputs.task.settings)
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
        if not (job.auto_batch and can_shrink):
            planned = planner.describe(backoff.settings, inputs.rows.trained)
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
    return (
        f"{line}; see extract plan, train anew with --set activation_checkpointing=true, a smaller "
        f"max_length or a smaller model, or resume where there is more memory: "
        f"extract train --resume {folder}"
    )


def _attempt(inputs: _Inputs, settings: Settings) -> None:
    """Train from the newest checkpoint, or from the start, and install the best adapter.

    Args:
        inputs: what is trained, with the settings before any batch was made smaller.
        settings: the settings of this attempt.

    Raises:
        MemoryExhaustedError: the run can be resumed with smaller batches.
    """
    from .callbacks import BestAdapter

    task = replace(inputs.task, settings=settings)
    best = BestAdapter(settings.patience)
    checkpoint = inputs.run.last_checkpoint()
    step = best.load(checkpoint) if checkpoint else 0
    trainer = None
    try:
        trainer = build_trainer(
            inputs.run.checkpoints,
            settings,
            task.prompts,
            inputs.rows.trained,
            inputs.held_out,
            scorer=inputs.scorer and replace(inputs.scorer, task=task),
            best=best,
            group=inputs.task.settings.batch_size,  # so that each step reads the same rows
            tags=inputs.tags,
            base_name=base_name(settings, inputs.run.info()["base_model"]["name"]),
        )
        _run_steps(inputs, trainer, step)
        install_adapter(inputs.run, trainer, task)
    except (MemoryError, RuntimeError, FieldsmithError) as error:
        if not is_out_of_memory(error):
            raise
        done = trainer.state.global_step if trainer else step
        scoring = trainer is not None and trainer.scoring
        raise MemoryExhaustedError(max(done, step), scoring=scoring) from None


def _run_steps(inputs: _Inputs, trainer: ExtractionTrainer, step: int) -> None:
    """Run the optimiser steps after ``step``, from the newest checkpoint."""
    from .callbacks import HeldWeights, LogFile, SaveSchedule

    run, settings = inputs.run, trainer.settings
    checkpoint = run.last_checkpoint()
    steps_an_epoch, total = count_steps(len(trainer.sampler), settings)
    if is_main_process():
        run.cut_log(step)
    if checkpoint:
        say(f"resuming from step {step} of {total}")
    with meter("training", total, "steps") as progress:
        progress.resume(step)
        trainer.add_callback(
            SaveSchedule(
                settings.checkpoint_steps,
                steps_an_epoch,
                score=inputs.scorer is not None,
                score_every=settings.eval_steps,
            )
        )
        trainer.add_callback(LogFile(run.log_file, progress))
        if is_sharded(settings):
            trainer.add_callback(HeldWeights(run, settings.parallel))
        if not trainer.best.exhausted() and step < total:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        elif checkpoint:  # killed after the last step: its weights are all that is needed
            trainer.load_weights(checkpoint)
