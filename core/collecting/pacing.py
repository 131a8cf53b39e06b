"""Wait between two requests to a host, and longer where it asks for that."""

from __future__ import annotations

import time

from ..errors import FetchError
from ..progress import say

LONGEST_WAIT = 600.0
"""Seconds that are waited for a host; where it asks for more, the command ends for it."""

_SAID_FROM = 20.0
"""Seconds of a wait that is announced."""


class Pacer:
    """When each host may be asked again."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def wait(self, host: str) -> None:
        """Wait until a host may be asked.

        Raises:
            FetchError: that is too long.
        """
        left = self._next.get(host, 0.0) - time.monotonic()
        if left > LONGEST_WAIT:
            raise FetchError(f"{host} asks to wait for {left:.0f} seconds; repeat the command then")
        if left > _SAID_FROM:
            say(f"{host}: waiting for {left:.0f} seconds")
        if left > 0:
            time.sleep(left)

    def postpone(self, host: str, seconds: float) -> None:
        """Do not ask a host again before so many seconds have passed."""
        self._next[host] = max(self._next.get(host, 0.0), time.monotonic() + seconds)
