"""Find the file that a row without a text is the label of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from .row_forms import has_form

_PREDICTED = {"spans", "status"}
"""Keys of a line of ``extract predict``, which is no label."""


class FilesBeside:
    """The files beside a file of labels, by what rows call them."""

    def __init__(self, labels: Path) -> None:
        self._labels = labels
        self._folder = Path(os.path.abspath(labels.parent))

    def named_by(self, row: Mapping[str, Any]) -> Path | None:
        """Return the file that a row is the label of; None if it names none that is there.

        A row that has its text, in whatever form, names none. In others ``path`` names the file,
        below the folder of the labels, and where there is a record and no path, the id does, with
        or without the ending.
        """
        if has_form(row) or row.keys() >= _PREDICTED:
            return None
        path, named = row.get("path"), row.get("id")
        if isinstance(path, str) and path:
            return self._below(path)
        if path or "record" not in row or not isinstance(named, str) or not named:
            return None
        return self._below(named) or self._by_stem.get(named)

    def _below(self, name: str) -> Path | None:
        """Return a file below the folder; what rows name is data, and may lead out of it."""
        path = Path(os.path.normpath(self._folder / name))
        is_below = self._folder in path.parents
        if not is_below or not os.path.isfile(path) or os.path.samefile(path, self._labels):
            return None
        return self._labels.parent / path.relative_to(self._folder)

    @cached_property
    def _by_stem(self) -> Mapping[str, Path]:
        """The files by their names without the endings, if one file alone has that."""
        found: dict[str, list[Path]] = {}
        for file in sorted(self._labels.parent.iterdir()):
            if not file.name.startswith(".") and file != self._labels and file.is_file():
                found.setdefault(file.stem, []).append(file)
        return {stem: files[0] for stem, files in found.items() if len(files) == 1}
