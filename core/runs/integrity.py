"""Check that the files of a run are those that its training wrote."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..errors import RunError
from .folder import Run

_UNPINNED = {"README.md", "receipt.json"}
"""Files of the adapter's folder that a user may edit, and the one that holds the hashes."""


def file_hashes(run: Run, adapter: Path) -> dict[str, str]:
    """Return the sha256 of each file that answers depend on, by its name.

    Args:
        run: the run folder.
        adapter: the adapter's folder; its card and receipt are left out.
    """
    files = [file for file in adapter.iterdir() if file.name not in _UNPINNED]
    found = {}
    for file in sorted([*files, run.gazetteer_file]):
        if file.is_file():
            with file.open("rb") as stream:
                found[file.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found


def require_own_files(run: Run) -> None:
    """Check that adapter and gazetteer are those of the training, before one is read.

    Raises:
        RunError: names the file that is missing, is new, or has changed.
    """
    wanted = run.receipt().get("files")
    if wanted is None:  # a run of an older version
        return
    found = file_hashes(run, run.adapter)
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            fault = "no such file"
        elif name not in wanted:
            fault = "the training did not write it"
        elif found[name] != wanted[name]:
            fault = "it has changed since the training"
        else:
            continue
        path = run.gazetteer_file if name == run.gazetteer_file.name else run.adapter / name
        raise RunError(f"{path}: cannot be loaded: {fault}; restore the run, or train again")
