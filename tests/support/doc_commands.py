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
        shlex.split(line, comments=True)
        for _, block in blocks(page, "sh")
        for line in block.splitlines()
        if line.strip()
    ]


def table_rows(page: Path) -> dict[str, list[tuple[list[str], str]]]:
    """Return, by heading, the command in the second cell of each row of a table, and the third."""
    rows: dict[str, list[tuple[list[str], str]]] = {}
    heading = ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif found := re.match(r"\|[^|]*\| `(extract [^`|]+)` \| (.*) \|$", line):
            rows.setdefault(heading, []).append((shlex.split(found[1]), found[2]))
    return rows
