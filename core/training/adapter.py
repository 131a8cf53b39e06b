"""Install the trained adapter in the run folder, with tokenizer, receipt and model card."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import write_json
from ..model.location import location
from ..parallel.processes import is_main_process
from ..runs.folder import Run
from ..runs.integrity import file_hashes
from ..runs.paths import without_home
from ..settings import EMBEDDED, Settings
from ..task import Task
from .model_card import write_card

if TYPE_CHECKING:
    from .trainer import ExtractionTrainer


def base_name(settings: Settings, given: str) -> str:
    """Return what an adapter calls its base model, for PEFT to load it.

    Args:
        settings: name the model.
        given: the model as run.json names it.

    Returns:
        The model as it was given, and for a GGUF file the folder that it was converted to. None of
        them names the home folder; what begins with ``~/`` has to be expanded by who loads it.
    """
    place = location(settings)
    is_converted = settings.model not in (EMBEDDED, place)
    return str(without_home(place)) if is_converted else given


def _base_folder(settings: Settings) -> str:
    """Return the absolute path of the base model without the home folder; "" for one of the hub."""
    place = os.path.abspath(location(settings))
    return str(without_home(place)) if os.path.isdir(place) else ""


def install_adapter(run: Run, trainer: ExtractionTrainer, task: Task) -> None:
    """Write the best adapter, or the last where none was scored, into the run's folder.

    All processes have to call it; the first one writes.

    Raises:
        DivergedError: the adapter is of no use; see ``check_saved``.
    """
    partial = best_weights(run, trainer)
    if partial is None:
        return
    task.prompts.tokenizer.save_pretrained(str(partial))
    complete(run, partial, task, training_entry(trainer))
    run.drop_checkpoints()


def best_weights(run: Run, trainer: ExtractionTrainer) -> Path | None:
    """Write the best adapter, or the last where none was scored, into a temporary folder.

    All processes have to call it.

    Returns:
        The folder; None in all but the first process.

    Raises:
        DivergedError: the adapter is of no use; see ``check_saved``.
    """
    best = trainer.best
    state = trainer.whole_state() if best.score is None else None
    if not is_main_process():
        return None
    partial = run.folder / ".adapter"
    shutil.rmtree(partial, ignore_errors=True)
    if best.score is not None:
        shutil.copytree(best.folder(run.checkpoints), partial)
    else:
        trainer.save_trained(partial, state)
    return partial


def training_entry(trainer: ExtractionTrainer) -> dict[str, Any]:
    """Return the entry ``training`` of run.json: the steps, and what was chosen at the best."""
    best = trainer.best
    return {
        "steps": trainer.state.global_step or best.last_step,
        "best_step": best.step,
        "best_score": best.score,
        **best.chosen,
    }


def complete(run: Run, partial: Path, task: Task, training: Mapping[str, Any]) -> None:
    """Make trained weights the run's adapter: add card and receipt, and rename.

    Args:
        run: the run.
        partial: the folder of the weights and the tokenizer.
        task: what they were trained for.
        training: the entry of run.json.
    """
    info = {**run.info(), "training": training}
    threshold = float(training.get("min_confidence", 0.0))
    write_card(partial, task, info, threshold, base_folder=_base_folder(task.settings))
    write_json(partial / "receipt.json", {**info["receipt"], "files": file_hashes(run, partial)})
    run.update(training=training)
    os.replace(partial, run.adapter)
