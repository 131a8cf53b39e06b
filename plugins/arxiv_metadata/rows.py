"""Read papers with their texts from JSON: one list, or one object per line.

::

    [{"id": "0704.0191", "title": "Foxes", "authors": ["Ann Oke", "Bo Li"],
      "abstract": "Foxes bleed.", "doi": null, "article_text": "Foxes\\nAnn Oke ..."}]

``authors`` may be one string. An absent key is not annotated; null, "" and [] mean that the paper
has no value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fieldsmith import (
    Document,
    Example,
    InputError,
    Record,
    Reject,
    SourceFile,
    parse_json,
    read_text,
    renamed,
)

from . import identifiers, name_lists, names
from .pages import first_page

FIELDS = ("id", "title", "authors", "abstract", "doi")
TEXT = "article_text"

_LONGEST_NAME = 200

Row = tuple[str, Any]
"""The place of a row ("papers.json: item 3", "papers.jsonl:3"), and its value."""


def examples(file: SourceFile, names: Mapping[str, str]) -> Iterator[Example | Reject]:
    """Yield the examples of a file; an invalid row becomes a Reject.

    Args:
        file: the file.
        names: the field of each key that the user names.

    Raises:
        InputError: the file is not JSON.
    """
    for number, (place, row) in enumerate(json_rows(file.path), start=1):
        named = renamed(row, names) if isinstance(row, dict) else row
        yield _example(named, place, file.split, f"{file.path.stem}-{number}")


def json_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a JSON list or of JSONL; JSONL is read line by line.

    Raises:
        InputError: the file is not JSON; names the line.
    """
    with path.open("rb") as stream:
        is_list = stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
    if is_list:
        for number, row in enumerate(_parsed(read_text(path), str(path)), start=1):
            yield f"{path}: item {number}", row
        return
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                place = f"{path}:{number}"
                yield place, _parsed(_decoded(line, place), place)


def _decoded(line: bytes, place: str) -> str:
    try:
        return line.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: not UTF-8; convert the file (iconv -t utf-8)") from error


def _parsed(text: str, place: str) -> Any:
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        at = place if "\n" not in text.rstrip() else f"{place}:{error.lineno}"
        raise InputError(f"{at}: broken JSON: {error.msg}; is the file complete?") from error
    except ValueError as error:
        raise InputError(f"{place}: broken JSON: {error}") from error


def _example(row: Any, place: str, split: str | None, name: str) -> Example | Reject:
    """Return the example of a row; ``name`` is the document's id if the row has none."""
    if not isinstance(row, dict):
        return Reject(place, "", f"an object is wanted, not {type(row).__name__}")
    given = row.get("id")
    identifier = str(given).strip() if isinstance(given, str | int) else ""
    text = row.get(TEXT)
    if not isinstance(text, str) or not text.strip():
        reason = "the text of the paper is wanted as a string that is not empty"
        return Reject(place, TEXT, reason, identifier or name)
    document = Document(identifier or name, first_page(text.replace("\r\n", "\n")))
    try:
        record = record_of({key: row[key] for key in FIELDS if key in row}, document.text)
    except ValueError as error:
        field, reason = error.args
        return Reject(place, field, reason, document.id, document)
    return Example(document, record, {}, split, place)


def record_of(fields: dict[str, Any], text: str) -> Record | None:
    """Return the record of a row's fields; None if it has no fields.

    Identifiers, and names that digits follow without a space, are written as in the text.

    Args:
        fields: the annotated fields, by the keys of the record.
        text: the document's text.

    Raises:
        ValueError: a field has the wrong type; its arguments are the field and the reason.
    """
    record: Record = {}
    for key in FIELDS:
        if key not in fields:
            continue
        if key == "authors":
            record[key] = _authors(fields[key], text)
        else:
            record[key] = _string(key, fields[key])
    if record.get("authors"):
        record["authors"] = [_with_digits(name, text) for name in record["authors"]]
    for key, (find, normal) in _IDENTIFIERS.items():
        if record.get(key):
            spans = identifiers.occurrences(record[key], text, find, normal)
            record[key] = text[slice(*spans[0])] if spans else record[key]
    return record or None


_IDENTIFIERS: dict[str, tuple[Callable[[str], Iterator[tuple[int, int]]], Callable[[str], str]]] = {
    "id": (identifiers.ids, identifiers.normal_id),
    "doi": (identifiers.dois, identifiers.normal_doi),
}


def _string(key: str, value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and key == "id":
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise ValueError(key, f"a string or null is wanted, not {type(value).__name__}")
    return (value or "").strip() or None


def _with_digits(name: str, text: str) -> str:
    """Return a name with the digits after it in the text, so that it ends at a word boundary."""
    if len(name) > _LONGEST_NAME or not all(word in text for word in name.split()):
        return name
    words = r"\s+".join(map(re.escape, name.split()))
    places = {
        found[0] for found in re.finditer(rf"(?<!\w){words}[\d\u00b2\u00b3\u00b9]*(?!\w)", text)
    }
    return name if name in places or not places else min(places, key=text.find)


def _authors(value: Any, text: str) -> list[str]:
    """Return the authors of a list, or of one string with all names, as the text has them.

    "Oke, Ann" becomes "Ann Oke", unless the text has the name as it is given.
    """
    if isinstance(value, str):
        found = name_lists.people([value], text)
        if found == [value.strip()]:  # a by-line
            found = [value[start:end] for start, end in names.persons(value)]
    elif value is None or (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        found = name_lists.people(value or (), text)
    else:
        raise ValueError("authors", "a list of names is wanted, or one string")
    return list(dict.fromkeys(name for name in found if name))
