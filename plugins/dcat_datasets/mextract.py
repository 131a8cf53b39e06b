"""Read MeXtract's parquet: texts of papers, and the dataset of each in a schema of MOLE.

A row's ``chat`` holds three messages: instructions, a schema with the text of the paper, and the
answer as JSON: ``{"Name": "ANETAC", "Year": 2019, "Form": "text", …}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fieldsmith import Document, Example, InputError, Record, Reject

from .mending import Dataset, UnreadableError, dataset, parse_json

_LANGUAGES = {"ar": "Arabic", "en": "English", "fr": "French", "jp": "Japanese", "ru": "Russian"}
_FORMS = {"text": "Text", "audio": "Audio", "images": "Image", "videos": "Video"}
_BEFORE, _AFTER = "Paper Text:", "Output JSON:"
_ROWS = 16


def examples(path: Path, split: str | None) -> Iterator[Example | Reject]:
    """Yield the papers of a parquet file, a few rows in memory at a time.

    A row without text or with a broken answer, and one that describes a model, becomes a Reject.

    Raises:
        InputError: the file is not parquet, has no column ``chat``, or pyarrow is missing.
    """
    for number, row in enumerate(_rows(path), start=1):
        place = f"{path}:{number}"
        name = str(row.get("path") or f"{path.stem}-{number}").removesuffix(".json")
        try:
            text, answer = _text_and_answer(row)
            record = record_of(answer)
        except UnreadableError as error:
            yield Reject(place, "chat", f"unreadable: {error}", name)
            continue
        yield Example(Document(name, text), record, {}, split, place)


def record_of(answer: Mapping[str, Any]) -> Record:
    """Return the DCAT record of an answer in a schema of MOLE, without unknown keys.

    Raises:
        UnreadableError: the answer describes a model, or has no name.
    """
    if "Num_Parameters" in answer:
        raise UnreadableError("it describes a model and no dataset")
    if not answer.get("Name"):
        raise UnreadableError('it has no "Name"')
    given: Dataset = {
        "dcterms:title": answer["Name"],
        "dcterms:creator": answer.get("Authors", []),
        "dcterms:issued": answer.get("Year"),
        "dcterms:language": _languages(answer.get("Language")),
        "dcterms:format": _FORMS.get(str(answer.get("Form")), answer.get("Form")),
        "dcat:landingPage": answer.get("Link") or answer.get("HF_Link"),
        "mls:task": [task for task in _list(answer.get("Tasks")) if task != "other"],
        "dcterms:description": answer.get("Description"),
    }
    if not given["dcterms:language"]:
        del given["dcterms:language"]  # it has several, and the answer does not say which
    return {"datasets": [dataset(given)]}


def _languages(value: Any) -> list[Any]:
    named = [value for value in _list(value) if value not in ("multilingual", "monolingual")]
    return [_LANGUAGES.get(str(name), name) for name in named]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value in (None, "") else [value]


def _text_and_answer(row: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    turns = {turn.get("role"): turn.get("content") or "" for turn in row.get("chat") or ()}
    _schema, found, rest = turns.get("user", "").partition(_BEFORE)
    text = rest.rpartition(_AFTER)[0].strip() if _AFTER in rest else rest.strip()
    if not found or not text:
        raise UnreadableError(f'the user\'s turn has no text behind "{_BEFORE}"')
    answer = parse_json(turns.get("assistant", ""))
    if not isinstance(answer, dict):
        raise UnreadableError("an object is wanted as the answer")
    return text, answer


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise InputError(f"{path}: reading parquet needs pyarrow: pip install pyarrow") from error
    try:
        with ParquetFile(path) as table:
            columns = [name for name in ("path", "chat") if name in table.schema_arrow.names]
            if "chat" not in columns:
                raise InputError(f"{path}: a column 'chat' is wanted, with role and content")
            for batch in table.iter_batches(batch_size=_ROWS, columns=columns):
                yield from batch.to_pylist()
    except (ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: no parquet, or a broken one ({error})") from error
