"""Check a checkpoint before a training is resumed from it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..runs.file_schemas import CHECKPOINT
from ..runs.reading import read_object

STATE = "trainer_state.json"


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Return the state of the trainer that a checkpoint holds.

    Raises:
        RunError: a file of the checkpoint is missing or damaged; names it.
    """
    state = read_object(checkpoint / STATE, CHECKPOINT)
    for file in (*_optimizer_files(checkpoint), checkpoint / "training_args.bin"):
        _require_archive(file)
    for file in sorted(checkpoint.glob("rng_state*.pth")):
        _require_archive(file)
    weights = sorted(checkpoint.glob("*.safetensors"))
    if not weights:
        raise _damaged(checkpoint, "it has no weights")
    for file in weights:
        _require_tensors(file)
    return state


def _optimizer_files(checkpoint: Path) -> list[Path]:
    """Return the files of the optimiser's state, whatever has split it among processes."""
    latest = checkpoint / "latest"  # DeepSpeed writes its scheduler into the same files
    if latest.is_file():
        return sorted((checkpoint / latest.read_text(encoding="utf-8").strip()).glob("*.pt"))
    whole = checkpoint / "optimizer.bin"  # FSDP
    state = whole if whole.is_file() else checkpoint / "optimizer.pt"
    return [state, checkpoint / "scheduler.pt"]


def _require_archive(file: Path) -> None:
    """Check a file of torch: it is a zip archive, whose members have checksums."""
    try:
        with zipfile.ZipFile(file) as archive:
            fault = archive.testzip()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise _damaged(file, str(error)) from error
    if fault is not None:
        raise _damaged(file, f"{fault} is not as it was written")


def _require_tensors(file: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt"):
            return
    except (OSError, SafetensorError) as error:
        raise _damaged(file, str(error)) from error


def _damaged(path: Path, reason: str) -> RunError:
    return RunError(
        f"{path}: cannot be read: {reason}; restore it, or delete the checkpoint's folder, and the "
        f"training resumes from the one before, or from its beginning"
    )
