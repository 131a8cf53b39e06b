"""A worker process: it loads the model of a run once and answers groups of documents.

What it is sent and what it answers goes through one connection. The system closes that when the
process at its other end has gone, however that ended, and then this one ends, too.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from ..data import Document, Prediction
from ..plugin_code.calls import plugins_on_a_terminal

if TYPE_CHECKING:
    from .extractor import Extractor


@dataclass(frozen=True)
class Loading:
    """How a worker loads its model, the first thing that it is sent; see ``Extractor.load``.

    Attributes:
        folder: the run folder.
        adapter: False for the base model without what was trained.
        constrained: whether answers are constrained to the schema and the text.
        min_confidence: None for what validation chose.
        trusted: whether the user trusts code of the base model's repository.
        warns: whether warnings are shown; those of one worker are those of all.
    """

    folder: Path
    adapter: bool
    constrained: bool
    min_confidence: float | None
    trusted: bool
    warns: bool

    def extractor(self) -> Extractor:
        """Load the model; errors are those of ``Extractor.load``."""
        from ..model.library_output import quieten
        from .extractor import Extractor

        quieten()
        if not self.warns:
            warnings.simplefilter("ignore")
        return Extractor.load(
            self.folder,
            adapter=self.adapter,
            constrained=self.constrained,
            min_confidence=self.min_confidence,
            trusted=self.trusted,
        )


@dataclass(frozen=True)
class Reply:
    """What a worker answers: first that its model is loaded, then a reply to each group.

    Attributes:
        predictions: of the group.
        error: why there are none.
        peak_memory_mb: of the worker so far.
    """

    predictions: list[Prediction] = field(default_factory=list)
    error: Exception | None = None
    peak_memory_mb: float = 0.0


def serve(handle: int) -> None:
    """Answer what comes through a connection until its other end is closed.

    Args:
        handle: number of the open file that is the connection.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    with suppress(OSError):
        os.dup2(2, 1)  # standard output is for results, which go through the connection
    connection = Connection(handle)
    received: SimpleQueue[Any] = SimpleQueue()
    # The thread also takes what is sent while a group is answered, so that no end waits for the
    # other one to read.
    threading.Thread(target=_receive, args=(connection, received), daemon=True).start()
    with plugins_on_a_terminal(), suppress(BrokenPipeError, ConnectionResetError):
        loading: Loading = received.get()
        try:
            extractor = loading.extractor()
        except Exception as error:  # raised again by the process that reads the reply
            connection.send(Reply(error=_sendable(error)))
            return
        connection.send(_answer(extractor, ()))
        while True:
            connection.send(_answer(extractor, received.get()))


def _receive(connection: Connection, received: SimpleQueue[Any]) -> None:
    with suppress(EOFError, OSError):
        while True:
            received.put(connection.recv())
    os._exit(0)


def _answer(extractor: Extractor, documents: Sequence[Document]) -> Reply:
    try:
        predictions = extractor.predict(documents)
    except Exception as error:  # as above
        return Reply(error=_sendable(error))
    return Reply(predictions, peak_memory_mb=extractor.peak_memory_mb())


def _sendable(error: Exception) -> Exception:
    """Return an error that another process can raise, with a note that says where it arose."""
    where = f"in a worker process:\n{''.join(traceback.format_exception(error))}"
    try:
        copy: Exception = pickle.loads(pickle.dumps(error))
    except Exception:  # it holds something of this process, or cannot be made of its arguments
        copy = RuntimeError(f"{type(error).__name__}: {error}")
    copy.add_note(where)
    return copy
