"""Forms of rows that are not the core's own: tables, conversations, triples, Prodigy, Label Studio.

Each is turned into a row of ``id, text, record, mentions, split``. What a row does not annotate is
absent from its record.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..data import Document, Schema
from ..files import parse_json
from ..plugins import Plugin
from ..schema.navigation import resolve, types_of
from ..source_names import RESERVED
from .row_names import Joined, renamed_record, renamed_row

CORE_KEYS = frozenset(RESERVED)
"""Keys of the core's own rows."""

_MARK = "\u2060the document\u2060"
"""Stands for the text of a document in a prompt, to find what is around it."""

_NULLS = {"", "null", "none", "na", "n/a"}


def has_form(row: Mapping[str, Any]) -> bool:
    """Say whether a row is in one of the forms that the core reads."""
    return "text" in row or _is_conversation(row) or _is_triple(row) or _is_task(row)


def is_core_row(row: Mapping[str, Any]) -> bool:
    """Say whether a row is one of the core's own: a text, and a record or no key of others."""
    return "text" in row and ("record" in row or row.keys() <= CORE_KEYS)


def as_core_row(
    row: dict[str, Any], plugin: Plugin, labelled: Collection[str] = ()
) -> dict[str, Any]:
    """Return a row in the core's form.

    Args:
        row: in one of the forms.
        plugin: its schema names the fields, its prompt says what of a turn is the document.
        labelled: fields that spans of the file are labelled with, see ``labelled_fields``.

    Raises:
        ValueError: says what of the row cannot be read.
    """
    names, schema = plugin.names, plugin.schema
    given = renamed_row(row, names)
    found = renamed_record(_in_core_form(given, plugin, labelled), names)
    fields = {names[key] for key in row if key in names} - CORE_KEYS
    asked = {field: given[field] for field in given if field in fields}
    if asked:
        added = _of_columns(asked, schema).get("record", {})
        found = found | {"record": {**(found.get("record") or {}), **added}}
    return found


def _in_core_form(row: dict[str, Any], plugin: Plugin, labelled: Collection[str]) -> dict[str, Any]:
    if _is_conversation(row):
        return _of_conversation(row, plugin)
    if _is_triple(row):
        return _of_triple(row, plugin)
    if _is_task(row):
        return _of_task(row, plugin, labelled)
    if has_spans(row):
        return _of_spans(row, row["text"], row["spans"] or [], plugin, labelled)
    if isinstance(row.get("record"), str):  # the cell of a table
        return row | {"record": parse_json(row["record"]) if row["record"].strip() else None}
    if is_core_row(row):
        return row
    return _of_columns(row, plugin.schema)


# Tables: a column for each field


def _of_columns(row: dict[str, Any], schema: Schema) -> dict[str, Any]:
    fields = schema.get("properties", {})
    known = {key: value for key, value in row.items() if key in CORE_KEYS}
    record = {
        key: value
        for key, part in fields.items()
        if key in row and key not in CORE_KEYS
        for value in _values(row[key], resolve(part, schema), key)
    }
    return known | ({"record": record} if record.keys() & row.keys() else {})


def _values(cell: Any, part: Mapping[str, Any], name: str) -> Iterator[Any]:
    """Yield the value of a cell as the type of its field; none where an empty cell means none."""
    types = types_of(part)
    if isinstance(cell, Joined):
        lists = (value for each in cell for value in _values(each, part, name))
        yield [item for each in lists for item in (each if isinstance(each, list) else [each])]
    elif not isinstance(cell, str):
        yield cell
    elif "array" in types or "object" in types:
        if cell.strip():
            yield _from_json(cell, name) if cell.lstrip()[0] in "[{" else [cell]
        elif "array" in types:
            yield []
    elif cell.strip().casefold() in _NULLS and "null" in types:
        yield None
    elif "string" in types or not types:
        if cell:
            yield cell
    elif cell.strip():
        yield _from_json(cell.strip().lower(), name)


def _from_json(cell: str, name: str) -> Any:
    try:
        return parse_json(cell)
    except ValueError as error:
        raise ValueError(f"{name}: {cell[:40]!r} is no JSON: {error}") from error


# Conversations: the prompt of the plugin, or the text alone, and the answer


def _is_conversation(row: Mapping[str, Any]) -> bool:
    messages = row.get("messages")
    return (
        isinstance(messages, list)
        and bool(messages)
        and all(
            isinstance(each, dict) and isinstance(each.get("content"), str) for each in messages
        )
    )


def _of_conversation(row: dict[str, Any], plugin: Plugin) -> dict[str, Any]:
    asked = [each["content"] for each in row["messages"] if each.get("role") == "user"]
    answers = [each["content"] for each in row["messages"] if each.get("role") == "assistant"]
    if not asked or len(answers) > 1:
        raise ValueError("messages: a user's turn and one answer are wanted")
    known = _known(row)
    if "window" in row and "id" in known:  # several windows of a document, as they are exported
        known["id"] = f"{known['id']}-{row['window']}"
    found = known | {"text": _document_in(asked[-1], plugin)}
    return found | ({"record": _from_json(answers[0], "the answer")} if answers else {})


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what rows of conversations, triples and spans have as the core's own rows do."""
    return {key: row[key] for key in ("id", "split", "url", "path", "teacher") if key in row}


# Triples: the instruction, the document or the prompt with it, and the answer


def is_own_triple(row: Mapping[str, Any]) -> bool:
    """Say whether a row is a triple that ``extract label`` has written: plugins read others."""
    return _is_triple(row) and "teacher" in row


def _is_triple(row: Mapping[str, Any]) -> bool:
    parts = [row.get("instruction"), row.get("output"), row.get("input", "")]
    return "text" not in row and all(isinstance(part, str) for part in parts)


def _of_triple(row: dict[str, Any], plugin: Plugin) -> dict[str, Any]:
    asked = row.get("input") or row["instruction"]
    answer = _from_json(row["output"], "output") if row["output"].strip() else None
    return _known(row) | {"text": _document_in(asked, plugin), "record": answer}


def _document_in(content: str, plugin: Plugin) -> str:
    """Return the document's text of a user's turn: what the plugin's prompt has in its place."""
    for prompt in (plugin.brief_prompt, plugin.prompt):
        for message in prompt(Document("", _MARK)):
            before, mark, after = message.content.partition(_MARK)
            fits = content.startswith(before) and content.endswith(after)
            if mark and (before or after) and fits and len(content) >= len(before + after):
                return content[len(before) : len(content) - len(after)]
    return content


# Spans with labels


def has_spans(row: Mapping[str, Any]) -> bool:
    """Say whether a row's annotations are spans with labels."""
    return _is_task(row) or ("text" in row and "spans" in row and "record" not in row)


def labelled_fields(rows: Iterable[Mapping[str, Any]], plugin: Plugin) -> set[str]:
    """Return the fields that spans of some rows are labelled with.

    These are annotated in all of the rows: one without such a span has no such value. A label is a
    field if the plugin's ``names`` say so, or if their names are equal but for case and a final
    "s".
    """
    rows = (renamed_row(row, plugin.names) for row in rows)
    labels = {label for row in rows if has_spans(row) for label in _labels(row)}
    return {field for label in labels if (field := _field_of(label, plugin)) is not None}


def _field_of(label: object, plugin: Plugin) -> str | None:
    if not isinstance(label, str):
        return None
    fields = plugin.schema.get("properties", {})
    if label in plugin.names:
        return plugin.names[label] if plugin.names[label] in fields else None
    return next((name for name in fields if _stem(name) == _stem(label)), None)


def _labels(row: Mapping[str, Any]) -> Iterator[str]:
    spans = _task_spans(row) if _is_task(row) else row["spans"]
    for span in spans or ():
        if isinstance(span, dict) and isinstance(span.get("label"), str):
            yield span["label"]


def _is_task(row: Mapping[str, Any]) -> bool:
    data = row.get("data")
    return isinstance(data, dict) and isinstance(data.get("text"), str) and "annotations" in row


def _of_task(row: dict[str, Any], plugin: Plugin, labelled: Collection[str]) -> dict[str, Any]:
    """Return a task of Label Studio; without an annotation that counts it has no record."""
    # The id of the document that it was made of, else the number that Label Studio gave it.
    known = {key: value for key, value in {**row, **row["data"]}.items() if key == "id"}
    spans, text = _task_spans(row), row["data"]["text"]
    if spans is None:
        return known | {"text": text}
    return known | _of_spans({}, text, spans, plugin, labelled)


def _task_spans(row: Mapping[str, Any]) -> list[Any] | None:
    """Return the spans of the first annotation that is not cancelled; None if there is none."""
    done = [
        each
        for each in row["annotations"] or ()
        if isinstance(each, dict) and not each.get("was_cancelled")
    ]
    if not done:
        return None
    found = [each.get("value") for each in done[0].get("result") or () if isinstance(each, dict)]
    return [
        {"start": value.get("start"), "end": value.get("end"), "label": label}
        for value in found
        if isinstance(value, dict)
        for label in value.get("labels") or ()
    ]


def _of_spans(
    row: Mapping[str, Any],
    text: Any,
    spans: Sequence[Any],
    plugin: Plugin,
    labelled: Collection[str],
) -> dict[str, Any]:
    """Return a row of spans with labels, as Prodigy writes them, if it was accepted."""
    known = _known(row) | {"text": text}
    if row.get("answer", "accept") != "accept" or not isinstance(text, str):
        return known
    places: dict[str, dict[str, list[list[int]]]] = {name: {} for name in sorted(labelled)}
    for span in spans:
        start, end = _limits(span, len(text))
        name = _field_of(span.get("label"), plugin)
        if name is not None:
            places.setdefault(name, {}).setdefault(text[start:end], []).append([start, end])
    record = {
        name: value
        for name, found in places.items()
        for value in _as_field(list(found), name, plugin.schema)
    }
    mentions = {
        f"/{name}/{number}" if isinstance(record[name], list) else f"/{name}": at
        for name, found in places.items()
        for number, at in enumerate(found.values())
    }
    return known | {"record": record, "mentions": mentions}


def _stem(name: str) -> str:
    return name.casefold().replace("_", " ").removesuffix("s")


def _limits(span: Any, length: int) -> tuple[int, int]:
    start, end = (span.get("start"), span.get("end")) if isinstance(span, dict) else (None, None)
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= length:
        shown = json.dumps(span, default=str)[:60]
        raise ValueError(f"spans: {shown} is none within the text of {length} characters")
    return start, end


def _as_field(values: list[str], name: str, schema: Schema) -> Iterator[Any]:
    """Yield the texts of a label as the value of its field: a list, the only one, or null."""
    types = types_of(resolve(schema["properties"][name], schema))
    if "array" in types:
        yield values
    elif len(values) > 1:
        raise ValueError(f"{name}: has one value, and the row marks {len(values)}")
    elif values:
        yield values[0]
    elif "null" in types:
        yield None
