"""The command line as a run records it: without folders of this machine, and without secrets."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from .paths import without_folders

_SHOWN = 200

_HIDDEN = ("--again", "--engine-option")
"""Options whose value is left out: it is recorded elsewhere, or may hold a key."""

_SECRET = re.compile(r"(?i)\b(\w*(?:key|token|secret|password)\w*)=.*")


def recorded_command(arguments: Sequence[str]) -> str:
    """Return a command line as it is recorded.

    >>> recorded_command(["evaluate", "/data/runs/a", "--engine", "http://me:pw@host:8000/?key=1"])
    'extract evaluate a --engine http://host:8000/'
    >>> recorded_command(["evaluate", "runs/a", "--again", "a reason", "--set=hub_token=x"])
    'extract evaluate runs/a --again … --set=hub_token=…'
    """
    return " ".join(["extract", *_words(arguments)])


def _words(arguments: Sequence[str]) -> Iterator[str]:
    before = ""
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if before in _HIDDEN:
            yield "…"
        elif argument.startswith("--") and equals:
            yield f"{option}={'…' if option in _HIDDEN else _shown(value)}"
        else:
            yield _shown(argument)
        before = argument


def _shown(value: str) -> str:
    value = _SECRET.sub(r"\1=…", _without_login(without_folders(value)))
    value = "".join(each if each.isprintable() else "�" for each in value)
    value = value if len(value) <= _SHOWN else f"{value[: _SHOWN - 1]}…"
    return value if "…" in value else shlex.quote(value)


def _without_login(value: str) -> str:
    """Return an address without a user's name and password, and without its query."""
    if "://" not in value:
        return value
    try:
        parts = urlsplit(value)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "…"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
