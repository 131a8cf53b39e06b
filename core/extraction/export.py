"""Predictions as a file of another format: JSONL of the records alone, or one of the domain's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..data import Record
from ..errors import InputError, UnknownFormatError
from ..plugins import load
from .prediction_file import Line, read_lines

JSONL = "jsonl"
"""The one format that every domain has: ``id`` and ``record``, a line each."""


@dataclass(frozen=True)
class Exported:
    """The text of a file, how many records it holds, and the ids of those without one."""

    text: str
    count: int
    left_out: tuple[str, ...]


def export(predictions: Path, format: str, plugin: str | None = None) -> Exported:
    """Return what ``extract predict`` wrote, in another format.

    plugin: whose records they are; None: what the lines say.

    Raises:
        InputError: the file cannot be read, holds no record, or does not say whose they are.
        UnknownFormatError: neither the core nor the plugin has the format.
        PluginError: the plugin is not installed.
    """
    lines = list(read_lines(predictions))
    records = {line.id: line.record for line in lines if line.record is not None}
    if not records:
        raise InputError(f"{predictions}: no record in it, so that there is nothing to export")
    left_out = tuple(line.id for line in lines if line.record is None)
    return Exported(_written(records, format, plugin, lines, predictions), len(records), left_out)


def _written(
    records: Mapping[str, Record], format: str, plugin: str | None, lines: list[Line], file: Path
) -> str:
    if format == JSONL:
        rows = ({"id": identifier, "record": record} for identifier, record in records.items())
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    try:
        return load(plugin or _plugin_of(lines, file)).export(records, format)
    except UnknownFormatError as error:
        raise UnknownFormatError(f"--format {format}: {error}; every plugin has {JSONL}") from error


def _plugin_of(lines: list[Line], file: Path) -> str:
    names = sorted({line.plugin for line in lines})
    if names == [""]:
        raise InputError(f"{file}: does not say whose records it holds; say --plugin")
    if len(names) > 1:
        found = ", ".join(name or "(not said)" for name in names)
        raise InputError(f"{file}: holds records of several plugins ({found}); say --plugin")
    return names[0]
