"""What of a folder is not read as documents: hidden files, special files, files about the data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..collecting.folder import is_list_of_labels
from ..files import files_in, readable
from ..progress import say
from .readers import names_files
from .standoff import BRAT, BRAT_TEXT

_ABOUT_THE_DATA = re.compile(
    r"(?i).*\.(rst|ya?ml|toml|lock|conf)"
    r"|(readme|licen[cs]e|copying|notice|changelog|contributing)([._-].*)?\.(md|markdown)"
)
_SHOWN = 5
"""So many of the files are named in the message."""


def is_about_data(file: Path) -> bool:
    """Return whether a file only describes the data beside it, by its name: a readme, YAML, …

    So do the annotations of a text beside them (``.ann``), which are read with the text.
    """
    return bool(_ABOUT_THE_DATA.fullmatch(file.name)) or (
        file.suffix == BRAT and file.with_suffix(BRAT_TEXT).is_file()
    )


def is_no_document(file: Path, names: Mapping[str, str]) -> bool:
    """Return whether a file of a folder is about the documents there, and holds none itself.

    Args:
        file: the file.
        names: what keys of rows stand for.
    """
    return is_about_data(file) or is_list_of_labels(file) or names_files(file, names)


def say_what_is_passed_over(folder: Path, names: Mapping[str, str]) -> None:
    """Say how many files of a folder are no documents to predict on, and name the first ones.

    Args:
        folder: the folder.
        names: see ``is_no_document``.
    """
    read = [file for file in files_in(folder) if not is_no_document(file, names)]
    if message := passed_over(folder, read):
        say(message)


def passed_over(folder: Path, read: Iterable[Path]) -> str | None:
    """Return a message about the files of a folder that are not read; None if all are.

    Args:
        folder: the folder.
        read: the files that are read.
    """
    inside = (path for path in sorted(folder.rglob("*")) if not path.is_dir() or path.is_symlink())
    known = set(read)
    others = [path.relative_to(folder).as_posix() for path in inside if path not in known]
    if not others:
        return None
    return passed_over_message(
        str(folder), others, "hidden, about the data, without a label, or not regular"
    )


def passed_over_message(place: str, others: Sequence[str], why: str) -> str:
    """Return a message about files that are passed over.

    Args:
        place: the folder or archive.
        others: names of the files; the first ones are shown.
        why: what is said of all of them.
    """
    more = ", …" if len(others) > _SHOWN else ""
    files = "1 file" if len(others) == 1 else f"{len(others)} files"
    return (
        f"{place}: {files} passed over ({why}): {', '.join(map(readable, others[:_SHOWN]))}{more}"
    )
