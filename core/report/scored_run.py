"""Read a scored run: its scores, its log, and the error kinds of each document."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, TypeVar

from ..data import SPLITS, Counts, Document, Example, PageWord, Prediction, Record, Span
from ..dataset.loading import read_splits
from ..errors import FieldsmithError, RunError, did_you_mean
from ..evaluation.sample import sampled
from ..evaluation.selection import Labelled
from ..evaluation.summary import score_names
from ..plugins import Plugin
from ..reading.kinds import kind_of
from ..runs.ability import read_ability
from ..runs.file_schemas import SCORED
from ..runs.folder import Run
from ..runs.job import plugin_of, ratio_of
from ..runs.paths import without_home
from ..runs.reading import read_rows
from ..runs.scorings import Scoring, scorings, scorings_of_metrics
from ..runs.scorings_card import counted
from ..schema.records import first_problem
from ..scoring.metrics import precision_recall_f1
from ..text.grounding import ground
from .error_kinds import Case, LeafSpans, classify
from .loss_curve import training_losses

T = TypeVar("T")

Points = Sequence[tuple[float, float]]
"""(x, y) of a line in a plot."""


@dataclass(frozen=True)
class DocumentResult:
    """A scored document and the kind of each of its values.

    Attributes:
        text: None if the data is not available.
        words: where the words of the text stand on pages; empty for a text without pages.
        file: the PDF with these pages; None if it is not found.
        record: the prediction; None where ``error`` gives the reason.
        confidence: JSON Pointer of a predicted leaf -> from 0 to 1.
        gold_spans: where the leaves of the gold are in the text.
        predicted_spans: likewise of the prediction.
        counts: counts of the plugin's metric; None without the data, which it may read.
        cases: the gold and predicted values by kind.
    """

    id: str
    text: str | None
    words: Sequence[PageWord]
    file: Path | None
    gold: Record
    record: Record | None
    error: str
    confidence: Mapping[str, float]
    gold_spans: LeafSpans
    predicted_spans: LeafSpans
    counts: dict[str, Counts] | None
    cases: tuple[Case, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Identifies the document with its gold in another run."""
        return self.id, str(self.gold)

    @property
    def errors(self) -> int:
        """Number of cases that are not right."""
        return sum(case.kind != "right" for case in self.cases)


@dataclass(frozen=True)
class ScoredRun:
    """One entry of a run's metrics.json, with the predictions and data behind it.

    Attributes:
        info: content of run.json.
        name: key of the entry in metrics.json.
        summary: the entry.
        names: names of the metrics that make up the score.
        log: lines of log.jsonl.
        scorings: when the run was scored on held-out documents.
        is_record_damaged: whether the file of scorings cannot be read; ``scorings`` are then those
            of metrics.json.
        ability: figures of base and tuned model by general task; {} where none was measured.
        missing: what the report cannot show and why, one sentence each.
    """

    run: Run
    plugin: Plugin
    info: Mapping[str, Any]
    name: str
    summary: Mapping[str, Any]
    names: tuple[str, ...]
    log: tuple[Mapping[str, Any], ...]
    documents: tuple[DocumentResult, ...]
    scorings: tuple[Scoring, ...]
    is_record_damaged: bool
    ability: Mapping[str, Mapping[str, Any]]
    missing: tuple[str, ...]

    def f1(self, document: DocumentResult) -> float | None:
        """Return the micro F1 of one document over the names of the score.

        It is 1 if there was nothing to find and nothing was found, and None without the data.
        """
        if document.counts is None:
            return None
        counts = [document.counts.get(name, Counts(0.0, 0.0, 0.0)) for name in self.names]
        matched, predicted, gold = (sum(column) for column in zip(*counts, strict=True))
        if predicted + gold == 0:
            return 1.0
        return precision_recall_f1((matched, predicted, gold))[2]

    def test_set(self) -> list[str]:
        """Say how often the run was scored on its test set, and what other runs had seen of it."""
        seen = self.info.get("test_seen", ())
        return counted(self.scorings, seen, is_damaged=self.is_record_damaged)

    def steps(self) -> list[dict[str, Any]]:
        """Return one dict per logged step, with all lines of that step joined."""
        rows: dict[float, dict[str, Any]] = {}
        for line in self.log:
            rows.setdefault(line["step"], {}).update(line)
        return list(rows.values())

    def kinds(self) -> dict[str, Counter[str]]:
        """Count the cases of each kind by field, in the order of the schema.

        The keys ``gold`` and ``predicted`` count the values of either side.
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

    def intervals(self, suffix: str) -> dict[str, dict[str, float]]:
        """Return the metrics that end in ``suffix`` by the rest of their name."""
        metrics = self.summary["metrics"].items()
        return {key.removesuffix(suffix): it for key, it in metrics if key.endswith(suffix)}

    def losses(self) -> dict[str, Points]:
        """Return the losses of training and validation by step, as far as they were logged."""
        training = training_losses(self.log)
        return ({"training": training} if training else {}) | self._logged(
            {"eval_loss": "validation"}
        )

    def validation_scores(self) -> dict[str, Points]:
        """Return the score of validation and the F1 of its parts by step.

        Where the names of the score are not known, all parts of the log but the averages.
        """
        logged = dict.fromkeys(key for row in self.log for key in row if key.startswith("score/"))
        keys = [f"score/{name}/f1" for name in self.names] or [
            key for key in logged if key.split("/")[1] not in ("micro", "macro")
        ]
        parts = {key: key.split("/", 1)[1].removesuffix("/f1") for key in keys}
        return self._logged({"score": "score", **parts})

    def reliability(self) -> dict[str, Points]:
        """Return the share of right leaves by their mean confidence."""
        rows = (self.summary.get("calibration") or {}).get("reliability", ())
        points = [(row["confidence"], row["correct"]) for row in rows if row["count"]]
        return {"leaves": points} if points else {}

    def _logged(self, labels: Mapping[str, str]) -> dict[str, Points]:
        series = {
            label: [(row["step"], row[key]) for row in self.log if row.get(key) is not None]
            for key, label in labels.items()
        }
        return {label: points for label, points in series.items() if points}


def read_scored_run(
    folder: Path, *, name: str | None = None, data: Path | None = None
) -> ScoredRun:
    """Read one entry of a run's metrics.json with its predictions and its data.

    Args:
        folder: the run folder.
        name: key of the entry; None for that of ``data``, or else the test split, or else the last.
        data: path of the documents; None for the run's own data.

    Raises:
        InputError: ``data`` cannot be read.
        RunError: the run is not complete, has no such scores, or its predictions are of other data.
        PluginError: the plugin is no longer installed.
    """
    run = Run.open(folder)
    run.require_complete()
    summaries = run.metrics()
    name = _choose_name(run, summaries, name, data)
    info, plugin = run.info(), plugin_of(run)
    missing: list[str] = []
    rows = _unless_damaged(lambda: _predictions(run, name, plugin), "Documents and errors", missing)
    if "base" not in summaries[name]["baselines"]:
        missing.append(f"The base model was not scored: extract evaluate {folder} --base does it.")
    examples: Sequence[Example] | None = None
    source = data
    try:
        if rows:
            source = data or run.source()
            examples = _examples(run, plugin, name, data)
            _require_same_documents(rows, examples, run, name)
    except FieldsmithError as error:
        if data is not None:
            raise
        examples = None
        missing.append(
            f"The texts of the documents, their pages and F1, and what is split or merged are not "
            f"shown, because the data is not available ({error}); give its path by --data."
        )
    documents = tuple(
        _result(plugin, row, example, source)
        for row, example in zip(rows, examples or repeat(None, len(rows)), strict=True)
    )
    counts = [document.counts for document in documents if document.counts is not None]
    names = tuple(_names(run, counts, summaries[name]))
    log = tuple(_unless_damaged(run.log, "Losses and scores by step", missing))
    if not log and not any(sentence.startswith("Losses") for sentence in missing):
        missing.append("Losses and scores by step are not shown: log.jsonl has none.")
    said = len(missing)
    made = _unless_damaged(lambda: scorings(run), "Earlier scorings", missing)
    if is_record_damaged := len(missing) > said:
        made = list(scorings_of_metrics(run))
    ability = _unless_damaged(
        lambda: [*read_ability(run).items()], "Figures of general ability", missing
    )
    return ScoredRun(
        run,
        plugin,
        info,
        name,
        summaries[name],
        names,
        log,
        documents,
        tuple(made),
        is_record_damaged,
        dict(ability),
        tuple(without_home(missing)),
    )


def _names(run: Run, counts: Sequence[dict[str, Counts]], summary: Mapping[str, Any]) -> list[str]:
    """Return the names of the metrics that make up the score."""
    settings = run.settings().values
    known = [key.rsplit("/", 1)[0] for key in summary["metrics"] if key.endswith("/precision")]
    rows = counts or [
        dict.fromkeys((name for name in known if name != "micro"), Counts(0.0, 0.0, 0.0))
    ]
    return score_names(settings, rows)


def _choose_name(
    run: Run, summaries: Mapping[str, Any], name: str | None, data: Path | None
) -> str:
    if not summaries:
        raise RunError(
            f"{run.folder}: metrics.json has no scores; make them by: extract evaluate {run.folder}"
        )
    if name is None:
        default = "test" if "test" in summaries else list(summaries)[-1]
        name = default if data is None else data.resolve().name
        if data is not None and name in SPLITS:
            name += ":all"  # extract evaluate names a path that is called like a split so
    if name not in summaries:
        raise RunError(
            f"{run.folder}: metrics.json has no scores of {name!r}; "
            f"{did_you_mean(name, summaries)}. Make them by extract evaluate, or choose by --split"
        )
    return name


def _unless_damaged(read: Callable[[], list[T]], what: str, missing: list[str]) -> list[T]:
    """Return the rows of a file; of one that cannot be read none, which ``missing`` then says."""
    try:
        return read()
    except RunError as error:
        missing.append(f"{what} are not shown: {error}.")
        return []


def _predictions(run: Run, name: str, plugin: Plugin) -> list[dict[str, Any]]:
    file = run.folder / "predictions" / f"{name.replace(':', '-')}.jsonl"
    if not file.is_file():
        raise RunError(f"{file}: no such file; make it by: extract evaluate {run.folder}")
    rows = []
    for number, row in enumerate(read_rows(file, SCORED), start=1):
        # What a data set does not annotate is not in its gold.
        for key, schema in (("record", plugin.schema), ("gold", {**plugin.schema, "required": []})):
            if row[key] is not None and (problem := first_problem(row[key], schema)):
                raise RunError(f"{file}:{number}: {key}{problem[0]}: {problem[1]}")
        rows.append(row)
    if not rows:
        raise RunError(f"{file}: empty; make it by: extract evaluate {run.folder}")
    return rows


def _examples(run: Run, plugin: Plugin, name: str, data: Path | None) -> list[Example]:
    """Return the examples that were scored, in the order of their predictions."""
    stem, _, label = name.partition(":")
    if data is None:
        if stem not in SPLITS:
            raise RunError(f"{name} is no split of the run's own data")
        stored = run.info()["data"]
        source = run.source()
        splits, sha256 = read_splits(plugin, source, allow_leaks=True, ratio=ratio_of(stored))
        if sha256 != stored["sha256"]:
            raise RunError(f"{source}: the data changed since the run was trained")
        return sampled(getattr(splits, stem), run.metrics()[name]["documents"])
    split = next((part for part in label.split(":") if part in SPLITS), None)
    return list(Labelled(plugin, data, split))


def _require_same_documents(
    rows: Sequence[Mapping[str, Any]], examples: Sequence[Example], run: Run, name: str
) -> None:
    """Raise RunError if the predictions are not those of the examples."""
    stored = [(row["id"], row["gold"]) for row in rows]
    if stored != [(example.document.id, example.record) for example in examples]:
        raise RunError(
            f"{run.folder}: the predictions of {name!r} are of other documents; score these by "
            f"extract evaluate"
        )


def _result(
    plugin: Plugin, row: Mapping[str, Any], example: Example | None, source: Path | None
) -> DocumentResult:
    gold, record = row["gold"], row.get("record")
    text = example.document.text if example else None
    gold_spans = _spans(gold, text)
    if example:  # the mentions of the data say which occurrences are meant
        gold_spans |= {pointer: _joined(at) for pointer, at in example.mentions.items() if at}
    predicted_spans = _spans(record or {}, text)
    counts = None
    if example:
        prediction = Prediction(example.document, record=record, error=row.get("error"))
        counts = plugin.metric(example, prediction)
    return DocumentResult(
        id=row["id"],
        text=text,
        words=example.document.words if example else (),
        file=pdf_of(example.document, source) if example and source else None,
        gold=gold,
        record=record,
        error=str(row.get("error", "")),
        confidence=row.get("confidence", {}),
        gold_spans=gold_spans,
        predicted_spans=predicted_spans,
        counts=counts,
        cases=tuple(classify(gold, record, plugin.schema, gold_spans, predicted_spans)),
    )


def pdf_of(document: Document, source: Path) -> Path | None:
    """Return the PDF that a document was read from; its path is data, and may lead elsewhere."""
    if not document.words or "path" not in document.meta:
        return None
    folder = Path(os.path.abspath(source if source.is_dir() else source.parent))
    file = Path(os.path.normpath(folder / document.meta["path"]))
    is_there = folder in file.parents and os.path.isfile(file)
    return file if is_there and kind_of(file) == "PDF" else None


def _spans(record: Record, text: str | None) -> dict[str, Sequence[Span]]:
    if text is None:
        return {}
    return {pointer: _joined(found.spans) for pointer, found in ground(record, text).items()}


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans left to right, with those that overlap joined."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
