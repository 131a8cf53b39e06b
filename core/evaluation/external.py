"""Scores of any system's outputs, without a run: files of records beside the gold."""

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
"""What is known of answers that were made here, and of no others."""


def evaluate_outputs(
    plugin: Plugin,
    outputs: Path,
    data: Path,
    *,
    split: str | None = None,
    answered_only: bool = False,
) -> dict[str, Any]:
    """Score what a system wrote, as ``extract evaluate --json`` prints it.

    A document without a readable, valid record has answered nothing, and counts as such.

    outputs: a file of ``extract predict``, or what the plugin reads; documents are told by id.
    data: the gold.
    split: only documents with this official label or none.
    answered_only: leave out the documents that have no answer.

    Raises:
        InputError: one of both cannot be read, or no document of the gold is answered.
    """
    gold = _gold(plugin, data, split)
    answers = _answers(plugin, outputs)
    answered = [name for name in gold if isinstance(answers.get(name), dict)]
    if not answered:
        raise InputError(
            f"{outputs}: answers none of the {len(gold)} documents of {data}; "
            f"documents are told by their id{_for_instance(gold, answers)}"
        )
    examples = [gold[name] for name in (answered if answered_only else gold)]
    predictions = [_prediction(example, answers) for example in examples]
    scored = score_predictions(plugin, examples, predictions)
    settings = resolve(EMBEDDED, plugin.name, plugin.settings(EMBEDDED), {}).values
    summary = summarise(plugin, settings, scored, f"{outputs.name} against {data.name}")
    for name in _OF_A_RUN:
        del summary[name]
    unreadable = {name for name, answer in answers.items() if isinstance(answer, str)}
    return summary | {
        "outputs": {
            "answered": len(answered),
            "unreadable": len(unreadable & gold.keys()),
            "missing": len(gold.keys() - answers.keys()),
            "unknown": len(answers.keys() - gold.keys()),
            "reasons": {name: answers[name] for name in sorted(unreadable)},
        }
    }


def _gold(plugin: Plugin, data: Path, split: str | None) -> dict[str, Example]:
    """Return the examples with a record, by id; of two with one id the first."""
    gold: dict[str, Example] = {}
    for row in read_examples(plugin, data):
        if isinstance(row, Reject) or row.record is None:
            continue
        if split is None or row.split in (None, split):
            gold.setdefault(row.document.id, row)
    if not gold:
        raise InputError(f"{data}{f': the {split} split' if split else ''} holds no record")
    return gold


def _answers(plugin: Plugin, outputs: Path) -> Mapping[str, Record | str]:
    """Return the record of each document, or why there is none."""
    if _is_predictions(outputs):
        return {
            line.id: _valid(line.record, plugin)
            if line.record is not None
            else line.error or "no record"
            for line in read_lines(outputs)
        }
    answers: dict[str, Record | str] = {}
    for row in read_examples(plugin, outputs):
        if isinstance(row, Reject):
            answers[row.id or row.place] = f"{row.field}: {row.reason}" if row.field else row.reason
        elif row.record is not None:
            answers[row.document.id] = row.record
    return answers


def _is_predictions(outputs: Path) -> bool:
    """Say whether a path is one file of JSONL whose rows have a record and no text."""
    if files_in(outputs) != [outputs] or outputs.suffix.lower() not in (".jsonl", ".ndjson"):
        return False
    first = next((row for _number, row in read_jsonl(outputs)), {})
    return "record" in first and "text" not in first


def _valid(record: Record, plugin: Plugin) -> Record | str:
    problem = first_problem(record, plugin.schema)
    return record if problem is None else f"{problem[0] or 'the record'}: {problem[1]}"


def _prediction(example: Example, answers: Mapping[str, Record | str]) -> Prediction:
    answer = answers.get(example.document.id, "not answered")
    if isinstance(answer, str):
        return Prediction(example.document, error=answer)
    return Prediction(example.document, record=answer)


def _for_instance(gold: Mapping[str, Example], answers: Mapping[str, Record | str]) -> str:
    names = [next(iter(found), None) for found in (gold, answers)]
    return "" if None in names else f", such as {names[0]!r} in the gold and {names[1]!r} here"
