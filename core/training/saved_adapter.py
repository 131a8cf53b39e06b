"""Check a saved adapter: its tensors are there, are finite, and differ from what they began as.

Of weights that are split among processes a part, or nothing, is easily saved, and nothing says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import DivergedError
from ..model.weights import WEIGHTS


def fingerprints(tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Return a hash of each tensor, rounded to bf16: in whatever precision it is saved."""
    return {name: _fingerprint(tensor) for name, tensor in tensors.items()}


def _fingerprint(tensor: torch.Tensor) -> str:
    rounded = tensor.detach().to("cpu", torch.bfloat16).contiguous()
    return hashlib.sha256(rounded.view(torch.uint8).numpy().tobytes()).hexdigest()


def adapter_start(model: Any) -> dict[str, str]:
    """Return the fingerprints of a new adapter's tensors, by their names in a saved adapter.

    Args:
        model: with the adapter, before it is trained or split among processes.
    """
    from peft import get_peft_model_state_dict

    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    return fingerprints(get_peft_model_state_dict(model, state_dict=trained))


def check_saved(folder: Path, start: Mapping[str, str], *, trained: bool) -> None:
    """Check the adapter that was saved into a folder.

    Args:
        folder: has the file of the adapter.
        start: fingerprints of what has to be in it, by name; of the tensors as they began.
        trained: whether the weights have been changed by now: the first step of a warm-up has a
            learning rate of 0.

    Raises:
        DivergedError: a tensor is missing or has numbers that are not finite, or all are what they
            began as.
    """
    from safetensors import SafetensorError, safe_open

    file = folder / WEIGHTS
    changed = 0
    try:
        with safe_open(file, framework="pt") as saved:
            missing = sorted(start.keys() - set(saved.keys()))
            if missing:
                raise _faulty(
                    file, f"{len(missing)} of {len(start)} tensors are missing ({missing[0]})"
                )
            for name, began in start.items():
                tensor = saved.get_tensor(name)
                if not bool(tensor.isfinite().all()):
                    raise _faulty(file, f"{name} has numbers that are not finite")
                changed += _fingerprint(tensor) != began
    except (OSError, SafetensorError) as error:
        raise _faulty(file, str(error)) from error
    if trained and not changed:
        raise _faulty(file, f"none of its {len(start)} tensors differs from what it began as")


def _faulty(file: Path, reason: str) -> DivergedError:
    return DivergedError(
        f"{file}: the adapter is of no use: {reason}. The run's checkpoints are kept; train anew, "
        f"with a lower learning rate if the loss in log.jsonl rose, else with parallel=ddp"
    )
