"""Answer documents in a process of Ray: an actor loads the model once and answers groups."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..engines.connect import KEY, connect
from ..errors import FieldsmithError
from ..model.library_output import quieten
from ..runs.folder import Run
from .extractor import Extractor
from .prediction_file import LineCounts, predict_lines
from .ray_reader import enter, group_row, unpacked

if TYPE_CHECKING:
    from pyarrow import Table


@dataclass(frozen=True)
class Answering:
    """What answers documents, in words that a process on any machine of the cluster understands.

    Attributes:
        place: the working directory, if that machine has it.
        run: the run folder, absolute.
        trusted: see ``Run``.
        min_confidence: see ``Extractor``.
        addresses: of servers that answer; () where each actor loads the model.
        model: see ``connect``.
        key: that servers ask for.
    """

    place: str
    run: Path
    trusted: bool
    min_confidence: float | None
    addresses: tuple[str, ...] = ()
    model: str | None = None
    key: str = ""

    def extractor(self) -> Extractor:
        """Load the model of the run, or connect to the servers.

        Raises:
            FieldsmithError: as ``Extractor.load`` and ``Extractor.by_engine``.
        """
        if not self.addresses:
            return Extractor.load(
                self.run, min_confidence=self.min_confidence, trusted=self.trusted
            )
        if self.key:
            os.environ[KEY] = self.key
        return Extractor.by_engine(
            Run.open(self.run, trusted=self.trusted),
            lambda vocabulary: connect(self.addresses, self.model, vocabulary),
            self.min_confidence,
        )


class Predictor:
    """Answers a group at a time; the model is loaded with the first one.

    So a process that is killed as it loads the model has failed to answer that group, and is not
    restarted for ever.
    """

    def __init__(self, answering: Answering) -> None:
        self.answering = answering

    @cached_property
    def extractor(self) -> Extractor:
        """The model, loaded once."""
        quieten()
        enter(self.answering.place)
        return self.answering.extractor()

    def __call__(self, group: Table) -> Table:
        """Return the lines of a group, or what went wrong."""
        (row,) = group.to_pylist()
        if row["fault"]:
            return group
        counts = LineCounts()
        try:
            (lines,) = predict_lines(self.extractor, unpacked(row["content"]), counts=counts)
        except FieldsmithError as error:
            return group_row(row["number"], fault=str(error))
        return group_row(row["number"], b"".join(lines), unread=counts.unread)
