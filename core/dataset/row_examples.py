"""Make examples of rows: those of the core's JSONL, and of the other forms that the core reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data import SPLITS, Document, Example, Mentions, Reject, Teacher
from ..errors import UnknownFormatError
from ..files import MOST_CHARACTERS, TOO_LONG, check_json, files_in, readable, split_of
from ..plugins import Plugin
from .readers import first_row, say_once
from .row_chats import FixedWords
from .row_files import FileRow, jsonl_rows, rows_of
from .row_forms import as_core_row, is_core_row
from .row_names import identity_of, renamed_record, renamed_row
from .row_spans import has_spans, labelled_fields, labels_passed_over
from .teacher_licences import licence_id

_WANTED_TEACHER = '"teacher" names the "model" and the "licence" of what made the record, two texts'
_WANTED_MENTIONS = '"mentions" maps JSON Pointers to lists of spans, [[start, end], …]'


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
    file: Path,
    plugin: Plugin,
    split: str | None = None,
    document_of: Callable[[Mapping[str, Any]], Document | None] = lambda _row: None,
    labelled: set[str] | None = None,
) -> Iterator[Example | Reject]:
    """Yield the rows of a file in any of the forms that the core reads (``row_forms``).

    Args:
        file: the file.
        plugin: its schema names the fields, its ``names`` are what the file calls them.
        split: the official split where a row names none.
        document_of: returns the document of a row without a text, None for another row; raises
            ValueError if there is none (``labelled_files``).
        labelled: the fields that its spans are labelled with; None for those of the file alone.
    """
    fixed = FixedWords()
    for row in rows_of(file):
        place, values = f"{file}:{row.line}", row.values
        if values is None:
            yield Reject(place, "", row.fault)
            continue
        try:
            document = document_of(values)
            if document is not None:
                values = _with_text(values, document, plugin.names)
            if labelled is None and has_spans(values):
                others = (each.values for each in rows_of(file))
                labelled = labelled_fields(filter(None, others), plugin)
            found = example_of_row(as_core_row(values, plugin, labelled or ()), place, split)
            if isinstance(found, Example):
                fixed.add(values, found.document.text)
                if left_out := labels_passed_over(values, plugin):
                    found = replace(found, passed_over=left_out)
        except ValueError as error:
            alone = example_of_row(identity_of(values, plugin.names), place)
            if isinstance(alone, Example):
                yield rejected_example(alone, "", str(error))
            else:
                yield Reject(place, "", str(error), _id_of(values, plugin.names))
            continue
        if document is not None and isinstance(found, Example):
            meta = {**found.document.meta, **document.meta}
            known = replace(found.document, meta=meta, words=document.words)
            found = replace(found, document=known)
        yield found
    if warning := fixed.warning(file):
        say_once(warning)


def _with_text(
    row: Mapping[str, Any], document: Document, names: Mapping[str, str]
) -> dict[str, Any]:
    """Return a row with the text of the document that it names, and its id if it has none."""
    given_id = identity_of(row, names)["id"]
    return {**row, "id": document.id if given_id in (None, "") else given_id, "text": document.text}


def _id_of(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    given = identity_of(row, names)["id"]
    return given if isinstance(given, str) else ""


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
        return rejected_example(
            example, "split", f"one of {', '.join(SPLITS)} is wanted, not {split!r}"
        )
    if record is not None and not isinstance(record, dict):
        reason = f"the record breaks the schema: an object is wanted, not {_type_of(record)}"
        return rejected_example(example, "", reason)
    if mentions is None:
        return rejected_example(example, "mentions", _WANTED_MENTIONS)
    teacher = row.get("teacher")
    if isinstance(teacher, dict):  # other data may have something else by this name
        model, licence = teacher.get("model"), teacher.get("licence")
        if not isinstance(model, str) or not isinstance(licence, str):
            return rejected_example(example, "teacher", _WANTED_TEACHER)
        example = replace(example, teacher=Teacher(model, licence_id(licence)))
    if record is not None and _is_proposed(row):
        example = replace(example, is_proposed=True)
    return as_encodable(replace(example, record=record, mentions=mentions, split=split))


def _is_proposed(row: Mapping[str, Any]) -> bool:
    """Say whether nobody reviewed a row of ``extract next``, or of people who differ."""
    chosen, reviews = row.get("next"), row.get("reviews")
    is_chosen = isinstance(chosen, dict) and "strategy" in chosen
    differ = isinstance(reviews, list) and any(
        isinstance(each, dict) and {"reviewer", "decision"} <= each.keys() for each in reviews
    )
    return (is_chosen or differ) and not row.get("review")


def text_id(text: str) -> str:
    """Return an id for a document without one: the same text gets the same id."""
    return "text-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def as_encodable(row: Example | Reject) -> Example | Reject:
    """Return a row that can be written as JSON; a reject where an example cannot or is too long."""
    if row.document and len(row.document.text) > MOST_CHARACTERS:
        row = Reject(row.place or row.document.id, "text", TOO_LONG, row.document.id)
    if isinstance(row, Example):
        try:
            check_json(example_as_json(row))
        except ValueError as error:
            row = rejected_example(row, "", str(error))
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


def example_as_json(example: Example) -> list[Any]:
    """Return what an example holds, as JSON; its place does not count."""
    document = example.document
    mentions = {pointer: list(spans) for pointer, spans in example.mentions.items()}
    known = [document.id, document.text, dict(document.meta)]
    return [*known, example.record, mentions, example.split]


def rejected_example(example: Example, field: str, reason: str) -> Reject:
    """Return a reject in place of an example, with its document."""
    document = example.document
    return Reject(example.place or document.id, field, reason, document.id, document)


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
