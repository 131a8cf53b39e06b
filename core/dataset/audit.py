"""Audit a data set: what the model reads and learns of it, before any weight is loaded.

The numbers come from the functions that training uses: ``read_splits`` and ``stream_rows``.
Documents are processed one by one, so that memory does not grow with the tokens.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..data import SPLITS, Reject
from ..errors import InputError
from ..schema.pointers import field_of
from ..schema.records import write_record
from ..task import Task
from ..windows.rows import DocumentWindows, stream_rows
from .duplicates import Duplicate, count_duplicates, find_duplicates
from .field_stats import FieldStatistics
from .issues import Issue, all_issues
from .leaf_outcomes import general_reason, leaf_outcomes
from .lost_gold import EXAMPLES, LostGold
from .splits import Splits
from .token_lengths import histogram, quantiles

_SHOWN_SETTINGS = ("model", "window", "window_size", "window_overlap", "max_length")


def _lengths() -> array[int]:
    return array("L")


@dataclass
class Audit:
    """What was found in a data set. ``as_json`` is the form for programs.

    Everything but ``splits``, ``duplicates`` and ``issues`` is about the documents of one split,
    as they would be trained on.

    Attributes:
        split: name of that split.
        document: tokens of each document's text.
        prompt: tokens of each window's prompt.
        answer: tokens of each answer, its end token included.
        row: tokens of prompt and answer, where there is an answer.
        fits: number of documents whose prompt and answer fit ``max_length`` as one window.
        rest_windows: number of windows of the other documents.
        faults: windows that are not trained on, by kind.
        set_aside: some of those windows by kind.
        trained: tokens of the windows that are trained on.
        with_loss: how many of these tokens carry loss.
        gold: leaves and objects by field.
        learned: how many of them are in a trained window, by field.
        aligned: how many of these are written as the text spells them, by field.
        lost: leaves and objects that are in no trained window, by field, then by reason.
        partly: leaves missing in an object that is learned, by field, then by reason.
        leaves: number of single leaves, those in objects included.
        leaves_learned: how many of them are in a trained window.
        leaves_lost: single leaves that are in none, by reason.
        lost_gold: the same by cause, and verbatim leaves that are not in the text.
        sample: the first document with a gold value that is learned.
    """

    splits: Splits
    split: str
    task: Task
    duplicates: Sequence[Duplicate]
    field_stats: FieldStatistics
    lost_gold: LostGold
    issues: Sequence[Issue] = ()
    document: array[int] = field(default_factory=_lengths)
    prompt: array[int] = field(default_factory=_lengths)
    answer: array[int] = field(default_factory=_lengths)
    row: array[int] = field(default_factory=_lengths)
    fits: int = 0
    rest_windows: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    set_aside: defaultdict[str, list[Reject]] = field(default_factory=lambda: defaultdict(list))
    trained: int = 0
    with_loss: int = 0
    gold: Counter[str] = field(default_factory=Counter)
    learned: Counter[str] = field(default_factory=Counter)
    aligned: Counter[str] = field(default_factory=Counter)
    lost: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    partly: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    leaves: int = 0
    leaves_learned: int = 0
    leaves_lost: Counter[str] = field(default_factory=Counter)
    sample: DocumentWindows | None = None

    @property
    def is_sound(self) -> bool:
        """Whether no issue is blocking."""
        return not any(issue.is_blocking for issue in self.issues)

    def documents(self) -> dict[str, int]:
        """Return how many documents were read, are in each split, and were set aside."""
        held = {split: len(getattr(self.splits, split)) for split in SPLITS}
        aside = len(self.splits.set_aside)
        return {"read": sum(held.values()) + aside, **held, "set_aside": aside}

    def windows(self) -> dict[str, int]:
        """Return how many windows were made, are trained on, and were set aside."""
        aside = self.faults.total()
        return {"made": len(self.prompt), "trained": len(self.prompt) - aside, "set_aside": aside}

    def lengths(self) -> dict[str, dict[str, int]]:
        """Return quantiles of the lengths in tokens."""
        parts = {"prompt": self.prompt, "document": self.document, "answer": self.answer}
        return {name: quantiles(tokens) for name, tokens in {**parts, "row": self.row}.items()}

    def whole_documents(self) -> dict[str, int]:
        """Return how many documents fit ``max_length``, and the windows of the others."""
        rest = len(self.document) - self.fits
        return {"fit": self.fits, "too_long": rest, "windows_of_those": self.rest_windows}

    def tokens(self) -> dict[str, Any]:
        """Return how many tokens are trained on, and which share of them carries loss."""
        share = round(self.with_loss / self.trained, 4) if self.trained else 0.0
        return {"trained": self.trained, "with_loss": self.with_loss, "share": share}

    def as_json(self) -> dict[str, Any]:
        """Return the audit as one JSON object."""
        pair_counts = count_duplicates(self.duplicates)
        return {
            "sound": self.is_sound,
            "findings": [asdict(issue) for issue in self.issues],
            "split": self.split,
            "settings": {name: getattr(self.task.settings, name) for name in _SHOWN_SETTINGS},
            "documents": self.documents(),
            "official_splits": self.splits.official,
            "missing_splits": list(self.splits.missing),
            "leaks": [asdict(leak) for leak in self.splits.leaks],
            "rejects": [asdict(reject) for reject in self.splits.set_aside],
            "duplicates": {
                "counts": {" in ".join(pair): count for pair, count in pair_counts.items()},
                "documents": [asdict(duplicate) for duplicate in self.duplicates],
            },
            "lengths": self.lengths(),
            "histogram": histogram(self.row, self.task.settings.max_length),
            "whole_documents": self.whole_documents(),
            "windows": self.windows() | {"reasons": dict(self.faults)},
            "windows_set_aside": {
                kind: [asdict(reject) for reject in rejects]
                for kind, rejects in self.set_aside.items()
            },
            "tokens": self.tokens(),
            "gold": {
                name: {
                    "leaves": self.gold[name],
                    "learned": self.learned[name],
                    "aligned": self.aligned[name],
                    "lost": dict(self.lost.get(name, {})),
                    "partly": dict(self.partly.get(name, {})),
                }
                for name in {**self.gold, **self.partly}
            },
            "every_leaf": {
                "leaves": self.leaves,
                "learned": self.leaves_learned,
                "lost": dict(self.leaves_lost),
            },
            "unlearnable": self.lost_gold.as_json(),
            "fields": self.field_stats.as_json(),
        }

    def add(self, document: DocumentWindows) -> None:
        """Count a document of the split."""
        self._add_windows(document)
        self._add_gold(document)
        self.lost_gold.add(document)
        for outcome in leaf_outcomes(document):
            if outcome.is_leaf:
                self.leaves += 1
                self.leaves_learned += bool(outcome.windows)
                if outcome.reason:
                    self.leaves_lost[general_reason(outcome.reason)] += 1
        if self.sample is None and any(map(document.learned_in, document.gold)):
            self.sample = document

    def _add_windows(self, document: DocumentWindows) -> None:
        self.document.append(self.task.prompts.count(document.example.document.text))
        rejects = document.set_aside()
        for window in document.windows:
            length = len(window.prompt) + len(window.answer)
            self.prompt.append(len(window.prompt))
            if window.answer:
                self.answer.append(len(window.answer))
                self.row.append(length)
            if window.fault:
                self.faults[window.fault] += 1
                reject = next(rejects)
                if self.faults[window.fault] <= EXAMPLES:
                    self.set_aside[window.fault].append(reject)
            else:
                self.trained += length
                self.with_loss += len(window.answer)
        if _whole_length(document, self.task) <= self.task.settings.max_length:
            self.fits += 1
        else:
            self.rest_windows += len(document.windows)

    def _add_gold(self, document: DocumentWindows) -> None:
        record = document.example.record
        assert record is not None  # unlabelled documents are in no split
        self.field_stats.add(record)
        for gold in document.gold:
            name, learned = field_of(gold.pointer), bool(document.learned_in(gold))
            if gold.counted:
                self.gold[name] += 1
                self.learned[name] += learned
            if learned:
                self.aligned[name] += gold.aligned
            else:
                reason = document.why_lost(gold)
                (self.lost if gold.counted else self.partly)[name][general_reason(reason)] += 1


def audit(
    splits: Splits,
    task: Task,
    accepted: Collection[str] = (),
    visit: Callable[[DocumentWindows], object] = lambda _document: None,
    split: str = "train",
) -> Audit:
    """Audit a data set.

    Args:
        splits: the data, read with leaks allowed, so that they can be listed.
        task: plugin, settings and prompt format.
        accepted: names of the issues that the user accepts.
        visit: called with each document of ``split``, in order.
        split: the split whose documents are cut into windows and counted.

    Raises:
        GrammarError: no grammar could be made for a window.
        SchemaError: answers cannot be constrained to the plugin's schema.
        SettingsError: no grammar can be made for the tokenizer.
    """
    statistics, lost = FieldStatistics(task.schema), LostGold(task.schema)
    result = Audit(splits, split, task, find_duplicates(splits), statistics, lost)
    for document in stream_rows(getattr(splits, split), task):
        result.add(document)
        visit(document)
    windows = result.windows()["trained"] if split == "train" else None
    result.issues = all_issues(
        splits, lost, result.duplicates, task.settings.model, accepted, windows
    )
    return result


def document_windows(splits: Splits, document_id: str, task: Task) -> DocumentWindows:
    """Return the windows of one document of any split.

    Raises:
        InputError: no split has it.
        GrammarError, SchemaError, SettingsError: as ``audit``.
    """
    examples = (example for split in SPLITS for example in getattr(splits, split))
    found = [example for example in examples if example.document.id == document_id][:1]
    if not found:
        raise InputError(f"no document that can be trained on or scored has the id {document_id}")
    return next(stream_rows(found, task))


def _whole_length(document: DocumentWindows, task: Task) -> int:
    """Return the tokens that prompt and answer would take if the document were one window."""
    text, record = document.example.document.text, document.example.record
    first = document.windows[0]
    is_whole = first.window.document.text == text
    prompt = first.prompt if is_whole else task.prompt(document.example.document)
    if is_whole and first.answer:
        return len(prompt) + len(first.answer)
    return len(prompt) + len(task.prompts.answer(write_record(record or {}, task.schema)))
