"""Training rows: each window of an example as token ids and labels, with counts of what is lost.

An answer is trained on only if the grammar of its window, which constrains generation, accepts it.
"""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal

from ..data import IGNORED, Example, Message, Record, Reject
from ..decoding.grammar import Grammars
from ..decoding.list_bounds import measure_lists
from ..decoding.llguidance_adapter import Vocabulary
from ..schema.pointers import field_of
from ..schema.records import read_record, write_record
from ..tagging.labels import Tags
from ..task import Task
from .augmentation import augmented
from .cutting import Window, cut
from .targets import Gold, targets

_AHEAD = 64
"""Documents whose answers are checked against their grammars while the next ones are cut."""

_THREADS = 4
"""Threads that check answers, at most: beyond it, cutting and tokenising takes the time."""


FAULTS = {
    "schema": "what remains of the record breaks the schema",
    "length": "prompt and answer exceed max_length",
    "grammar": "the grammar refuses the answer",
}
"""Why a window is not trained on, by ``WindowExample.fault``."""


@dataclass(frozen=True)
class Row:
    """A window as the model trains on it.

    Attributes:
        input_ids: token ids of prompt, answer and end token.
        labels: ``IGNORED`` over the prompt, then the ids of the answer and its end token.
        tags: a tag for each token of the prompt; [] without ``tagging_weight``.
        domain: number of the domain, where several are trained together.
    """

    input_ids: list[int]
    labels: list[int]
    tags: list[int] = field(default_factory=list)
    domain: int = 0


@dataclass(frozen=True)
class WindowExample:
    """A window with its prompt and the answer that it is trained on.

    Attributes:
        window: the part of the document.
        messages: the prompt as the plugin writes it.
        text: the answer; "" where no valid one is left.
        prompt: token ids of the messages.
        answer: token ids of the text, the end token included.
        fault: why it is not trained on: what remains of its record breaks the schema, prompt and
            answer exceed ``max_length``, or the grammar refuses the answer. None if it is.
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
class DocumentWindows:
    """The windows of one example, and which gold values they teach.

    Attributes:
        example: the document with its record.
        windows: its windows, in the order of the text.
        gold: every leaf and object of the record that is not null.
        trained: numbers of the windows that are trained on.
    """

    example: Example
    windows: Sequence[WindowExample]
    gold: Sequence[Gold]
    trained: frozenset[int]

    @property
    def place(self) -> str:
        """File and line of the example, or else its id."""
        return self.example.place or self.example.document.id

    def set_aside(self) -> Iterator[Reject]:
        """Yield the windows that are not trained on."""
        for number, window in enumerate(self.windows, 1):
            if window.fault:
                here = f"{self.place}, window {number} of {len(self.windows)}"
                yield Reject(here, "", window.reason, self.example.document.id)

    def learned_in(self, gold: Gold) -> list[int]:
        """Return the numbers of the windows that teach a leaf or an object; [] if none does."""
        return sorted(self.trained & gold.windows)

    def why_lost(self, gold: Gold) -> str:
        """Say why no window teaches a leaf or an object."""
        if gold.reason:
            return gold.reason
        faults = {self.windows[number].fault for number in gold.windows}
        words = " and ".join(words for fault, words in FAULTS.items() if fault in faults)
        return f"the windows that hold it are set aside: {words}"


@dataclass
class Rows:
    """The rows of some examples, with counts of everything that is in no row.

    Attributes:
        rows: one a window that is trained on.
        copies: the same windows with other values (``augment_copies``); in no other count.
        documents: number of examples read.
        annotated: in how many of them a key of the root is annotated, even if null or empty.
        windows: number of windows made, ``len(rows) + len(set_aside)``.
        set_aside: windows that are not trained on.
        lost: gold leaves and objects that are in no row.
        gold: leaves and objects by field.
        learned: how many of them are in a row, by field.
        aligned: leaves in a row as the text spells them, not as the gold does, by field.
        longest: items of the longest list in an answer, by the JSON Pointer of the list's schema.
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
    longest: dict[str, int] = field(default_factory=dict)

    @property
    def trained(self) -> list[Row]:
        """All rows that are trained on: windows and their copies."""
        return self.rows + self.copies

    @property
    def answered(self) -> list[str]:
        """The keys that every answer has: those that most of the documents annotate."""
        return [key for key, count in self.annotated.items() if 2 * count > self.documents]

    def add(self, made: DocumentWindows) -> None:
        """Count a document; its rows are added by the caller."""
        self.documents += 1
        self.annotated.update((made.example.record or {}).keys())
        self.windows += len(made.windows)
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
    task: Task,
    progress: Callable[[int], object] = lambda _count: None,
    visit: Callable[[DocumentWindows], object] = lambda _document: None,
) -> Rows:
    """Cut examples into windows and tokenise each with its answer.

    An answer is never cut: a window whose prompt and answer exceed ``max_length`` is set aside, and
    so is one whose answer the grammar of the window refuses.

    Args:
        examples: documents with their records.
        task: plugin, settings and prompt format.
        progress: called with 1 after each document.
        visit: called with each document.

    Raises:
        GrammarError: no grammar could be made for a window.
        SchemaError: answers cannot be constrained to the plugin's schema.
        SettingsError: no grammar can be made for the tokenizer.
    """
    rows = Rows()
    tags = Tags(task.schema, task.prompts) if task.settings.tagging_weight else None
    trained: list[WindowExample] = []
    for made in stream_rows(examples, task):
        rows.add(made)
        visit(made)
        whole = [window for window in made.windows if not window.fault]
        rows.rows += [_row(window, task, tags) for window in whole]
        for window in whole if task.is_causal else ():
            measure_lists(json.loads(window.text), task.schema, rows.longest)
        if task.settings.augment_copies:
            trained += whole
        progress(1)
    for number in range(task.settings.augment_copies):
        copies = _copies(trained, task, task.settings.seed + number)
        rows.copies += [_row(copy, task, tags) for copy in copies]
    return rows


def _row(example: WindowExample, task: Task, tags: Tags | None) -> Row:
    ids = example.prompt + example.answer
    labels = [IGNORED] * len(example.prompt) + example.answer
    if tags is None:
        return Row(ids, labels)
    record = read_record(example.text, task.schema)
    text = example.window.document.text
    return Row(ids, labels, tags.label_prompt(text, example.messages, record))


def _copies(examples: Sequence[WindowExample], task: Task, seed: int) -> Iterator[WindowExample]:
    """Yield each window with other values; unchanged where they do not fit."""
    grammars = _grammars(task)
    windows = [
        (example.window.document, read_record(example.text, task.schema)) for example in examples
    ]
    for example, (document, record) in zip(
        examples, augmented(windows, task.schema, seed), strict=True
    ):
        copy = _window_example(replace(example.window, document=document), record, task)
        refused = copy.fault or grammars.for_text(document.text).refusal(copy.answer[:-1])
        yield example if refused else copy


def _grammars(task: Task) -> Grammars:
    return Grammars(task.schema, Vocabulary(task.prompts.plain, task.prompts.stops))


def stream_rows(examples: Iterable[Example], task: Task) -> Iterator[DocumentWindows]:
    """Yield the windows of one document after another, in constant memory.

    Compiling a grammar releases the GIL: threads check the answers of some documents while the next
    ones are cut and tokenised. The result does not depend on the threads.

    Raises:
        GrammarError, SchemaError, SettingsError: as ``build_rows``.
    """
    grammars = _grammars(task)
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        waiting: deque[_Waiting] = deque()
        for example in examples:
            waiting.append(_begin(example, task, grammars, pool))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().finish()
        while waiting:
            yield waiting.popleft().finish()


@dataclass(frozen=True)
class _Waiting:
    """A document whose answers are being checked against their grammars."""

    example: Example
    windows: list[WindowExample]
    refusals: list[Future[str | None] | None]
    gold: list[Gold]

    def finish(self) -> DocumentWindows:
        pairs = zip(self.windows, self.refusals, strict=True)
        windows = [_with_refusal(window, refusal) for window, refusal in pairs]
        trained = frozenset(n for n, window in enumerate(windows) if not window.fault)
        return DocumentWindows(self.example, windows, self.gold, trained)


def _begin(example: Example, task: Task, grammars: Grammars, pool: ThreadPoolExecutor) -> _Waiting:
    windows = cut(example.document, task.settings, task.prompts)
    wanted = targets(example, windows, task.schema)
    examples, refusals = [], []
    for window, record in zip(windows, wanted.records, strict=True):
        made = _window_example(window, record, task)
        grammar, answer = grammars.for_text(window.document.text), made.answer[:-1]
        examples.append(made)
        refusals.append(None if made.fault else pool.submit(grammar.refusal, answer))
    return _Waiting(example, examples, refusals, wanted.gold)


def _window_example(window: Window, record: Record | None, task: Task) -> WindowExample:
    """Tokenise a window and its answer; whether the grammar accepts it is not checked yet."""
    messages = task.messages(window.document)
    prompt = task.prompts.prompt(messages, whole=task.is_causal)
    if record is None:
        reason = "without the leaves that are not in it, the record breaks the schema"
        return WindowExample(window, messages, "", prompt, [], "schema", reason)
    text = write_record(record, task.schema)
    answer = task.prompts.answer(text)
    length, limit = len(prompt) + len(answer), task.settings.max_length
    if length > limit:
        reason = (
            f"prompt and answer take {length} tokens of max_length {limit}; "
            f"raise max_length or cut the document into smaller windows (window, window_size)"
        )
        return WindowExample(window, messages, text, prompt, answer, "length", reason)
    return WindowExample(window, messages, text, prompt, answer)


def _with_refusal(example: WindowExample, refusal: Future[str | None] | None) -> WindowExample:
    reason = refusal and refusal.result()
    if not reason:
        return example
    reason = f"the grammar refuses what remains of the record: {reason}"
    return replace(example, fault="grammar", reason=reason)
