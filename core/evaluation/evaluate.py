"""Score predictions by field, with confidence intervals, beside the null baseline."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import torch

from ..data import SPLITS, Counts, Document, Example, Prediction, Reject
from ..dataset.loading import read_examples, read_splits
from ..dataset.splits import fingerprint, ids_trained_on
from ..errors import InputError, LeakError, RunError
from ..extraction.extractor import Extractor
from ..extraction.groups import GroupPredictor, group_size, groups_of, with_predictions
from ..extraction.prediction_file import prediction_line
from ..extraction.worker_processes import open_predictor
from ..files import write_jsonl
from ..plugins import Plugin
from ..progress import meter
from ..runs.folder import Run
from ..runs.job import plugin_of, ratio_of
from ..schema.navigation import empty_record, field_schema, types_of
from ..schema.records import canonical
from ..scoring.calibration import JudgedLeaf, calibration, judge_leaves
from ..scoring.metrics import accuracy, paired_difference, point_scores, score
from ..settings import Settings
from .sample import sampled

if TYPE_CHECKING:
    from ..decoding.llguidance_adapter import Vocabulary
    from ..engines.engine import Engine


@dataclass
class ScoredDocuments:
    """Counts of the documents that were scored; neither texts nor records are kept.

    Attributes:
        counts: the plugin's metric for each document.
        null: its metric for the empty record in place of the prediction.
        leaves: the predicted leaves that are right or wrong, of all documents.
        totals: sums over documents: predictions with a record (``valid``) or constrained by the
            schema (``constrained``), windows ``read`` and in ``total``, and a prediction's counts.
    """

    counts: list[dict[str, Counts]] = field(default_factory=list)
    null: list[dict[str, Counts]] = field(default_factory=list)
    leaves: list[JudgedLeaf] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)

    def add(self, plugin: Plugin, example: Example, prediction: Prediction) -> None:
        """Count one document by the plugin's metric, on the gold as loaded."""
        schema = plugin.schema
        nothing = Prediction(example.document, record=empty_record(schema))
        self.counts.append(plugin.metric(example, prediction))
        self.null.append(plugin.metric(example, nothing))
        self.leaves += judge_leaves(
            example.record, prediction.record, prediction.confidence, schema
        )
        self.totals.update(
            valid=prediction.record is not None,
            constrained=prediction.constrained,
            read=prediction.windows[0],
            total=prediction.windows[1],
            truncated=prediction.truncated,
            repeats=prediction.repeats,
            unsure=prediction.unsure,
            ungrounded=prediction.ungrounded,
        )


def score_predictions(
    plugin: Plugin, examples: Iterable[Example], predictions: Iterable[Prediction]
) -> ScoredDocuments:
    """Count every document by the plugin's metric, on the gold as loaded."""
    scored = ScoredDocuments()
    for example, prediction in zip(examples, predictions, strict=True):
        scored.add(plugin, example, prediction)
    return scored


def score_names(settings: Settings, counts: Sequence[dict[str, Counts]]) -> list[str]:
    """Return the metric names that make up the score: those of the settings, or all.

    A name that a data set has no gold for (its source does not annotate the field) is left out.
    """
    counted = metric_names(counts)
    return [name for name in settings.score if name in counted] or settings.score or counted


def summarise(
    plugin: Plugin, settings: Settings, scored: ScoredDocuments, split: str
) -> dict[str, Any]:
    """Return the scores as ``extract evaluate --json`` prints them.

    Every value has a 95 % bootstrap interval over documents; the null baseline answers every
    document with the empty record.
    """
    names = score_names(settings, scored.counts)
    metrics = score(scored.counts, names)
    baseline = point_scores(scored.null, names)
    scalars = [name for name in metric_names(scored.counts) if _is_scalar(plugin, name)]
    for name in scalars:
        metrics[f"{name}/accuracy"] = accuracy(scored.counts, name)
    documents, totals = len(scored.counts), scored.totals
    return {
        "plugin": plugin.name,
        "split": split,
        "documents": documents,
        "score": metrics["score"].value,
        "metrics": {name: asdict(interval) for name, interval in metrics.items()},
        "valid": totals["valid"] / max(1, documents),
        "windows": {"read": totals["read"], "total": totals["total"]},
        "constrained": totals["constrained"] == documents,
        "truncated": totals["truncated"],
        "repeats": totals["repeats"],
        "unsure": totals["unsure"],
        "ungrounded": totals["ungrounded"],
        "calibration": calibration(scored.leaves),
        "baselines": {
            "null": {"score": baseline["score"], "metrics": baseline},
        },
    }


def metric_names(counts: Sequence[dict[str, Counts]]) -> list[str]:
    """Return the names that the metric counted, in order of appearance."""
    return list(dict.fromkeys(name for row in counts for name in row))


def _is_scalar(plugin: Plugin, name: str) -> bool:
    kinds = types_of(field_schema(f"/{name}", plugin.schema))
    return bool(kinds) and not {"array", "object"} & set(kinds)


def refuse_trained(
    examples: Iterable[Example], trained: set[str], *, allow_leaks: bool
) -> tuple[int, list[str]]:
    """Return how many examples there are, and the ids of those that the run was trained on.

    Args:
        examples: documents to score.
        trained: the fingerprints of the texts that the run was trained on.
        allow_leaks: whether there may be some.

    Raises:
        LeakError: there are some, and they are not allowed.
    """
    count, ids = 0, list[str]()
    for example in examples:
        count += 1
        ids += ids_trained_on([example], trained)
    if ids and not allow_leaks:
        shown = ", ".join(ids[:10]) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")
        raise LeakError(
            f"{len(ids)} of {count} documents were in this run's training data "
            f"({shown}); score other documents, or say --allow-leaks"
        )
    return count, ids


def evaluate_run(
    run: Run,
    *,
    data: Path | None = None,
    split: str | None = None,
    base: bool = False,
    constrained: bool = True,
    min_confidence: float | None = None,
    allow_leaks: bool = False,
    mapping: Mapping[str, str] | None = None,
    most: int = 0,
    connect: Callable[[Vocabulary], Engine] | None = None,
    processes: int = 1,
) -> dict[str, Any]:
    """Score a run and store the scores in metrics.json and the predictions beside them.

    Args:
        run: the run folder.
        data: score every document of this path; None: the run's own data, in its own split.
        split: with ``data``, only the documents that carry this official label or none; without,
            "test" by default.
        base: score the base model without the adapter, too.
        constrained: whether answers are constrained to the schema and the text; if not, the scores
            are stored under a name that says so.
        min_confidence: values below it are left out; None for the one that the run chose.
        allow_leaks: score documents that the run was trained on.
        mapping: names that ``data`` has for fields of the schema; None: as in training.
        most: documents of the run's own split that are scored, as ``sampled`` chooses them; 0: all.
        connect: returns the engine that answers in place of our decoder, under whose name the
            scores are stored, too; it excludes ``base``, and answers are constrained.
        processes: how many answer; several are started for it, each with a GPU of its own or its
            share of the cores. Not for an engine.

    Raises:
        EngineError: one of several processes has ended.
        InputError: the data cannot be read, or holds no document to score.
        LeakError: the run was trained on some of the documents.
        RunError: the run is not complete or does not fit what is installed.
        SettingsError: there are fewer GPUs than processes.
    """
    run.require_complete()
    run.metrics()  # to which the scores are added
    plugin = plugin_of(run) if mapping is None else plugin_of(run).mapped(mapping)
    chosen = select(run, plugin, data=data, split=split, most=most, allow_leaks=allow_leaks)
    name, examples = chosen.name, chosen.examples
    if not constrained:
        name += ":unconstrained"
    load = partial(
        open_predictor, run, processes, constrained=constrained, min_confidence=min_confidence
    )
    opened: AbstractContextManager[GroupPredictor]
    engine = None
    if connect is None:
        opened = load()
    else:
        extractor = Extractor.by_engine(run, connect, min_confidence)
        engine = extractor.engine.name
        name += f":{engine}"
        opened = nullcontext(extractor)
    predictions = run.folder / "predictions"
    with opened as predictor:
        summary, ours = answer_and_score(predictor, examples, chosen.count, name, predictions)
    summary["set_aside"] = chosen.set_aside
    if engine is not None:
        summary["engine"] = engine
    if chosen.of:
        summary["of"] = chosen.of
    if chosen.leaks:
        summary["trained_on"] = chosen.leaks
    if base:
        names = score_names(predictor.task.settings, ours)
        with load(adapter=False) as untuned:
            summary["baselines"]["base"] = _base_scores(untuned, examples, ours, names)
    run.write_metrics(name, summary)
    return summary


@dataclass(frozen=True)
class Selection:
    """Labelled documents that a run is scored on.

    Attributes:
        name: of their scores.
        examples: the documents; each iteration yields them in the same order.
        count: how many there are.
        set_aside: rows of the data that have no record or are copies.
        of: how many documents the split has, where these are a sample; else 0.
        leaks: how many of them the run was trained on.
    """

    name: str
    examples: Iterable[Example]
    count: int
    set_aside: int = 0
    of: int = 0
    leaks: int = 0


def select(
    run: Run,
    plugin: Plugin,
    *,
    data: Path | None = None,
    split: str | None = None,
    most: int = 0,
    allow_leaks: bool = False,
) -> Selection:
    """Choose the documents that a run is scored on; arguments and errors are ``evaluate_run``'s."""
    examples: Iterable[Example]
    set_aside = of = 0
    if data is None:
        name = split or "test"
        own = _own_split(run, plugin, name)
        examples = sampled(own, most)
        of = len(own) if len(examples) < len(own) else 0
        # What was trained with leaks is scored with them, but training data is still refused.
        allow_leaks |= name != "train" and run.info()["data"]["allow_leaks"]
        where = f"{run.folder}: the {name} split"
    else:
        name = _name_of(data, split)
        examples = Labelled(plugin, data, split)
        set_aside = examples.set_aside()
        where = f"{data}{f': the {split} split' if split else ''}"
    count, leaks = refuse_trained(examples, run.trained_on(), allow_leaks=allow_leaks)
    if not count:
        raise InputError(f"{where} holds no document with a record to score")
    return Selection(name, examples, count, set_aside, of, len(leaks))


def _base_scores(
    untuned: GroupPredictor,
    examples: Iterable[Example],
    ours: Sequence[dict[str, Counts]],
    names: Sequence[str],
) -> dict[str, Any]:
    """Return the scores of the base model, and how much the adapter scores above it."""
    beside, theirs = answer_and_score(untuned, examples, len(ours), "base", None)
    difference, p_value = paired_difference(ours, theirs, names)
    return {
        **{name: beside[name] for name in ("score", "metrics", "valid")},
        "difference": {**asdict(difference), "p_value": p_value},
    }


def _name_of(data: Path, split: str | None) -> str:
    """Return the name of a path's scores in the run, which is none of its own splits."""
    name = data.resolve().name
    if split:
        return f"{name}:{split}"
    return f"{name}:all" if name in SPLITS else name


def _own_split(run: Run, plugin: Plugin, split: str) -> list[Example]:
    info = run.info()["data"]
    source = run.source()
    splits, sha256 = read_splits(
        plugin, source, allow_leaks=info["allow_leaks"], ratio=ratio_of(info)
    )
    if sha256 != info["sha256"]:
        raise RunError(f"{source}: the data changed since the run was trained; name it by --data")
    examples: tuple[Example, ...] = getattr(splits, split)
    return list(examples)


@dataclass(frozen=True)
class Labelled:
    """The examples of a path that have a record; each iteration reads them anew.

    Attributes:
        plugin: reads the path.
        data: the path.
        split: only those that carry this official label or none; None: all.
    """

    plugin: Plugin
    data: Path
    split: str | None

    def __iter__(self) -> Iterator[Example]:
        """Yield them in order, as they are read.

        Raises:
            InputError: the path cannot be read.
        """
        known: set[bytes] = set()
        for row in read_examples(self.plugin, self.data):
            if not _has_gold(row) or self.split not in (None, row.split or self.split):
                continue
            if (key := _key(row)) not in known:
                known.add(key)
                yield row

    def set_aside(self) -> int:
        """Return how many rows have no record or are copies of earlier ones, in whatever split."""
        rows = [
            _key(row) if _has_gold(row) else b"" for row in read_examples(self.plugin, self.data)
        ]
        return len(rows) - len({key for key in rows if key})


def _key(example: Example) -> bytes:
    """Return a key that is equal for copies: rows with the same id, text and record."""
    parts = example.document.id, fingerprint(example.document.text), example.record
    return hashlib.sha256(canonical(parts).encode()).digest()


def _has_gold(row: Example | Reject) -> TypeGuard[Example]:
    return isinstance(row, Example) and row.record is not None and bool(row.document.text.strip())


def answer_and_score(
    predictor: GroupPredictor,
    examples: Iterable[Example],
    count: int,
    name: str,
    folder: Path | None,
) -> tuple[dict[str, Any], list[dict[str, Counts]]]:
    """Predict and score one group of documents after another; return the scores, and the counts.

    Args:
        predictor: makes the predictions.
        examples: documents with their gold records.
        count: how many examples there are.
        name: the name of the scores.
        folder: where the predictions are written; None writes none.

    Raises:
        InputError: there are not as many any more.
    """
    task, scored, seconds = predictor.task, ScoredDocuments(), 0.0
    plugin = task.plugin

    def lines() -> Iterator[dict[str, Any]]:
        nonlocal seconds
        groups = groups_of(examples, group_size(task.settings))
        began = time.perf_counter()
        for group, answers in with_predictions(groups, predictor, _documents, progress.advance):
            seconds += time.perf_counter() - began
            for example, prediction in zip(group, answers, strict=True):
                scored.add(plugin, example, prediction)
                yield {**prediction_line(prediction, plugin.name), "gold": example.record}
            began = time.perf_counter()
        if len(scored.counts) != count:
            raise InputError("the data changed while it was read; start again")

    if torch.cuda.is_initialized():  # it is not where other processes answer
        torch.cuda.reset_peak_memory_stats()
    with meter("answering", count, "documents") as progress:
        if folder is None:
            deque(lines(), maxlen=0)
        else:
            write_jsonl(folder / f"{name.replace(':', '-')}.jsonl", lines())
    summary = summarise(plugin, task.settings, scored, name) | {
        "min_confidence": predictor.min_confidence,
        "seconds_per_document": round(seconds / count, 4),
        "peak_memory_mb": round(predictor.peak_memory_mb(), 1),
    }
    return summary, scored.counts


def _documents(group: Iterable[Example]) -> list[Document]:
    return [example.document for example in group]
