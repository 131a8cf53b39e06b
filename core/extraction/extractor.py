"""Documents in, records out: each window is asked under its grammar, then they are merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..data import Document, Prediction
from ..dataset.loading import text_id
from ..decoding.generate import Generated, Prompt, generate
from ..decoding.grammar import Grammars, Vocabulary
from ..decoding.partial_json import asking_for, close_answer
from ..errors import RunError
from ..model.loading import identity, load_for_inference, load_tokenizer
from ..model.out_of_memory import trim
from ..model.prompts import PromptFormat
from ..plugins import Plugin
from ..runs.folder import Run
from ..runs.job import plugin_of
from ..runs.receipt import receipt_of
from ..schema.records import InvalidRecordError, first_problem, read_record, write_record
from ..settings import Settings
from ..tagging.decoder import Opinion, Spotter
from ..tagging.gazetteer import Lexicon
from ..text.grounding import ground
from ..text.normalization import normal_forms
from ..windows.cutting import Window, cut, share_read
from ..windows.merging import Answer, Merged, merge
from .filtering import Reduced, without_repeats
from .postprocess import (
    _Book,
    _confidence_of,
    _grounded,
    _Reading,
    _unreadable,
    _valid_together,
    _written_confidence,
    surer,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel


_AT_ONCE = 4096
"""Windows whose prompts are held at once: those of like length are answered together."""


@dataclass(frozen=True)
class Extractor:
    """A model, a plugin and how they talk: call it with a text to get a Prediction.

    grammars: what answers are held to; None lets the model write what it likes.
    spotter: what reads the tags of a text beside; None where the model was not trained on any, or
        writes what it likes.
    min_confidence: leaves under it are left out of the records.
    """

    plugin: Plugin
    settings: Settings
    prompts: PromptFormat
    model: PreTrainedModel
    vocabulary: Vocabulary
    grammars: Grammars | None
    spotter: Spotter | None = None
    min_confidence: float = 0.0

    @staticmethod
    def load(
        folder: Path,
        *,
        adapter: bool = True,
        constrained: bool = True,
        min_confidence: float | None = None,
    ) -> Extractor:
        """Load a run's model; without its adapter, the base model as the run found it.

        min_confidence: None for the one that the run chose; without the adapter, 0.

        Raises:
            RunError: the folder is no complete run, or schema, template, tokenizer, prompt or
                base model are not those it was trained with.
            PluginError: the plugin is not installed any more.
        """
        run = Run.open(folder)
        run.require_complete()
        info = run.info()
        settings = run.settings().values
        plugin = plugin_of(run)
        prompts = PromptFormat(load_tokenizer(settings, run.adapter))
        receipt_of(prompts, plugin).check(run.receipt(), str(folder))
        found, wanted = identity(settings), info["base_model"]
        if found != wanted:
            raise RunError(
                f"{folder}: the base model {settings.model} is not the one it was trained on "
                f"({_short(wanted)} then, {_short(found)} now)"
            )
        model = load_for_inference(settings, run.adapter if adapter else None)
        lexicon = Lexicon.read(run.lexicon_file) if adapter else None
        extractor = Extractor.around(model, plugin, settings, prompts, run.answered(), lexicon)
        chosen = run.min_confidence() if adapter else 0.0
        return replace(
            extractor,
            grammars=extractor.grammars if constrained else None,
            spotter=extractor.spotter if constrained else None,
            min_confidence=chosen if min_confidence is None else min_confidence,
        )

    @staticmethod
    def around(
        model: PreTrainedModel,
        plugin: Plugin,
        settings: Settings,
        prompts: PromptFormat,
        answered: Iterable[str] = (),
        lexicon: Lexicon | None = None,
    ) -> Extractor:
        """Return what asks a model that is loaded already, under the grammars of the schema.

        answered: keys of the root that every answer has, be they empty.
        lexicon: what is heard beside the tags.
        """
        vocabulary = Vocabulary(prompts.tokenizer, prompts.stops)
        grammars = Grammars(asking_for(answered, plugin.schema), vocabulary)
        spotter = None
        if settings.tagging_weight:
            spotter = Spotter(
                model, plugin.schema, prompts, prefix=settings.prefix_lm, lexicon=lexicon
            )
        return Extractor(plugin, settings, prompts, model, vocabulary, grammars, spotter)

    def __call__(self, text: str) -> Prediction:
        """Return the record of one text."""
        return self.predict([Document(text_id(text), text)])[0]

    def predict(
        self, documents: Sequence[Document], progress: Callable[[int], object] = lambda _n: None
    ) -> list[Prediction]:
        """Return the prediction of each document, in order: window by window, then merged.

        progress: called with the number of documents whose windows have been read since.

        Raises:
            GrammarError: no grammar could be made for a window.
        """
        windows = [
            [] if _unreadable(document.text) else cut(document, self.settings, self.prompts)
            for document in documents
        ]
        tell = _in_documents(progress, len(documents) / max(1, sum(map(len, windows))))
        books = [_Book() for _ in documents]
        self._enter(books, windows, tell)
        if len(documents) > 1:  # many windows of many lengths leave much that fits no later one
            trim()
        return [
            self._prediction(document, book)
            for document, book in zip(documents, books, strict=True)
        ]

    def _enter(
        self,
        books: Sequence[_Book],
        windows: Sequence[Sequence[Window]],
        progress: Callable[[int], object],
    ) -> None:
        """Ask for the windows of each document and enter the answers into its book."""
        asked = [(number, window) for number, inside in enumerate(windows) for window in inside]
        for start in range(0, len(asked), _AT_ONCE):
            part = asked[start : start + _AT_ONCE]
            answers = self._answers([window for _number, window in part], progress)
            opinions = self._opinions([window for _number, window in part], answers)
            for (number, window), answer, found in zip(part, answers, opinions, strict=True):
                book = books[number]
                book.windows += 1
                if isinstance(answer, str):
                    book.faults.append(answer)
                    continue
                book.raw.append(answer.text)
                try:
                    reading = self._read(window, answer, found)
                except InvalidRecordError as error:
                    book.faults.append(str(error))
                    continue
                book.readings.append(reading)

    def _merged(self, book: _Book) -> Merged:
        return merge([reading.answer for reading in book.readings], self.plugin.schema)

    def _answers(
        self, windows: Sequence[Window], progress: Callable[[int], object]
    ) -> list[Generated | str]:
        """Return what the model writes for each window, or why it was not asked."""
        prompts = [self._ask(window) for window in windows]
        room = _context(self.model) - self.settings.max_new_tokens
        refusals = [_refusal(prompt, room) for prompt in prompts]
        fitting = [prompt for prompt, fault in zip(prompts, refusals, strict=True) if not fault]
        progress(len(prompts) - len(fitting))
        generated = iter(
            generate(
                self.model,
                fitting,
                stops=self.prompts.stops,
                max_new_tokens=self.settings.max_new_tokens,
                batch_size=self.settings.eval_batch_size,
                prefix_lm=self.settings.prefix_lm,
                vocabulary=self.vocabulary,
                progress=progress,
            )
        )
        return [fault or next(generated) for fault in refusals]

    def _opinions(
        self,
        windows: Sequence[Window],
        answers: Sequence[Generated | str],
    ) -> list[Mapping[str, Opinion]]:
        """Return what the tags of each window say that the model was asked about."""
        found: list[Mapping[str, Opinion]] = [{} for _ in windows]
        if self.spotter is None:
            return found
        asked = [number for number, answer in enumerate(answers) if not isinstance(answer, str)]
        texts = [windows[number].document for number in asked]
        read = self.spotter.opinions(
            [(document.text, self.plugin.prompt(document)) for document in texts],
            self.settings.eval_batch_size,
        )
        for number, opinions in zip(asked, read, strict=True):
            found[number] = opinions
        return found

    def _ask(self, window: Window) -> Prompt:
        ids = self.prompts.prompt(self.plugin.prompt(window.document))
        return Prompt(ids, self.grammars.of(window.document.text) if self.grammars else None)

    def _prediction(self, document: Document, book: _Book) -> Prediction:
        """Merge what the windows of a document say."""
        readings = book.readings
        prediction = Prediction(
            document,
            tuple(book.raw),
            windows=(len(readings), book.windows),
            read=share_read(document.text, [reading.answer.window for reading in readings]),
            truncated=sum(reading.truncated for reading in readings),
            repeats=sum(reading.repeats for reading in readings),
            ungrounded=sum(reading.ungrounded for reading in readings),
            constrained=self.grammars is not None,
        )
        if not readings:
            reason = book.faults[0] if book.faults else _unreadable(document.text)
            return replace(prediction, error=reason)
        schema = self.plugin.schema
        merged = self._merged(book)
        kept = _valid_together(merged, schema)
        problem = first_problem(kept.record, schema)
        if problem:
            pointer, message = problem
            return replace(prediction, error=f"the windows together: {pointer}: {message}")
        grounding = ground(kept.record, document.text)
        first = {pointer: found.spans[0] for pointer, found in grounding.items() if found.spans}
        whole = replace(
            prediction,
            record=kept.record,
            spans=first | kept.moved(merged.spans),
            confidence=kept.moved(merged.confidence),
            grounding=grounding,
            normalised=normal_forms(kept.record, schema),
            unsure=kept.left_out,
        )
        return surer(whole, self.min_confidence, schema)

    def _read(self, window: Window, result: Generated, opinions: Mapping[str, Opinion]) -> _Reading:
        """Read a window's answer, and beside it what its tags say.

        Raises:
            InvalidRecordError: it is no record, and what is whole of it makes none.
        """
        schema = self.grammars.schema if self.grammars else self.plugin.schema
        closed = result.text
        if result.finished:
            record = read_record(result.text, schema)
        else:
            whole = close_answer(result.text, schema)
            if whole is None:
                raise InvalidRecordError(f"length: no end after {len(result.ids)} tokens")
            record, closed = whole, write_record(whole, schema)
        confidence = _written_confidence(result, closed)
        ungrounded = 0
        if self.grammars is None:
            written = record
            record, ungrounded = _grounded(written, window, self.plugin)
            confidence = _confidence_of(record, written, confidence)
        distinct = without_repeats(record)
        if distinct.left_out and first_problem(distinct.record, schema):  # too few would remain
            distinct = Reduced(record, 0, {pointer: pointer for pointer in confidence})
        record, confidence = distinct.record, distinct.moved(confidence)
        if self.spotter is not None:
            text = window.document.text
            record, confidence = self.spotter.join(text, record, confidence, opinions)
        answer = Answer(window, record, confidence)
        return _Reading(answer, not result.finished, distinct.left_out, ungrounded)


def _short(model: dict[str, str]) -> str:
    return (model.get("sha256") or model.get("commit") or "?")[:12]


def _in_documents(progress: Callable[[int], object], share: float) -> Callable[[int], None]:
    """Return a progress of windows that calls one of documents, ``share`` of which is a window."""
    windows, told = 0, 0

    def count(done: int) -> None:
        nonlocal windows, told
        windows += done
        progress(round(windows * share) - told)
        told = round(windows * share)

    return count


def _refusal(prompt: Prompt, room: int) -> str | None:
    """Say why a prompt cannot be answered, where it cannot.

    room: tokens that the model can read before an answer.
    """
    if prompt.grammar and not prompt.grammar.has_answer:
        return "a field has to stand in the text, and nothing in it can"
    if len(prompt.ids) > room:
        return "length: the document does not fit the model; window=tokens cuts it"
    return None


def _context(model: PreTrainedModel) -> int:
    return int(getattr(model.config, "max_position_embeddings", None) or 1 << 30)
