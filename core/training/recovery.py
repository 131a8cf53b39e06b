"""Recover a model from a training that has not ended: a run of its own, as it was at some step."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..extraction.extractor import checked_task
from ..files import write_json
from ..model.library_output import quieten
from ..model.prompts import PromptFormat
from ..model.tokenizer import load_tokenizer
from ..model.weights import WEIGHTS
from ..progress import say
from ..runs.file_schemas import CHECKPOINT
from ..runs.folder import Run
from ..runs.job import TrainingJob
from ..runs.joint_job import domain_runs
from ..runs.reading import read_object
from ..runs.scorings import held_out, seen_elsewhere
from ..task import Task
from .adapter import complete
from .callbacks import BEST, BestAdapter
from .checkpoints import STATE
from .joint import install_domain, of_all, of_domain, write_log
from .pissa import INITIAL, as_difference
from .saved_adapter import check_saved

_KEPT = re.compile(rf"(?P<kind>checkpoint|{BEST})-(?P<step>\d+)")
_COPIED = ("rejects.jsonl", "trained_on.jsonl", "held_out.jsonl", "gazetteer.json", "log.jsonl")
_CONFIG = "adapter_config.json"
_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*config.json")


@dataclass(frozen=True)
class Recovered:
    """A run that was made of an unfinished one.

    Attributes:
        run: the new run.
        step: the optimiser step whose weights it has.
        steps: how many the training would have taken.
        others: other steps that can be recovered.
        score: what the weights scored on the validation documents; None where they were not scored.
    """

    run: Run
    step: int
    steps: int
    others: tuple[int, ...]
    score: float | None


def recover(run: Run, output: Path | None = None, step: int | None = None) -> Recovered:
    """Make a complete run of an unfinished one, which stays as it is and can still be resumed.

    Args:
        run: the unfinished run.
        output: the new run folder; None for one beside the run, named by the step.
        step: whose weights; None for those that scored best on the validation documents, or the
            newest where none was scored.

    Raises:
        OutputError: the new folder is there already, or another process trains the run.
        PluginError: the plugin is not installed any more.
        RunError: the training has ended or has saved nothing, a file is damaged, no weights of the
            step are kept, or the base model or the prompt has changed.
    """
    if run.is_complete():
        raise RunError(f"{run.folder}: the training has ended; the run can be used as it is")
    if "together" in run.info():
        raise RunError(
            f"{run.folder}: is trained together with others; name the run of all: {run.whole}"
        )
    quieten()
    with run.locked():
        kept = _kept(run)
        if not kept:
            raise RunError(
                f"{run.folder}: there is no checkpoint yet; resume the training: "
                f"extract train --resume {run.folder}"
            )
        best, steps = _state(run, kept, step)
        default = best.step if best.step in kept else max(kept)
        chosen = default if step is None else step
        if chosen not in kept:
            known = ", ".join(map(str, sorted(kept)))
            raise RunError(f"{run.folder}: no weights of step {chosen} are kept; there are {known}")
        is_best = best.score is not None and chosen == best.step
        training = {
            "steps": chosen,
            "best_step": best.step if is_best else 0,
            "best_score": best.score if is_best else None,
            **(best.chosen if is_best else {"min_confidence": 0.0}),
            "unfinished": {"of": steps},
        }
        target = output or run.folder.with_name(f"{run.folder.name}-step-{chosen}")
        made = _write(run, kept[chosen], chosen, target, training)
    others = tuple(sorted(kept.keys() - {chosen}))
    return Recovered(made, chosen, steps, others, best.score if is_best else None)


def _state(run: Run, kept: Mapping[int, Path], step: int | None) -> tuple[BestAdapter, int]:
    """Return which weights are best, and of how many steps the training is.

    Of a damaged checkpoint the one before tells; of best weights that no checkpoint tells of, the
    log does.

    Args:
        run: the unfinished run.
        kept: folders of weights by their steps.
        step: whose weights are wanted; None for the best.

    Raises:
        RunError: no checkpoint and no folder of best weights tells, and no step is named.
    """
    best, steps, faults = BestAdapter(0), 0, list[RunError]()
    for folder in _checkpoints(run):
        try:
            state = read_object(folder / STATE, CHECKPOINT)
        except RunError as error:
            faults.append(error)
            continue
        best.take(state)
        steps = int(state["max_steps"])
        break
    own = max((each for each, path in kept.items() if path.name.startswith(BEST)), default=None)
    if own is None and not steps and step is None:
        raise RunError(
            f"{faults[0]}; restore it, or name the weights to take, which will count as not "
            f"scored: extract recover {run.folder} --step {max(kept)}"
        )
    for fault in faults:
        say(f"{fault}; not used")
    is_known = best.step in kept and kept[best.step].name.startswith(BEST)
    rows = run.log() if not steps or not is_known else []
    if own is not None and not is_known:
        best = BestAdapter(0)
        found = (row["score"] for row in rows if row["step"] == own and "score" in row)
        best.score, best.step = next(found, None), own
        say(f"{kept[own]}: no whole checkpoint tells which values to leave out; none are")
    return best, steps or _planned_steps(run, rows) or max(kept)


def _checkpoints(run: Run) -> list[Path]:
    """Return the folders of checkpoints, the newest one first."""
    found = [
        (int(match["step"]), path)
        for path in run.checkpoints.glob("checkpoint-*")
        if (match := _KEPT.fullmatch(path.name))
    ]
    return [path for _step, path in sorted(found, reverse=True)]


def _planned_steps(run: Run, rows: Sequence[Mapping[str, Any]]) -> int:
    """Return how many steps a training would have taken, by what it has logged; 0 if unknown."""
    settings = run.settings().values
    an_epoch = next((row["step"] / row["epoch"] for row in rows if row.get("epoch")), 0.0)
    return settings.max_steps or round(an_epoch * settings.epochs)


def _kept(run: Run) -> dict[int, Path]:
    """Return the folders of weights by their steps, of two for one step that of the best."""
    found = [
        (int(match["step"]), match["kind"] == BEST, path)
        for path in run.checkpoints.glob("*")
        if (match := _KEPT.fullmatch(path.name))
    ]
    return {step: path for step, _is_best, path in sorted(found)}


def _write(run: Run, weights: Path, step: int, folder: Path, training: Mapping[str, Any]) -> Run:
    """Write a complete run under a temporary name and rename it once it can be used."""
    Run.require_new(folder)
    _check_weights(weights)
    partial = Run(folder.with_name(f".{folder.name}.partial"), run.trusted)
    shutil.rmtree(partial.folder, ignore_errors=True)
    try:
        from safetensors.torch import load_file

        adapter = partial.folder / ".adapter"
        adapter.mkdir(parents=True)
        for pattern in _WEIGHTS:
            for file in weights.glob(pattern):
                shutil.copy2(file, adapter)
        is_checkpoint = not weights.name.startswith(BEST)
        if is_checkpoint and run.settings().values.lora_init == "pissa":
            as_difference(adapter, load_file(run.checkpoints / INITIAL))
        if run.domains():
            _complete_domains(run, partial, folder, step, training)
        else:
            task = _begin(run, partial, folder)
            partial.cut_log(step)
            task.prompts.tokenizer.save_pretrained(str(adapter))
            complete(partial, adapter, task, training)
            checked_task(partial)
        if folder.is_dir():  # it is empty
            folder.rmdir()
        os.replace(partial.folder, folder)
    finally:
        shutil.rmtree(partial.folder, ignore_errors=True)
    return Run(folder, run.trusted)


def _begin(run: Run, partial: Run, folder: Path, whole: Path | None = None) -> Task:
    """Write what a run of one domain knows of its data, and return what it is trained for.

    Args:
        run: the unfinished run.
        partial: the new run, under a temporary name.
        folder: where that will be.
        whole: the folder of all domains; None for a run of one domain alone.
    """
    task = TrainingJob.from_run(run).task(PromptFormat(load_tokenizer(run.settings().values)))
    task.prompts.tokenizer.chat_template = task.prompts.template  # as the training asked
    partial.folder.mkdir(exist_ok=True)
    for name in _COPIED:
        if (run.folder / name).is_file():
            shutil.copy2(run.folder / name, partial.folder)
    seen = seen_elsewhere(whole or folder, held_out(run)["test"]) or run.info().get("test_seen", [])
    _write_info(run, partial, folder, test_seen=seen)
    return task


def _write_info(run: Run, partial: Run, folder: Path, **entries: object) -> None:
    """Write run.json of a new run, in which paths lead from there."""
    info = run.info()
    paths = {
        stored: os.path.relpath(run.folder / way, folder)
        for stored, way in info.get("paths", {}).items()
    }
    write_json(partial.info_file, {**info, "paths": paths, **entries})


def _complete_domains(
    run: Run, partial: Run, folder: Path, step: int, training: Mapping[str, Any]
) -> None:
    """Make a run of several domains complete, and the run of each in it."""
    adapter = partial.folder / ".adapter"
    if run.log_file.is_file():
        shutil.copy2(run.log_file, partial.folder)
    _write_info(run, partial, folder, training=of_all(training))
    partial.cut_log(step)
    for number, domain in enumerate(domain_runs(run)):
        name = domain.folder.name
        own = Run(partial.folder / name, run.trusted)
        task = _begin(domain, own, folder / name, folder)
        if not number:
            task.prompts.tokenizer.save_pretrained(str(adapter))
        write_log(partial, own)
        install_domain(own, task, adapter, of_domain(training, name))
        checked_task(own)
    os.replace(adapter, partial.adapter)


def _check_weights(folder: Path) -> None:
    """Check the weights of a checkpoint, and that the config of an adapter is beside them.

    Raises:
        RunError: a file is missing or damaged; names it.
        DivergedError: they are of no use.
    """
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise _damaged(f"{folder}: it holds no weights")
    for file in files:
        try:
            with safe_open(file, framework="pt") as saved:
                names = list(saved.keys())
        except (OSError, SafetensorError) as error:
            raise _damaged(f"{file}: cannot be read: {error}") from error
        if file.name == WEIGHTS:
            try:
                read_object(folder / _CONFIG, {"type": "object"})
            except RunError as error:
                raise _damaged(f"{error}; other checkpoints of the run have the same") from error
            check_saved(folder, dict.fromkeys(names, ""), trained=False)


def _damaged(fault: str) -> RunError:
    return RunError(f"{fault}; restore it, or take the weights of another step: --step N")
