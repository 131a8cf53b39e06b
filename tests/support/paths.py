"""Where the repository's own files are, and the published data outside it."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
BASE = ROOT / "core" / "base"
"""The base model that ships."""

_VARIABLE = "FIELDSMITH_REAL_DATA"

REAL_DATA = Path(os.environ.get(_VARIABLE) or f"{_VARIABLE}-is-not-set")
"""The folder of published data. A test that reads it is marked ``realdata`` with what it needs."""


def why_missing(name: str) -> str | None:
    """Return why a file or folder of the published data cannot be read, None if it can."""
    if not os.environ.get(_VARIABLE):
        return f"needs published data: set {_VARIABLE} to its folder"
    if not (REAL_DATA / name).exists():
        return f"needs published data: no {name} in {_VARIABLE}={REAL_DATA}"
    return None
