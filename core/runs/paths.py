"""Paths in what a run stores: as the user gave them, without the home folder, found from anywhere.

A path that was given as relative stays so, and one in the user's home folder begins with ``~/``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def without_folders(name: str) -> str:
    """Return a model or a path as a report names it: without the folders of this machine.

    >>> without_folders("/data/models/tiny"), without_folders("~/models/tiny")
    ('tiny', 'tiny')
    >>> without_folders("org/tiny")
    'org/tiny'
    """
    return Path(name).name if os.path.isabs(name) or name.startswith("~") else name


def below_source(value: Any, source: Path | None) -> Any:
    """Return a JSON value whose strings name paths as below the source of the data.

    >>> below_source(["/data/news/a.html:3: no date"], Path("/data/news"))
    ['a.html:3: no date']
    >>> below_source({"place": "/data/a.jsonl:3"}, Path("/data/a.jsonl"))
    {'place': 'a.jsonl:3'}
    """
    if isinstance(value, str) and source is not None:
        return value.replace(f"{source}{os.sep}", "").replace(str(source), source.name)
    if isinstance(value, list):
        return [below_source(item, source) for item in value]
    if isinstance(value, dict):
        return {key: below_source(item, source) for key, item in value.items()}
    return value


def without_home(value: Any) -> Any:
    """Return a JSON value whose strings name the user's home folder as ``~``."""
    if isinstance(value, str):
        for home in _homes():
            value = re.sub(rf"(?<![\w.~-]){re.escape(home)}(?![\w-]|\.\w)", "~", value)
        return value
    if isinstance(value, list | tuple):
        return [without_home(item) for item in value]
    if isinstance(value, dict):
        return {without_home(key): without_home(item) for key, item in value.items()}
    return value


def _homes() -> list[str]:
    """Return the home folder, as it is named and where its links lead; [] if there is none."""
    home = os.path.expanduser("~").rstrip("/")
    found = dict.fromkeys((home, os.path.realpath(home)))
    return [each for each in found if os.path.isabs(each) and each != os.sep] if home else []


def _is_in_home(path: str) -> bool:
    return any(Path(path).is_relative_to(home) for home in _homes())


def stored_path(path: str) -> str:
    """Return a path as a run stores it: as it was given, but for the home folder.

    Args:
        path: as the user gave it. A relative one that enters the home folder from outside, or
            names it on a way out and in again, would name it, and is stored as below ``~``.
    """
    if os.path.isabs(path):
        return str(without_home(path))
    whole = os.path.abspath(path)
    names = {Path(home).name for home in _homes()}
    enters = not _is_in_home(os.getcwd()) or (
        ".." in Path(path).parts and names & {*Path(path).parts}
    )
    return str(without_home(whole)) if _is_in_home(whole) and enters else path


@dataclass(frozen=True)
class GivenPaths:
    """The paths that a training was given, each by where it is.

    Attributes:
        names: absolute path -> as run.json has it.
        from_run: of those that are relative: as run.json has it -> relative to the run folder, from
            which it is found wherever a command is run.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    from_run: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(paths: Sequence[str], folder: Path) -> GivenPaths:
        """Return them for paths as the user gave them.

        Args:
            paths: the paths.
            folder: the run folder.
        """
        names, from_run = {}, {}
        for path in paths:
            whole, stored = os.path.abspath(path), stored_path(path)
            names[whole] = stored
            way = _way(whole, os.path.abspath(folder))
            if not os.path.isabs(stored) and not stored.startswith("~") and way:
                from_run[stored] = way
        return GivenPaths(names, from_run)

    def named(self, value: Any) -> Any:
        """Return a path as run.json has it; what is no path that was given stays as it is."""
        return self.names.get(value, value) if isinstance(value, str) else value


def _way(path: str, folder: str) -> str:
    """Return the way from a folder to a path; "" if it would name the home folder."""
    try:
        above = os.path.commonpath([path, folder])
        way = os.path.relpath(path, folder)
    except ValueError:  # on two drives of Windows
        return ""
    return "" if _is_in_home(path) and not _is_in_home(above) else way


def places_of(stored: str, folder: Path, from_run: Mapping[str, str]) -> list[str]:
    """Return the absolute paths at which a stored path is looked for, the likeliest first.

    Args:
        stored: the path in run.json.
        folder: the run folder.
        from_run: the entry ``paths`` of run.json.
    """
    here = os.path.abspath(os.path.expanduser(stored))
    way = from_run.get(stored)
    beside = os.path.normpath(os.path.join(os.path.abspath(folder), way)) if way else here
    return list(dict.fromkeys((beside, here)))


def found_at(places: Sequence[str]) -> str:
    """Return the first place at which something is, or else the first."""
    return next(filter(os.path.exists, places), places[0])
