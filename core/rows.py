"""Rows of training: each window of an example as token ids and labels, and the books of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .data import Example, Reject
from .plugins import Plugin
from .prompts import PromptFormat
from .schema import write_record
from .settings import Settings
from .windows import cut, targets

IGNORED = -100
"""Label of a token that carries no loss, as torch's cross entropy has it."""


@dataclass(frozen=True)
class Row:
    """A window as the model trains on it.

    input_ids: prompt, answer and end token.
    labels: ``IGNORED`` over the prompt, then the ids of the answer and its end token.
    """

    input_ids: list[int]
    labels: list[int]


@dataclass
class Rows:
    """The rows of some examples, and what became of everything that is in no row.

    windows: number of windows made; ``len(rows) + len(set_aside)`` of them.
    set_aside: windows that are not trained on.
    lost: gold leaves and objects that stand in no window's target.
    gold, learned: leaves and objects by field, and how many stand in a row.
    """

    rows: list[Row] = field(default_factory=list)
    windows: int = 0
    set_aside: list[Reject] = field(default_factory=list)
    lost: list[Reject] = field(default_factory=list)
    gold: Counter[str] = field(default_factory=Counter)
    learned: Counter[str] = field(default_factory=Counter)


def build_rows(
    examples: Iterable[Example],
    plugin: Plugin,
    prompts: PromptFormat,
    settings: Settings,
    progress: Callable[[int], object] = lambda _count: None,
) -> Rows:
    """Cut examples into windows and tokenise each with its answer.

    An answer is never cut: a window whose prompt and answer exceed ``max_length`` is set aside.
    """
    books = Rows()
    for example in examples:
        _add(books, example, plugin, prompts, settings)
        progress(1)
    return books


def _add(
    books: Rows, example: Example, plugin: Plugin, prompts: PromptFormat, settings: Settings
) -> None:
    document, place = example.document, example.place or example.document.id
    windows = cut(document, settings, prompts)
    wanted = targets(example, windows, plugin.schema)
    books.windows += len(windows)
    books.gold.update(wanted.gold)
    books.learned.update(wanted.learned)
    books.lost += [Reject(place, lost.pointer, lost.reason, document.id) for lost in wanted.lost]
    for number, (window, record) in enumerate(zip(windows, wanted.records, strict=True), start=1):
        here = f"{place}, window {number} of {len(windows)}"
        if record is None:
            reason = "without the leaves that do not stand in it, the record breaks the schema"
            books.set_aside.append(Reject(here, "", reason, document.id))
            continue
        prompt = prompts.prompt(plugin.prompt(window.document))
        answer = prompts.answer(write_record(record, plugin.schema))
        length = len(prompt) + len(answer)
        if length > settings.max_length:
            reason = (
                f"prompt and answer take {length} tokens of max_length {settings.max_length}; "
                f"raise max_length or cut the document into windows (window=tokens)"
            )
            books.set_aside.append(Reject(here, "", reason, document.id))
            continue
        books.rows.append(Row(prompt + answer, [IGNORED] * len(prompt) + answer))
