"""The lines of a predictions file: one a document, in order, made group by group."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data import Document, Prediction, Record, Reject
from ..errors import InputError
from ..files import json_line, read_jsonl
from ..reading.boxes import boxes_of
from ..runs.folder import Run
from ..runs.paths import without_home
from ..schema.records import canonical
from .groups import GroupPredictor, group_size, groups_of, with_predictions


@dataclass
class LineCounts:
    """How many lines were written, and how many of their documents were not read whole."""

    lines: int = 0
    unread: int = 0


def predict_lines(
    predictor: GroupPredictor,
    rows: Iterable[Document | Reject],
    *,
    skip: int = 0,
    progress: Callable[[int], object] = lambda _count: None,
    counts: LineCounts | None = None,
) -> Generator[list[bytes]]:
    """Yield the lines of one group of documents after another, in input order.

    No more documents are in memory at once than those of the groups that the predictor answers at
    the same time.

    Args:
        predictor: makes the predictions.
        rows: documents, and rejects in place of those that could not be read.
        skip: number of groups that are written already.
        progress: called with the number of documents done since the last call.
        counts: is updated with the lines of this call.
    """
    counts = counts or LineCounts()
    plugin = predictor.task.plugin.name

    def left() -> Iterator[list[Document | Reject]]:
        for number, group in enumerate(groups_of(rows, group_size(predictor.task.settings))):
            if number >= skip:
                yield group
            else:
                progress(len(group))

    for group, answers in with_predictions(left(), predictor, _documents):
        predictions = iter(answers)
        lines = []
        for row in group:
            if isinstance(row, Document):
                line = prediction_line(next(predictions), plugin)
            else:
                line = rejected_line(row, plugin)
            lines.append(encoded(line))
            counts.lines += 1
            counts.unread += line["read"] < 1
        progress(len(group))
        yield lines


def _documents(group: Iterable[Document | Reject]) -> list[Document]:
    return [row for row in group if isinstance(row, Document)]


def prediction_line(prediction: Prediction, plugin: str) -> dict[str, Any]:
    """Return a prediction as ``extract predict`` writes it.

    Args:
        prediction: the prediction.
        plugin: name of the plugin whose schema the record has.
    """
    document = prediction.document
    line: dict[str, Any] = {"id": document.id, "record": prediction.record}
    if prediction.error is not None:
        line["error"] = prediction.error
    if prediction.normalised:
        line["normalised"] = dict(prediction.normalised)
    line["spans"] = {pointer: list(span) for pointer, span in prediction.spans.items()}
    if document.words:
        line["boxes"] = {
            pointer: [list(box) for box in boxes_of(span, document.text, document.words)]
            for pointer, span in prediction.spans.items()
        }
    line["confidence"] = dict(prediction.confidence)
    line["status"] = {pointer: found.status for pointer, found in prediction.grounding.items()}
    line["occurrences"] = {
        pointer: [list(span) for span in found.spans]
        for pointer, found in prediction.grounding.items()
        if len(found.spans) > 1
    }
    line["windows"] = list(prediction.windows)
    line["read"] = prediction.read
    for name in ("truncated", "repeats", "unsure", "ungrounded"):
        if count := getattr(prediction, name):
            line[name] = count
    if not prediction.constrained:
        line["constrained"] = False
    return {**line, "plugin": plugin}


@dataclass(frozen=True)
class Line:
    """A line of a predictions file.

    Attributes:
        id: of the document.
        record: None where ``error`` says why.
        plugin: "" where the line does not say.
    """

    id: str
    record: Record | None
    error: str = ""
    plugin: str = ""


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a file of predictions: JSONL of ``id`` and ``record``.

    Raises:
        InputError: the file cannot be read, a line is no such object, or an id comes twice; names
            the file and the line.
    """
    first: dict[str, int] = {}
    for number, row in read_jsonl(path):
        identifier, record = row.get("id"), row.get("record")
        if not isinstance(identifier, str) or not isinstance(record, dict | None):
            raise InputError(
                f'{path}:{number}: a line of predictions has a string as "id" and an object or '
                f'null as "record"; make the file by `extract predict`'
            )
        if identifier in first:
            raise InputError(
                f"{path}:{number}: the id {identifier!r} is already in line {first[identifier]}"
            )
        first[identifier] = number
        yield Line(identifier, record, str(row.get("error", "")), str(row.get("plugin", "")))


def encoded(line: Mapping[str, Any]) -> bytes:
    """Return a line as the file holds it."""
    return json_line(line).encode()


def rejected_line(reject: Reject, plugin: str) -> dict[str, Any]:
    """Return the line of a document that could not be read or answered; see ``prediction_line``."""
    reason = f"{reject.field}: {reject.reason}" if reject.field else reject.reason
    return {
        "id": id_of(reject),
        "record": None,
        "error": without_home(reason),
        "spans": {},
        "confidence": {},
        "status": {},
        "occurrences": {},
        "windows": [0, 0],
        "read": 0.0,
        "plugin": plugin,
    }


def key_of(run: Run, inputs: str, options: Mapping[str, object]) -> str:
    """Return a hash of all that decides a predictions file: model, settings, documents.

    Args:
        run: the run folder.
        inputs: the hash of the documents.
        options: how the extractor was loaded.
    """
    info = run.info()
    decided = info["receipt"], info["settings"], info["base_model"], run.shares()
    files = *sorted(run.adapter.glob("*.safetensors")), run.gazetteer_file
    return hash_of([*decided, inputs, options], files)


def hash_of(parts: Iterable[object], files: Iterable[Path] = ()) -> str:
    """Return the sha256 of values that JSON can hold, and of those files that exist."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(canonical(part).encode())
    for path in files:
        if path.is_file():
            with path.open("rb") as stream:
                while block := stream.read(1 << 22):
                    digest.update(block)
    return digest.hexdigest()


def id_of(row: Document | Reject) -> str:
    """Return the id of the line of a row."""
    if isinstance(row, Document):
        return row.id
    return row.id or str(without_home(row.place))
