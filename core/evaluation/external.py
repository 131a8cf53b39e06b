"""Score the predictions of any system, without a run: files of records against the gold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..data import Example, Prediction, Record, Reject
from ..dataset.loading import read_examples
from ..errors import InputError
from ..extraction.prediction_file import read_lines
from ..files import files_in, read_jsonl
from ..plugins import Plugin
from ..schema.records import first_problem
from ..settings import EMBEDDED, resolve
from .evaluate import score_predictions, summarise

_OF_A_RUN = (
    "windows", "constrained", "truncated", "repeats", "unsure", "ungrounded", "calibration",
)  # fmt: skip
"""Keys of a summary that are only known for predictions of a run."""


def evaluate_predictions(
    plugin: Plugin,
    predictions: Path,
    data: Path,
    *,
    split: str | None = None,
    answered_only: bool = False,
) -> dict[str, Any]:
    """Score the predictions of a system, as ``extract evaluate --json`` prints it.

    A document without a readable, valid record counts as one without any value.

    Args:
        plugin: gives the schema and the metric.
        predictions: a file of ``extract predict``, or files that the plugin reads; documents are
            matched by id.
        data: the gold.
        split: only documents with this official label or none.
        answered_only: leave out the documents without a valid record.

    Raises:
        InputError: a file cannot be read, or no gold document has a valid record.
    """
    gold = _gold(plugin, data, split)
    answers = _answers(plugin, predictions)
    answered = [id_ for id_ in gold if isinstance(answers.get(id_), dict)]
    if not answered:
        ids = [next(iter(found), None) for found in (gold, answers)]
        example = "" if None in ids else f", such as {ids[0]!r} in the gold and {ids[1]!r} here"
        raise InputError(
            f"{predictions}: no valid record for any of the {len(gold)} documents of {data}; "
            f"documents are matched by id{example}"
        )
    examples = [gold[id_] for id_ in (answered if answered_only else gold)]
    scored = score_predictions(
        plugin, examples, (_prediction(example, answers) for example in examples)
    )
    settings = resolve(EMBEDDED, plugin.name, plugin.settings(EMBEDDED), {}).values
    summary = summarise(plugin, settings, scored, f"{predictions.name} against {data.name}")
    unreadable = {id_: answer for id_, answer in answers.items() if isinstance(answer, str)}
    return {key: value for key, value in summary.items() if key not in _OF_A_RUN} | {
        "outputs": {
            "answered": len(answered),
            "unreadable": len(unreadable.keys() & gold.keys()),
            "missing": len(gold.keys() - answers.keys()),
            "unknown": len(answers.keys() - gold.keys()),
            "reasons": dict(sorted(unreadable.items())),
        }
    }


def _gold(plugin: Plugin, data: Path, split: str | None) -> dict[str, Example]:
    """Return the examples with a record by id; of several with the same id the first."""
    gold: dict[str, Example] = {}
    for row in read_examples(plugin, data):
        if isinstance(row, Reject) or row.record is None:
            continue
        if split is None or row.split in (None, split):
            gold.setdefault(row.document.id, row)
    if not gold:
        raise InputError(f"{data}{f': the {split} split' if split else ''} holds no record")
    return gold


def _answers(plugin: Plugin, predictions: Path) -> Mapping[str, Record | str]:
    """Return the record of each document, or the reason why there is none."""
    answers: dict[str, Record | str] = {}
    if _is_prediction_file(predictions):
        for line in read_lines(predictions):
            answers[line.id] = line.error or "no record"
            if line.record is not None:
                problem = first_problem(line.record, plugin.schema)
                answers[line.id] = line.record if problem is None else _reason(*problem)
        return answers
    for row in read_examples(plugin, predictions):
        if isinstance(row, Reject):
            answers[row.id or row.place] = f"{row.field}: {row.reason}" if row.field else row.reason
        elif row.record is not None:
            answers[row.document.id] = row.record
    return answers


def _reason(pointer: str, message: str) -> str:
    return f"{pointer or 'the record'}: {message}"


def _is_prediction_file(path: Path) -> bool:
    """Say whether a path is one file of JSONL whose rows have a record and no text."""
    if files_in(path) != [path] or path.suffix.lower() not in (".jsonl", ".ndjson"):
        return False
    first = next((row for _number, row in read_jsonl(path)), {})
    return "record" in first and "text" not in first


def _prediction(example: Example, answers: Mapping[str, Record | str]) -> Prediction:
    answer = answers.get(example.document.id, "not answered")
    if isinstance(answer, str):
        return Prediction(example.document, error=answer)
    return Prediction(example.document, record=answer)
