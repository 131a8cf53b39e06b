"""training.log: what a training says, and its steps and scores, each line with its time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from ..parallel.processes import is_main_process
from ..progress import LOGGER, is_progress
from .paths import without_home

FILE = "training.log"


def append_line(folder: Path, message: str) -> None:
    """Add a line to the log of a run, without control characters and the home folder.

    What cannot be written is left out: it ends no training, which says so where it writes files
    that matter.

    Args:
        folder: the run folder.
        message: the line.
    """
    time = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    with suppress(OSError), (folder / FILE).open("a", encoding="utf-8") as stream:
        stream.write(f"{time} {_plain(str(without_home(message)))}\n")


def describe_step(step: int, total: int, numbers: Mapping[str, float | None]) -> str:
    """Return what a line of log.jsonl says, for people.

    >>> describe_step(6, 12, {"step": 6, "epoch": 1.0, "score": 0.58333, "score/title/f1": 1.0})
    'step 6 of 12, epoch 1: score 0.5833, title/f1 1'
    """
    shown = ", ".join(
        f"{name.removeprefix('score/')} {'none' if value is None else f'{value:.4g}'}"
        for name, value in sorted(numbers.items(), key=lambda item: item[0] != "score")
        if name not in ("step", "epoch")
    )
    epoch = numbers.get("epoch")
    return f"step {step} of {total}{'' if epoch is None else f', epoch {epoch:.4g}'}: {shown}"


def describe_scores(name: str, summary: Mapping[str, Any]) -> str:
    """Return what an entry of metrics.json says, for people.

    >>> interval = {"value": 0.5, "low": 0.25, "high": 0.75}
    >>> describe_scores("test", {"documents": 4, "metrics": {"score": interval}})
    'test: score 0.5 (0.25 to 0.75), 4 documents'
    """
    metrics = summary["metrics"]
    score = metrics["score"]
    parts = [f"score {score['value']:.4g} ({score['low']:.4g} to {score['high']:.4g})"]
    parts += [f"{key} {metrics[key]['value']:.4g}" for key in metrics if key.endswith("/f1")]
    return f"{name}: {', '.join(parts)}, {summary['documents']} documents"


class _Handler(logging.Handler):
    """Writes what is said while a run is trained; progress comes by its steps."""

    def __init__(self, folder: Path) -> None:
        super().__init__(logging.INFO)
        self.folder = folder

    def emit(self, record: logging.LogRecord) -> None:
        if not is_progress(record):
            append_line(self.folder, record.getMessage())


@contextmanager
def training_log(folder: Path) -> Iterator[None]:
    """Write what is said within the context to the log of a run, and the error that ends it.

    Args:
        folder: the run folder.
    """
    if not is_main_process():
        yield
        return
    handler = _Handler(folder)
    LOGGER.addHandler(handler)
    try:
        yield
    except KeyboardInterrupt:
        append_line(folder, "interrupted")
        raise
    except Exception as error:
        append_line(folder, f"error: {str(error) or type(error).__name__}")
        raise
    finally:
        LOGGER.removeHandler(handler)


def _plain(text: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
