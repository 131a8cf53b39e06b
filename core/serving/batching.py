"""Answer documents that wait, several at once."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from queue import Empty, SimpleQueue
from typing import NamedTuple

from ..data import Document, Prediction
from ..errors import EngineError, FieldsmithError
from ..extraction.extractor import Extractor


class _Waiting(NamedTuple):
    document: Document
    answer: Future[Prediction]


class BatchQueue:
    """Documents that wait for an extractor, which answers as many at once as its settings say.

    A document waits for no others to come: those that arrive while some are answered are the next
    batch. What fails for one document fails for it alone.
    """

    def __init__(
        self,
        extractor: Extractor,
        threads: int,
        observe: Callable[[int], object],
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        """Start the threads that answer.

        Args:
            extractor: makes the predictions.
            threads: batches at the same time; 1 for a model of this process.
            observe: called with the size of each batch.
            lock: held while a batch is answered, by all queues of one model of this process; None
                for a queue of its own.
        """
        self._extractor = extractor
        self._observe = observe
        self._lock = lock or nullcontext()
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name="answers", daemon=True) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def ask(self, document: Document) -> Future[Prediction]:
        """Return the future prediction for a document; cancelled before its turn, it is not read.

        The future fails with a FieldsmithError where the reason is expected.
        """
        answer: Future[Prediction] = Future()
        self._waiting.put(_Waiting(document, answer))
        return answer

    @property
    def is_running(self) -> bool:
        """Whether documents are answered."""
        return all(thread.is_alive() for thread in self._threads)

    def close(self, seconds: float) -> None:
        """Answer what waits, and end; a batch that takes longer is left behind."""
        self._waiting.put(None)
        for thread in self._threads:
            thread.join(seconds)

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [
                each for each in self._batch(first) if each.answer.set_running_or_notify_cancel()
            ]
            if batch:
                self._observe(len(batch))
                self._answer(batch)
        self._waiting.put(None)  # for the next thread

    def _batch(self, first: _Waiting) -> list[_Waiting]:
        """Return a document with those that wait behind it, as many as are answered at once."""
        batch = [first]
        while len(batch) < self._extractor.task.settings.eval_batch_size:
            try:
                following = self._waiting.get_nowait()
            except Empty:
                break
            if following is None:
                self._waiting.put(None)
                break
            batch.append(following)
        return batch

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        try:
            with self._lock:
                predictions = self._extractor.predict([each.document for each in batch])
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, EngineError):
                for each in batch:
                    self._answer([each])
                return
            if not isinstance(error, FieldsmithError):
                traceback.print_exc(file=sys.stderr)
            for each in batch:
                each.answer.set_exception(error)
        else:
            for each, prediction in zip(batch, predictions, strict=True):
                each.answer.set_result(prediction)
