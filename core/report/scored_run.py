"""What a run folder holds, as far as a report needs it: scores, log, and documents one by one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data import SPLITS, Counts, Example, Prediction, Record, Span
from ..dataset.loading import read_splits
from ..errors import FieldsmithError, RunError, did_you_mean
from ..evaluation.evaluate import Labelled, score_names
from ..files import parse_json, read_jsonl
from ..plugins import Plugin, load
from ..runs.folder import Run
from ..scoring.metrics import precision_recall_f1
from ..text.grounding import ground
from .error_kinds import Case, Places, cases


@dataclass(frozen=True)
class Reviewed:
    """A document that was scored, and what became of each answer.

    text: None where the data is not at hand.
    record: None where ``error`` says why there is none.
    confidence: JSON Pointer of a predicted leaf -> from 0 to 1.
    gold_places, predicted_places: JSON Pointer of a leaf -> where it stands in the text.
    counts: what the plugin's metric made of it; None without the data, which it may read.
    cases: its answers by kind.
    """

    id: str
    text: str | None
    gold: Record
    record: Record | None
    error: str
    confidence: Mapping[str, float]
    gold_places: Places
    predicted_places: Places
    counts: dict[str, Counts] | None
    cases: tuple[Case, ...]

    @property
    def errors(self) -> int:
        """The number of answers that are not right."""
        return sum(case.kind != "right" for case in self.cases)


@dataclass(frozen=True)
class Scored:
    """One set of scores of a run, with all that they were made from.

    name: what metrics.json calls it.
    summary: what metrics.json holds of it.
    names: the metric names that make up the score.
    log: the lines of log.jsonl.
    missing: what the report cannot show and why, one sentence each.
    """

    run: Run
    plugin: Plugin
    info: Mapping[str, Any]
    name: str
    summary: Mapping[str, Any]
    names: tuple[str, ...]
    log: tuple[Mapping[str, Any], ...]
    documents: tuple[Reviewed, ...]
    missing: tuple[str, ...]

    def f1(self, document: Reviewed) -> float | None:
        """Return the F1 of one document, all names of the score taken together.

        1 where there was nothing to find and nothing was found; None without the data.
        """
        if document.counts is None:
            return None
        counts = [document.counts.get(name, (0.0, 0.0, 0.0)) for name in self.names]
        matched, predicted, gold = (sum(column) for column in zip(*counts, strict=True))
        if predicted + gold == 0:
            return 1.0
        return precision_recall_f1((matched, predicted, gold))[2]

    def steps(self) -> list[dict[str, Any]]:
        """Return what the log says of each step: its lines of one step joined, in their order."""
        rows: dict[float, dict[str, Any]] = {}
        for line in self.log:
            rows.setdefault(line["step"], {}).update(line)
        return list(rows.values())

    def kinds(self) -> dict[str, Counter[str]]:
        """Return for each field how many cases there are of each kind, in the schema's order.

        ``gold`` and ``predicted`` count the answers of either side.
        """
        table: dict[str, Counter[str]] = {}
        for document in self.documents:
            for case in document.cases:
                row = table.setdefault(case.field, Counter())
                row[case.kind] += 1
                row["gold"] += len(case.gold)
                row["predicted"] += len(case.predicted)
        known = list(self.plugin.schema.get("properties", {}))
        return dict(sorted(table.items(), key=lambda row: known.index(row[0].split("/")[0])))


def read_scored(folder: Path, *, name: str | None = None, data: Path | None = None) -> Scored:
    """Read one set of scores of a run.

    name: as metrics.json calls it; None: that of ``data``, or else the test split, or else
        whichever comes last.
    data: where the documents stand; None: the run's own data, if they are of it.

    Raises:
        InputError: ``data`` cannot be read.
        RunError: the run is not complete, was not scored so, or its predictions are of other data.
        PluginError: the plugin is not installed any more.
    """
    run = Run.open(folder)
    run.require_complete()
    summaries = run.metrics()
    name = _chosen(run, summaries, name, data)
    info, rows = run.info(), _predictions(run, name)
    plugin = load(info["plugin"]["name"], tuple(info["plugin"]["wrappers"]))
    missing = _not_scored(summaries[name], run)
    examples: Sequence[Example] | None
    try:
        examples = _examples(run, plugin, name, data)
        _refuse_others(rows, examples, run, name)
    except FieldsmithError as error:
        if data is not None:
            raise
        examples = None
        missing.append(
            f"The documents' texts, what is split or merged in them, and the F1 of each are not "
            f"shown, because their data is not at hand ({error}); name it by --data."
        )
    documents = tuple(
        _reviewed(plugin, row, examples[index] if examples is not None else None)
        for index, row in enumerate(rows)
    )
    counts = [document.counts for document in documents if document.counts is not None]
    names = tuple(_names(run, counts, summaries[name]))
    log = tuple(_log(run))
    if not log:
        missing.append("Losses and scores by step are not shown: log.jsonl holds none.")
    return Scored(run, plugin, info, name, summaries[name], names, log, documents, tuple(missing))


def _names(run: Run, counts: Sequence[dict[str, Counts]], summary: Mapping[str, Any]) -> list[str]:
    """Return the names that make up the score; without counts, those of them that have one."""
    settings = run.settings().values
    known = [key.rsplit("/", 1)[0] for key in summary["metrics"] if key.endswith("/precision")]
    rows = counts or [dict.fromkeys((name for name in known if name != "micro"), (0.0, 0.0, 0.0))]
    return score_names(settings, rows)


def _chosen(run: Run, summaries: Mapping[str, Any], name: str | None, data: Path | None) -> str:
    if not summaries:
        raise RunError(
            f"{run.folder}: metrics.json holds no scores; make them by: extract evaluate "
            f"{run.folder}"
        )
    if name is None:
        default = "test" if "test" in summaries else list(summaries)[-1]
        name = default if data is None else data.resolve().name
        if data is not None and name in SPLITS:
            name += ":all"  # as extract evaluate calls a path that is called like a split
    if name not in summaries:
        raise RunError(
            f"{run.folder}: metrics.json holds no scores of {name!r}; {did_you_mean(name, summaries)}. "
            f"Make them by extract evaluate, or choose by --split"
        )
    return name


def _predictions(run: Run, name: str) -> list[Mapping[str, Any]]:
    file = run.folder / "predictions" / f"{name.replace(':', '-')}.jsonl"
    if not file.is_file():
        raise RunError(f"{file}: is not there; make it by: extract evaluate {run.folder}")
    rows: list[Mapping[str, Any]] = []
    for line, row in read_jsonl(file):
        if not (isinstance(row.get("id"), str) and isinstance(row.get("gold"), dict)):
            raise RunError(f"{file}:{line}: has no id or no gold; make it by extract evaluate")
        rows.append(row)
    return rows


def _not_scored(summary: Mapping[str, Any], run: Run) -> list[str]:
    if "base" in summary["baselines"]:
        return []
    return [f"The base model was not scored: extract evaluate {run.folder} --base does it."]


def _examples(run: Run, plugin: Plugin, name: str, data: Path | None) -> list[Example]:
    """Return the examples that were scored, in the order of their predictions."""
    stem, _, label = name.partition(":")
    if data is None:
        if stem not in SPLITS:
            raise RunError(f"{name} is no split of the run's own data")
        stored = run.info()["data"]
        source = Path(stored["source"]) if stored["source"] else None
        splits, sha256 = read_splits(plugin, source, allow_leaks=True)
        if sha256 != stored["sha256"]:
            raise RunError(f"{source}: the data changed since the run was trained")
        return list(getattr(splits, stem))
    split = next((part for part in label.split(":") if part in SPLITS), None)
    return list(Labelled(plugin, data, split))


def _refuse_others(
    rows: Sequence[Mapping[str, Any]], examples: Sequence[Example], run: Run, name: str
) -> None:
    """Raise RunError where the predictions are not those of the examples."""
    ours = [(row["id"], row["gold"]) for row in rows]
    if ours != [(example.document.id, example.record) for example in examples]:
        raise RunError(
            f"{run.folder}: the predictions of {name!r} are of other documents; score these by "
            f"extract evaluate"
        )


def _reviewed(plugin: Plugin, row: Mapping[str, Any], example: Example | None) -> Reviewed:
    gold, record = row["gold"], row.get("record")
    text = example.document.text if example else None
    gold_places = _places(gold, text) | _mentions(example)
    predicted_places = _places(record or {}, text)
    counts = None
    if example:
        prediction = Prediction(example.document, record=record, error=row.get("error"))
        counts = plugin.metric(example, prediction)
    found = cases(gold, record, plugin.schema, gold_places, predicted_places)
    return Reviewed(
        id=row["id"],
        text=text,
        gold=gold,
        record=record,
        error=str(row.get("error", "")),
        confidence=row.get("confidence", {}),
        gold_places=gold_places,
        predicted_places=predicted_places,
        counts=counts,
        cases=tuple(found),
    )


def _places(record: Record, text: str | None) -> dict[str, Sequence[Span]]:
    if text is None:
        return {}
    return {pointer: _apart(found.spans) for pointer, found in ground(record, text).items()}


def _mentions(example: Example | None) -> dict[str, Sequence[Span]]:
    """Return the mentions that the data gives: they know which occurrences are meant."""
    known = example.mentions if example else {}
    return {pointer: _apart(spans) for pointer, spans in known.items() if spans}


def _apart(spans: Iterable[Span]) -> list[Span]:
    """Return spans left to right, those that lie over another joined with it."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _log(run: Run) -> list[Mapping[str, Any]]:
    if not run.log_file.is_file():
        return []
    lines = run.log_file.read_text(encoding="utf-8").splitlines()
    try:
        return [parse_json(line) for line in lines]
    except (ValueError, json.JSONDecodeError) as error:
        raise RunError(f"{run.log_file}: not JSON: {error}") from error
