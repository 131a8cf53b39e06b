"""The extractor: load a run, ask the model window by window, return a prediction a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..data import Document, Prediction
from ..dataset.row_examples import text_id
from ..decoding.grammar import Grammars
from ..decoding.list_bounds import bound_lists
from ..decoding.llguidance_adapter import Vocabulary
from ..decoding.partial_json import schema_requiring
from ..decoding.sequence import Generated, Prompt
from ..engines.engine import Engine
from ..engines.transformers_engine import TransformersEngine
from ..errors import RunError
from ..model.attention import prompt_attention
from ..model.devices import peak_memory_mb
from ..model.loading import load_for_inference
from ..model.location import identity, is_same
from ..model.out_of_memory import trim_heap
from ..model.prompts import PromptFormat
from ..model.tokenizer import load_tokenizer
from ..runs.folder import Run
from ..runs.integrity import require_own_files
from ..runs.job import plugin_of
from ..runs.receipt import receipt_of
from ..tagging.ensemble import Ensemble, Shares
from ..tagging.gazetteer import Gazetteer
from ..task import Task
from ..windows.cutting import Window, cut
from .postprocess import WindowAnswer, merge_answers, read_answer, unreadable

if TYPE_CHECKING:
    from transformers import PreTrainedModel


_AT_ONCE = 4096
"""Windows whose prompts are held at once: those of similar length are answered together."""


@dataclass(frozen=True)
class Extractor:
    """A model and its task: call it with a text to get a Prediction.

    Attributes:
        task: plugin, settings and prompt format.
        engine: generates the answers.
        vocabulary: its tokens, as grammars read them.
        grammars: what answers are constrained to; None lets the model write anything.
        ensemble: further signals that are combined with the generated answer; None for a model
            that was trained without any, or that is not constrained.
        min_confidence: values below it are left out of the records, in [0, 1].
        asked_with: how many windows were asked with how many of the task's shots.
    """

    task: Task
    engine: Engine
    vocabulary: Vocabulary
    grammars: Grammars | None
    ensemble: Ensemble | None = None
    min_confidence: float = 0.0
    asked_with: Counter[int] = field(default_factory=Counter)

    @property
    def model(self) -> PreTrainedModel:
        """The model of transformers that generates; an engine of another kind has none."""
        assert isinstance(self.engine, TransformersEngine)
        return self.engine.model

    @staticmethod
    def load(
        folder: Path,
        *,
        adapter: bool = True,
        constrained: bool = True,
        min_confidence: float | None = None,
        trusted: bool = False,
        model: PreTrainedModel | None = None,
    ) -> Extractor:
        """Load the model of a run.

        Args:
            folder: the run folder.
            adapter: False for the base model without what was trained.
            constrained: whether answers are constrained to the schema and the text.
            min_confidence: None for what validation chose; without the adapter, 0.
            trusted: whether the user trusts code of the base model's repository.
            model: the model of another run with the same weights, which is not loaded again.

        Raises:
            RunError: the folder is no complete run, its files are damaged, or schema, template,
                tokenizer, prompt or base model are not those it was trained with.
            PluginError: the plugin is not installed any more.
        """
        run = Run.open(folder, trusted=trusted)
        task = checked_task(run)
        if model is None:
            model = load_for_inference(task.settings, run.adapter if adapter else None)
        gazetteer = Gazetteer.read(run.gazetteer_file) if adapter else None
        shares = Shares(**run.shares()) if adapter and run.shares() else None
        extractor = Extractor.around(
            model, task, run.answered(), gazetteer, shares, run.longest_lists()
        )
        chosen = run.min_confidence() if adapter else 0.0
        return replace(
            extractor,
            grammars=extractor.grammars if constrained else None,
            ensemble=extractor.ensemble if constrained else None,
            min_confidence=chosen if min_confidence is None else min_confidence,
        )

    @staticmethod
    def by_engine(
        run: Run,
        connect: Callable[[Vocabulary], Engine],
        min_confidence: float | None = None,
    ) -> Extractor:
        """Return the extractor of a causal run whose prompts something else answers.

        Args:
            run: the run folder; its model is not loaded.
            connect: returns the engine for the tokens of answers.
            min_confidence: see ``load``.

        Raises:
            PluginError, RunError: as ``checked_task``; and only our decoder answers as it was
                trained.
        """
        task = checked_task(run)
        require_servable(run, task)
        vocabulary, grammars = constraints(task, run.answered(), run.longest_lists())
        chosen = run.min_confidence() if min_confidence is None else min_confidence
        return Extractor(task, connect(vocabulary), vocabulary, grammars, min_confidence=chosen)

    @staticmethod
    def around(
        model: PreTrainedModel,
        task: Task,
        answered: Iterable[str] = (),
        gazetteer: Gazetteer | None = None,
        shares: Shares | None = None,
        longest: Mapping[str, int] = MappingProxyType({}),
    ) -> Extractor:
        """Return an extractor for a model that is already loaded.

        Args:
            model: the model.
            task: plugin, settings and prompt format.
            answered: keys of the root that every answer has, even if empty.
            gazetteer: counts of the training documents' values, if there are any.
            shares: weights of the signals; None for those of the settings.
            longest: items of the longest list of each array schema, which bound the lists; {}
                bounds none, and a repeated item ends its list instead.
        """
        vocabulary, grammars = constraints(task, answered, longest)
        ensemble = None
        if task.settings.tagging_weight:
            ensemble = Ensemble.of_model(
                model, task.schema, task.prompts, prompt_attention(task.settings)
            )
            shares = shares or Shares.initial(task.settings)
            ensemble = replace(ensemble, gazetteer=gazetteer, shares=shares)
        return Extractor(task, TransformersEngine(model), vocabulary, grammars, ensemble)

    def __call__(self, text: str) -> Prediction:
        """Return the prediction for one text."""
        return self.predict([Document(text_id(text), text)])[0]

    def predict(
        self, documents: Sequence[Document], progress: Callable[[int], object] = lambda _n: None
    ) -> list[Prediction]:
        """Return the prediction of each document, in order.

        Args:
            documents: what to read.
            progress: called with the number of documents whose windows were read since.

        Raises:
            GrammarError: no grammar could be made for a window.
        """
        answers: list[list[WindowAnswer]] = [[] for _ in documents]
        for number, answer in self.answer_windows(documents, progress):
            answers[number].append(self._combined(answer))
        return [
            self._prediction(document, own)
            for document, own in zip(documents, answers, strict=True)
        ]

    def predict_groups(
        self,
        groups: Iterable[Sequence[Document]],
        progress: Callable[[int], object] = lambda _count: None,
    ) -> Iterator[list[Prediction]]:
        """Yield the predictions of one group after another; see ``GroupPredictor``."""
        for documents in groups:
            yield self.predict(documents, progress)

    def peak_memory_mb(self) -> float:
        """Return the peak memory of this process in megabytes."""
        return peak_memory_mb()

    def predict_answered(
        self, documents: Sequence[Document], answers: Sequence[Sequence[WindowAnswer]]
    ) -> list[Prediction]:
        """Return the predictions of documents whose windows were answered before."""
        return [
            self._prediction(document, [self._combined(answer) for answer in own])
            for document, own in zip(documents, answers, strict=True)
        ]

    def answer_windows(
        self, documents: Sequence[Document], progress: Callable[[int], object] = lambda _n: None
    ) -> Iterator[tuple[int, WindowAnswer]]:
        """Yield a document's number and the answer for one of its windows, in order."""
        task = self.task
        windows = [
            (number, window)
            for number, document in enumerate(documents)
            if not unreadable(document.text)
            for window in cut(document, task.settings, task.prompts)
        ]
        report = _in_documents(progress, len(documents) / max(1, len(windows)))
        for start in range(0, len(windows), _AT_ONCE):
            part = windows[start : start + _AT_ONCE]
            generated = self.generate([window for _number, window in part], report)
            read = [
                read_answer(window, answer, task, self.grammars)
                for (_number, window), answer in zip(part, generated, strict=True)
            ]
            for (number, _window), answer in zip(part, self._tagged(read), strict=True):
                yield number, answer
        if len(documents) > 1:  # many windows of many lengths leave much that fits no later one
            trim_heap()

    def with_engine(self, engine: Engine) -> Extractor:
        """Return the extractor with another engine, which has no further signals."""
        return replace(self, engine=engine, ensemble=None)

    def generate(
        self, windows: Sequence[Window], progress: Callable[[int], object]
    ) -> list[Generated | str]:
        """Return what the model generates for each window, or why it was not asked."""
        settings = self.task.settings
        room = self.engine.context - settings.max_new_tokens
        prompts = [
            Prompt(
                self._prompt(window.document, room),
                self.grammars.for_text(window.document.text) if self.grammars else None,
            )
            for window in windows
        ]
        refusals = [_refusal(prompt, room) for prompt in prompts]
        fitting = [prompt for prompt, fault in zip(prompts, refusals, strict=True) if not fault]
        progress(len(prompts) - len(fitting))
        generated = iter(self.engine.answer(fitting, settings, self.vocabulary, progress))
        return [fault or next(generated) for fault in refusals]

    def _prompt(self, document: Document, room: int) -> list[int]:
        """Return the ids of a window's prompt, with as many shots as leave room for the window.

        The last shot is the longest and goes first; what remains is what all prompts begin with.

        Args:
            document: the window.
            room: tokens that the model can read before an answer.
        """
        task = self.task
        ids = task.prompt(document)
        while task.shots and len(ids) > room:
            task = replace(task, shots=task.shots[:-1])
            ids = task.prompt(document)
        self.asked_with[len(task.shots)] += 1
        return ids

    def _tagged(self, answers: Sequence[WindowAnswer]) -> list[WindowAnswer]:
        """Return the answers with the signals of the ensemble, if there is one."""
        if self.ensemble is None:
            return list(answers)
        asked = [answer.window.document for answer in answers if answer.text is not None]
        alone = replace(self.task, shots=())  # tags are of the text that is asked about
        tags = iter(
            self.ensemble.tagger.tag(
                [(document.text, alone.messages(document)) for document in asked],
                self.task.settings.eval_batch_size,
            )
        )
        return [
            answer if answer.text is None else replace(answer, tags=next(tags))
            for answer in answers
        ]

    def _combined(self, answer: WindowAnswer) -> WindowAnswer:
        """Combine an answer with the signals of the ensemble, if there is one."""
        if self.ensemble is None or answer.record is None:
            return answer
        record, confidence = self.ensemble.combine(
            answer.window.document.text, answer.record, answer.confidence, answer.tags
        )
        return replace(answer, record=record, confidence=confidence, tags={})

    def _prediction(self, document: Document, answers: Sequence[WindowAnswer]) -> Prediction:
        constrained = self.grammars is not None
        prediction = merge_answers(
            document,
            answers,
            self.task.schema,
            self.min_confidence,
            as_written=self.task.is_causal,
        )
        return replace(prediction, constrained=constrained)


def constraints(
    task: Task, answered: Iterable[str], longest: Mapping[str, int]
) -> tuple[Vocabulary, Grammars]:
    """Return what answers are constrained to; arguments are those of ``Extractor.around``."""
    vocabulary = Vocabulary(task.prompts.plain, task.prompts.stops)
    schema = bound_lists(schema_requiring(answered, task.schema), longest)
    return vocabulary, Grammars(schema, vocabulary, end_repeats=not longest)


def checked_task(run: Run) -> Task:
    """Return what a run was trained for, after a check that it is asked as it was trained.

    Raises:
        RunError: the folder is no complete run, its files are damaged, or schema, template,
            tokenizer, prompt or base model are not those it was trained with.
        PluginError: the plugin is not installed any more.
    """
    run.require_complete()
    run.require_trust()
    run.require_model()
    require_own_files(run)
    info, settings, plugin = run.info(), run.settings().values, plugin_of(run)
    found, wanted = identity(settings), info["base_model"]
    if not is_same(found, wanted):
        raise RunError(
            f"{run.folder}: the base model {settings.model} is not the one it was trained on "
            f"({_short(wanted)} then, {_short(found)} now)"
        )
    task = Task(plugin, settings, PromptFormat(load_tokenizer(settings, run.adapter)))
    receipt_of(task).check(run.receipt(), str(run.folder))
    return task


def require_servable(run: Run, task: Task) -> None:
    """Refuse a run that every engine but ours answers worse.

    Raises:
        RunError: says why, and what to train instead.
    """
    if not task.is_causal:
        settings = task.settings
        why = "reads prompts in both directions (prefix_lm)" if settings.prefix_lm else ""
        tags = "combines answers with tags (tagging_weight)" if settings.tagging_weight else ""
        raise RunError(
            f"{run.folder}: {' and '.join(filter(None, (why, tags)))}, which no other engine does; "
            f"train a run for other engines: --set prefix_lm=false --set tagging_weight=0, or a "
            f"preset of a causal model"
        )


def _short(model: dict[str, str]) -> str:
    return (model.get("sha256") or model.get("commit") or "?")[:12]


def _in_documents(progress: Callable[[int], object], share: float) -> Callable[[int], None]:
    """Return a progress function of windows that calls one of documents.

    Args:
        progress: called with a number of documents.
        share: documents a window.
    """
    windows, reported = 0, 0

    def count(done: int) -> None:
        nonlocal windows, reported
        windows += done
        progress(round(windows * share) - reported)
        reported = round(windows * share)

    return count


def _refusal(prompt: Prompt, room: int) -> str | None:
    """Say why a prompt cannot be answered; None if it can.

    Args:
        prompt: the prompt with its grammar.
        room: tokens that the model can read before an answer.
    """
    if prompt.grammar and not prompt.grammar.has_answer:
        return "a field must be filled from the text, and nothing in the text can fill it"
    if len(prompt.ids) > room:
        return "length: the document does not fit the model; --set window=tokens cuts it"
    return None
