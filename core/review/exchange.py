"""Write labelled documents for other annotation tools, with the values marked as spans.

Prodigy (rows of JSONL with ``spans``), Label Studio (a list of tasks with ``predictions``), brat (a
folder of texts and annotations) and PubTator. What the tools write in the end is read like any
other data.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..data import Example, Schema, Teacher
from ..dataset.standoff import BRAT, BRAT_TEXT, BRAT_TYPES, file_name
from ..errors import InputError, OutputError
from ..files import (
    is_left_over,
    open_atomically,
    require_writable,
    temporary_beside,
    write_atomically,
    write_json,
    write_jsonl,
    writing,
)
from .marks import Marks, marks_of
from .standoff import brat_annotations, brat_types, pubtator_document, require_text

TOOLS = ("prodigy", "label-studio", "brat", "pubtator")
"""Tools that documents are written for."""

_WITH_LINKS = ("brat", "pubtator")
_LONGEST_NAME = 240
"""Bytes of a file's name, without its ending."""

Notes = Counter[tuple[str, str]]
"""Number of values by field and what is said of them."""

_Marked = Iterable[tuple[Example, Marks]]


def export(
    examples: Iterable[Example], schema: Schema, tool: str, output: Path
) -> tuple[int, Notes]:
    """Write examples for a tool of ``TOOLS``.

    Returns:
        The number of documents, and the number of values by field and what is said of them.

    Raises:
        InputError: a document cannot be written in the tool's format, or two have one id.
        OutputError: the file or the folder cannot be written.
    """
    notes: Notes = Counter()
    ids: dict[str, str] = {}
    count = 0

    def marked() -> Iterator[tuple[Example, Marks]]:
        for example in examples:
            nonlocal count
            count += 1
            if tool in _WITH_LINKS:
                _note_id(example, ids)
                if example.teacher:
                    notes["teacher", _no_licence(example.teacher)] += 1
            marks = marks_of(example, schema, with_links=tool in _WITH_LINKS)
            notes.update(marks.notes)
            yield example, marks

    if tool == "label-studio":
        write_json(output, [label_studio_task(*each) for each in marked()])
    elif tool == "prodigy":
        write_jsonl(output, (prodigy_row(*each) for each in marked()))
    elif tool == "pubtator":
        _write_pubtator(output, marked())
    else:
        _write_brat(output, marked(), schema)
    return count, notes


def prodigy_row(example: Example, marks: Marks) -> dict[str, Any]:
    """Return a row of Prodigy's."""
    document = example.document
    spans = [{"start": each.start, "end": each.end, "label": each.label} for each in marks.spans]
    row = {"id": document.id, "text": document.text, "spans": spans, "meta": {"id": document.id}}
    return row | _teacher_of(example)


def _teacher_of(example: Example) -> dict[str, Any]:
    """Return who labelled a document: the licence holds for what comes back, too."""
    return {"teacher": asdict(example.teacher)} if example.teacher else {}


def label_studio_task(example: Example, marks: Marks) -> dict[str, Any]:
    """Return a task of Label Studio, for ``<Labels name="label" toName="text">``."""
    document = example.document
    result = [
        {
            "id": str(number),
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {
                "start": each.start,
                "end": each.end,
                "text": document.text[each.start : each.end],
                "labels": [each.label],
            },
        }
        for number, each in enumerate(marks.spans)
    ]
    data = {"id": document.id, "text": document.text, **_teacher_of(example)}
    return {"data": data, "predictions": [{"model_version": "fieldsmith", "result": result}]}


def _no_licence(teacher: Teacher) -> str:
    return (
        f"labelled by {teacher.model}: the format has no place for its licence "
        f"({teacher.licence}), which holds for what comes back"
    )


def _note_id(example: Example, ids: dict[str, str]) -> None:
    identifier, place = example.document.id, example.place or example.document.id
    if identifier in ids:
        raise InputError(
            f"{place}: the id {identifier!r} came before, at {ids[identifier]}; give each document "
            f"an id of its own"
        )
    ids[identifier] = place


def _write_pubtator(output: Path, marked: _Marked) -> None:
    with open_atomically(output) as stream:
        for number, (example, marks) in enumerate(marked):
            require_text(example)
            stream.write(("\n" if number else "") + pubtator_document(example, marks))


def _write_brat(output: Path, marked: _Marked, schema: Schema) -> None:
    """Write a folder under a temporary name, then rename it."""
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise OutputError(f"{output}: is there already; name a new folder")
    require_writable(output.parent)
    for path in output.parent.glob(".*.new"):
        if is_left_over(path.name, output.name):
            shutil.rmtree(path, ignore_errors=True)
    partial = temporary_beside(output)
    try:
        with writing(output):
            partial.mkdir()
            write_atomically(partial / BRAT_TYPES, brat_types(schema))
            for example, marks in marked:
                require_text(example)
                found = brat_annotations(example, marks)
                name = _brat_name(example)
                (partial / f"{name}{BRAT_TEXT}").write_bytes(example.document.text.encode())
                (partial / f"{name}{BRAT}").write_bytes(found.encode())
            os.replace(partial, output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _brat_name(example: Example) -> str:
    name = file_name(example.document.id)
    if len(name.encode()) > _LONGEST_NAME:
        place = example.place or example.document.id
        raise InputError(
            f"{place}: its id is too long for the name of a file; give it one of at most "
            f"{_LONGEST_NAME} bytes"
        )
    return name
