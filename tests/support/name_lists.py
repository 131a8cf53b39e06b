"""A plugin that reads lists of names, and rows of JSONL with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from invented_plugins import NAMES, plugin_of

from fieldsmith import Document, Example, Reject, UnknownFormatError, read_text
from fieldsmith.files import write_jsonl

ROW = {"id": "a", "text": "Ada met Bob.", "record": {"names": ["Ada", "Bob"]}}


def names_on_lines(source: Path | None) -> Iterable[Example | Reject]:
    """A loader of its own format: a first line "names", then one name a line."""
    assert source is not None
    if source.is_dir():
        raise UnknownFormatError(f"{source}: in no format that invented reads")
    return _names_on_lines(source)


def _names_on_lines(source: Path) -> Iterator[Example | Reject]:
    first, *names = read_text(source).splitlines() or [""]
    if first != "names":
        raise UnknownFormatError(f"{source}: in no format that invented reads")
    for number, name in enumerate(names, start=2):
        place = f"{source}:{number}"
        if name:
            record = {"names": [name]}
            yield Example(Document(f"line {number}", name), record, place=place)
        else:
            yield Reject(place, "name", "the line is empty")


PLUGIN = plugin_of(NAMES, load=names_on_lines)


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(path, rows)
    return path
