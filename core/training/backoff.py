"""Reduce batch sizes after the memory was exhausted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..runs.folder import Run
from ..settings import Settings


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
    """Return the settings that take less memory and lead to the same; {} where there are none.

    scoring: whether the memory was short while held-out documents were answered.
    """
    return (fewer_at_once(settings) if scoring else {}) or halved(settings)


def fewer_at_once(settings: Settings) -> dict[str, int]:
    """Return half as many prompts that are answered at once; {} where it is one."""
    rows = settings.eval_batch_size
    return {"eval_batch_size": rows // 2} if rows > 1 else {}


def with_settings(settings: Settings, changed: Mapping[str, int]) -> Settings:
    """Return settings with some of them changed."""
    return replace(settings, **changed)  # type: ignore[arg-type]


def note_lowering(run: Run, step: int, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """Record in run.json at which step the memory was short, and what was made smaller."""
    info = run.info()
    settings = info["settings"]
    if "eval_batch_size" in after:  # which later scoring reads there, too
        settings["eval_batch_size"] = {"value": after["eval_batch_size"], "from": "auto-batch"}
    noted = {"step": step, "from": dict(before), "to": dict(after)}
    run.update(settings=settings, lowered=[*info.get("lowered", []), noted])


def lowered(run: Run, settings: Settings) -> Settings:
    """Return the settings that a run goes on with: the asked ones, as made smaller before."""
    for noted in run.info().get("lowered", []):
        settings = with_settings(settings, noted["to"])
    return settings
