"""Scores while a model trains: answer held-out documents, choose how to decode, score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ..data import Example
from ..evaluation.threshold import Threshold, best_shares, best_threshold
from ..extraction.extractor import Extractor
from ..extraction.postprocess import WindowAnswer
from ..parallel.in_step import in_step
from ..parallel.processes import gathered, process_count, rank
from ..settings import Settings
from ..tagging.gazetteer import Gazetteer
from ..task import Task

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class EpochScore:
    """The scores of a model on held-out documents.

    Attributes:
        scores: by name, "score" and "min_confidence" among them; epochs are compared by "score".
        choose: returns what the run stores for prediction if this epoch is kept:
            ``min_confidence``, and ``shares`` for a model with an ensemble.
    """

    scores: dict[str, float]
    choose: Callable[[], dict[str, Any]]


class Scoring(Protocol):
    """Scores a model on the held-out documents of one domain, or of several."""

    def score(self, model: PreTrainedModel, *, is_split: bool = False) -> EpochScore:
        """Score a model; see ``Scorer.score``."""

    def under(self, settings: Settings) -> Scoring:
        """Return what scores where a training continues with smaller batches."""


@dataclass(frozen=True)
class Scorer:
    """Answers held-out documents with a model and scores the records.

    Attributes:
        task: plugin, settings and prompt format.
        held_out: documents with their gold records.
        answered: keys of the root that every answer has.
        gazetteer: counts of the training documents' values, if there are any.
        longest: items of the longest list of each array schema; {} bounds no list.
    """

    task: Task
    held_out: Sequence[Example]
    answered: Sequence[str] = field(default_factory=list)
    gazetteer: Gazetteer | None = None
    longest: Mapping[str, int] = field(default_factory=dict)

    def score(self, model: PreTrainedModel, *, is_split: bool = False) -> EpochScore:
        """Score a model; processes that train together share out the documents.

        Epochs are compared with the same weights of the signals; which weights prediction uses is
        chosen after that, so that it does not decide which epoch is kept.

        Args:
            model: answers; the one that is trained, or a copy.
            is_split: whether its weights are split among the processes.
        """
        extractor = Extractor.around(
            model, self.task, self.answered, self.gazetteer, longest=self.longest
        )
        documents = [example.document for example in self.held_out]
        answers: list[list[WindowAnswer]] = [[] for _ in documents]
        own = range(rank(), len(documents), process_count())
        # A copy is whole in each process; the model that is trained may be split.
        with in_step(model) if is_split else nullcontext():
            answered = list(extractor.answer_windows([documents[number] for number in own]))
        for number, answer in gathered([(own[at], answer) for at, answer in answered]):
            answers[number].append(answer)
        predictions = extractor.predict_answered(documents, answers)
        best = best_threshold(self.task, self.held_out, predictions)
        scores = {n: value for n, value in best.scores.items() if n.endswith(("score", "/f1"))}
        scores["min_confidence"] = best.min_confidence
        return EpochScore(scores, partial(self._choose, extractor, answers, best))

    def under(self, settings: Settings) -> Scorer:
        """Return the scorer with the settings of another attempt to train."""
        return replace(self, task=replace(self.task, settings=settings))

    def _choose(
        self,
        extractor: Extractor,
        answers: Sequence[Sequence[WindowAnswer]],
        best: Threshold,
    ) -> dict[str, Any]:
        if extractor.ensemble is None:
            return {"min_confidence": best.min_confidence}
        shares, best = best_shares(extractor, self.held_out, answers, best)
        # In the order that a checkpoint gives back.
        weights = dict(sorted(asdict(shares).items()))
        return {"min_confidence": best.min_confidence, "shares": weights}
