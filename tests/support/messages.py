"""The texts of a Python source: what it may print, with … for what is put in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

FIELD = "…"


def texts(file: Path) -> Iterator[str]:
    """Yield the strings of a module but its docstrings; adjacent literals are one string."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in alone:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else FIELD for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
