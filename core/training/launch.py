"""Launch a training: a new one, one to resume, or one in several processes; score the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import (
    DivergedError,
    FieldsmithError,
    OutOfMemoryError,
    ProcessError,
    RunError,
    StorageError,
)
from ..parallel.group import ProcessGroup
from ..parallel.processes import is_main_process
from ..runs.folder import Run
from ..runs.job import TrainingJob
from ..runs.joint_job import JointJob, domain_runs
from ..runs.scorings import read_scorings
from ..runs.training_log import append_line, describe_scores, training_log
from ..tracking.results import send_results
from ..tracking.trackers import require_trackers
from .joint import train_jointly
from .row_settings import Planner
from .train import train


def start(job: TrainingJob | JointJob, folder: Path, planner: Planner) -> Run:
    """Train a job into a new run folder; of a job that cannot be trained no folder is left.

    Args:
        job: what to train on what.
        folder: the new run folder; all processes of a training are given the same.
        planner: see ``train``.

    Raises:
        OutOfMemoryError: memory was exhausted; the folder stays, and the run can be resumed.
        StorageError: the folder cannot be written any more; as above.
        DivergedError: what was trained is of no use; the folder stays.
        FieldsmithError: the job cannot be trained; see ``train``.
    """
    from ..model.location import require_weights

    require_trackers(job.settings.values.report_to)
    require_weights(job.settings.values)
    job = job.pinned().located(folder)
    if not is_main_process():
        run = Run(folder, trusted=True)
        _train(run, job, planner)
        return run
    Run.require_new(folder)
    with Run(folder).locked():
        run = Run.create(folder, job.as_json())
        try:
            _train(run, job, planner)
        except (OutOfMemoryError, StorageError, DivergedError):
            raise
        except FieldsmithError:
            run.discard()
            raise
    return run


def resume(folder: Path, planner: Planner, *, auto_batch: bool, trusted: bool = False) -> Run:
    """Resume an interrupted run with its own settings; see ``train`` for the errors.

    Args:
        folder: the run folder.
        planner: see ``train``.
        auto_batch: allow smaller batches, even if the run was started without.
        trusted: whether the user trusts code of the base model's repository.
    """
    run = Run.open(folder, trusted=trusted, joint=True)
    with run.locked() if is_main_process() else nullcontext():
        job = job_of(run)
        if isinstance(job, TrainingJob):
            job = replace(job, auto_batch=job.auto_batch or auto_batch)
        require_trackers(job.settings.values.report_to)
        _train(run, job, planner)
    return run


def job_of(run: Run) -> TrainingJob | JointJob:
    """Return the job of an earlier training.

    Raises:
        RunError: the run is one of several domains', which are resumed together; or see
            ``TrainingJob.from_run``.
    """
    if run.domains():
        return JointJob.from_run(run)
    if "together" in run.info():
        raise RunError(
            f"{run.folder}: was trained together with others; name the run of all: {run.whole}"
        )
    return TrainingJob.from_run(run)


def _train(run: Run, job: TrainingJob | JointJob, planner: Planner) -> None:
    with training_log(run.folder):
        if isinstance(job, JointJob):
            train_jointly(run, job, planner)
        else:
            train(run, job, planner)


def run_processes(group: ProcessGroup, arguments: Sequence[str], run: Run) -> None:
    """Train a run in several processes, each of which runs ``extract`` with the same arguments.

    Args:
        group: the processes.
        arguments: of the command line; they name the run.
        run: the run that they train.

    Raises:
        BugError: a process met an unexpected error.
        ProcessError: a process failed, or the nodes did not meet.
    """
    from ..parallel.launcher import KilledError, launch

    try:
        launch(group, arguments)
    except KilledError as error:
        if not run.info_file.is_file():
            raise
        raise ProcessError(
            f"{error}; resume with extract train --resume {run.folder} "
            f"--processes {group.processes}"
        ) from error


_AGAIN = "the same weights, trained anew"
"""Why documents are scored again that another run with the same weights was scored on."""


def score_run(
    run: Run, gpus: int = 1, *, test: bool = False, command: str = ""
) -> Iterator[dict[str, Any]]:
    """Score a finished run on its validation documents; stored scores are reused.

    Of several domains each is scored.

    The setting ``score_documents`` says how many documents of a split.

    Args:
        run: the run.
        gpus: how many GPUs answer documents, each with all weights.
        test: whether to score its test documents, too.
        command: the command line, which is recorded with a score of test documents.

    Raises:
        OutOfMemoryError: memory was exhausted; the adapter is trained and can be scored later.
    """
    for domain in domain_runs(run) if run.domains() else [run]:
        yield from _score(domain, gpus, test=test, command=command)
    if is_main_process():
        send_results(run, run.settings().values.report_to)


def _score(run: Run, gpus: int, *, test: bool, command: str) -> Iterator[dict[str, Any]]:
    from ..evaluation.evaluate import evaluate_run
    from ..evaluation.recording import ScoringRequest
    from ..model.out_of_memory import is_out_of_memory, release_memory

    most = run.settings().values.score_documents
    wanted = ("validation", "test") if test else ("validation",)
    for split in wanted:
        if split not in run.splits():
            continue
        if stored := run.metrics().get(split):
            yield stored
            continue
        release_memory()  # the model that was trained, or the one that scored the other split
        try:
            scores = evaluate_run(
                run,
                split=split,
                most=most,
                processes=gpus,
                request=ScoringRequest(command, None if read_scorings(run.folder) else _AGAIN),
            )
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemoryError(
                f"{run.folder}: the adapter is trained, but out of memory while scoring {split}; "
                f"on a machine with more memory: extract evaluate {run.folder} --split {split}"
            ) from error
        if "together" in run.info():
            append_line(run.folder.parent, describe_scores(f"{run.folder.name}/{split}", scores))
        else:
            append_line(run.folder, describe_scores(split, scores))
        yield scores
