"""Read the documents that rows of labels without a text name, from the files beside them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ..data import Document, Reject
from ..plugins import Plugin
from ..reading.reader import Reader
from .file_documents import documents_or_reject
from .named_files import FilesBeside
from .readers import names_files
from .row_forms import has_form
from .row_names import renamed_row


class LabelledFiles:
    """The documents that the rows of a file name.

    Attributes:
        read: the files that were read.
    """

    def __init__(self, plugin: Plugin, labels: Path, source: Path, reader: Reader) -> None:
        """Read nothing yet.

        Args:
            plugin: its loader goes first, as where records are predicted.
            labels: the file with the rows.
            source: what the user named: that file, or a folder above it.
            reader: reads what may be hostile.
        """
        self.read: list[Path] = []
        self._plugin, self._reader = plugin, reader
        self._beside = FilesBeside(labels)
        self._are_labels = names_files(labels, plugin.names)
        self._root = source if source.is_dir() else source.parent

    def document_of(self, row: Mapping[str, Any]) -> Document | None:
        """Return the document of a row; None for one with a text.

        Raises:
            ValueError: there is none, or it cannot be read.
        """
        named = renamed_row(row, self._plugin.names)
        if not self._are_labels or has_form(named):
            return None
        file = self._beside.named_by(named)
        if file is None:
            raise ValueError(
                "the row has no text, and there is no file beside it that its path or id names"
            )
        name = Path(os.path.relpath(file, self._root)).as_posix()
        # Each is a file of its own: two documents of one could not be told apart.
        first, *more = islice(documents_or_reject(self._plugin, file, name, self._reader), 2)
        if isinstance(first, Reject):
            raise ValueError(first.reason)
        if more:
            raise ValueError(f"{name} has several documents; name a file of one")
        self.read.append(file)
        return first
