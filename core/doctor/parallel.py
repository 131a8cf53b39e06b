"""Try each way of sharing a training on this machine: real steps of the embedded model."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..errors import FieldsmithError
from ..progress import say
from .machine import Diagnosis

TRIAL = "--trial"
"""Hidden option of ``extract doctor``: take part in one trial, as one of its processes."""


_TOLERANCE = 0.02
"""Difference of two losses of which neither is wrong: bf16 sums in another order."""


@dataclass(frozen=True)
class Trial:
    """One way of sharing a training, by the settings of these names."""

    parallel: str
    quantize: str
    offload: str = "none"

    def __str__(self) -> str:
        bits = "4-bit weights" if self.quantize == "nf4" else "plain weights"
        kept = "" if self.offload == "none" else f", {self.offload} offloaded"
        return f"{self.parallel}, {bits}{kept}"


def trials(*, gpu: bool) -> list[Trial]:
    """Return what is tried: with and without 4 bit, and on a GPU what is offloaded."""
    tried = [
        Trial(parallel, quantize)
        for parallel in ("ddp", "fsdp", "zero2", "zero3")
        for quantize in ("none", "nf4")
    ]
    if gpu:
        tried += [Trial(parallel, "nf4", "params") for parallel in ("fsdp", "zero3")]
    return tried


def check_parallel(processes: int | None = None) -> Iterator[Diagnosis]:
    """Train two steps in each way; what does not work becomes a row.

    Args:
        processes: how many train together; None for two, or for the GPU where there is but one.
    """
    import torch

    gpus = torch.cuda.device_count()
    count = processes or (min(2, gpus) if gpus else 2)
    losses: dict[str, float] = {}  # of ddp, by the setting quantize
    for trial in trials(gpu=bool(gpus)):
        if trial.parallel.startswith("zero") and find_spec("deepspeed") is None:
            advice = "pip install 'fieldsmith[deepspeed]'"
            yield Diagnosis("warn", trial.parallel, "DeepSpeed is not installed", advice)
            continue
        say(f"trying {trial} with {count} processes")
        yield _tried(trial, count, losses)


def _tried(trial: Trial, count: int, losses: dict[str, float]) -> Diagnosis:
    from ..parallel.group import ProcessGroup
    from ..parallel.launcher import BugError, launch

    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        words = [trial.parallel, trial.quantize, trial.offload, str(result)]
        try:
            launch(ProcessGroup(count), ["doctor", TRIAL, *words])
        except (FieldsmithError, BugError) as error:
            reason = " ".join(str(error).split())[:300]
            return Diagnosis("warn", trial.parallel, f"{trial}: {reason}", "use another way")
        found = json.loads(result.read_bytes())
    share = found["held"] / found["bytes"]
    detail = (
        f"{trial}, {count} process{'es' * (count > 1)}: loss {found['loss']:.3f} of two steps, "
        f"adapter saved whole, each holds {share:.0%} of the weights"
    )
    expected = losses.setdefault(trial.quantize, found["loss"])
    if abs(found["loss"] - expected) > _TOLERANCE:
        detail += f"; ddp has a loss of {expected:.3f}"
        return Diagnosis("warn", trial.parallel, detail, "do not train this way")
    return Diagnosis("ok", trial.parallel, detail)
