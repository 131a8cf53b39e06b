"""Choose the labelled documents that a run is scored on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from ..data import SPLITS, Example, Reject
from ..dataset.loading import read_examples, read_splits
from ..dataset.set_aside import SetAside, in_words
from ..dataset.splits import fingerprint
from ..errors import InputError, LeakError, RunError
from ..plugins import Plugin
from ..progress import say
from ..runs.folder import Run
from ..runs.job import ratio_of
from ..runs.joint_job import runs_together
from ..schema.records import canonical
from .sample import sampled


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
        fingerprints: of their texts.
    """

    name: str
    examples: Iterable[Example]
    count: int
    set_aside: int = 0
    of: int = 0
    leaks: int = 0
    fingerprints: Sequence[str] = ()


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
    set_aside, of = SetAside(), 0
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
        set_aside.say(data)
    runs, missing = runs_together(run)
    if missing:
        say(
            f"{run.folder}: was trained together with {', '.join(missing)}, whose runs are not "
            f"beside it, so that their training documents are not noticed; score the run in the "
            f"folder of all of them"
        )
    trained = set[str]().union(*(each.trained_on() for each in runs))
    fingerprints, leaks = refuse_trained(
        examples, trained, allow_leaks=allow_leaks, others=[each.folder.name for each in runs[1:]]
    )
    if not fingerprints:
        raise InputError(f"{where} holds no document with a record to score")
    return Selection(
        name, examples, len(fingerprints), set_aside.count, of, len(leaks), fingerprints
    )


def refuse_trained(
    examples: Iterable[Example],
    trained: set[str],
    *,
    allow_leaks: bool,
    others: Sequence[str] = (),
) -> tuple[list[str], list[str]]:
    """Return the text fingerprint of each example, and the ids of those that were trained on.

    Args:
        examples: documents to score.
        trained: the fingerprints of the texts that the run was trained on. Ids are not compared:
            two sources may both number their documents from 1.
        allow_leaks: whether there may be some.
        others: domains that the run was trained together with, whose texts count too.

    Raises:
        LeakError: there are some, and they are not allowed.
    """
    fingerprints, ids = list[str](), list[str]()
    for example in examples:
        fingerprints.append(fingerprint(example.document.text))
        if fingerprints[-1] in trained:
            ids.append(example.document.id)
    if ids and not allow_leaks:
        shown = ", ".join(ids[:10]) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")
        of_others = f" or that of {', '.join(others)}" if others else ""
        raise LeakError(
            f"{len(ids)} of {len(fingerprints)} documents were in this run's training data"
            f"{of_others} ({shown}); score other documents, or say --allow-leaks"
        )
    return fingerprints, ids


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

    def set_aside(self) -> SetAside:
        """Return the rows that have no record or are copies of earlier ones, in whatever split."""
        known: set[bytes] = set()
        count, first = 0, ""
        for row in read_examples(self.plugin, self.data):
            if _has_gold(row) and (key := _key(row)) not in known:
                known.add(key)
                continue
            count, first = count + 1, first or _why_unscored(row)
        return SetAside(count, first)


def _key(example: Example) -> bytes:
    """Return a key that is equal for copies: rows with the same id, text and record."""
    parts = example.document.id, fingerprint(example.document.text), example.record
    return hashlib.sha256(canonical(parts).encode()).digest()


def _why_unscored(row: Example | Reject) -> str:
    if isinstance(row, Reject):
        return in_words(row)
    place = row.place or row.document.id
    if row.record is None:
        return f"{place}: it has no record"
    if not _has_gold(row):
        return f"{place}: it has no text"
    return f"{place}: a copy of an earlier row"


def _has_gold(row: Example | Reject) -> TypeGuard[Example]:
    return isinstance(row, Example) and row.record is not None and bool(row.document.text.strip())
