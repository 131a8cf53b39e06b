"""Score the predictions of any system, without a run: files of records against the gold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..data import Example, Prediction, Record, Reject
from ..dataset.leaf_outcomes import general_reason
from ..dataset.loading import read_examples, read_splits
from ..errors import InputError
from ..plugins import Plugin
from ..settings import EMBEDDED, resolve
from .foreign_records import ForeignRecords, is_record_file, read_records
from .summary import score_predictions, summarise

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
    ids: Container[str] | None = None,
) -> dict[str, Any]:
    """Score the predictions of a system, as ``extract evaluate --json`` prints it.

    A document without a readable, valid record counts as one without any value. Keys that the
    schema does not have, and items of lists that it does not allow, are left out of a record;
    ``faults`` counts the records with each.

    Args:
        plugin: gives the schema and the metric.
        predictions: a file of ``extract predict``, or files that the plugin reads; documents are
            matched by id.
        data: the gold.
        split: the documents that a training on the data would put there; None for all.
        answered_only: leave out the documents without a valid record.
        ids: of the documents that the system was given, if those of the gold may be more; None for
            all.

    Raises:
        InputError: a file cannot be read, or no gold document has a valid record.
    """
    gold = gold_of(plugin, data, split, ids)
    found = _records(plugin, predictions)
    answers = found.answers
    answered = [id_ for id_ in gold if isinstance(answers.get(id_), dict)]
    if not answered:
        raise _unanswered(predictions, data, gold, found)
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
            "faults": dict(found.faults.most_common()),
        }
    }


def gold_of(
    plugin: Plugin, data: Path, split: str | None, ids: Container[str] | None
) -> dict[str, Example]:
    """Return the examples with a record by id; of several with the same id the first.

    Arguments are those of ``evaluate_predictions``.

    Raises:
        InputError: the gold cannot be read, or there is none.
    """
    rows: Iterable[Example | Reject] = read_examples(plugin, data)
    if split is not None:
        splits, _sha256 = read_splits(plugin, data, allow_leaks=True)
        rows = getattr(splits, split)
    gold: dict[str, Example] = {}
    for row in rows:
        if isinstance(row, Reject) or row.record is None:
            continue
        if ids is None or row.document.id in ids:
            gold.setdefault(row.document.id, row)
    if not gold:
        given = "" if ids is None else " of a document that was given"
        raise InputError(f"{data}{f': the {split} split' if split else ''} holds no record{given}")
    return gold


def _records(plugin: Plugin, predictions: Path) -> ForeignRecords:
    """Return the record of each document, or the reason why there is none."""
    if is_record_file(predictions, plugin.names):
        return read_records(predictions, plugin.schema, plugin.names)
    found = ForeignRecords()
    for row in read_examples(plugin, predictions, with_proposals=True):
        if isinstance(row, Reject):
            reason = f"{row.field}: {row.reason}" if row.field else row.reason
            found.answers[row.id or row.place] = reason
        elif row.record is not None:
            found.answers[row.document.id] = row.record
    return found


def _unanswered(
    predictions: Path, data: Path, gold: Mapping[str, Example], found: ForeignRecords
) -> InputError:
    """Return an error that says why no gold document is answered."""
    reasons = Counter(
        general_reason(answer)
        for id_, answer in found.answers.items()
        if id_ in gold and isinstance(answer, str)
    )
    told = [f"{count} of them: {reason}" for reason, count in reasons.most_common(3)]
    told += [f"{count} rows: {fault}" for fault, count in found.faults.most_common(3)]
    if not found.answers.keys() & gold.keys():
        ids = [next(iter(ids), None) for ids in (gold, found.answers)]
        example = "" if None in ids else f", such as {ids[0]!r} in the gold and {ids[1]!r} here"
        told.insert(0, f"documents are matched by id{example}")
    return InputError(
        f"{predictions}: no valid record for any of the {len(gold)} documents of {data}; "
        f"{'; '.join(told)}"
    )


def _prediction(example: Example, answers: Mapping[str, Record | str]) -> Prediction:
    answer = answers.get(example.document.id, "not answered")
    if isinstance(answer, str):
        return Prediction(example.document, error=answer)
    return Prediction(example.document, record=answer)
