"""Answer the same documents by a run and by what was exported from it, and compare the scores."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..data import Record
from ..decoding.llguidance_adapter import Vocabulary
from ..engines.engine import Engine
from ..engines.llama_cpp import GgufEngine
from ..errors import RunError
from ..evaluation.selection import Selection, select
from ..evaluation.summary import ScoredDocuments, score_names, summarise
from ..extraction.extractor import Extractor, constraints
from ..extraction.groups import group_size
from ..model.loading import load_for_inference
from ..model.location import read_config
from ..model.out_of_memory import save_memory
from ..model.prompts import PromptFormat
from ..model.tokenizer import load_tokenizer
from ..progress import meter
from ..runs.folder import Run
from ..runs.job import plugin_of
from ..runs.receipt import receipt_of
from ..schema.records import canonical
from ..scoring.metrics import paired_difference
from ..task import Task
from .gguf_file import GgufFile, require_same_tokens

TOLERANCE = 0.01
"""By how much the score may fall, unless the user says otherwise."""

_SLOTS = 4
"""Documents that llama.cpp answers at the same time, at most."""


def documents_to_score(run: Run, data: Path | None, most: int | None) -> Selection:
    """Return the documents on which an export is compared with its run.

    Args:
        run: the run folder.
        data: all labelled documents of this path; None: the run's validation documents, which may
            be scored any number of times, or those of test where it has none.
        most: how many of the run's own documents, at most; None: the run's ``score_documents``.
    """
    if most is None:
        most = run.settings().values.score_documents
    split = "validation" if data is None and "validation" in run.splits() else None
    return select(run, plugin_of(run), data=data, split=split, most=most)


def exported_extractor(run: Run, folder: Path) -> Extractor:
    """Load an exported folder: weights, tokenizer and template are read from it alone.

    Raises:
        RunError: it cannot be read, or its prompt is not that of the training.
    """
    task = _exported_task(run, folder)
    model = load_for_inference(task.settings, folder)
    extractor = Extractor.around(model, task, run.answered(), longest=run.longest_lists())
    return replace(extractor, min_confidence=run.min_confidence())


def gguf_extractor(run: Run, folder: Path, file: Path) -> Extractor:
    """Load a GGUF file of an exported folder into llama.cpp.

    Raises:
        RunError: it cannot be read, or its prompt is not that of the training.
        SettingsError: llama.cpp is not installed.
    """
    task = _exported_task(run, folder)
    settings = task.settings
    positions = read_config(settings).get_text_config(decoder=True).max_position_embeddings
    context = min(positions, settings.max_length + settings.max_new_tokens)
    slots = min(_SLOTS, settings.eval_batch_size)
    engine = GgufEngine.load(file, context, slots)
    vocabulary, grammars = constraints(task, run.answered(), run.longest_lists())
    require_same_tokens(engine, folder, vocabulary)
    return Extractor(task, engine, vocabulary, grammars, min_confidence=run.min_confidence())


def served_extractor(run: Run, folder: Path, connect: Callable[[Vocabulary], Engine]) -> Extractor:
    """Connect to what serves an exported folder.

    Raises:
        FieldsmithError: as ``connect``.
        RunError: the folder cannot be read, or its prompt is not that of the training.
    """
    task = _exported_task(run, folder)
    vocabulary, grammars = constraints(task, run.answered(), run.longest_lists())
    engine = connect(vocabulary)
    return Extractor(task, engine, vocabulary, grammars, min_confidence=run.min_confidence())


def _exported_task(run: Run, folder: Path) -> Task:
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
    return task


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


class Comparison:
    """Compares the answers of a run with those of what was exported from it."""

    def __init__(self, run: Run, chosen: Selection) -> None:
        """Answer the documents by the run.

        Args:
            run: the run folder.
            chosen: the documents.
        """
        self._run, self._chosen = run, chosen
        self._before = _answer(
            lambda: Extractor.load(run.folder, trusted=run.trusted), chosen, "the run"
        )

    @property
    def summary(self) -> dict[str, Any]:
        """The scores of the run, as ``extract evaluate --json`` prints them."""
        return self._before.summary

    def merged(self, folder: Path) -> dict[str, Any]:
        """Answer by a merged model in transformers.

        Returns:
            The entry of export.json: scores ``before`` and ``after``, their ``difference`` (after
            minus before, with a paired 95 % bootstrap interval), and how many records are
            ``equal``.
        """
        return self._compared(
            _answer(lambda: exported_extractor(self._run, folder), self._chosen, "the merged model")
        )

    def gguf(self, folder: Path, file: GgufFile) -> dict[str, Any]:
        """Answer by a GGUF file in llama.cpp; returns what ``merged`` does."""
        return self._compared(
            _answer(
                lambda: gguf_extractor(self._run, folder, file.path),
                self._chosen,
                f"the GGUF file ({file.kind})",
            )
        )

    def by_engine(
        self, folder: Path, connect: Callable[[Vocabulary], Engine]
    ) -> tuple[str, dict[str, Any]]:
        """Answer by what serves the folder.

        Args:
            folder: the merged folder.
            connect: returns the engine for the tokens of answers.

        Returns:
            The engine's name, and what ``merged`` returns.
        """
        extractor = served_extractor(self._run, folder, connect)
        name = extractor.engine.name
        return name, self._compared(_answer(lambda: extractor, self._chosen, name))

    def _compared(self, after: _Answers) -> dict[str, Any]:
        before, chosen = self._before, self._chosen
        names = score_names(self._run.settings().values, before.scored.counts)
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
