"""Choose who reads a source, the core or the plugin's loader, and say what neither could read."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..data import Example, Reject
from ..errors import InputError, UnknownFormatError
from ..files import broken_promise, files_in, readable
from ..plugins import Plugin
from ..progress import say
from .named_files import FilesBeside
from .row_chats import is_own_triple
from .row_files import is_row_file, rows_of
from .row_forms import has_form, is_core_row
from .row_names import renamed_row
from .standoff import BRAT, BRAT_TEXT, is_standoff

_NOT_DATA = {".md", ".rst", ".yaml", ".yml", ".toml", ".lock", ".conf"}
_SHOWN_KEYS = 12


def reader_of(plugin: Plugin, source: Path | None) -> str:
    """Say who reads a source: the plugin's own loader, or the core for every plugin."""
    if source is not None and core_files(plugin, source):
        return "the core, as rows of a text and its record"
    return f"the loader of the plugin {plugin.name}"


def core_files(plugin: Plugin, source: Path) -> list[Path]:
    """Return the files of rows of a source if the core reads them; [] if the plugin does.

    Where one of them has the labels of files beside it, the others of the source are documents.
    """
    files = data_files(files_in(source))
    if any(_labels_files(file, plugin) for file in files):
        return [file for file in files if is_row_file(file) and not is_standoff(file)]
    if not files or not all(has_rows(file, plugin) for file in files):
        return []
    is_for_core = all(is_core_file(file, plugin) for file in files)
    return files if is_for_core or not _reads(plugin, files[0]) else []


def names_files(file: Path, names: Mapping[str, str]) -> bool:
    """Say whether the first row of a file has no text, and is the label of a file beside it.

    Args:
        file: the file.
        names: what keys of rows stand for.
    """
    try:
        row = renamed_row(first_row(file), names)
    except InputError:
        return False
    return bool(row) and FilesBeside(file).named_by(row) is not None


def _labels_files(file: Path, plugin: Plugin) -> bool:
    """Say whether a file has labels of files, and is in no format of the plugin."""
    return names_files(file, plugin.names) and not _reads(plugin, file)


def rows_of_plugin(plugin: Plugin, source: Path | None) -> Iterator[Example | Reject]:
    """Yield what the plugin's loader reads; say so if it does not take the plugin's names."""
    is_mapped = source is None or not plugin.names or plugin.takes_names
    for row in plugin.load(source):
        if not is_mapped:
            plugin.names.is_passed_on, is_mapped = False, True
            say_once(
                f"{source}: read by the loader of the plugin {plugin.name}, which takes no names: "
                f"--map changes nothing in it"
            )
        yield row


def _reads(plugin: Plugin, file: Path) -> bool:
    """Say whether a file is in a format of the plugin: it finds a row, or says what is wrong."""
    try:
        return next(iter(plugin.load(file)), None) is not None
    except InputError as error:
        return not isinstance(error, UnknownFormatError)


def say_missing_names(plugin: Plugin, where: object, *, is_unusable: bool = False) -> None:
    """Say which of the plugin's names ``where``, which was read, does not have.

    Raises:
        InputError: it lacks one, and nothing in it could be used.
    """
    missing = plugin.names.missing(where) if where is not None else None
    if missing and is_unusable:
        raise InputError(missing)
    if missing:
        say_once(missing)


def explained_format(
    error: UnknownFormatError, plugin: Plugin, source: Path | None
) -> UnknownFormatError:
    """Return an error that also says which names a file lacks, or which one could be the text."""
    if source is None or not source.is_file():
        return error
    if fault := broken_promise(source):
        return UnknownFormatError(f"{source}: {fault}")
    if missing := plugin.names.missing(source):
        return UnknownFormatError(missing)
    keys = list(first_row(source))
    if not keys:
        return error
    if "record" in keys:
        return UnknownFormatError(
            f"{source}: records without their text, which is wanted in each row as the key text, "
            f"or as a file beside it that the path or the id of the row names"
        )
    shown = readable(", ".join(keys[:_SHOWN_KEYS])) + (", …" if len(keys) > _SHOWN_KEYS else "")
    return UnknownFormatError(
        f"{error}, and no rows with a text; they have {shown}: name the text by --map KEY=text"
    )


def data_files(files: Iterable[Path]) -> list[Path]:
    """Return the files without those that only describe the data (``.md``, ``.yaml``, …).

    A text with annotations of brat beside it is read with these.
    """
    return [
        file
        for file in files
        if file.suffix.lower() not in _NOT_DATA
        and not (file.suffix == BRAT_TEXT and file.with_suffix(BRAT).is_file())
    ]


def is_core_file(file: Path, plugin: Plugin) -> bool:
    """Say whether a file's first row is one of the core's own, and none of a plugin's.

    It has a text and either a record or no key that the core does not know. So is a row that the
    core can read once the plugin's names are given to its keys, and a triple that ``extract label``
    has written.

    Raises:
        InputError: the file is named as one of rows and is empty, or none of them can be read.
    """
    if is_standoff(file):
        return False
    given = first_row(file)
    row = renamed_row(given, plugin.names)
    is_mapped = row.keys() != given.keys()
    return is_core_row(row) or is_own_triple(row) or (is_mapped and has_form(row))


def has_rows(file: Path, plugin: Plugin) -> bool:
    """Say whether a file's first row is one that the core can read, unless a plugin does."""
    return is_standoff(file) or has_form(renamed_row(first_row(file), plugin.names))


def first_row(file: Path) -> dict[str, Any]:
    """Return the first row of a file that is named as one of rows; of others an empty one."""
    if not is_row_file(file):
        return {}
    fault = f"{file}: the file is empty"
    for row in rows_of(file):
        if row.values is not None:
            return row.values
        if row.line == 1:
            fault = f"{file}:1: {row.fault}"
    raise InputError(fault)


@functools.lru_cache(maxsize=64)
def say_once(message: str) -> None:
    """Say something once, although a source is read several times in a training."""
    say(message)
