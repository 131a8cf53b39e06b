"""Convert a predictions file: JSONL of the records alone, or a format of the plugin."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, UnknownFormatError
from ..plugins import load
from .prediction_file import Line, read_lines

JSONL = "jsonl"
"""The format that every plugin has: ``id`` and ``record``, one line per document."""


@dataclass(frozen=True)
class Exported:
    """An exported file.

    Attributes:
        text: the file's content.
        count: number of records in it.
        skipped: ids of the documents without a record.
    """

    text: str
    count: int
    skipped: tuple[str, ...]


def export(predictions: Path, format: str, plugin: str | None = None) -> Exported:
    """Convert a file of ``extract predict`` to another format.

    Args:
        predictions: the file.
        format: ``jsonl`` or a format of the plugin.
        plugin: the plugin of the records; None for the one that the file names.

    Raises:
        InputError: the file cannot be read, holds no record, or names no plugin or several.
        UnknownFormatError: neither the core nor the plugin has the format.
        PluginError: the plugin is not installed.
    """
    lines = list(read_lines(predictions))
    records = {line.id: line.record for line in lines if line.record is not None}
    if not records:
        raise InputError(f"{predictions}: no record in it, so that there is nothing to export")
    if format == JSONL:
        rows = ({"id": id_, "record": record} for id_, record in records.items())
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        try:
            text = load(plugin or _plugin_of(lines, predictions)).export(records, format)
        except UnknownFormatError as error:
            message = f"--format {format}: {error}; every plugin has {JSONL}"
            raise UnknownFormatError(message) from error
    return Exported(text, len(records), tuple(line.id for line in lines if line.record is None))


def _plugin_of(lines: list[Line], file: Path) -> str:
    names = sorted({line.plugin for line in lines})
    if names == [""]:
        raise InputError(f"{file}: does not name the plugin of its records; add --plugin")
    if len(names) > 1:
        found = ", ".join(name or "(none)" for name in names)
        raise InputError(f"{file}: has records of several plugins ({found}); add --plugin")
    return names[0]
