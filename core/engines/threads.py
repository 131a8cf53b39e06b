"""Call a function for many items at once, in threads that nothing waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], at_once: int
) -> Iterator[tuple[int, Result]]:
    """Yield the number of each item with the function's result, in the order of completion.

    Where a call fails or the caller stops, no more are begun; those that run are left to
    themselves and end with the process. An executor would wait for them.

    Args:
        function: is called in threads.
        items: its arguments.
        at_once: calls at the same time, at most.

    Raises:
        Exception: what the first call that failed has raised.
    """
    waiting, lock = iter(enumerate(items)), threading.Lock()
    done = SimpleQueue[tuple[int, Result] | Exception]()
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            with lock:
                taken = next(waiting, None)
            if taken is None:
                return
            number, item = taken
            try:
                done.put((number, function(item)))
            except Exception as error:  # raised again in the caller's thread
                done.put(error)

    for _ in range(min(at_once, len(items))):
        threading.Thread(target=work, daemon=True).start()
    try:
        for _ in items:
            found = done.get()
            if isinstance(found, Exception):
                raise found
            yield found
    finally:
        stopped.set()
