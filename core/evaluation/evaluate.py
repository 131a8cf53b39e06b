"""Score predictions by field, with confidence intervals, beside the null baseline."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..data import Counts, Document, Example
from ..errors import InputError
from ..extraction.extractor import Extractor
from ..extraction.groups import GroupPredictor, group_size, groups_of, with_predictions
from ..extraction.prediction_file import prediction_line
from ..extraction.worker_processes import open_predictor
from ..files import write_jsonl
from ..progress import meter
from ..runs.folder import Run
from ..runs.job import plugin_of
from ..scoring.metrics import paired_difference
from .case_file import Case
from .cases import results_object, run_cases
from .recording import FIRST_TIME, ScoringRequest, recorded
from .selection import select
from .summary import ScoredDocuments, score_names, summarise

if TYPE_CHECKING:
    from ..decoding.llguidance_adapter import Vocabulary
    from ..engines.engine import Engine


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
    request: ScoringRequest = FIRST_TIME,
    cases: Sequence[Case] = (),
    cases_file: str = "",
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
        request: how the scoring was asked for, and why documents are scored again.
        cases: texts of the user that are answered, too, and compared with what is expected.
        cases_file: how the summary names their file.

    Raises:
        EngineError: one of several processes has ended.
        InputError: the data cannot be read, or holds no document to score; or the reason is none.
        LeakError: the run was trained on some of the documents.
        OutputError: another process scores the same documents of the run.
        RunError: the run is not complete or does not fit what is installed; or held-out documents
            were scored before, and there is no reason to score them again.
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
    with ExitStack() as stack:
        if connect is None:
            recorder = stack.enter_context(recorded(run, chosen, name, request))
            opened = load()
        else:
            extractor = Extractor.by_engine(run, connect, min_confidence)
            engine = extractor.engine.name
            name += f":{engine}"
            recorder = stack.enter_context(recorded(run, chosen, name, request))
            opened = nullcontext(extractor)
        predictions = run.folder / "predictions"
        with opened as predictor:
            summary, ours = answer_and_score(predictor, examples, chosen.count, name, predictions)
            if cases:
                summary["cases"] = results_object(run_cases(predictor, cases), cases_file)
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
        recorder.stamp(summary)
        run.write_metrics(name, summary)
        recorder.keep()
    return summary


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
