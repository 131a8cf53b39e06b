"""Prepare the data of a training: read, split, check, cut into rows, and count what is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..data import Example, Prediction, Reject
from ..dataset.issues import Issue, refuse_unsound, split_issues, training_issues
from ..dataset.loading import read_splits
from ..dataset.lost_gold import LostGold
from ..dataset.splits import Splits
from ..errors import InputError, RunError, SettingsError, did_you_mean
from ..model.prompts import PromptFormat
from ..parallel.processes import is_main_process
from ..progress import meter, say
from ..runs.folder import Run
from ..runs.job import TrainingJob
from ..runs.receipt import receipt_of
from ..tagging.gazetteer import Gazetteer
from ..tagging.labels import Tags
from ..task import Task
from ..windows.rows import Row, Rows, build_rows
from .manifest import describe_rows, describe_splits, write_manifest
from .scoring import Scorer


@dataclass(frozen=True)
class Prepared:
    """The data of one domain, ready to be trained on.

    Attributes:
        run: the folder that records it.
        job: what is trained on what.
        task: plugin, settings and prompt format.
        splits: the documents.
        rows: the rows of the training documents.
        data_hash: of every example that was read.
        issues: what the audit finds, each accepted or none that stops a training.
        gazetteer: counts of the training documents' values, if they are wanted.
    """

    run: Run
    job: TrainingJob
    task: Task
    splits: Splits
    rows: Rows
    data_hash: str
    issues: Sequence[Issue]
    gazetteer: Gazetteer | None

    def under(self, job: TrainingJob) -> Prepared:
        """Return the same data under other settings of training; windows and prompts are these."""
        return replace(self, job=job, task=replace(self.task, settings=job.settings.values))

    def write(self) -> None:
        """Write what is known before the first step, by the first process."""
        if not is_main_process():
            return
        write_manifest(
            self.run, self.job, self.task, self.splits, self.rows, self.data_hash, self.issues
        )
        if self.gazetteer:
            self.gazetteer.write(self.run.gazetteer_file)

    @property
    def held_out(self) -> Sequence[Example]:
        """The validation documents that are scored while the model is trained."""
        return self.splits.validation[: self.task.settings.eval_documents]

    def held_out_rows(self) -> list[Row]:
        """Return the rows of these documents, for their loss."""
        settings = replace(self.task.settings, augment_copies=0, tagging_weight=0.0)
        return build_rows(self.held_out, replace(self.task, settings=settings)).rows

    def scorer(self) -> Scorer | None:
        """Return what scores these documents; None if there are none."""
        if not self.held_out:
            return None
        rows = self.rows
        return Scorer(self.task, self.held_out, rows.answered, self.gazetteer, rows.longest)

    def tags(self) -> list[int]:
        """Return the ids of all tags, ascending; [] for a model that is trained without."""
        wanted = self.task.settings.tagging_weight
        return Tags(self.task.schema, self.task.prompts).ids if wanted else []


def prepare(run: Run, job: TrainingJob, *, begun: bool) -> Prepared:
    """Read the data of a training and make rows of it; nothing is written.

    Args:
        run: the folder that records it.
        job: what to train on what.
        begun: whether the run was begun before: its data was sound enough then.

    Raises:
        InputError: the source cannot be read, is unsound, or leaves nothing to train on.
        LeakError: official splits share documents.
        RunError: the data is not what the run began with.
        SchemaError: answers cannot be constrained to the plugin's schema.
        SettingsError: the tokenizer does not load, or a metric of the score is unknown.
    """
    from ..model.tokenizer import load_tokenizer

    base = job.settings.values.model
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
    issues = training_issues(splits, lost, base, job.accepted)
    if not begun:
        refuse_unsound(job.source_name, issues)
    for issue in issues:
        say(issue.line)
    gazetteer = _gazetteer(task, splits)
    return Prepared(run, job, task, splits, rows, data_hash, issues, gazetteer)


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
    from ..model.location import identity, is_same

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
