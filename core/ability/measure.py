"""Measure a run's base and its tuned model on the same tasks, one after the other.

Each is loaded as it is to answer: quantised weights are dequantised if memory allows, and the
adapter is merged. So the base is that which the run was trained over, also where the training
changed base weights (PiSSA) or all weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import InputError, SettingsError
from ..extraction.extractor import checked_task
from ..model.loading import load_for_inference
from ..model.out_of_memory import release_memory
from ..progress import meter, say
from ..runs.ability import ability_section, write_ability
from ..runs.card import update_card
from ..runs.folder import Run
from .figures import FIGURES, DocumentSums, Figure, compared, is_certain, is_lost, loss_of, mean
from .likelihood import Tokens
from .lm_eval_tasks import ORIGINAL, measure_tasks, open_tasks
from .local_tasks import count_pieces, measure_task
from .tasks import LOCAL, Task, local_task, read_task

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_PRESETS: Mapping[str, Sequence[str]] = {"local": LOCAL, "original": ORIGINAL}
_FILES = (".jsonl", ".json", ".yaml", ".yml")


@dataclass(frozen=True)
class Chosen:
    """What is measured.

    Attributes:
        local: tasks whose rows are at hand.
        others: names of lm-eval's tasks.
        manager: what loads those; None if there are none.
    """

    local: tuple[Task, ...]
    others: tuple[str, ...] = ()
    manager: Any = None


@dataclass(frozen=True)
class _Values:
    """What each document of a task has in a figure, for one model."""

    figure: Figure
    sums: DocumentSums


def choose(asked: Sequence[str]) -> Chosen:
    """Find the tasks that a user names.

    Args:
        asked: names separated by commas (``local``, ``original``, tasks of the package or of
            lm-eval), or paths of files.

    Raises:
        InputError: a file is no task, or two tasks have one name.
        SettingsError: there is no such task, or lm-eval's are not reached.
    """
    local: list[Task] = []
    others: list[str] = []
    for given in asked:
        if Path(given).suffix.lower() in _FILES or Path(given).is_file():
            local.append(read_task(Path(given)))
            continue
        named = [name.strip() for name in given.split(",")]
        for name in (each for word in named for each in _PRESETS.get(word, (word,))):
            if name in LOCAL:
                local.append(local_task(name))
            elif name:
                others.append(name)
    names = [*(task.name for task in local), *others]
    if not names:
        raise InputError("--ability: names no task; measure those of the package: --ability local")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"--ability: two tasks are called {twice}; leave one out, or rename it")
    manager = open_tasks(others, package=[*_PRESETS, *LOCAL]) if others else None
    return Chosen(tuple(local), tuple(others), manager)


def measure_ability(
    run: Run, asked: Sequence[str], *, max_loss: float | None = None
) -> dict[str, dict[str, Any]]:
    """Measure a run, and store the figures in ability.json and in the model card.

    Args:
        run: the run folder.
        asked: as for ``choose``.
        max_loss: what may be lost of a task, in the unit of its figure; None for no bound.

    Returns:
        Figures by task, in the order in which they were asked for.

    Raises:
        InputError, SettingsError: as ``choose``; or a row is longer than the model takes.
        OutputError: the run folder cannot be written.
        RunError: the run is not complete, or does not fit what is installed.
    """
    task = checked_task(run)
    chosen = choose(asked)
    settings, tokenizer = task.settings, task.prompts.tokenizer
    if settings.prefix_lm:
        say("prompts were read in both directions in training (prefix_lm); here texts are not")
    sides: list[dict[str, dict[str, _Values]]] = []
    for label, adapter in (("base", None), ("tuned", run.adapter)):
        model = load_for_inference(settings, adapter)
        dtype, device = str(model.dtype).removeprefix("torch."), model.device.type
        sides.append(measure_model(model, tokenizer, chosen, label, settings.eval_batch_size))
        del model
        release_memory()
    base, tuned = sides
    common = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "device": device,
        "dtype": dtype,
        "quantize": settings.quantize,
    }
    sources = {each.name: each for each in chosen.local}
    measured = {
        name: {
            **_entry(sources.get(name)),
            **_compared(base[name], tuned[name], max_loss),
            **common,
        }
        for name in base
    }
    update_card(run.adapter, ability_section(write_ability(run, measured)))
    return measured


def measure_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    chosen: Chosen,
    label: str,
    batch_size: int,
) -> dict[str, dict[str, _Values]]:
    """Measure one model.

    Args:
        model: a causal model in evaluation mode.
        tokenizer: of the model.
        chosen: what is measured.
        label: what messages call the model.
        batch_size: rows of lm-eval's tasks that are read at once.

    Returns:
        By task and figure, what each document has; the main figure of a task first.
    """
    found: dict[str, dict[str, _Values]] = {}
    if chosen.local:
        count = count_pieces(Tokens.of(model, tokenizer), chosen.local)
        with meter(f"measuring the {label} model", count, "texts") as progress:
            for task in chosen.local:
                sums = measure_task(model, tokenizer, task, progress.advance)
                found[task.name] = {
                    name: _Values(FIGURES[name], values) for name, values in sums.items()
                }
    if chosen.others:
        others = measure_tasks(
            model, tokenizer, chosen.others, chosen.manager, batch_size=batch_size
        )
        for name, (figure, lower_is_better, values) in others.items():
            found[name] = {figure: _Values(mean(lower_is_better=lower_is_better), values)}
    return found


def _entry(task: Task | None) -> dict[str, Any]:
    """Return where a task is from; None for one of lm-eval."""
    if task is not None:
        return {"source": task.source, "kind": task.kind, "sha256": task.sha256}
    from importlib.metadata import version

    return {"source": f"lm-eval {version('lm_eval')}"}


def _compared(
    base: Mapping[str, _Values], tuned: Mapping[str, _Values], max_loss: float | None
) -> dict[str, Any]:
    """Return the figures of two models on a task; the main one in full, others under ``also``."""
    figures = {}
    for name, values in base.items():
        if len(values.sums) != len(tuned[name].sums):
            raise SettingsError(
                "the documents of a task changed while it was measured; start again"
            )
        figures[name] = compared(values.sums, tuned[name].sums, values.figure)
    (name, main), *rest = figures.items()
    return {
        "documents": len(base[name].sums),
        "figure": name,
        **main,
        "loss": loss_of(main),
        "certain": is_certain(main),
        "max_loss": max_loss,
        "lost": max_loss is not None and is_lost(main, max_loss),
        **({"also": dict(rest)} if rest else {}),
    }
