"""Make the notebooks of the docs: the Python and the commands of a page become cells.

    python tools/notebook.py

writes the notebook of docs/from-documents.md, and one beside each page in docs/notebooks. They have
no outputs, and the same bytes each time.
"""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import nbformat

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "from-documents.md"
NOTEBOOK = DOCS / "notebooks" / "from_documents.ipynb"
NOTEBOOKS = {
    PAGE: NOTEBOOK,
    **{page: page.with_suffix(".ipynb") for page in sorted((DOCS / "notebooks").glob("*.md"))},
}
"""Each page with its notebook."""

_KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
_LINK = re.compile(r"\]\((?!https?:|#)([^)]+)\)")


def notebook_of(page: Path) -> str:
    """Return the notebook of a page of the docs; its links are those of the folder of notebooks."""
    text = page.read_text(encoding="utf-8")
    below = text if page.parent == NOTEBOOK.parent else _LINK.sub(r"](../\1)", text)
    notebook = jupytext.reads(below, fmt="md")
    notebook.metadata = {"kernelspec": _KERNEL}
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"  # which is random otherwise
    written: str = nbformat.writes(notebook)
    return written + "\n"


if __name__ == "__main__":
    for source, made in NOTEBOOKS.items():
        made.write_text(notebook_of(source), encoding="utf-8")
