"""Backoff: how a training continues with smaller batches after memory was exhausted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..runs.folder import Run
from ..settings import Settings


class MemoryExhaustedError(Exception):
    """Memory was exhausted in an attempt to train.

    Attributes:
        step: the last optimiser step that was done.
        scoring: whether held-out documents were being answered.
    """

    def __init__(self, step: int, *, scoring: bool) -> None:
        super().__init__(step, scoring)
        self.step, self.scoring = step, scoring

    def __str__(self) -> str:
        doing = "scoring" if self.scoring else "training"
        return f"out of memory while {doing} after step {self.step}"


@dataclass
class Backoff:
    """The batch sizes of a training, which fall each time that memory is exhausted.

    Attributes:
        run: run.json records each change.
        settings: the settings as they are now.
    """

    run: Run
    settings: Settings

    @staticmethod
    def resume(run: Run, settings: Settings) -> Backoff:
        """Return the settings with the changes that the run has recorded."""
        for change in run.info().get("lowered", []):
            settings = with_settings(settings, change["to"])
        return Backoff(run, settings)

    def lower(self, short: MemoryExhaustedError) -> str:
        """Lower the batch size, record it in run.json and return the change as a message."""
        changed = smaller(self.settings, scoring=short.scoring)
        before = {name: getattr(self.settings, name) for name in changed}
        info = self.run.info()
        settings = info["settings"]
        if "eval_batch_size" in changed:  # which later scoring reads there, too
            value = changed["eval_batch_size"]
            settings["eval_batch_size"] = {"value": value, "from": "auto-batch"}
        change = {"step": short.step, "from": before, "to": changed}
        self.run.update(settings=settings, lowered=[*info.get("lowered", []), change])
        self.settings = with_settings(self.settings, changed)
        return f"{short}: continuing with {_listed(changed)} instead of {_listed(before)}"


def halved(settings: Settings) -> dict[str, int]:
    """Return a batch of half as many rows and twice the accumulation; {} where one row is left.

    An optimiser step sums up as many rows as before: an odd batch is divided by its smallest
    divisor instead.

    >>> halved(Settings(batch_size=8, accumulation=2))
    {'batch_size': 4, 'accumulation': 4}
    >>> halved(Settings(batch_size=15, accumulation=1))
    {'batch_size': 5, 'accumulation': 3}
    """
    rows = settings.batch_size
    divisor = next((number for number in range(2, rows + 1) if rows % number == 0), 1)
    if divisor == 1:
        return {}
    return {"batch_size": rows // divisor, "accumulation": settings.accumulation * divisor}


def smaller(settings: Settings, *, scoring: bool) -> dict[str, int]:
    """Return the settings that take less memory with the same result; {} where there are none.

    Args:
        settings: the settings as they are.
        scoring: whether memory was exhausted while held-out documents were answered.
    """
    return (fewer_at_once(settings) if scoring else {}) or halved(settings)


def fewer_at_once(settings: Settings) -> dict[str, int]:
    """Return half as many prompts that are answered at once; {} where it is one."""
    rows = settings.eval_batch_size
    return {"eval_batch_size": rows // 2} if rows > 1 else {}


def with_settings(settings: Settings, changed: Mapping[str, int]) -> Settings:
    """Return settings with some of them changed."""
    return replace(settings, **changed)  # type: ignore[arg-type]


def _listed(settings: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
