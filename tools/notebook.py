"""Make the notebook of docs/from-documents.md: its Python and its commands become cells.

    python tools/notebook.py

writes docs/notebooks/from_documents.ipynb, which has no outputs, the same bytes each time.
"""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import nbformat

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "from-documents.md"
NOTEBOOK = DOCS / "notebooks" / "from_documents.ipynb"

_KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
_LINK = re.compile(r"\]\((?!https?:|#)([^)]+)\)")


def notebook_of(page: str) -> str:
    """Return the notebook of a page of the docs, whose links are those of a folder below.

    >>> "(../fetch.md)" in notebook_of("[Fetch](fetch.md)")
    True
    """
    notebook = jupytext.reads(_LINK.sub(r"](../\1)", page), fmt="md")
    notebook.metadata = {"kernelspec": _KERNEL}
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"  # which is random otherwise
    written: str = nbformat.writes(notebook)
    return written + "\n"


if __name__ == "__main__":
    NOTEBOOK.write_text(notebook_of(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
