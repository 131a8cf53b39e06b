"""Admit requests, and wait for the answers to their documents."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool

from ..data import Document, Prediction, Reject
from ..errors import FieldsmithError
from ..extraction.extractor import Extractor
from ..extraction.prediction_file import prediction_line, rejected_line
from .batching import BatchQueue
from .guard import Limits
from .metrics import Metrics

_LOOK = 1.0
"""Seconds between two looks whether the client is still there."""

_GONE = 499
"""HTTP status of a request whose client has gone, as servers log it."""

_BUG = "a fault of the server; its log has the traceback"


@dataclass(frozen=True)
class Service:
    """A run that is served.

    Attributes:
        name: of its plugin, which is part of its routes.
        run: as the user named it.
        extractor: answers.
        queue: documents that wait for the extractor.
    """

    name: str
    run: str
    extractor: Extractor
    queue: BatchQueue


@dataclass
class Answers:
    """Requests that are being answered, within limits.

    Attributes:
        limits: of requests and documents.
        metrics: counts documents.
        in_progress: requests that wait or are being answered.
    """

    limits: Limits
    metrics: Metrics = field(init=False)
    in_progress: int = 0

    def __post_init__(self) -> None:
        self.metrics = Metrics(lambda: self.in_progress)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Count a request for as long as it lasts.

        Raises:
            HTTPException: 429, there are too many.
        """
        if self.in_progress >= self.limits.requests:
            raise HTTPException(
                429,
                f"{self.in_progress} requests wait already; send it again later",
                {"Retry-After": "1"},
            )
        self.in_progress += 1
        try:
            yield
        finally:
            self.in_progress -= 1

    async def check(self, service: Service, documents: Sequence[Document | Reject]) -> None:
        """Refuse more or longer documents than are answered.

        Raises:
            HTTPException: 413.
        """
        if len(documents) > self.limits.documents:
            raise HTTPException(413, f"more than {self.limits.documents} documents in one request")
        most = self.limits.document_tokens
        for number, row in enumerate(documents, 1):
            if isinstance(row, Document) and await _is_longer(service.extractor, row.text, most):
                raise HTTPException(413, f"document {number} has more than {most} tokens")

    async def one(self, service: Service, document: Document, request: Request) -> Prediction:
        """Return the prediction for a document.

        Raises:
            HTTPException: 422, it has no record; 503, the model is not reached; 504, it takes too
                long; 500, a bug.
        """
        future = service.queue.ask(document)
        try:
            prediction = await self._wait(future, request)
        except TimeoutError:
            self._count(service, is_record=False)
            raise HTTPException(504, self._too_long()) from None
        except FieldsmithError as error:
            self._count(service, is_record=False)
            raise HTTPException(503, str(error)) from error
        except HTTPException:
            raise
        except Exception as error:
            self._count(service, is_record=False)
            raise HTTPException(500, _BUG) from error
        self._count(service, is_record=prediction.record is not None)
        if prediction.record is None:
            raise HTTPException(422, prediction.error or "no record")
        return prediction

    async def lines(
        self,
        service: Service,
        rows: Sequence[Document | Reject],
        request: Request,
        added: Sequence[Mapping[str, Any]] = (),
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the line of each document in order, as ``extract predict`` writes it.

        What fails for a document is said in its line. No more documents wait at once than two
        batches, so that long requests do not keep short ones waiting.

        Args:
            service: answers.
            rows: documents, and rejects in place of those that could not be read.
            request: is given up when its client is gone.
            added: what each line has besides; () for nothing.
        """
        source = iter(rows)
        more = iter(added)
        ahead = 2 * service.extractor.task.settings.eval_batch_size
        waiting: deque[tuple[Document | Reject, Future[Prediction] | None]] = deque()

        def ask(count: int) -> None:
            for row in islice(source, count):
                asked = service.queue.ask(row) if isinstance(row, Document) else None
                waiting.append((row, asked))

        try:
            ask(ahead)
            while waiting:
                row, future = waiting[0]
                line = await self._line(service, row, future, request)
                waiting.popleft()
                ask(1)
                self._count(service, is_record=line["record"] is not None)
                yield {**line, **next(more, {})}
        finally:
            for _row, future in waiting:
                if future is not None:
                    future.cancel()

    async def _line(
        self,
        service: Service,
        row: Document | Reject,
        future: Future[Prediction] | None,
        request: Request,
    ) -> dict[str, Any]:
        if isinstance(row, Reject) or future is None:
            assert isinstance(row, Reject)
            return rejected_line(row, service.name)
        try:
            return prediction_line(await self._wait(future, request), service.name)
        except TimeoutError:
            reason = self._too_long()
        except FieldsmithError as error:
            reason = str(error)
        except HTTPException:  # nobody is there to read a line
            raise
        except Exception:
            reason = _BUG
        return rejected_line(Reject(row.id, "", reason, row.id), service.name)

    async def _wait(self, future: Future[Prediction], request: Request) -> Prediction:
        """Wait for a prediction; cancel it if it takes too long, or the client is gone."""
        asked = asyncio.wrap_future(future)
        try:
            async with asyncio.timeout(self.limits.seconds):
                while not asked.done():
                    await asyncio.wait({asked}, timeout=_LOOK)
                    if not asked.done() and await request.is_disconnected():
                        raise HTTPException(_GONE, "the client is gone")
            return asked.result()
        finally:
            asked.cancel()

    def _too_long(self) -> str:
        return f"not answered within {self.limits.seconds:g} seconds"

    def _count(self, service: Service, *, is_record: bool) -> None:
        self.metrics.documents.labels(service.name, "record" if is_record else "error").inc()


async def _is_longer(extractor: Extractor, text: str, most: int) -> bool:
    """Say whether a text has more tokens; each has a byte at least."""
    data = text.encode(errors="replace")
    if len(data) <= most:
        return False
    tokens = await run_in_threadpool(extractor.vocabulary.tokenize, data)
    return len(tokens) > most
