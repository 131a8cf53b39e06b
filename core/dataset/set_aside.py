"""Say which rows of a data set are not used, and why the first of them is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data import Reject
from ..progress import say


@dataclass(frozen=True)
class SetAside:
    """Rows of a data set that cannot be used.

    Attributes:
        count: how many there are.
        first: place and reason of the first one; "" where there is none.
    """

    count: int = 0
    first: str = ""

    @staticmethod
    def of(rejects: Sequence[Reject]) -> SetAside:
        """Count rejects."""
        return SetAside(len(rejects), in_words(rejects[0])) if rejects else SetAside()

    def __str__(self) -> str:
        rows = "1 row was" if self.count == 1 else f"{self.count} rows were"
        return f"{rows} set aside; the first: {self.first}"

    def say(self, source: Path) -> None:
        """Say it on standard error, if there are any."""
        if self.count:
            say(f"{source}: {self}")


def in_words(reject: Reject) -> str:
    """Return where a row stands, and what is wrong with it."""
    field = f": {reject.field}" if reject.field else ""
    return f"{reject.place}{field}: {reject.reason}"
