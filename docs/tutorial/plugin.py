"""What job adverts offer and ask for.

One row of ``sample.csv``::

    id,advert,title,employer,town,skills,contract,split
    A007,"Wanted in Kirrow: tram driver. …",tram driver,Gull Line,Kirrow,first aid; Dutch,,train

and its record::

    {"title": "tram driver", "employer": "Gull Line", "town": "Kirrow",
     "skills": ["first aid", "Dutch"], "contract": null}
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import fieldsmith
from fieldsmith import Counts, Document, Example, Message, Prediction, Reject, Schema, hookimpl

_HERE = Path(__file__).parent
_TEXTS = ("title", "employer", "town", "contract")


@hookimpl
def extract_schema() -> Schema:
    """Return the JSON Schema (2020-12) of one record."""
    return fieldsmith.read_schema(__file__)


@hookimpl
def extract_prompt(document: Document, schema: Schema) -> list[Message]:
    """Return the messages that ask for the record of ``document``."""
    return fieldsmith.ask_for_fields(document, schema)


@hookimpl
def extract_load(source: Path | None) -> Iterable[Example | Reject]:
    """Yield the examples of a source, lazily and in a fixed order.

    Raises:
        InputError: there is nothing at ``source``, or a file is no CSV.
        UnknownFormatError: a file has no columns ``id`` and ``advert``.
    """
    for path in fieldsmith.files_in(_HERE / "sample.csv" if source is None else source):
        yield from _adverts(path)


@hookimpl
def extract_metric(example: Example, prediction: Prediction, schema: Schema) -> dict[str, Counts]:
    """Return (matched, predicted, gold) by name for ONE document."""
    return fieldsmith.field_counts(example, prediction, schema)


@hookimpl
def extract_settings(preset: str) -> dict[str, object]:
    """Return the domain's own defaults under a preset, by setting name."""
    return {"window": "document", "epochs": 40} if preset == "embedded" else {}


def _adverts(path: Path) -> Iterator[Example | Reject]:
    rows = csv.DictReader(io.StringIO(fieldsmith.read_text(path)))
    try:
        missing = {"id", "advert"} - set(rows.fieldnames or ())
        if missing:
            raise fieldsmith.UnknownFormatError(
                f"{path}: it has no column {' and '.join(sorted(missing))}"
            )
        for row in rows:
            yield _advert(row, f"{path.name}:{rows.line_num}")
    except csv.Error as error:
        raise fieldsmith.InputError(f"{path}:{rows.line_num}: {error}; write it as CSV") from error


def _advert(row: Mapping[str | None, str | None], place: str) -> Example | Reject:
    name, text = row["id"], row["advert"]
    if None in row or None in row.values() or not name or not text:
        return Reject(place, "", "a row has an id, an advert, and a cell per column", name or "")
    split = row.get("split") or None
    return Example(Document(name, text), _record(row), split=split, place=place)


def _record(row: Mapping[str | None, str | None]) -> dict[str, object]:
    """A column that a file lacks is not annotated; an empty cell says that there is nothing."""
    record: dict[str, object] = {field: row[field] or None for field in _TEXTS if field in row}
    if "skills" in row:
        record["skills"] = [skill.strip() for skill in (row["skills"] or "").split(";") if skill]
    return record
