"""Predictions as a folder of parquet files, each a partition of documents in input order.

It is what tools for large tables read. What JSON nests is a column of JSON text, so that the
columns are the same whatever a plugin's schema is.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import Document, Reject
from ..errors import OutputError
from ..files import require_writable, temporary_beside, write_json, writing
from ..files.locks import locked
from .prediction_file import id_of
from .resumable_file import BUSY, is_folder, key_in, working_files

if TYPE_CHECKING:
    from pyarrow import Schema

_PARTITION = 1024
"""Documents of a partition, about: what is lost if the command is killed, and held in memory."""

_NAME = re.compile(r"part-\d{6,}\.parquet")

_COLUMNS = {
    "id": "string", "record": "json", "error": "string", "normalised": "json", "spans": "json",
    "boxes": "json", "confidence": "json", "status": "json", "occurrences": "json",
    "windows": "numbers", "read": "share", "truncated": "number", "repeats": "number",
    "unsure": "number", "ungrounded": "number", "constrained": "flag", "plugin": "string",
}  # fmt: skip
"""Kind of each column; their names are the keys of a line."""


class PartitionFolder:
    """A folder of predictions that is written partition by partition and renamed once it is whole.

    Until then it is called ``FOLDER.partial``, with a hash of what it was made from in
    ``FOLDER.partial.json``, as ``PredictionFile`` does it.
    """

    def __init__(self, path: Path) -> None:
        """Name the files; ``open_partitions`` prepares to write them."""
        self.path = path
        self.partial, self.state = working_files(path, is_folder)
        self.groups, self.done = 1, 0

    def groups_done(self, key: str, size: int, rows: Iterable[Document | Reject]) -> int:
        """Return the number of groups in whole partitions of an earlier run; delete the others.

        Args:
            key: hash of all that decides the predictions; partitions of another key are deleted.
            size: documents of a group.
            rows: the documents, of which each row has to be one, in order.

        Raises:
            OutputError: the folder cannot be written.
        """
        self.groups = max(1, _PARTITION // size)
        with writing(self.partial):
            if key_in(self.state) != key:
                shutil.rmtree(self.partial, ignore_errors=True)
            # First the key, then the folder: a folder without a key is not ours.
            write_json(self.state, {"key": key})
            self.partial.mkdir(exist_ok=True)
            counts = list(self._whole(size * self.groups, rows))
            self.done = len(counts)
            kept = {self._part(number).name for number in range(self.done)}
            for path in self.partial.iterdir():
                if path.name not in kept:
                    path.unlink()
        return sum(-(-count // size) for count in counts)

    def write(self, groups: Iterable[list[bytes]], expected: int) -> int:
        """Write partitions, each flushed to the disk, and rename the folder at the end.

        Args:
            groups: lines.
            expected: number of rows that all partitions have.

        Returns:
            How many lines were written.

        Raises:
            OutputError: the disk is full, or the folder cannot be written any more.
        """
        source, written = iter(groups), 0
        while part := list(itertools.islice(source, self.groups)):
            lines = list(itertools.chain.from_iterable(part))
            _write_part(self._part(self.done), lines)
            self.done += 1
            written += len(lines)
        with writing(self.path):
            held = sum(_rows_in(self._part(number)) for number in range(self.done))
            if held != expected:
                raise OutputError(
                    f"{self.partial}: has {held} rows where {expected} were written; did another "
                    f"program change it? Delete it and start again"
                )
            _require_own(self.path)
            if self.path.exists():
                shutil.rmtree(self.path)
            os.rename(self.partial, self.path)
            self.state.unlink(missing_ok=True)
        return written

    def _part(self, number: int) -> Path:
        return self.partial / f"part-{number:06}.parquet"

    def _whole(self, size: int, rows: Iterable[Document | Reject]) -> Iterator[int]:
        """Yield the rows of each partition that is whole, up to the first that is not."""
        source = iter(rows)
        for number in itertools.count():
            ids = [_text(id_of(row)) for row in itertools.islice(source, size)]
            if not ids or _ids_in(self._part(number)) != ids:
                return
            yield len(ids)


@contextmanager
def open_partitions(output: Path) -> Iterator[PartitionFolder]:
    """Prepare to write a folder of predictions; no other process can write it meanwhile.

    Raises:
        OutputError: it cannot be written, it is there and holds something else, or another process
            writes it.
    """
    with writing(output):
        path = Path(os.path.realpath(output))
        _require_own(path)
    require_writable(path.parent)
    with locked(path, BUSY):
        yield PartitionFolder(path)


def _require_own(path: Path) -> None:
    """Refuse to replace what is no folder of predictions."""
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        raise OutputError(
            f"{path}: is a file, and predictions in parquet are a folder; choose another --output"
        )
    other = next((each.name for each in path.iterdir() if not _NAME.fullmatch(each.name)), None)
    if other is not None:
        raise OutputError(
            f"{path}: holds {other}, which is no part of predictions; choose another --output"
        )


def _write_part(path: Path, lines: Iterable[bytes]) -> None:
    from pyarrow import Table, parquet

    rows = [_row(json.loads(line)) for line in lines]
    table = Table.from_pylist(rows, schema=_schema())
    temporary = temporary_beside(path)
    with writing(path):
        with temporary.open("xb") as stream:
            parquet.write_table(table, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)


def _row(line: dict[str, Any]) -> dict[str, Any]:
    row = {}
    for name, kind in _COLUMNS.items():
        value = line.get(name)
        if value is not None and kind == "json":
            value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        row[name] = _text(value) if isinstance(value, str) else value
    return row


def _text(text: str) -> str:
    """Return a text that UTF-8 can hold: half a surrogate pair becomes the escape of JSON."""
    return text.encode("utf-8", "backslashreplace").decode()


def _schema() -> Schema:
    import pyarrow

    types = {
        "string": pyarrow.string(),
        "json": pyarrow.string(),
        "numbers": pyarrow.list_(pyarrow.int64()),
        "number": pyarrow.int64(),
        "share": pyarrow.float64(),
        "flag": pyarrow.bool_(),
    }
    return pyarrow.schema([(name, types[kind]) for name, kind in _COLUMNS.items()])


def _ids_in(path: Path) -> list[str] | None:
    """Return the ids of a partition; None if it is not there or not whole."""
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as table:
            if not table.schema_arrow.equals(_schema()):
                return None
            ids: list[str] = table.read(["id"])["id"].to_pylist()
            return ids
    except (ArrowException, OSError, ValueError):
        return None


def _rows_in(path: Path) -> int:
    from pyarrow import parquet

    count: int = parquet.read_metadata(path).num_rows
    return count
