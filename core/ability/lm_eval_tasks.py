"""The tasks of lm-eval, by its own evaluator, on a model that is already loaded.

lm-eval (EleutherAI, MIT licence) applies no chat template here, as it does by default.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError, did_you_mean
from .figures import DocumentSums

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ORIGINAL = (
    "arc_challenge",
    "arc_easy",
    "hellaswag",
    "lambada_openai",
    "openbookqa",
    "piqa",
    "winogrande",
)
"""Seven tasks that fine-tuned models for news were reported on."""

_PREFERRED = ("acc_norm", "acc", "exact_match", "f1", "mcc")

_ALIKE = 1e-6
"""A mean over documents that is this near to what lm-eval reports is the same."""


def open_tasks(names: Sequence[str], manager: Any = None, package: Sequence[str] = ()) -> Any:
    """Load tasks with their data, to know before a model is loaded what cannot be measured.

    Args:
        names: of the tasks.
        manager: lm-eval's own; None for one that knows its own tasks.
        package: what else can be asked for: names of the package.

    Returns:
        The manager.

    Raises:
        SettingsError: lm-eval is not installed, knows no such task, or its data are not reached.
    """
    try:
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise SettingsError(
            f"--ability {', '.join(names)}: the tasks of lm-eval need the extra `ability`: pip "
            f"install 'fieldsmith[ability]'; those of the package are there without it: "
            f"{did_you_mean(names[0], package)}"
        ) from error
    for library in ("lm_eval", "huggingface_hub"):  # the hub's client tells of each retry
        logging.getLogger(library).setLevel(logging.ERROR)
    manager = manager or TaskManager()
    for name in names:
        if name not in manager.all_tasks:
            raise SettingsError(
                f"--ability {name}: no task of the package or of lm-eval, and no file; "
                f"{did_you_mean(name, [*package, *manager.all_tasks], see='`lm-eval ls tasks`')}"
            )
        try:
            manager.load([name])
        except Exception as error:  # the libraries of data sets raise many types
            reason = " ".join(str(error).split())[:200]
            raise SettingsError(
                f"--ability {name}: lm-eval cannot load its data: {reason} (they are on the "
                f"Hugging Face hub: go online, or measure those of the package: --ability local)"
            ) from error
    return manager


def measure_tasks(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    names: Sequence[str],
    manager: Any,
    *,
    batch_size: int,
) -> dict[str, tuple[str, bool, DocumentSums]]:
    """Measure a model on tasks.

    Args:
        model: a causal model in evaluation mode.
        tokenizer: of the model.
        names: of the tasks.
        manager: what ``open_tasks`` returned.
        batch_size: rows that are read at once.

    Returns:
        By task, the name of its figure, whether less of it is better, and each document's value.

    Raises:
        SettingsError: the score of a task is no mean over its documents.
    """
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    wrapped = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)
    found = simple_evaluate(
        model=wrapped, tasks=list(names), task_manager=manager, bootstrap_iters=0, log_samples=True
    )
    return {
        task: _of_task(task, found["results"][task], rows, found["higher_is_better"].get(task, {}))
        for task, rows in found["samples"].items()
    }


def _of_task(
    task: str,
    reported: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    higher_is_better: Mapping[str, Any],
) -> tuple[str, bool, DocumentSums]:
    """Return the first figure that is the mean of what each document has."""
    kept = [row for row in rows if row.get("filter", "none") == rows[0].get("filter", "none")]
    kept.sort(key=lambda row: row["doc_id"])
    names = [str(name) for name in kept[0].get("metrics", ())]
    for name in sorted(names, key=lambda each: (_rank(each), names.index(each))):
        given = [row.get(name) for row in kept]
        values = [float(value) for value in given if isinstance(value, int | float)]
        if len(values) < len(given):
            continue
        mean = sum(values) / len(values)
        whole = reported.get(f"{name},{kept[0].get('filter', 'none')}")
        if isinstance(whole, int | float) and abs(mean - whole) < _ALIKE:
            return name, higher_is_better.get(name) is False, [(value, 1.0) for value in values]
    raise SettingsError(
        f"--ability {task}: none of its scores is a mean over documents, so that they have no "
        f"paired interval; choose another task"
    )


def _rank(name: str) -> int:
    return _PREFERRED.index(name) if name in _PREFERRED else len(_PREFERRED)
