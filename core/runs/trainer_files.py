"""Files that training scripts often write, made of a run: its numbers, its newest checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import RunError, UnknownFormatError, did_you_mean
from .file_schemas import CHECKPOINT
from .folder import Run
from .paths import without_home
from .reading import read_object


def training_metrics(run: Run) -> dict[str, Any]:
    """Return what a training came to, in names of transformers' trainer; docs/run-folder.md.

    Raises:
        RunError: the training has logged nothing yet, or a file of the run is damaged.
    """
    info, log = run.info(), run.log()
    if not log:
        raise RunError(f"{run.folder}: nothing is logged yet; log.jsonl has no line")
    training = info.get("training", {})
    return {
        "plugin": info["plugin"]["name"],
        "base_model": info["base_model"]["name"],
        "global_step": training.get("steps", log[-1]["step"]),
        "epoch": log[-1].get("epoch"),
        "train_loss": _mean_loss(log),
        **{name: _last(log, name) for name in ("eval_loss", "learning_rate")},
        "best_metric": training.get("best_score", _best(log)),
        "best_step": training.get("best_step") or None,
        "metrics": {
            split: {name: interval["value"] for name, interval in scores["metrics"].items()}
            for split, scores in run.metrics().items()
        },
        "log_history": log,
    }


def latest_checkpoint_info(run: Run) -> dict[str, Any]:
    """Return where the newest weights of a run are, and of which step; docs/run-folder.md.

    Raises:
        RunError: nothing is saved yet, or a file of the run is damaged.
    """
    if run.is_complete():
        training = run.info()["training"]
        found = {
            "checkpoint": run.adapter.name,
            "is_complete": True,
            "global_step": training["best_step"] or training["steps"],
            "max_steps": training["steps"],
            "best_metric": training["best_score"],
            "best_step": training["best_step"] or None,
        }
    else:
        found = _checkpoint(run)
    epochs = (line.get("epoch") for line in run.log() if line["step"] <= found["global_step"])
    return {**found, "epoch": max((e for e in epochs if e is not None), default=None)}


FORMATS: Mapping[str, Callable[[Run], dict[str, Any]]] = {
    "training_metrics": training_metrics,
    "latest_checkpoint_info": latest_checkpoint_info,
}
"""What a run is exported as, by the names of the files."""


def export_run(run: Run, format: str) -> str:
    """Return the content of a file that is made of a run.

    Raises:
        RunError: the run does not have it yet, or is damaged.
        UnknownFormatError: a run has no such format.
    """
    if format not in FORMATS:
        hint = did_you_mean(format, FORMATS)
        raise UnknownFormatError(f"--format {format}: {run.folder} is a run; {hint}")
    if run.domains() and format == "training_metrics":
        raise RunError(
            f"{run.folder}: {format} is of one domain; name the run of one, such as "
            f"{run.folder / run.domains()[0]}"
        )
    if "together" in run.info() and not run.is_complete():
        raise RunError(
            f"{run.folder}: is trained together with others, and what it came to is written at the "
            f"end; until then: extract export {run.whole} --format latest_checkpoint_info"
        )
    return json.dumps(without_home(FORMATS[format](run)), ensure_ascii=False, indent=2) + "\n"


def _checkpoint(run: Run) -> dict[str, Any]:
    newest = run.last_checkpoint()
    if newest is None:
        raise RunError(
            f"{run.folder}: there is no checkpoint yet; resume the training: "
            f"extract train --resume {run.folder}"
        )
    state = read_object(newest / "trainer_state.json", CHECKPOINT)
    best = state["stateful_callbacks"]["BestAdapter"]["attributes"]
    return {
        "checkpoint": newest.relative_to(run.folder).as_posix(),
        "is_complete": False,
        "global_step": state["global_step"],
        "max_steps": state["max_steps"],
        "best_metric": best["score"],
        "best_step": best["step"] or None,
    }


def _mean_loss(log: list[dict[str, Any]]) -> float | None:
    """Return the mean loss of all tokens that were trained on."""
    rows = [(row["loss"], row.get("loss_tokens", 1)) for row in log if row.get("loss") is not None]
    tokens = sum(count for _, count in rows)
    return sum(loss * count for loss, count in rows) / tokens if tokens else None


def _last(log: list[dict[str, Any]], name: str) -> float | None:
    return next((row[name] for row in reversed(log) if row.get(name) is not None), None)


def _best(log: list[dict[str, Any]]) -> float | None:
    return max((row["score"] for row in log if row.get("score") is not None), default=None)
