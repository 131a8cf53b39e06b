"""Rows of training: each window of an example as token ids and labels, and the books of it.

An answer is trained on only if the grammar of its window, which every generated answer is held
to, lets the model write it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .data import Example, Record, Reject
from .grammar import Grammars, Vocabulary
from .plugins import Plugin
from .prompts import PromptFormat
from .schema import field_of, write_record
from .settings import Settings
from .targets import targets
from .windows import Window, cut

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
    lost: gold leaves and objects that stand in no row.
    gold, learned: leaves and objects by field, and how many stand in a row.
    aligned: leaves by field that stand in a row as the text writes them, not as the gold does.
    """

    rows: list[Row] = field(default_factory=list)
    windows: int = 0
    set_aside: list[Reject] = field(default_factory=list)
    lost: list[Reject] = field(default_factory=list)
    gold: Counter[str] = field(default_factory=Counter)
    learned: Counter[str] = field(default_factory=Counter)
    aligned: Counter[str] = field(default_factory=Counter)


def build_rows(
    examples: Iterable[Example],
    plugin: Plugin,
    prompts: PromptFormat,
    settings: Settings,
    progress: Callable[[int], object] = lambda _count: None,
) -> Rows:
    """Cut examples into windows and tokenise each with its answer.

    An answer is never cut: a window whose prompt and answer exceed ``max_length`` is set aside.
    So is one whose answer, replayed token by token, is refused by the grammar of the window.

    Raises:
        GrammarError: no grammar could be made for a window.
        SchemaError: answers cannot be held to the plugin's schema.
        SettingsError: no grammar can be held to the tokenizer.
    """
    books = Rows()
    grammars = Grammars(plugin.schema, Vocabulary(prompts.tokenizer, prompts.stops))
    for example in examples:
        _add(books, example, plugin, prompts, settings, grammars)
        progress(1)
    return books


def _add(
    books: Rows,
    example: Example,
    plugin: Plugin,
    prompts: PromptFormat,
    settings: Settings,
    grammars: Grammars,
) -> None:
    document, place = example.document, example.place or example.document.id
    windows = cut(document, settings, prompts)
    wanted = targets(example, windows, plugin.schema)
    books.windows += len(windows)
    trained = set()
    for number, (window, record) in enumerate(zip(windows, wanted.records, strict=True)):
        row = _row(window, record, plugin, prompts, settings, grammars)
        if isinstance(row, Row):
            books.rows.append(row)
            trained.add(number)
        else:
            here = f"{place}, window {number + 1} of {len(windows)}"
            books.set_aside.append(Reject(here, "", row, document.id))
    for gold in wanted.gold:
        learned = not trained.isdisjoint(gold.windows)
        if gold.counted:
            books.gold[field_of(gold.pointer)] += 1
            books.learned[field_of(gold.pointer)] += learned
        if not learned:
            reason = gold.reason or "the windows that hold it are set aside"
            books.lost.append(Reject(place, gold.pointer, reason, document.id))
        elif gold.aligned:
            books.aligned[field_of(gold.pointer)] += 1


def _row(
    window: Window,
    record: Record | None,
    plugin: Plugin,
    prompts: PromptFormat,
    settings: Settings,
    grammars: Grammars,
) -> Row | str:
    """Return a window's row, or the reason why there is none."""
    if record is None:
        return "without the leaves that do not stand in it, the record breaks the schema"
    prompt = prompts.prompt(plugin.prompt(window.document))
    answer = prompts.answer(write_record(record, plugin.schema))
    length = len(prompt) + len(answer)
    if length > settings.max_length:
        return (
            f"prompt and answer take {length} tokens of max_length {settings.max_length}; "
            f"raise max_length or cut the document into smaller windows (window, window_size)"
        )
    refusal = grammars.of(window.document.text).refusal(answer[:-1])
    if refusal is not None:
        return f"no answer can hold what remains of the record: {refusal}"
    return Row(prompt + answer, [IGNORED] * len(prompt) + answer)
