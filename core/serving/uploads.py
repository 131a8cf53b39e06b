"""Read the documents of uploaded files in another process, which a hostile file can only end."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..data import Document, Reject
from ..dataset.inputs import read_inputs
from ..dataset.row_json import row_as_json, row_of_json
from ..errors import FieldsmithError, InputError
from ..plugin_code.other_process import ProcessEndedError, Tell, running
from ..plugins import Plugin, load
from ..reading.archives import safe_name
from ..reading.limits import Limits
from ..reading.reader import Reader

_MEMORY = 4 << 30
"""Bytes that the reading process may use."""


class UploadedFile(NamedTuple):
    """A file as it was sent: the name that it came with, and its bytes."""

    name: str
    content: bytes


class UploadedRow(NamedTuple):
    """A document of an uploaded file, or a reject.

    Attributes:
        row: what was read.
        file: number of the file, from 0.
    """

    row: Document | Reject
    file: int


def documents_of(
    plugin: Plugin, files: Sequence[UploadedFile], most: int, seconds: float
) -> list[UploadedRow]:
    """Return the documents of files, and a reject for each that cannot be read.

    Args:
        plugin: its loader goes first.
        files: in the order in which they were sent.
        most: documents, at most.
        seconds: of computing time, at most.

    Raises:
        InputError: a file cannot be read at all, there are too many documents, or the files take
            too much time or memory.
    """
    with tempfile.TemporaryDirectory(prefix="fieldsmith-upload-") as folder:
        names = _written(Path(folder), files)
        rows: list[UploadedRow] = []
        arguments = (plugin.name, plugin.wrappers, dict(plugin.names), names, seconds)
        try:
            with running(_read, *arguments) as reports:
                for report in reports:
                    rows.append(_row(report))
                    if len(rows) > most:
                        raise InputError(f"the files have more than {most} documents")
        except ProcessEndedError as error:
            raise InputError(
                f"not read within {seconds:g} seconds and {_MEMORY >> 30} GiB: {error}"
            ) from error
        except InputError as error:
            raise InputError(str(error).replace(f"{folder}/", "")) from error
        return rows


def _written(folder: Path, files: Sequence[UploadedFile]) -> list[str]:
    """Write files into a folder, each into one of its own; return their paths."""
    paths = []
    for number, file in enumerate(files):
        path = folder / str(number) / safe_name(file.name)
        path.parent.mkdir()
        path.write_bytes(file.content)
        paths.append(str(path))
    return paths


def _row(report: dict[str, Any]) -> UploadedRow:
    if "error" in report:
        raise InputError(report["error"])
    return UploadedRow(row_of_json(report["row"]), report["file"])


def _read(
    tell: Tell,
    name: str,
    wrappers: list[str],
    given: dict[str, str],
    paths: list[str],
    seconds: float,
) -> None:
    """Tell each document and reject of files; called in the other process."""
    _limit(seconds)
    try:
        for number, path in enumerate(paths):
            plugin = load(name, tuple(wrappers), given)
            for row in read_inputs(plugin, [path]):
                tell({"row": row_as_json(row), "file": number})
    except FieldsmithError as error:
        tell({"error": str(error)})
    except MemoryError:
        tell({"error": "the files take too much memory"})


def _limit(seconds: float) -> None:
    """Limit computing time and memory of this process, where the system can."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))


def drawn_page(content: bytes, page: int, seconds: float) -> tuple[bytes, tuple[float, float]]:
    """Return a page of an uploaded PDF as PNG, with its width and height in points.

    Args:
        content: the PDF.
        page: number of the page, from 1.
        seconds: to draw it, at most.

    Raises:
        InputError: it cannot be drawn.
    """
    with tempfile.TemporaryDirectory(prefix="fieldsmith-upload-") as folder:
        file = Path(folder, "document.pdf")
        file.write_bytes(content)
        with Reader(Limits()._replace(seconds=seconds)) as reader:
            return reader.draw(file, page)
