"""Where the repository's own files are, and the real data outside it."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
BASE = ROOT / "core" / "base"
"""The base model that ships."""

REAL_DATA = Path(os.environ.get("FIELDSMITH_REAL_DATA") or "/unset/FIELDSMITH_REAL_DATA")
"""The folder of published corpora; tests that read it are marked with the folders they need."""
