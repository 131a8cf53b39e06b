"""What a data set looks like to the model, before any weight is loaded.

The numbers come from the functions that training itself goes through: ``read_splits`` and
``stream_rows``. Documents are looked at one by one, so that memory does not grow with the tokens.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..data import SPLITS, Reject
from ..errors import InputError
from ..model.prompts import PromptFormat
from ..plugins import Plugin
from ..schema.pointers import field_of, leaves, value_at
from ..schema.records import write_record
from ..settings import Settings
from ..windows.rows import DocumentRows, stream_rows
from .duplicates import Twin, find_twins, tally
from .field_stats import Census
from .issues import EXAMPLES, Finding, Unlearnable, find
from .splits import Splits

_DECIDING = ("model", "window", "window_size", "window_overlap", "max_length")
_BINS = 10
_QUANTILES = {"least": 0.0, "median": 0.5, "90 %": 0.9, "99 %": 0.99, "most": 1.0}


@dataclass
class Audit:
    """What there is to know of a data set; ``as_json`` says it to programs.

    Everything but ``splits``, ``twins`` and ``findings`` is about the documents of one split, as
    they would be trained on.

    split: that split.
    document: tokens of each document's text.
    prompt: tokens of each window's prompt.
    answer, row: tokens of its answer, and of both, where there is an answer.
    fits: documents whose prompt and answer would fit ``max_length`` as a whole.
    rest_windows: windows that are made of the others.
    faults: windows that are not trained on, by kind.
    set_aside: some of those windows by kind.
    trained, with_loss: tokens of the rows, and how many of them carry loss.
    gold, learned: leaves and objects by field, and how many a trained window holds.
    lost: leaves and objects that none holds, by field, then by reason.
    partly: leaves that are missing in an object that is learned, by field, then by reason.
    leaves: single leaves, those in objects too.
    leaves_learned: how many of them a trained window holds.
    leaves_lost: single leaves that none holds, by reason.
    sample: the first document that is trained on and answered by something.
    """

    splits: Splits
    split: str
    settings: Settings
    twins: Sequence[Twin]
    census: Census
    findings: Sequence[Finding] = ()
    unlearnable: Unlearnable = field(default_factory=Unlearnable)
    document: array[int] = field(default_factory=lambda: array("L"))
    prompt: array[int] = field(default_factory=lambda: array("L"))
    answer: array[int] = field(default_factory=lambda: array("L"))
    row: array[int] = field(default_factory=lambda: array("L"))
    fits: int = 0
    rest_windows: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    set_aside: dict[str, list[Reject]] = field(default_factory=dict)
    trained: int = 0
    with_loss: int = 0
    gold: Counter[str] = field(default_factory=Counter)
    learned: Counter[str] = field(default_factory=Counter)
    aligned: Counter[str] = field(default_factory=Counter)
    lost: dict[str, Counter[str]] = field(default_factory=dict)
    partly: dict[str, Counter[str]] = field(default_factory=dict)
    leaves: int = 0
    leaves_learned: int = 0
    leaves_lost: Counter[str] = field(default_factory=Counter)
    sample: DocumentRows | None = None

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found that makes training unsound and was not accepted."""
        return not any(finding.stops for finding in self.findings)

    def documents(self) -> dict[str, int]:
        """Return how many documents were read and where each went."""
        held = {split: len(getattr(self.splits, split)) for split in SPLITS}
        aside = len(self.splits.set_aside)
        return {"read": sum(held.values()) + aside, **held, "set_aside": aside}

    def windows(self) -> dict[str, int]:
        """Return how many windows were made and where each went."""
        aside = self.faults.total()
        return {"made": len(self.prompt), "trained": len(self.prompt) - aside, "set_aside": aside}

    def as_json(self) -> dict[str, Any]:
        """Return the audit as one JSON object."""
        return {
            "sound": self.is_sound,
            "findings": [asdict(finding) for finding in self.findings],
            "split": self.split,
            "settings": {name: getattr(self.settings, name) for name in _DECIDING},
            "documents": self.documents(),
            "official_splits": self.splits.official,
            "missing_splits": list(self.splits.missing),
            "leaks": [asdict(leak) for leak in self.splits.leaks],
            "rejects": [asdict(reject) for reject in self.splits.set_aside],
            "duplicates": self._duplicates(),
            "lengths": self.lengths(),
            "histogram": histogram(self.row, self.settings.max_length),
            "whole_documents": self.whole_documents(),
            "windows": self.windows() | {"reasons": dict(self.faults)},
            "windows_set_aside": {
                kind: [asdict(reject) for reject in rejects]
                for kind, rejects in self.set_aside.items()
            },
            "tokens": self.tokens(),
            "gold": {name: self._gold_of(name) for name in {**self.gold, **self.partly}},
            "every_leaf": {
                "leaves": self.leaves,
                "learned": self.leaves_learned,
                "lost": dict(self.leaves_lost),
            },
            "unlearnable": self.unlearnable.as_json(),
            "fields": self.census.as_json(),
        }

    def lengths(self) -> dict[str, dict[str, int]]:
        """Return quantiles in tokens; of the answer, the token that ends it included."""
        parts = {"prompt": self.prompt, "document": self.document, "answer": self.answer}
        return {name: quantiles(tokens) for name, tokens in {**parts, "row": self.row}.items()}

    def whole_documents(self) -> dict[str, int]:
        """Return how many documents fit ``max_length`` as a whole, and what the rest makes."""
        rest = len(self.document) - self.fits
        return {"fit": self.fits, "too_long": rest, "windows_of_those": self.rest_windows}

    def tokens(self) -> dict[str, Any]:
        """Return the tokens that are trained on, and what share of them carries loss."""
        share = round(self.with_loss / self.trained, 4) if self.trained else 0.0
        return {"trained": self.trained, "with_loss": self.with_loss, "share": share}

    def _gold_of(self, name: str) -> dict[str, Any]:
        return {
            "leaves": self.gold[name],
            "learned": self.learned[name],
            "aligned": self.aligned[name],
            "lost": dict(self.lost.get(name, {})),
            "partly": dict(self.partly.get(name, {})),
        }

    def _duplicates(self) -> dict[str, Any]:
        counts = tally(self.twins)
        return {
            "counts": {" in ".join(pair): count for pair, count in counts.items()},
            "documents": [asdict(twin) for twin in self.twins],
        }

    def add(self, made: DocumentRows, plugin: Plugin, prompts: PromptFormat) -> None:
        """Enter a document that is trained on."""
        self._add_lengths(made, plugin, prompts)
        for reading in made.readings:
            if not reading.fault:
                self.trained += len(reading.prompt) + len(reading.answer)
                self.with_loss += len(reading.answer)
        for reading, reject in zip(
            (reading for reading in made.readings if reading.fault), made.set_aside(), strict=True
        ):
            kind = str(reading.fault)
            self.faults[kind] += 1
            if self.faults[kind] <= EXAMPLES:
                self.set_aside.setdefault(kind, []).append(reject)
        self._add_gold(made, plugin)
        if self.sample is None and made.trained and any(map(made.learned_in, made.gold)):
            self.sample = made

    def _add_lengths(self, made: DocumentRows, plugin: Plugin, prompts: PromptFormat) -> None:
        self.document.append(prompts.count(made.example.document.text))
        for reading in made.readings:
            self.prompt.append(len(reading.prompt))
            if reading.answer:
                self.answer.append(len(reading.answer))
                self.row.append(len(reading.prompt) + len(reading.answer))
        if _whole_length(made, plugin, prompts) <= self.settings.max_length:
            self.fits += 1
        else:
            self.rest_windows += len(made.readings)

    def _add_gold(self, made: DocumentRows, plugin: Plugin) -> None:
        example = made.example
        assert example.record is not None  # what has none is in no split
        self.census.add(example.record)
        self.unlearnable.add_gold(example.record, plugin.schema)
        for gold in made.gold:
            name, learned = field_of(gold.pointer), bool(made.learned_in(gold))
            if gold.counted:
                self.gold[name] += 1
                self.learned[name] += learned
            if learned:
                self.aligned[name] += gold.aligned
                continue
            reason = made.why_lost(gold)
            books = self.lost if gold.counted else self.partly
            books.setdefault(name, Counter())[kind_of(reason)] += 1
            self.unlearnable.add_lost(example.document.id, example.record, gold.pointer, reason)
        for fate in fates(made):
            if fate.is_leaf:
                self.leaves += 1
                self.leaves_learned += bool(fate.windows)
                if fate.reason:
                    self.leaves_lost[kind_of(fate.reason)] += 1


def audit(
    splits: Splits,
    plugin: Plugin,
    prompts: PromptFormat,
    settings: Settings,
    accepted: Collection[str] = (),
    visit: Callable[[DocumentRows], object] = lambda _made: None,
    split: str = "train",
) -> Audit:
    """Look at a data set as training would.

    splits: read with leaks allowed, so that they can be told.
    split: the split whose documents are looked at one by one.
    accepted: names of the findings that the user accepts.
    visit: called with the windows of each of those documents, in order.

    Raises:
        GrammarError: no grammar could be made for a window.
        SchemaError: answers cannot be held to the plugin's schema.
        SettingsError: no grammar can be held to the tokenizer.
    """
    result = Audit(splits, split, settings, find_twins(splits), Census(plugin.schema))
    for made in stream_rows(getattr(splits, split), plugin, prompts, settings):
        result.add(made, plugin, prompts)
        visit(made)
    windows = result.windows()["trained"] if split == "train" else None
    result.findings = find(splits, result.unlearnable, result.twins, accepted, windows)
    return result


@dataclass(frozen=True)
class Fate:
    """What became of a gold leaf, or of an object of a list.

    id: the document's.
    pointer: its place in the gold record.
    windows: those that teach it; they count from 1, as they do where one is set aside.
    reason: why none does; "" where one does.
    is_leaf: whether it is a leaf.
    """

    id: str
    pointer: str
    windows: list[int]
    reason: str
    is_leaf: bool

    def as_json(self) -> dict[str, Any]:
        """Return it as a program reads it: the reason stands only where there is no window."""
        told = {"id": self.id, "pointer": self.pointer, "windows": self.windows}
        return told if self.windows else {**told, "reason": self.reason}


def fates(made: DocumentRows) -> Iterator[Fate]:
    """Yield what became of every gold leaf and object of a document; what is null has none.

    The leaves of an object that stands in no answer follow it, each with the object's reason.
    """
    document, record = made.example.document, made.example.record
    assert record is not None  # what has none is in no split
    for gold in made.gold:
        value = value_at(gold.pointer, record)
        is_leaf = not isinstance(value, dict | list)
        windows = [number + 1 for number in made.learned_in(gold)]
        reason = "" if windows else made.why_lost(gold)
        yield Fate(document.id, gold.pointer, windows, reason, is_leaf)
        if is_leaf or gold.windows:
            continue
        for inner, leaf in leaves(value):
            if leaf is not None:
                told = f"lost with what holds it: {reason}"
                yield Fate(document.id, gold.pointer + inner, [], told, is_leaf=True)


def look_at(
    splits: Splits, document_id: str, plugin: Plugin, prompts: PromptFormat, settings: Settings
) -> DocumentRows:
    """Return a document of any split as the model reads it.

    Raises:
        InputError: no split holds it.
        GrammarError, SchemaError, SettingsError: as ``audit``.
    """
    examples = (example for split in SPLITS for example in getattr(splits, split))
    found = [example for example in examples if example.document.id == document_id][:1]
    if not found:
        raise InputError(f"no document that can be trained on or scored has the id {document_id}")
    return next(stream_rows(found, plugin, prompts, settings))


def quantiles(values: Sequence[int]) -> dict[str, int]:
    """Return the least, the median, the 90th and 99th percentile and the most of some numbers."""
    if not values:
        return dict.fromkeys(_QUANTILES, 0)
    found = np.quantile(np.asarray(values), list(_QUANTILES.values()), method="higher")
    return dict(zip(_QUANTILES, map(int, found), strict=True))


def histogram(values: Sequence[int], limit: int) -> list[dict[str, int]]:
    """Count numbers by ranges of one width; the last is open where a few are far beyond the rest.

    limit: a number that a range ends at, if it is in sight.
    """
    if not values:
        return []
    numbers = np.asarray(values)
    usual = int(np.quantile(numbers, 0.99, method="higher"))
    edges = np.unique(np.ceil(np.linspace(min(values) - 1, usual, _BINS + 1)).astype(int))
    if edges[0] < limit < usual:
        edges = np.unique(np.append(edges, limit))
    bounds = [*map(int, edges), *([int(numbers.max())] if numbers.max() > usual else [])]
    counts, _edges = np.histogram(numbers, [bound + 0.5 for bound in bounds])
    return [
        {"from": low + 1, "to": high, "count": int(count)}
        for low, high, count in zip(bounds, bounds[1:], counts, strict=False)
    ]


def kind_of(reason: str) -> str:
    """Return a reason without what is particular to a row, so that like ones can be counted.

    >>> kind_of("several readings in the text: 'Rash', 'rash'")
    'several readings in the text: …'
    """
    general = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\S*\d\S*", "…", reason)
    return re.sub(r"…(?:,? …)+", "…", general)


def _whole_length(made: DocumentRows, plugin: Plugin, prompts: PromptFormat) -> int:
    """Return the tokens that prompt and answer would take if the document were one window."""
    document, record = made.example.document, made.example.record
    first = made.readings[0]
    is_whole = first.window.document.text == document.text
    prompt = first.prompt if is_whole else prompts.prompt(plugin.prompt(document))
    if is_whole and first.answer:
        return len(prompt) + len(first.answer)
    return len(prompt) + len(prompts.answer(write_record(record or {}, plugin.schema)))
