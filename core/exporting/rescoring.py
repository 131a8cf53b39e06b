"""Answer the same documents by a run and by what was exported from it, and compare the scores."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..data import Record
from ..errors import RunError
from ..evaluation.evaluate import ScoredDocuments, Selection, score_names, select, summarise
from ..extraction.extractor import Extractor
from ..extraction.prediction_file import group_size
from ..model.loading import load_for_inference, load_tokenizer
from ..model.out_of_memory import save_memory
from ..model.prompts import PromptFormat
from ..progress import meter
from ..runs.folder import Run
from ..runs.job import plugin_of
from ..runs.receipt import receipt_of
from ..schema.records import canonical
from ..scoring.metrics import paired_difference
from ..task import Task

TOLERANCE = 0.01
"""By how much the score may fall, unless the user says otherwise."""


def documents_to_score(run: Run, data: Path | None, most: int | None) -> Selection:
    """Return the documents on which an export is compared with its run.

    Args:
        run: the run folder.
        data: all labelled documents of this path; None: the run's test documents, or those of
            validation where it has none.
        most: how many of the run's own documents, at most; None: the run's ``score_documents``.
    """
    if most is None:
        most = run.settings().values.score_documents
    split = None if data or "test" in run.splits() else "validation"
    return select(run, plugin_of(run), data=data, split=split, most=most)


def exported_extractor(run: Run, folder: Path) -> Extractor:
    """Load an exported folder: weights, tokenizer and template are read from it alone.

    Raises:
        RunError: it cannot be read, or its prompt is not that of the training.
    """
    settings = replace(
        run.settings().values,
        model=str(folder),
        revision=None,
        quantize="none",
        tuning="full",
        trust_remote_code=False,
    )
    task = Task(plugin_of(run), settings, PromptFormat(load_tokenizer(settings, folder)))
    wanted = run.receipt()
    changed = [name for name, found in asdict(receipt_of(task)).items() if found != wanted[name]]
    if changed:
        raise RunError(
            f"{folder}: its {', '.join(changed)} differ from those of the run, so that it would "
            f"answer another prompt; delete the folder and export the run again"
        )
    model = load_for_inference(settings, folder)
    extractor = Extractor.around(model, task, run.answered(), longest=run.longest_lists())
    return replace(extractor, min_confidence=run.min_confidence())


@dataclass
class _Answers:
    """What one model answered.

    Attributes:
        summary: its scores, as ``extract evaluate --json`` prints them.
        scored: the metric's counts of each document.
        records: the record of each document; None where there is none.
    """

    summary: dict[str, Any] = field(default_factory=dict)
    scored: ScoredDocuments = field(default_factory=ScoredDocuments)
    records: dict[str, Record | None] = field(default_factory=dict)


def compare(
    run: Run, chosen: Selection, exported: Callable[[], Extractor], name: str
) -> dict[str, Any]:
    """Answer documents by a run and by its export, one after the other.

    Args:
        run: the run folder.
        chosen: the documents.
        exported: loads the extractor of the export.
        name: of the export, for the progress bar.

    Returns:
        The entry of export.json: ``before`` and ``after`` (scores), their ``difference`` (after
        minus before, with a paired 95 % bootstrap interval), and how many records are ``equal``.
    """
    before = _answer(lambda: Extractor.load(run.folder, trusted=run.trusted), chosen, "the run")
    after = _answer(exported, chosen, name)
    names = score_names(run.settings().values, before.scored.counts)
    difference, p_value = paired_difference(after.scored.counts, before.scored.counts, names)
    differing = [
        identifier
        for identifier, record in before.records.items()
        if canonical(record) != canonical(after.records[identifier])
    ]
    kept = ("score", "metrics", "valid")
    return {
        "split": chosen.name,
        "documents": chosen.count,
        **({"of": chosen.of} if chosen.of else {}),
        "before": {key: before.summary[key] for key in kept},
        "after": {key: after.summary[key] for key in kept},
        "difference": {**asdict(difference), "p_value": p_value},
        "equal": chosen.count - len(differing),
        "differing": differing,
    }


def _answer(load: Callable[[], Extractor], chosen: Selection, name: str) -> _Answers:
    """Load an extractor, answer the documents, and release its memory."""
    answers, extractor = _Answers(), load()
    task, source = extractor.task, iter(chosen.examples)
    with meter(f"answering by {name}", chosen.count, "documents") as progress:
        while group := list(itertools.islice(source, group_size(task.settings))):
            documents = [example.document for example in group]
            for example, prediction in zip(
                group, extractor.predict(documents, progress.advance), strict=True
            ):
                answers.scored.add(task.plugin, example, prediction)
                answers.records[example.document.id] = prediction.record
    answers.summary = summarise(task.plugin, task.settings, answers.scored, chosen.name)
    del extractor
    save_memory()
    return answers
