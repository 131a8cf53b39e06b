"""Paths in what a run stores: below the source of the data, wherever that is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def without_folders(name: str) -> str:
    """Return a model or a path as a report names it: without the folders of this machine.

    >>> without_folders("/home/me/models/tiny")
    'tiny'
    >>> without_folders("org/tiny")
    'org/tiny'
    """
    return Path(name).name if os.path.isabs(name) else name


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
