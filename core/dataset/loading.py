"""Load examples: JSONL of ``id, text, record`` for every plugin, else the plugin's own loader."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data import (
    DEFAULT_RATIO,
    SPLITS,
    Document,
    Example,
    Mentions,
    Ratio,
    Reject,
    Schema,
    Teacher,
)
from ..errors import InputError, UnknownFormatError
from ..files import check_json, files_in, readable, split_of
from ..plugins import Plugin
from ..schema.navigation import field_schema, types_of
from ..schema.pointers import parse_pointer
from ..schema.records import canonical, first_problem
from .passed_over import passed_over
from .readers import (
    core_files,
    explained_format,
    first_row,
    rows_of_plugin,
    say_missing_names,
    say_once,
)
from .row_files import FileRow, jsonl_rows, rows_of
from .row_forms import as_core_row, is_core_row
from .row_names import identity_of, renamed_record, renamed_row
from .row_spans import fields_of_labels, has_spans, labelled_fields, labels_passed_over
from .splits import Splits, split_documents
from .standoff import BRAT, BRAT_TEXT, configured_labels

_INDEX = re.compile("0|[1-9][0-9]{0,8}")
_WANTED_TEACHER = '"teacher" names the "model" and the "licence" of what made the record, two texts'
_WANTED_MENTIONS = '"mentions" maps JSON Pointers to lists of spans, [[start, end], …]'


def read_examples(plugin: Plugin, source: Path | None) -> Iterator[Example | Reject]:
    """Yield the examples of a source, for training and evaluation.

    Args:
        plugin: its loader reads what is not the core's JSONL; records are checked by its schema,
            and ``names`` are what the source calls its fields.
        source: a file or folder; None for the plugin's bundled sample.

    Yields:
        Examples, and a reject for each row that is not valid.

    Raises:
        InputError: a missing path, an empty source, a file that cannot be read, or a source that
            does not have one of the names and of which no row is valid.
    """
    is_empty = is_unusable = True
    plugin = plugin.anew()
    passed_over: Counter[str] = Counter()
    for row in _explained(_rows(plugin, source), plugin, source):
        is_empty = False
        checked = _validated(row, plugin)
        if isinstance(row, Example):
            kept = checked if isinstance(checked, Example) else row
            passed_over.update(kept.passed_over)
            is_unusable &= not isinstance(checked, Example)
        # Without its annotations a document is of use to predictions alone.
        yield replace(checked, document=None) if isinstance(checked, Reject) else checked
    name = str(source or f"the sample of {plugin.name}")
    if is_empty:
        raise InputError(f"{name}: no document in it")
    say_missing_names(plugin, source, is_unusable=is_unusable)
    if passed_over:
        found = ", ".join(f"{kind} ({count})" for kind, count in sorted(passed_over.items()))
        say_once(f"{name}: annotated and not part of a record, passed over: {readable(found)}")


def _explained(
    rows: Iterable[Example | Reject], plugin: Plugin, source: Path | None
) -> Iterator[Example | Reject]:
    """Yield rows; an error about the format of their file says what of it could be mapped."""
    try:
        yield from rows
    except UnknownFormatError as error:
        raise explained_format(error, plugin, source) from error


def _rows(plugin: Plugin, source: Path | None) -> Iterable[Example | Reject]:
    files = core_files(plugin, source) if source is not None else []
    if source is None or not files:
        return rows_of_plugin(plugin, source)
    texts = [file.with_suffix(BRAT_TEXT) for file in files if file.suffix == BRAT]
    if source.is_dir() and (message := passed_over(source, [*files, *texts])):
        say_once(message)
    labelled = _fields_of_brat(files, plugin)
    return (
        row
        for file in files
        for row in read_row_file(file, plugin, split_of(file, source), labelled)
    )


def _fields_of_brat(files: Iterable[Path], plugin: Plugin) -> set[str] | None:
    """Return the fields that annotations of brat are labelled with; None if there are none.

    A file is a document there, so the fields are those of all.
    """
    files = [file for file in files if file.suffix == BRAT]
    if not files:
        return None
    folders = sorted({file.parent for file in files})
    labels = (label for folder in folders for label in configured_labels(folder))
    rows = (row.values for file in files for row in rows_of(file) if row.values is not None)
    return fields_of_labels(labels, plugin) | labelled_fields(rows, plugin)


def read_splits(
    plugin: Plugin, source: Path | None, *, allow_leaks: bool, ratio: Ratio = DEFAULT_RATIO
) -> tuple[Splits, str]:
    """Read a source and split it by document; see ``split_documents``.

    Returns:
        The splits, and the sha256 of every example that was read.

    Raises:
        InputError: the source cannot be read.
        LeakError: official splits share documents.
    """
    digest = hashlib.sha256()

    def hashed() -> Iterator[Example | Reject]:
        for row in read_examples(plugin, source):
            if isinstance(row, Example):
                digest.update(canonical(_as_json(row)).encode())
            yield row

    splits = split_documents(hashed(), allow_leaks=allow_leaks, ratio=ratio)
    return splits, digest.hexdigest()


def jsonl_examples(
    source: Path, names: Mapping[str, str] | None = None
) -> Iterator[Example | Reject]:
    """Yield the examples of JSONL rows of ``id, text, record``: a loader for data in that form.

    Args:
        source: a file, or a folder whose files' names, or their folders', give the split.
        names: what ``extract_load`` is given: the keys of rows and records that stand for others.

    Raises:
        InputError: nothing is at ``source``, or a line is not such a row.
        UnknownFormatError: a file is not JSONL, or its rows have no text.
    """
    for file in files_in(source):
        if not is_core_row(renamed_row(first_row(file), names or {})):
            raise UnknownFormatError(
                f'{file}: rows of JSONL with a text are wanted, {{"id": …, "text": …, '
                f'"record": {{…}}}}, in a file *.jsonl'
            )
        yield from read_core_rows(rows_of(file), str(file), split_of(file, source), names)


def read_row_file(
    file: Path, plugin: Plugin, split: str | None = None, labelled: set[str] | None = None
) -> Iterator[Example | Reject]:
    """Yield the rows of a file in any of the forms that the core reads (``row_forms``).

    Args:
        file: the file.
        plugin: its schema names the fields.
        split: the official split where a row names none.
        labelled: the fields that its spans are labelled with; None for those of the file alone.
    """
    for row in rows_of(file):
        place, values = f"{file}:{row.line}", row.values
        if values is None:
            yield Reject(place, "", row.fault)
            continue
        if labelled is None and has_spans(values):
            others = (each.values for each in rows_of(file))
            labelled = labelled_fields(filter(None, others), plugin)
        try:
            example = example_of_row(as_core_row(values, plugin, labelled or ()), place, split)
            if isinstance(example, Example) and (left_out := labels_passed_over(values, plugin)):
                example = replace(example, passed_over=left_out)
            yield example
        except ValueError as error:
            alone = example_of_row(identity_of(values, plugin.names), place)
            if isinstance(alone, Example):
                yield _rejected(alone, "", str(error))
            else:
                yield Reject(place, "", str(error))


def read_core_jsonl(
    lines: Iterable[bytes], name: str, names: Mapping[str, str] | None = None
) -> Iterator[Example | Reject]:
    """Yield the rows of a stream of the core's JSONL; see ``read_core_rows``."""
    return read_core_rows(jsonl_rows(lines, name), name, None, names)


def read_core_rows(
    rows: Iterable[FileRow],
    name: str,
    split: str | None = None,
    names: Mapping[str, str] | None = None,
) -> Iterator[Example | Reject]:
    """Yield examples as ``example_of_row`` makes them; a row that cannot be read is a reject."""
    names = names or {}
    for row in rows:
        place = f"{name}:{row.line}"
        if row.values is None:
            yield Reject(place, "", row.fault)
        else:
            values = renamed_record(renamed_row(row.values, names), names)
            yield example_of_row(values, place, split)


def example_of_row(row: dict[str, Any], place: str, split: str | None = None) -> Example | Reject:
    """Make an example of a row of the core's JSONL: ``id, text, record, mentions, teacher, …``.

    A row that breaks its form becomes a reject, with the document where id and text are sound.

    Args:
        row: the JSON object.
        place: file and line, for messages.
        split: the official split where the row names none.
    """
    text, record, given_id = row.get("text"), row.get("record"), row.get("id")
    if not isinstance(text, str):
        return Reject(place, "", f'"text" must be a string; found {_type_of(text)}')
    if isinstance(given_id, bool) or not isinstance(given_id, str | int | None):
        return Reject(place, "", f'"id" must be a string; found {_type_of(given_id)}')
    meta = {key: row[key] for key in ("url", "path") if isinstance(row.get(key), str)}
    document_id = text_id(text) if given_id in (None, "") else str(given_id)
    example = Example(Document(document_id, text, meta), None, {}, None, place)
    split = row.get("split") or split
    mentions = _mentions(row.get("mentions") or {})
    if split is not None and split not in SPLITS:
        return _rejected(example, "split", f"one of {', '.join(SPLITS)} is wanted, not {split!r}")
    if record is not None and not isinstance(record, dict):
        reason = f"the record breaks the schema: an object is wanted, not {_type_of(record)}"
        return _rejected(example, "", reason)
    if mentions is None:
        return _rejected(example, "mentions", _WANTED_MENTIONS)
    teacher = row.get("teacher")
    if isinstance(teacher, dict):  # other data may have something else by this name
        model, licence = teacher.get("model"), teacher.get("licence")
        if not isinstance(model, str) or not isinstance(licence, str):
            return _rejected(example, "teacher", _WANTED_TEACHER)
        example = replace(example, teacher=Teacher(model, licence))
    return as_encodable(replace(example, record=record, mentions=mentions, split=split))


def text_id(text: str) -> str:
    """Return an id for a document without one: the same text gets the same id."""
    return "text-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def as_encodable(row: Example | Reject) -> Example | Reject:
    """Return a row that can be written as JSON; a reject where an example cannot."""
    if isinstance(row, Example):
        try:
            check_json(_as_json(row))
        except ValueError as error:
            row = _rejected(row, "", str(error))
    if isinstance(row, Example):
        return row
    place, field, reason, id_ = map(readable, (row.place, row.field, row.reason, row.id))
    return Reject(place, field, reason, id_, _encodable(row.document))


def _encodable(document: Document | None) -> Document | None:
    try:
        check_json([document.id, document.text, dict(document.meta)] if document else [])
    except ValueError:
        return None
    return document


def _as_json(example: Example) -> list[Any]:
    """Return what an example holds, as JSON; its place does not count."""
    document = example.document
    mentions = {pointer: list(spans) for pointer, spans in example.mentions.items()}
    known = [document.id, document.text, dict(document.meta)]
    return [*known, example.record, mentions, example.split]


def _rejected(example: Example, field: str, reason: str) -> Reject:
    document = example.document
    return Reject(example.place or document.id, field, reason, document.id, document)


def _validated(row: Example | Reject, plugin: Plugin) -> Example | Reject:
    """Return a row, or a reject where record or mentions are not valid."""
    row = as_encodable(row)
    if isinstance(row, Reject) or row.record is None:
        return row
    row = _without_bad_values(row, plugin.schema)
    assert row.record is not None
    if problem := first_problem(row.record, plugin.schema):
        return _rejected(row, problem[0], f"the record breaks the schema: {problem[1]}")
    length = len(row.document.text)
    for pointer, spans in row.mentions.items():
        if not _exists(pointer, row.record):
            return _rejected(row, pointer, "mentions of something that the record does not hold")
        if any(not 0 <= start < end <= length for start, end in spans):
            return _rejected(row, pointer, f"a mention is outside the text of {length} characters")
    return row


def _without_bad_values(example: Example, schema: Schema) -> Example:
    """Leave out optional values of the right type that the schema refuses, such as a false date.

    They are not annotated then, and are printed as passed over.
    """
    record, passed_over = dict(example.record or {}), [*example.passed_over]
    while problem := first_problem(record, schema):
        pointer = problem[0]
        path = parse_pointer(pointer)
        if len(path) != 1 or path[0] in schema.get("required", ()):
            return example
        value = record[path[0]]
        types = {"type": list(types_of(field_schema(pointer, schema)))}
        if isinstance(value, dict | list) or first_problem(value, schema, types):
            return example
        del record[path[0]]
        passed_over.append(f"{path[0]} with a value that the schema refuses")
    if len(record) == len(example.record or {}):
        return example
    mentions = {p: spans for p, spans in example.mentions.items() if parse_pointer(p)[0] in record}
    return replace(example, record=record, mentions=mentions, passed_over=passed_over)


def _exists(pointer: str, value: Any) -> bool:
    """Say whether a JSON Pointer names something in a value."""
    for part in parse_pointer(pointer):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and _INDEX.fullmatch(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return False
    return pointer.startswith("/")


def _mentions(given: object) -> Mentions | None:
    """Return the mentions of a row; None if they have another form."""
    if not isinstance(given, dict):
        return None
    if not all(isinstance(spans, list) and all(map(_is_span, spans)) for spans in given.values()):
        return None
    return {pointer: [(start, end) for start, end in spans] for pointer, spans in given.items()}


def _is_span(value: object) -> bool:
    return isinstance(value, list) and list(map(type, value)) == [int, int]


def _type_of(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
