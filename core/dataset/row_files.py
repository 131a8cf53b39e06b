"""Rows of the files that every plugin can be given: JSONL, CSV, TSV, parquet, compressed or not.

Label Studio's export, a JSON list of tasks, is one, too, and so are annotations of brat and
PubTator. Whether these rows have what the core needs is decided elsewhere (``row_forms``).
"""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import itertools
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple, TextIO, cast

from ..errors import InputError
from ..files import check_json, lines_in, parse_json, parse_line, read_text
from .standoff import is_standoff, standoff_rows

TABLES = {".csv", ".tsv"}
_JSONL = {".jsonl", ".ndjson"}
_DELIMITERS = ",;\t"
_LONGEST_CELL = 1 << 30
_PARQUET_ROWS = 256
"""Rows of parquet that are held at once."""


class FileRow(NamedTuple):
    """A row of a file.

    Attributes:
        line: where it begins: its line, or in parquet and JSON its number, from 1.
        values: by key or column; None where it cannot be read.
        fault: why it cannot be read; "" if it can.
    """

    line: int
    values: dict[str, Any] | None
    fault: str = ""


def kind_of(file: Path) -> str:
    """Return the ending that says what a file is, without that of its compression."""
    name = file.name.lower().removesuffix(".gz")
    return Path(name).suffix


def is_row_file(file: Path) -> bool:
    """Say whether a file is named as one of rows, or is an export of Label Studio."""
    kind = kind_of(file)
    return (
        is_standoff(file)
        or kind in {*_JSONL, *TABLES, ".parquet"}
        or (kind == ".json" and _is_list(file))
    )


def rows_of(file: Path) -> Iterator[FileRow]:
    """Yield the rows of a file, as they are read.

    Raises:
        InputError: the file as a whole cannot be read.
    """
    kind = kind_of(file)
    if is_standoff(file):
        yield from _standoff_rows(file)
    elif kind == ".parquet":
        yield from _parquet_rows(file)
    elif kind == ".json":
        yield from _json_rows(file)
    elif kind in TABLES:
        yield from _table_rows(file, "\t" if kind == ".tsv" else _DELIMITERS)
    else:
        yield from jsonl_rows(_lines(file), str(file))


def jsonl_rows(lines: Iterable[bytes], name: str) -> Iterator[FileRow]:
    """Yield the rows of JSONL; blank lines are none."""
    for number, line in enumerate(lines, start=1):
        try:
            values = parse_line(line, name, number)
        except InputError as error:
            yield FileRow(number, None, str(error).removeprefix(f"{name}:{number}: "))
        else:
            if values is not None:
                yield FileRow(number, values)


def _standoff_rows(file: Path) -> Iterator[FileRow]:
    for line, row in standoff_rows(file):
        yield FileRow(line, None, row) if isinstance(row, str) else FileRow(line, row)


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """Open a file, uncompressed.

    Raises:
        InputError: it cannot be read, or its compression is damaged.
    """
    try:
        with file.open("rb") as raw:
            if file.suffix.lower() == ".gz":
                with gzip.open(raw) as stream:
                    yield cast("IO[bytes]", stream)
            else:
                yield raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{file}: its compression (gzip) is damaged or cut off") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error


def _lines(file: Path) -> Iterator[bytes]:
    with _opened(file) as stream:
        yield from lines_in(stream)


def _table_rows(file: Path, delimiters: str) -> Iterator[FileRow]:
    """Yield the rows of a table, by the names in its first line."""
    csv.field_size_limit(_LONGEST_CELL)
    with _opened(file) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        try:
            yield from _records(file, text, delimiters)
        except UnicodeDecodeError as error:
            raise InputError(f"{file}: not UTF-8 at byte {error.start}") from error
        except csv.Error as error:
            raise InputError(f"{file}: not a table: {error}") from error


def _records(file: Path, text: TextIO, delimiters: str) -> Iterator[FileRow]:
    header = text.readline()
    if not header.strip():
        raise InputError(f"{file}: the file is empty")
    delimiter = max(delimiters, key=header.count)
    (names,) = csv.reader([header], delimiter=delimiter)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{file}:1: the column {twice!r} comes twice")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    for cells in reader:
        line = reader.line_num + 1 - sum(cell.count("\n") for cell in cells)
        if not cells:
            continue
        if len(cells) != len(names):
            yield FileRow(
                line, None, f"{len(cells)} columns, where the first line has {len(names)}"
            )
        else:
            yield FileRow(line, dict(zip(names, cells, strict=True)))


def _parquet_rows(file: Path) -> Iterator[FileRow]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as table:
            batches = table.iter_batches(batch_size=_PARQUET_ROWS)
            rows = itertools.chain.from_iterable(batch.to_pylist() for batch in batches)
            for number, row in enumerate(rows, start=1):
                values = {name: _as_json(value) for name, value in row.items()}
                yield _checked(number, values)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{file}: not parquet, or damaged: {reason}") from error


def _as_json(value: Any) -> Any:
    """Return a value of a parquet column as JSON has it."""
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _checked(number: int, values: dict[str, Any]) -> FileRow:
    try:
        check_json(values)
    except (TypeError, ValueError) as error:
        return FileRow(number, None, str(error))
    return FileRow(number, values)


def _is_list(file: Path) -> bool:
    try:
        with _opened(file) as stream:
            return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    except InputError:
        return False


def _json_rows(file: Path) -> Iterator[FileRow]:
    """Yield the objects of a JSON list."""
    try:
        items: Sequence[Any] = parse_json(read_text(file))
    except ValueError as error:
        raise InputError(f"{file}: not JSON: {error}") from error
    for number, item in enumerate(items, start=1):
        if isinstance(item, dict):
            yield FileRow(number, item)
        else:
            kind = type(item).__name__
            yield FileRow(
                number, None, f"a JSON object is wanted, not {kind}: {json.dumps(item)[:40]}"
            )
