"""Commands and code blocks of the documentation."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

# A few steps on a few rows show that a command runs; what it scores is measured elsewhere.
SHORT = ["--set", "epochs=1", "--set", "max_new_tokens=24"]


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """Return (rest of the opening line, content) of each fenced block of a language."""
    pattern = rf"^```{language}\b *(.*)\n((?:.*\n)*?)```$"
    return re.findall(pattern, page.read_text(encoding="utf-8"), re.MULTILINE)


def commands(page: Path) -> list[list[str]]:
    return [
        shlex.split(line)
        for _, block in blocks(page, "sh")
        for line in block.splitlines()
        if line.strip()
    ]
