"""Read the labelled rows that a schema is inferred from, before there is a plugin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..data import Example
from ..dataset.row_chats import (
    FixedWords,
    from_json,
    is_triple,
    of_conversation,
    of_triple,
    turns_of,
)
from ..dataset.row_examples import example_of_row
from ..dataset.row_files import TABLES, is_row_file, kind_of, rows_of
from ..dataset.row_spans import has_spans
from ..dataset.splits import fingerprint
from ..errors import InputError
from ..files import files_in, parse_json
from ..progress import say
from ..source_names import RESERVED


def labelled_examples(records: Path) -> Iterator[Example]:
    """Yield the labelled rows of a file or folder, each text and id once.

    Rows are those of JSONL, tables, parquet or a JSON list: ``id, text, record``, a ``text`` with
    the record's keys beside it, conversations, or triples of instruction, input and output. A
    column of a table whose cells are all JSON other than texts has their values.

    Raises:
        InputError: a row has no text or a broken record, or none has a record.
    """
    texts, ids = set[str](), set[str]()
    for file in files_in(records):
        if not is_row_file(file):
            raise InputError(f"{file}: rows are wanted: JSONL, CSV, TSV, parquet or a JSON list")
        for place, row in _core_rows(file):
            example = example_of_row(row, place)
            if not isinstance(example, Example):
                raise InputError(f"{example.place}: {example.reason}")
            mark = fingerprint(example.document.text)
            if example.record and mark not in texts and example.document.id not in ids:
                texts.add(mark)
                ids.add(example.document.id)
                yield example
    if not texts:
        raise InputError(
            f"{records}: no row has a record; write one a line, "
            f'{{"id": "1", "text": "…", "record": {{"field": "value"}}}}'
        )


def _core_rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each row in the form of the core's, with its place.

    Raises:
        InputError: a row cannot be read.
    """
    columns = _json_columns(file) if kind_of(file) in TABLES else None
    fixed = FixedWords()
    for line, values, fault in rows_of(file):
        place = f"{file}:{line}"
        if values is None:
            raise InputError(f"{place}: {fault}")
        try:
            row = _core_row(values, columns)
        except ValueError as error:
            raise InputError(f"{place}: {error}") from error
        fixed.add(values, row["text"] if isinstance(row.get("text"), str) else "")
        yield place, row
    if warning := fixed.warning(file):
        say(warning)


def _core_row(values: dict[str, Any], columns: set[str] | None) -> dict[str, Any]:
    """Return a row in the form of the core's.

    Args:
        values: the row.
        columns: of a table, those whose cells are JSON; None if the row is of no table.

    Raises:
        ValueError: says why it cannot be read.
    """
    if has_spans(values):
        raise ValueError("spans with labels are read once there is a plugin; begin with records")
    if turns_of(values):
        return of_conversation(values, None)
    if is_triple(values):
        return of_triple(values, None)
    if columns is not None:
        values = {key: _of_cell(key, cell, columns) for key, cell in values.items()}
    if "record" in values:
        return values
    record = {key: values[key] for key in values if key not in RESERVED}
    return values | {"record": record or None}


def _of_cell(column: str, cell: str, columns: set[str]) -> Any:
    if not cell.strip():
        return None
    return from_json(cell, column) if column in columns else cell


def _json_columns(file: Path) -> set[str]:
    """Return the columns of a table whose cells are all empty, or JSON that is no text."""
    given, others = set[str](), set[str]()
    for _line, values, _fault in rows_of(file):
        for name, cell in (values or {}).items():
            if cell.strip():
                (given if _is_json(cell) else others).add(name)
    return given - others - {"id", "text", "url", "path", "split"}


def _is_json(cell: str) -> bool:
    try:
        return not isinstance(parse_json(cell), str)
    except ValueError:
        return False
