"""Predictions and scores: what a run is worth, with intervals, beside the null baseline."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from .calibration import calibration, judged
from .data import SPLITS, Counts, Example, Prediction, Reject
from .errors import InputError, LeakError, RunError
from .files import write_jsonl
from .metrics import accuracy, paired_difference, point_scores, score
from .plugins import Plugin
from .predict import Extractor, plugin_of
from .predictions import prediction_line
from .progress import meter
from .runs import Run
from .schema import empty_record, field_schema, kinds_of
from .settings import Settings
from .sources import read_examples, read_splits
from .splits import seen


@dataclass(frozen=True)
class Scored:
    """Predictions of some examples and the counts that the plugin's metric made of each."""

    examples: tuple[Example, ...]
    predictions: tuple[Prediction, ...]
    counts: tuple[dict[str, Counts], ...]


def score_predictions(
    plugin: Plugin, examples: Sequence[Example], predictions: Sequence[Prediction]
) -> Scored:
    """Count every document by the plugin's metric, on the gold as loaded."""
    counts = tuple(plugin.metric(e, p) for e, p in zip(examples, predictions, strict=True))
    return Scored(tuple(examples), tuple(predictions), counts)


def score_names(settings: Settings, counts: Sequence[dict[str, Counts]]) -> list[str]:
    """Return the metric names that make up the score: those of the settings, or all.

    A name that a data set has no gold for (its source does not annotate the field) is left out.
    """
    counted = metric_names(counts)
    return [name for name in settings.score if name in counted] or settings.score or counted


def summarise(plugin: Plugin, settings: Settings, scored: Scored, split: str) -> dict[str, Any]:
    """Return the scores as ``extract evaluate --json`` prints them.

    Every value has a 95 % bootstrap interval over documents; the null baseline answers every
    document with the empty record.
    """
    names = score_names(settings, scored.counts)
    metrics = score(scored.counts, names)
    null = [plugin.metric(e, _nothing(plugin, e)) for e in scored.examples]
    baseline = point_scores(null, names)
    scalars = [name for name in metric_names(scored.counts) if _is_scalar(plugin, name)]
    for name in scalars:
        metrics[f"{name}/accuracy"] = accuracy(scored.counts, name)
    predictions, schema = scored.predictions, plugin.schema
    pairs = zip(scored.examples, predictions, strict=True)
    return {
        "plugin": plugin.name,
        "split": split,
        "documents": len(scored.examples),
        "score": metrics["score"].value,
        "metrics": {name: asdict(interval) for name, interval in metrics.items()},
        "valid": sum(p.record is not None for p in predictions) / max(1, len(predictions)),
        "windows": {
            "read": sum(p.windows[0] for p in predictions),
            "total": sum(p.windows[1] for p in predictions),
        },
        "constrained": all(p.constrained for p in predictions),
        "truncated": sum(p.truncated for p in predictions),
        "repeats": sum(p.repeats for p in predictions),
        "ungrounded": sum(p.ungrounded for p in predictions),
        "calibration": calibration(
            [leaf for e, p in pairs for leaf in judged(e.record, p.record, p.confidence, schema)]
        ),
        "baselines": {
            "null": {"score": baseline["score"], "metrics": baseline},
        },
    }


def metric_names(counts: Sequence[dict[str, Counts]]) -> list[str]:
    """Return the names that the metric counted, in order of appearance."""
    return list(dict.fromkeys(name for row in counts for name in row))


def _nothing(plugin: Plugin, example: Example) -> Prediction:
    return Prediction(example.document, record=empty_record(plugin.schema))


def _is_scalar(plugin: Plugin, name: str) -> bool:
    kinds = kinds_of(field_schema(f"/{name}", plugin.schema))
    return bool(kinds) and not {"array", "object"} & set(kinds)


def refuse_trained(
    examples: Sequence[Example], trained: set[str], *, allow_leaks: bool
) -> list[str]:
    """Return the ids of examples whose text the run was trained on.

    Raises:
        LeakError: there are some, and they are not allowed.
    """
    ids = seen(examples, trained)
    if ids and not allow_leaks:
        shown = ", ".join(ids[:10]) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")
        raise LeakError(
            f"{len(ids)} of {len(examples)} documents were in this run's training data "
            f"({shown}); score other documents, or say --allow-leaks"
        )
    return ids


@dataclass(frozen=True)
class Cost:
    """What answering took: seconds a document (wall clock) and peak memory in megabytes."""

    seconds_per_document: float
    peak_memory_mb: float


def timed(predict: Callable[[], list[Prediction]], documents: int) -> tuple[list[Prediction], Cost]:
    """Run ``predict`` and measure it."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    predictions = predict()
    seconds = time.perf_counter() - began
    return predictions, Cost(round(seconds / max(1, documents), 4), round(peak_memory_mb(), 1))


def peak_memory_mb() -> float:
    """Return the peak memory in megabytes: of the GPU where one is used, else of the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def evaluate_run(
    run: Run,
    *,
    data: Path | None = None,
    split: str | None = None,
    base: bool = False,
    constrained: bool = True,
    allow_leaks: bool = False,
) -> dict[str, Any]:
    """Score a run and store the scores in metrics.json and the predictions beside them.

    data: score every document of this path; None: the run's own data, in its own split.
    split: with ``data``, only the documents that carry this official label or none; without,
        "test" by default.
    base: score the base model without the adapter beside it.
    constrained: whether answers are held to the schema and the text; where not, the scores are
        stored under a name that says so.

    Raises:
        InputError: the data cannot be read, or holds no document to score.
        LeakError: the run was trained on some of the documents.
        RunError: the run is not complete or does not fit what is installed.
    """
    run.require_complete()
    plugin = plugin_of(run)
    if data is None:
        name = split or "test"
        examples, set_aside = _own_split(run, plugin, name), 0
        # What was trained with leaks is scored with them, but training data is still refused.
        allow_leaks |= name != "train" and run.info()["data"]["allow_leaks"]
        where = f"{run.folder}: the {name} split"
    else:
        name = _name_of(data, split)
        examples, set_aside = _labelled(plugin, data, split)
        where = f"{data}{f': the {split} split' if split else ''}"
    if not examples:
        raise InputError(f"{where} holds no document with a record to score")
    leaks = refuse_trained(examples, run.trained_on(), allow_leaks=allow_leaks)
    if not constrained:
        name += ":unconstrained"
    extractor = Extractor.load(run.folder, constrained=constrained)
    summary = _scored(extractor, examples, name, run.folder / "predictions")
    summary["set_aside"] = set_aside
    if leaks:
        summary["trained_on"] = len(leaks)
    if base:
        summary["baselines"]["base"] = _base_beside(run, examples, summary, extractor)
    summary.pop("_counts")
    run.write_metrics(name, summary)
    return summary


def _name_of(data: Path, split: str | None) -> str:
    """Return what the scores of a path are called in the run; never as its own splits are."""
    name = data.resolve().name
    if split:
        return f"{name}:{split}"
    return f"{name}:all" if name in SPLITS else name


def _own_split(run: Run, plugin: Plugin, split: str) -> list[Example]:
    info = run.info()["data"]
    source = Path(info["source"]) if info["source"] else None
    splits, sha256 = read_splits(plugin, source, allow_leaks=info["allow_leaks"])
    if sha256 != info["sha256"]:
        raise RunError(f"{source}: the data changed since the run was trained; name it by --data")
    examples: tuple[Example, ...] = getattr(splits, split)
    return list(examples)


def _labelled(plugin: Plugin, data: Path, split: str | None) -> tuple[list[Example], int]:
    """Return the examples of a path that have a record, and how many rows have none."""
    examples, set_aside = [], 0
    for row in read_examples(plugin, data):
        if isinstance(row, Reject) or row.record is None or not row.document.text.strip():
            set_aside += 1
        elif split is None or row.split in (None, split):
            examples.append(row)
    return examples, set_aside


def _scored(
    extractor: Extractor, examples: Sequence[Example], name: str, folder: Path | None
) -> dict[str, Any]:
    documents = [example.document for example in examples]
    with meter("answering", len(documents), "documents") as progress:
        predictions, cost = timed(
            lambda: extractor.predict(documents, progress.advance), len(documents)
        )
    scored = score_predictions(extractor.plugin, examples, predictions)
    if folder is not None:
        lines = (
            {**prediction_line(prediction, extractor.plugin.name), "gold": example.record}
            for example, prediction in zip(examples, predictions, strict=True)
        )
        write_jsonl(folder / f"{name.replace(':', '-')}.jsonl", lines)
    summary = summarise(extractor.plugin, extractor.settings, scored, name)
    return {**summary, **asdict(cost), "_counts": scored.counts}


def _base_beside(
    run: Run, examples: Sequence[Example], summary: dict[str, Any], tuned: Extractor
) -> dict[str, Any]:
    """Score the base model on the same documents, and the difference to it by paired bootstrap."""
    ours = summary["_counts"]
    untuned = Extractor.load(run.folder, adapter=False, constrained=tuned.grammars is not None)
    base = _scored(untuned, examples, "base", None)
    names = score_names(tuned.settings, ours)
    difference, p_value = paired_difference(ours, base["_counts"], names)
    return {
        "score": base["score"],
        "metrics": base["metrics"],
        "valid": base["valid"],
        "difference": {**asdict(difference), "p_value": p_value},
    }
