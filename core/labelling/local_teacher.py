"""A teacher on this machine: a model that is asked as ``extract predict --model`` asks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..extraction.extractor import Extractor
from ..extraction.postprocess import read_answer
from ..model.location import identity
from ..runs.paths import without_folders
from ..runs.receipt import receipt_of
from .budget import Budget
from .teacher import Keep, Question, Reply, Usage


class LocalTeacher:
    """A model of this machine, by our decoder, held to the grammar of schema and text."""

    def __init__(self, extractor: Extractor, budget: Budget, name: str | None = None) -> None:
        """Take a model that is loaded.

        Args:
            extractor: asks it.
            budget: what may be spent.
            name: what rows call it; None for its own name.
        """
        settings = extractor.task.settings
        known = identity(settings)
        self.model = name or without_folders(settings.model)
        self.endpoint: Mapping[str, str] = {"kind": "local"}
        self.parameters: Mapping[str, Any] = {
            "model": {**known, "name": Path(known["name"]).name},
            "receipt": asdict(receipt_of(extractor.task)),
            "max_tokens": settings.max_new_tokens,
            "precision": settings.precision,
            "quantize": settings.quantize,
        }
        self.at_once = settings.eval_batch_size
        self._version = known.get("commit") or known.get("sha256") or ""
        self._extractor, self._budget = extractor, budget

    def ask(self, questions: Sequence[Question], keep: Keep) -> dict[str, str]:
        """See ``Teacher``."""
        left, failed = list(questions), dict[str, str]()
        while left:
            fitting = []
            for question in left[: self.at_once]:
                most = self._most(question)
                if not self._budget.reserve(most, wait=False):
                    break
                fitting.append((question, most))
            if not fitting:
                break
            self._budget.is_exhausted = False  # once their cost is known, others may fit
            left = left[len(fitting) :]
            for question, answer in self._answers(fitting):
                if isinstance(answer, str):
                    failed[question.key] = answer
                else:
                    keep(question, answer)
        return failed

    def _most(self, question: Question) -> Usage:
        task = self._extractor.task
        return Usage(len(task.prompt(question.window.document)), task.settings.max_new_tokens, 1)

    def _answers(
        self, asked: Sequence[tuple[Question, Usage]]
    ) -> Iterator[tuple[Question, Reply | str]]:
        extractor = self._extractor
        windows = [question.window for question, _most in asked]
        generated = extractor.generate(windows, lambda _count: None)
        for (question, most), answer in zip(asked, generated, strict=True):
            if isinstance(answer, str):
                self._budget.settle(most, None)
                yield question, answer
                continue
            cost = Usage(most.prompt_tokens, len(answer.ids), 1)
            self._budget.settle(most, cost)
            read = read_answer(question.window, answer, extractor.task, extractor.grammars)
            yield (
                question,
                Reply(
                    answer.text,
                    answer.finished and not answer.shortened,
                    cost,
                    f"{datetime.now(UTC):%Y-%m-%d}",
                    self._version,
                    form="grammar",
                    confidence=dict(read.confidence),
                ),
            )
