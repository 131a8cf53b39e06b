"""Rows of training: each window of an example as token ids and labels, and the books of it.

An answer is trained on only if the grammar of its window, which every generated answer is held
to, lets the model write it.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal

from ..data import Example, Message, Record, Reject, Schema
from ..decoding.grammar import Grammars, Vocabulary
from ..model.prompts import PromptFormat
from ..plugins import Plugin
from ..schema.pointers import field_of
from ..schema.records import read_record, write_record
from ..settings import Settings
from ..tagging.labels import Tags
from .augmentation import swapped
from .cutting import Window, cut
from .targets import Gold, targets

IGNORED = -100
"""Label of a token that carries no loss, as torch's cross entropy has it."""

_AHEAD = 64
"""Documents whose answers are replayed through their grammars while the next ones are cut."""

_THREADS = 4
"""At most so many threads replay answers: beyond, cutting and tokenising is what takes the time."""


@dataclass(frozen=True)
class Row:
    """A window as the model trains on it.

    input_ids: prompt, answer and end token.
    labels: ``IGNORED`` over the prompt, then the ids of the answer and its end token.
    tags: those of the prompt, see ``tagging``; [] without ``tagging_weight``.
    """

    input_ids: list[int]
    labels: list[int]
    tags: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Reading:
    """A window, what it is asked and what it is trained to answer.

    messages: the prompt as the plugin writes it.
    text: the answer; "" where no valid one is left.
    prompt, answer: both as token ids, the end token included.
    fault: why the window is not trained on: what remains of its record breaks the schema, prompt
        and answer exceed ``max_length``, or the grammar refuses the answer. None if it is.
    reason: the same in words.
    """

    window: Window
    messages: list[Message]
    text: str
    prompt: list[int]
    answer: list[int]
    fault: Literal["schema", "length", "grammar"] | None = None
    reason: str = ""


@dataclass(frozen=True)
class DocumentRows:
    """The windows of one example, and what became of its gold.

    gold: every leaf and object of the record that is not null.
    trained: numbers of the windows that are trained on.
    """

    example: Example
    readings: Sequence[Reading]
    gold: Sequence[Gold]
    trained: frozenset[int]

    @property
    def place(self) -> str:
        """Where the example stands in its source, or else its id."""
        return self.example.place or self.example.document.id

    def set_aside(self) -> Iterator[Reject]:
        """Yield the windows that are not trained on."""
        for number, reading in enumerate(self.readings, 1):
            if reading.fault:
                here = f"{self.place}, window {number} of {len(self.readings)}"
                yield Reject(here, "", reading.reason, self.example.document.id)

    def learned_in(self, gold: Gold) -> list[int]:
        """Return the numbers of the windows that teach a leaf or an object; [] if none does."""
        return sorted(self.trained & gold.windows)

    def why_lost(self, gold: Gold) -> str:
        """Say why no window teaches a leaf or an object."""
        return gold.reason or "the windows that hold it are set aside"


@dataclass
class Rows:
    """The rows of some examples, and what became of everything that is in no row.

    copies: windows of ``rows`` once more, with other values (``swap_values``); in no other book.
    documents: number of examples read.
    annotated: how many of them have a key of the root, be it null or empty.
    windows: number of windows made; ``len(rows) + len(set_aside)`` of them.
    set_aside: windows that are not trained on.
    lost: gold leaves and objects that stand in no row.
    gold, learned: leaves and objects by field, and how many stand in a row.
    aligned: leaves by field that stand in a row as the text writes them, not as the gold does.
    """

    rows: list[Row] = field(default_factory=list)
    copies: list[Row] = field(default_factory=list)
    documents: int = 0
    annotated: Counter[str] = field(default_factory=Counter)
    windows: int = 0
    set_aside: list[Reject] = field(default_factory=list)
    lost: list[Reject] = field(default_factory=list)
    gold: Counter[str] = field(default_factory=Counter)
    learned: Counter[str] = field(default_factory=Counter)
    aligned: Counter[str] = field(default_factory=Counter)

    @property
    def trained(self) -> list[Row]:
        """Return all that is trained on: windows and their copies."""
        return self.rows + self.copies

    @property
    def answered(self) -> list[str]:
        """Return the keys that every answer is to have: most documents annotate them."""
        return [key for key, count in self.annotated.items() if 2 * count > self.documents]

    def add(self, made: DocumentRows) -> None:
        """Enter a document into the books, all but its rows."""
        self.documents += 1
        self.annotated.update((made.example.record or {}).keys())
        self.windows += len(made.readings)
        self.set_aside += made.set_aside()
        for gold in made.gold:
            learned, name = bool(made.learned_in(gold)), field_of(gold.pointer)
            if gold.counted:
                self.gold[name] += 1
                self.learned[name] += learned
            if not learned:
                reason, document = made.why_lost(gold), made.example.document
                self.lost.append(Reject(made.place, gold.pointer, reason, document.id))
            elif gold.aligned:
                self.aligned[name] += 1


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
    tags = Tags(plugin.schema, prompts) if settings.tagging_weight else None
    trained: list[Reading] = []
    for made in stream_rows(examples, plugin, prompts, settings):
        books.add(made)
        whole = [reading for reading in made.readings if not reading.fault]
        books.rows += [_row(reading, plugin.schema, tags) for reading in whole]
        if settings.swap_values:
            trained += whole
        progress(1)
    for number in range(settings.swap_values):
        copies = _copies(trained, plugin, prompts, settings, settings.seed + number)
        books.copies += [_row(copy, plugin.schema, tags) for copy in copies]
    return books


def _row(reading: Reading, schema: Schema, tags: Tags | None) -> Row:
    """Return the row of a window that is trained on."""
    ids, labels = reading.prompt + reading.answer, [IGNORED] * len(reading.prompt) + reading.answer
    if tags is None:
        return Row(ids, labels)
    record = read_record(reading.text, schema)
    return Row(ids, labels, tags.label_prompt(reading.window.document.text, reading.messages, record))


def _copies(
    readings: Sequence[Reading],
    plugin: Plugin,
    prompts: PromptFormat,
    settings: Settings,
    seed: int,
) -> Iterator[Reading]:
    """Yield each window with other values; as it is where they do not fit in."""
    grammars = Grammars(plugin.schema, Vocabulary(prompts.tokenizer, prompts.stops))
    windows = [
        (reading.window.document, read_record(reading.text, plugin.schema)) for reading in readings
    ]
    for reading, (document, record) in zip(
        readings, swapped(windows, plugin.schema, seed), strict=True
    ):
        window = replace(reading.window, document=document)
        copy = _reading(window, record, plugin, prompts, settings)
        is_whole = not copy.fault and not grammars.of(document.text).refusal(copy.answer[:-1])
        yield copy if is_whole else reading


def stream_rows(
    examples: Iterable[Example], plugin: Plugin, prompts: PromptFormat, settings: Settings
) -> Iterator[DocumentRows]:
    """Yield what ``build_rows`` puts together, document by document, with flat memory.

    Making a grammar drops the GIL: threads replay the answers of some documents while the next
    ones are cut and tokenised. What comes out does not depend on them.

    Raises:
        GrammarError, SchemaError, SettingsError: as ``build_rows``.
    """
    grammars = Grammars(plugin.schema, Vocabulary(prompts.tokenizer, prompts.stops))
    threads = min(_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[_Waiting] = deque()
        for example in examples:
            waiting.append(_begin(example, plugin, prompts, settings, grammars, pool))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().finish()
        while waiting:
            yield waiting.popleft().finish()


@dataclass(frozen=True)
class _Waiting:
    """A document whose answers are still being replayed."""

    example: Example
    readings: list[Reading]
    refusals: list[Future[str | None] | None]
    gold: list[Gold]

    def finish(self) -> DocumentRows:
        pairs = zip(self.readings, self.refusals, strict=True)
        readings = [_judged(reading, refusal) for reading, refusal in pairs]
        trained = frozenset(n for n, reading in enumerate(readings) if not reading.fault)
        return DocumentRows(self.example, readings, self.gold, trained)


def _begin(
    example: Example,
    plugin: Plugin,
    prompts: PromptFormat,
    settings: Settings,
    grammars: Grammars,
    pool: ThreadPoolExecutor,
) -> _Waiting:
    windows = cut(example.document, settings, prompts)
    wanted = targets(example, windows, plugin.schema)
    readings, refusals = [], []
    for window, record in zip(windows, wanted.records, strict=True):
        reading = _reading(window, record, plugin, prompts, settings)
        grammar = grammars.of(window.document.text)
        answer = reading.answer[:-1]
        readings.append(reading)
        refusals.append(None if reading.fault else pool.submit(grammar.refusal, answer))
    return _Waiting(example, readings, refusals, wanted.gold)


def _reading(
    window: Window,
    record: Record | None,
    plugin: Plugin,
    prompts: PromptFormat,
    settings: Settings,
) -> Reading:
    """Return a window as it is asked and answered; whether the grammar allows it is not known."""
    messages = plugin.prompt(window.document)
    prompt = prompts.prompt(messages)
    if record is None:
        reason = "without the leaves that do not stand in it, the record breaks the schema"
        return Reading(window, messages, "", prompt, [], "schema", reason)
    text = write_record(record, plugin.schema)
    answer = prompts.answer(text)
    length = len(prompt) + len(answer)
    if length > settings.max_length:
        reason = (
            f"prompt and answer take {length} tokens of max_length {settings.max_length}; "
            f"raise max_length or cut the document into smaller windows (window, window_size)"
        )
        return Reading(window, messages, text, prompt, answer, "length", reason)
    return Reading(window, messages, text, prompt, answer)


def _judged(reading: Reading, refusal: Future[str | None] | None) -> Reading:
    reason = refusal and refusal.result()
    if not reason:
        return reading
    told = f"no answer can hold what remains of the record: {reason}"
    return replace(reading, fault="grammar", reason=told)
