"""Many short documents, and how many of them are answered in a file that is being written."""

from __future__ import annotations

import json
import random
from pathlib import Path


def write_texts(path: Path, count: int) -> Path:
    """Write JSONL of short documents; the fourth of them cannot be read."""
    texts = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            drug = texts.choice(["aspirin", "morphine", "cocaine"])
            row = {"id": f"d{number}", "text": f"{drug} caused rash in {number} patients."}
            file.write(json.dumps(row if number != 3 else {"id": "d3", "text": 5}) + "\n")
    return path


def lines_in(output: Path) -> int:
    """Return the number of lines of a predictions file, whole or not."""
    for path in (output.with_name(f"{output.name}.partial"), output):
        if path.exists():
            return path.read_bytes().count(b"\n")
    return 0
