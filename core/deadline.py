"""A deadline for the whole of a request.

The timeout of a socket is for each read alone: a server that sends a byte now and then keeps to it
for ever. So all connections of a request are shut down when its time is over, from a thread that
waits for that; whatever reads from them comes to an end then.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Deadline:
    """Shuts connections down when the time is over; used within ``deadline``.

    Attributes:
        has_passed: whether the time is over.
    """

    def __init__(self) -> None:
        self.has_passed = False
        self._watched: list[socket.socket] = []
        self._lock = threading.Lock()

    def watch(self, opened: socket.socket) -> None:
        """Shut a connection down at the deadline, too; at once if it has passed."""
        # A descriptor of its own: the other is given away to TLS and to responses.
        own = socket.fromfd(opened.fileno(), opened.family, opened.type)
        with self._lock:
            self._watched.append(own)
            if self.has_passed:
                _shut(own)

    def pass_now(self) -> None:
        """Shut all connections down."""
        with self._lock:
            self.has_passed = True
            for each in self._watched:
                _shut(each)

    def release(self) -> None:
        """Leave all connections to their owners."""
        with self._lock:
            for each in self._watched:
                each.close()
            self._watched.clear()


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # it has ended by itself
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def deadline(seconds: float) -> Iterator[Deadline]:
    """Shut down what the block has opened and watches when it takes longer.

    Raises:
        TimeoutError: it took longer, whatever came of that: what was read by then may look whole.
    """
    made = Deadline()
    timer = threading.Timer(seconds, made.pass_now)
    timer.daemon = True
    timer.start()
    try:
        yield made
    except Exception as error:
        _require_in_time(made, seconds, error)
        raise
    finally:
        timer.cancel()
        made.release()
    _require_in_time(made, seconds)


def _require_in_time(made: Deadline, seconds: float, error: Exception | None = None) -> None:
    if made.has_passed:
        raise TimeoutError(f"not whole after {seconds:g} seconds") from error


class Watched:
    """A connection of ``http.client``, or of urllib3, whose socket a deadline watches.

    It comes before the class of the connection among the bases.
    """

    def __init__(self, *arguments: Any, watch: Deadline, **named: Any) -> None:
        """Make a connection.

        Args:
            arguments: of its class.
            watch: watches it.
            named: further arguments of its class.
        """
        self._watch = watch
        super().__init__(*arguments, **named)

    def __setattr__(self, name: str, value: Any) -> None:
        """Watch a socket as soon as there is one, before a proxy or TLS is talked to."""
        super().__setattr__(name, value)
        if name == "sock" and value is not None:
            self._watch.watch(value)
