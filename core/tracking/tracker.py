"""What a tracker has to do, and what describes a run to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

PROJECT = "fieldsmith"
"""What trackers call the project, or the experiment, unless a variable of theirs names another."""


@dataclass(frozen=True)
class RunDescription:
    """What a tracker gets when it starts.

    Attributes:
        folder: the run folder.
        id: of the run; the same whenever it is opened.
        settings: by name: the settings of the training, and what else run.json says of it.
    """

    folder: Path
    id: str
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """How the run is called: as its folder."""
        return self.folder.resolve().name


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        name: of the table.
        columns: their names.
        rows: a text for each column.
    """

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Tracker(Protocol):
    """Takes what is known of one run. It may be told again what it has been told already."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Take the numbers of a line of log.jsonl."""

    def score(self, step: int, scores: Mapping[str, float]) -> None:
        """Take scores of metrics.json, which replace earlier ones of their names."""

    def add_table(self, step: int, table: Table) -> None:
        """Take a table, which replaces an earlier one of its name."""

    def add_file(self, file: Path) -> None:
        """Keep a copy of a file."""

    def finish(self, *, failed: bool) -> None:
        """Write what is not written yet, and close."""


@dataclass
class Held:
    """The newest number of each name that a tracker holds, so that none is added twice.

    Attributes:
        newest: by name: the last step, and the number there.
        last: the last step of all, where the numbers there cannot be read.
    """

    newest: dict[str, tuple[int, float]] = field(default_factory=dict)
    last: int = -1

    def later(self, step: int, numbers: Mapping[str, float]) -> dict[str, float]:
        """Return the numbers of a step that is later than all with their names, and note them."""
        return self._noted(
            step, {name: v for name, v in numbers.items() if step > self._newest(name)[0]}
        )

    def changed(self, step: int, numbers: Mapping[str, float]) -> dict[str, float]:
        """Return the numbers that are not the newest ones with their names, and note them."""
        return self._noted(
            step, {name: v for name, v in numbers.items() if (step, v) != self._newest(name)}
        )

    def _newest(self, name: str) -> tuple[int, float]:
        return self.newest.get(name, (self.last, math.nan))

    def _noted(self, step: int, numbers: dict[str, float]) -> dict[str, float]:
        self.newest |= {name: (step, value) for name, value in numbers.items()}
        return numbers
