"""Shots: worked examples in the prompt of a model that was not trained.

A shot is a window of a labelled document with the answer that training would give it. Its document
is data like any other: no control token comes from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from random import Random

from ..data import Document, Example
from ..dataset.loading import read_splits
from ..dataset.set_aside import SetAside
from ..dataset.splits import fingerprint
from ..plugins import Plugin
from ..schema.pointers import field_of, leaves
from ..schema.records import read_record
from ..task import Shot, Task
from ..windows.rows import DocumentWindows, stream_rows

_DRAWN = 64
"""Documents that shots are chosen from, at most: each is cut and its answer checked."""


def shot_examples(plugin: Plugin, source: Path | None) -> tuple[Example, ...]:
    """Return the labelled documents of a source that may be shots; say what cannot be read.

    Args:
        plugin: reads the source.
        source: a file or folder; None for the plugin's bundled sample.

    Returns:
        The training documents of the sample, or of a source that names splits; else all.

    Raises:
        InputError: the source cannot be read.
    """
    splits, _sha256 = read_splits(plugin, source, allow_leaks=True)
    if source is not None:
        SetAside.of(splits.set_aside).say(source)
    if splits.official or source is None:
        return splits.train
    return splits.train + splits.validation + splits.test


def without_texts(examples: Sequence[Example], documents: Iterable[Document]) -> list[Example]:
    """Return the examples whose text is none of the documents'.

    Case and white space make no difference. No more texts are in memory than the examples'.
    """
    prints = [fingerprint(example.document.text) for example in examples]
    held = set(prints)
    seen = {mark for document in documents if (mark := fingerprint(document.text)) in held}
    return [each for each, mark in zip(examples, prints, strict=True) if mark not in seen]


@dataclass(frozen=True)
class _Candidate:
    """A window that may be a shot.

    Attributes:
        shot: its messages.
        tokens: how many tokens it adds to a prompt.
        filled: the fields that its answer fills.
    """

    shot: Shot
    tokens: int
    filled: frozenset[str]


def choose_shots(
    task: Task, examples: Sequence[Example], count: int, context: int
) -> tuple[Shot, ...]:
    """Choose shots that fill different fields; equal arguments give equal shots.

    Among documents drawn by the seed of the settings, each set of filled fields has its turn, the
    largest first, the shortest window of each set first.

    Args:
        task: plugin, settings and prompt format.
        examples: labelled documents.
        count: how many shots are wanted.
        context: tokens that the model reads and writes, at most.

    Returns:
        The shots, the longest last; fewer where no more fit beside a document and its answer.

    Raises:
        GrammarError, SchemaError, SettingsError: as ``build_rows``.
    """
    if not count:
        return ()
    drawn = Random(task.settings.seed).sample(examples, min(_DRAWN, len(examples)))
    found = (_candidate(made, task) for made in stream_rows(drawn, task))
    candidates = [candidate for candidate in found if candidate]
    room = _room(task, context)
    for wanted in range(min(count, len(candidates)), 0, -1):
        fitting = [each for each in candidates if each.tokens <= room // wanted]
        if len(fitting) >= wanted:
            chosen = _diverse(fitting, wanted)
            return tuple(each.shot for each in sorted(chosen, key=lambda each: each.tokens))
    return ()


def _room(task: Task, context: int) -> int:
    """Return how many tokens all shots may take.

    Beside them are the instructions, the answer, and a window of ``tokens``, or else a document,
    for which half of the rest is kept.
    """
    rest = context - task.settings.max_new_tokens - len(task.prompt(Document("none", ".")))
    window = task.settings.window_size if task.settings.window == "tokens" else rest // 2
    return rest - window


def _candidate(made: DocumentWindows, task: Task) -> _Candidate | None:
    """Return the window of a document that fills most fields; None if none can be trained on."""
    windows = [made.windows[number] for number in sorted(made.trained)]
    if not windows:
        return None
    filled = [_filled(window.text, task) for window in windows]
    number = max(range(len(windows)), key=lambda n: len(filled[n]))
    window, document = windows[number], windows[number].window.document
    shot = task.shot(document, window.text)
    tokens = len(replace(task, shots=(shot,)).prompt(document)) - len(window.prompt)
    return _Candidate(shot, tokens, filled[number])


def _filled(answer: str, task: Task) -> frozenset[str]:
    record = read_record(answer, task.schema)
    return frozenset(field_of(pointer) for pointer, leaf in leaves(record) if leaf is not None)


def _diverse(candidates: Sequence[_Candidate], count: int) -> list[_Candidate]:
    """Return candidates of each set of filled fields in turn."""
    groups: dict[frozenset[str], list[_Candidate]] = defaultdict(list)
    for candidate in sorted(candidates, key=lambda each: each.tokens):
        groups[candidate.filled].append(candidate)
    ranked = sorted(groups.values(), key=lambda group: -len(group[0].filled))
    turns = chain.from_iterable(zip_longest(*ranked))
    return [candidate for candidate in turns if candidate is not None][:count]
